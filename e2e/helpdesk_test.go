package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// serviceDesk is a gateway whose people are in a domain, with an agent, and two of its service desk.
type serviceDesk struct {
	*Caddy
	agent, helper *Person
}

func openServiceDesk(t *testing.T) serviceDesk {
	t.Helper()
	user := func(name string, groups ...string) ADUser {
		return ADUser{Name: name, Password: staffPassword, Mail: name + "@example.test", Groups: groups}
	}
	d := NewDomain(t, People{
		Groups: []ADGroup{{Name: agents}, {Name: "Berlin", MemberOf: []string{agents}}, {Name: "Service Desk"}},
		Users: []ADUser{
			user("svc-gatehouse"), user("ann", "Berlin"), user("hilda", "Service Desk"), user("hugo", "Service Desk", agents), user("otto"),
		},
	})
	s := serviceDesk{
		agent:  &Person{Name: "ann@example.test", Password: staffPassword},
		helper: &Person{Name: "hilda@example.test", Password: staffPassword},
	}
	s.Caddy = NewCaddy(t, "helpdesk", map[string]any{"Server": d.URL, "BaseDN": d.BaseDN, "CA": d.CA})
	WriteFile(t, filepath.Join(s.Dir, "ad_bind"), staffPassword+"\n")
	s.Start()
	return s
}

// findByKeys types a name into the form that has the focus.
func (b *Browser) findByKeys(name, says string) {
	b.t.Helper()
	b.waitFocus("name")
	was := b.waitFor("the help desk", func(s seen) bool { return s.Kind == "helpdesk" })
	Eval[bool](b, `document.activeElement.select() ?? true`)
	b.press(name + kb.Enter)
	b.waitFor("the words "+says, func(s seen) bool { return s.Mark != was.Mark && strings.Contains(s.Text, says) })
}

// TestLostPhone: an agent whose phone is gone comes from the password to the tile with the help of the service desk, in
// the portal alone, while two minutes have not passed. Who helps does so by keyboard, and helps nobody else.
func TestLostPhone(t *testing.T) {
	s := openServiceDesk(t)
	first := OpenBrowser(t, s.NewProfile())
	first.SignIn(s.Caddy, s.agent)
	if Eval[bool](first, `document.body.innerHTML.includes("/helpdesk")`) {
		t.Error("an agent is led to the help desk")
	}
	first.Close()

	desk := OpenBrowser(t, s.NewProfile())
	desk.SignIn(s.Caddy, s.helper)
	desk.Click(`.userbutton`)
	desk.Click(`.menu a[href="/helpdesk"]`)
	desk.WaitKind("helpdesk")
	desk.Shoot("helpdesk")
	for name, says := range map[string]string{
		"otto@example.test": "Nobody whom you help", "nobody@example.test": "Nobody whom you help",
		"hugo@example.test": "does not help its own people", "hilda": "your own account",
	} {
		desk.findByKeys(name, says)
	}
	desk.Shoot("helpdesk-error")

	began := time.Now()
	b := OpenBrowser(t, s.NewProfile())
	b.Open(s.Portal("/"))
	b.Walk(s.agent, "the second step", at("mfa"))
	b.Click(`main a[href^="/rescue"]`)
	b.WaitKind("rescue")

	desk.findByKeys(s.agent.Name, "Authenticator app")
	desk.waitFocus("Ann Test")
	desk.tabTo("Give a code")
	desk.press(kb.Enter)
	desk.WaitText("Read this code")
	code := Eval[string](desk, `document.querySelector(".given code").textContent`)
	desk.awaitFocus("the code", func(f string) bool { return strings.HasPrefix(f, "Read this code") && strings.Contains(f, code) })

	b.Type(`main input[name=code]`, code)
	b.Click(`main form button.button`)
	b.WaitKind("portal")
	b.WaitText("You signed in with a code of the service desk")
	b.Click(`main .notice a[href="/settings"]`)
	b.WaitKind("settings")
	b.Click(`main a[href="/enroll/totp"]`)
	b.WaitKind("enroll")
	b.Walk(s.agent, "the settings", at("settings"))
	b.WaitText("Your new second step is set up.")
	b.Open(s.Portal("/"))
	if way := b.Launch("connect", s.agent, s.URL("console.third.test", "")); len(way) > 0 {
		t.Errorf("on the way to the tile: %v", way)
	}
	b.WaitText(accepted)
	took := time.Since(began)
	t.Logf("from the lost phone to the tile: %s", took)
	if took > 2*time.Minute {
		t.Errorf("it took %s", took)
	}
	desk.Shoot("helpdesk-code")

	// The page is loaded again: no other code is made, and the one that was used is not shown.
	desk.Reload()
	desk.WaitText("That was done before, and nothing was done now.")
	desk.waitFocusOn("That was done before")
	desk.Shoot("helpdesk-again")

	// Somebody else has the phone: what is open ends, the code with it.
	desk.Click(`main button.danger`)
	desk.WaitText("ended, 0 devices forgotten")
	desk.waitFocusOn("Done: ")
	desk.Shoot("helpdesk-person")
	b.Open(s.Portal("/"))
	b.WaitKind("login")
	s.deskLines()
}

// deskLines looks for the lines of the journey, each with both names.
func (s serviceDesk) deskLines() {
	s.t.Helper()
	var got []string
	for _, l := range s.audit() {
		if l.By != "" {
			if !strings.HasPrefix(l.By, "helpdesk: hilda@corp.example.test (corp:") {
				s.t.Errorf("by %q: %+v", l.By, l)
			}
			got = append(got, fmt.Sprintf("%s %s %s", l.Kind, l.Reason, l.Name))
		}
	}
	for _, want := range []string{
		"helpdesk outside otto@corp.example.test", "helpdesk not_found nobody@example.test", "helpdesk staff hugo@corp.example.test", "helpdesk oneself hilda@corp.example.test",
		"helpdesk looked_up ann@corp.example.test", "bypass issued ann@corp.example.test", "helpdesk repeated ann@corp.example.test", "logout revoked ann@corp.example.test",
	} {
		if !slices.Contains(got, want) {
			s.t.Errorf("no line %q; there are %q", want, got)
		}
	}
	if len(got) != 8 {
		s.t.Errorf("lines: %q", got)
	}
}
