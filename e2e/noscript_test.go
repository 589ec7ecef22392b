package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp/kb"
)

// withoutScripts has the tab run none of the pages' own; what a test evaluates runs all the same.
func (b *Browser) withoutScripts() *Browser {
	b.t.Helper()
	b.runScripts(false)
	return b
}

// runScripts says whether the tab runs those of the pages that it opens from now on.
func (b *Browser) runScripts(yes bool) {
	b.t.Helper()
	call(b, "turning scripts on or off", emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !yes})
}

// pressOn waits for a page that a script would have left, and presses its button.
func (b *Browser) pressOn(kind string) {
	b.t.Helper()
	b.WaitKind(kind)
	b.Click(`main form button.button`)
}

// TestWithoutScripts: the first visit, Amazon Connect, and a lost telephone, with JavaScript off: every form has its button.
func TestWithoutScripts(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	b := OpenBrowser(t, h.NewProfile()).withoutScripts()
	if way := b.SignIn(h.Caddy, h.agent); !slices.Equal(way, []string{"login", "password", "enroll", "device"}) {
		t.Errorf("first sign-in: %v", way)
	}
	b.Click(`form[action="/apps/connect"] button`)
	b.pressOn("post")
	b.WaitText(accepted)

	b.Open(h.Portal("/settings"))
	b.WaitKind("settings")
	b.Click(`button[name=make]`)
	b.WaitKind("recovery-codes")
	codes := Eval[[]string](b, `[...document.querySelectorAll("ol code")].map(c => c.innerText)`)
	b.Close()
	if len(codes) != 10 {
		t.Fatalf("%d codes", len(codes))
	}

	lost := &Person{Name: h.agent.Name, Password: h.agent.Password}
	b = OpenBrowser(t, h.NewProfile()).withoutScripts()
	b.Open(h.Portal("/apps/connect"))
	b.Walk(lost, "the second step", func(kind, _ string) bool { return kind == "mfa" })
	b.Click(`main a[href^="/rescue"]`)
	b.WaitKind("rescue")
	b.Type(`main input[name=code]`, codes[0])
	b.Click(`main form button.button`)
	b.pressOn("post")
	b.WaitText(accepted)
}

// needsScripts looks at a page that would ask for a passkey, or lead to where one is asked for: it says what is missing, and has
// nothing that could be pressed in vain.
func (b *Browser) needsScripts(says string) {
	b.t.Helper()
	b.WaitText(says)
	const vain = `[...document.querySelectorAll("[data-passkey] .button, li a[href*='/passkey'], button[value=passkey]")].filter((e) => e.checkVisibility()).map((e) => e.outerHTML)`
	if found := Eval[[]string](b, vain); len(found) > 0 {
		b.t.Errorf("pressed in vain: %q; %s", found, b.Describe())
	}
}

// TestPasskeysWithoutScripts: nobody is led to a passkey; who comes to one is told why it cannot be used and goes on by the app, on
// the page of all factors too. It can be removed.
func TestPasskeysWithoutScripts(t *testing.T) {
	t.Parallel()
	const (
		here   = "Passkeys need JavaScript, which is off in this browser. Turn it on and open this page again, or choose another way."
		behind = "asskey: this needs JavaScript, which is off in this browser."
	)
	h := openKeyHouse(t, map[string]any{"Prompt": "traditional", "Backup": "suggest"})
	b := OpenBrowser(t, h.NewProfile()).withoutScripts()
	b.NewPlatformAuthenticator()
	b.Open(h.Portal("/"))
	b.Walk(h.agent, "the choice of a second step", at("choose"))
	b.needsScripts(behind)
	b.Open(Eval[string](b, `document.querySelector('main a[href^="/enroll/passkey"]').href`)) // by a bookmark, or the back button
	b.WaitKind("enroll")
	b.needsScripts(here)
	b.Click(`main .others a[href^="/enroll/totp"]`)
	b.WaitText("Type the code it shows")
	b.needsScripts(behind)
	b.Walk(h.agent, "the page of a backup", at("backup"))
	b.needsScripts(behind)
	b.Click(`main button[value=later]`)
	b.WaitKind("device")
	b.Walk(h.agent, "the portal", at("portal"))
	if s := b.Describe(); strings.Contains(s, "Skip the password next time") {
		t.Errorf("a passkey is offered: %s", s)
	}
	b.Open(h.Portal("/settings"))
	b.WaitKind("settings")
	b.needsScripts(behind)

	b.runScripts(true)
	b.Open(h.Portal("/"))
	b.WaitText("Skip the password next time")
	b.Open(h.Portal("/settings"))
	b.pressAt(`main a[href="/enroll/passkey"]`, kb.Enter)
	b.WaitKind("enroll")
	b.waitFocus("Create a passkey")
	b.press(kb.Enter)
	b.waitFocus("Your new second step is set up.")
	b.signOut(h.Caddy)
	b.runScripts(false)

	b.Open(h.Portal("/apps/connect"))
	b.Walk(h.agent, "the page of all factors", at("mfa"))
	b.needsScripts(here)
	code, err := h.agent.Code()
	if err != nil {
		t.Fatal(err)
	}
	b.Type(`main input[name=code]`, code)
	b.Click(`main input[name=own]`)
	b.Click(`main button[formaction="/mfa/totp"]:not(.away)`)
	b.pressOn("post")
	b.WaitText(accepted)

	b.Open(h.Portal("/settings"))
	b.Click(`main button[name=remove][value^="passkey/"]`)
	b.WaitText("The second step is removed.")
}

// TestHelpDeskWithoutScripts: a code that the help desk gives, and the end of what is open.
func TestHelpDeskWithoutScripts(t *testing.T) {
	t.Parallel()
	agent, helper := &Person{Name: "alice", Password: "correct horse 1"}, &Person{Name: "hilda", Password: "battery staple 2"}
	h := NewCaddy(t, "connect", map[string]any{
		"Partition": "aws", "Region": "us-east-1", "Desk": "Desk for Agents",
		"Users": []LocalUser{NewLocalUser(t, agent, "Agents"), NewLocalUser(t, helper, "Desk", "Supervisors")},
	})
	h.Start()
	other := OpenBrowser(t, h.NewProfile()).withoutScripts()
	other.SignIn(h, agent)
	other.signOut(h)
	b := OpenBrowser(t, h.NewProfile()).withoutScripts()
	b.SignIn(h, helper)
	b.Click(`.userbutton`)
	b.Click(`.menu a[href="/helpdesk"]`)
	b.WaitKind("helpdesk")
	b.Type(`main input[name=name]`, agent.Name+kb.Enter)
	b.WaitText("Authenticator app")
	b.Click(`main form:has([value=code]) button`)
	b.WaitText("Read this code")
	code := Eval[string](b, `document.querySelector(".given code").textContent`)

	other.Open(h.Portal("/"))
	other.Walk(agent, "the second step", at("mfa"))
	other.Click(`main a[href^="/rescue"]`)
	other.WaitKind("rescue")
	other.Type(`main input[name=code]`, code+kb.Enter)
	other.WaitKind("portal")
	b.Click(`main button.danger`)
	b.WaitText("Done: ")
	other.Reload()
	other.WaitKind("login")
}
