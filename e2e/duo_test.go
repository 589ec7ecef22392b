package e2e

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/gatehouse-sso/gatehouse/e2e/duoservice"
)

// duoHouse is a gateway whose people are in a domain. Each application asks Duo at every sign-in; the portal does not.
type duoHouse struct {
	*Caddy
	duo          *Duo
	domain       *Domain
	alice, susan *Person
}

func openDuoHouse(t *testing.T) *duoHouse {
	t.Helper()
	user := func(name string, groups ...string) ADUser {
		return ADUser{Name: name, Password: passwords[name], Mail: name + "@example.test", Groups: groups}
	}
	h := &duoHouse{
		duo:   NewDuo(t),
		alice: &Person{Name: "alice", Password: passwords["alice"]},
		susan: &Person{Name: "susan", Password: passwords["susan"]},
		domain: NewDomain(t, People{
			Groups: []ADGroup{{Name: "Agents"}, {Name: "Supervisors"}},
			Users:  []ADUser{user("svc-gatehouse"), user("alice", "Agents"), user("susan", "Agents", "Supervisors")},
		}),
	}
	h.Caddy = NewCaddy(t, "duo", map[string]any{
		"Server": h.domain.URL, "BaseDN": h.domain.BaseDN, "CA": h.domain.CA, "DuoHost": h.duo.Host, "DuoID": DuoClientID, "DuoCA": h.duo.CA,
	})
	WriteFile(t, filepath.Join(h.Dir, "ad_bind"), passwords["svc-gatehouse"]+"\n")
	WriteFile(t, filepath.Join(h.Dir, "duo_secret"), h.duo.Secret+"\n")
	h.Start()
	return h
}

// on is the house as a subtest sees it, which fails on its own.
func (h *duoHouse) on(t *testing.T) *duoHouse {
	own, gateway := *h, *h.Caddy
	gateway.t = t
	own.Caddy = &gateway
	return &own
}

// browser is a new device that trusts Duo as everybody does, with somebody at the portal.
func (h *duoHouse) browser(t *testing.T, who *Person) *Browser {
	t.Helper()
	p := h.NewProfile()
	p.Trust(t, "duo", h.duo.CA)
	b := OpenBrowser(t, p)
	b.SignIn(h.Caddy, who)
	return b
}

// leave presses the tile of Connect and waits for Duo's page.
func (h *duoHouse) leave(b *Browser) {
	b.t.Helper()
	b.Open(h.Portal("/"))
	b.WaitKind("portal")
	b.Click(`form[action="/apps/connect"] button`)
	h.waitDuo(b)
}

func (h *duoHouse) waitDuo(b *Browser) {
	b.t.Helper()
	b.WaitKind("duo")
	b.WaitSite(h.duo.Origin())
}

// atDuo presses a button on Duo's page.
func (b *Browser) atDuo(verdict string) {
	b.t.Helper()
	b.Click(`button[value=` + verdict + `]`)
}

// arrives waits until AWS has taken the sign-in.
func (h *duoHouse) arrives(b *Browser) {
	b.t.Helper()
	b.WaitSite(h.URL("console.third.test", ""))
	b.WaitText(accepted)
}

// confirm approves the prompt that is at an address of Duo's, and returns the address that Duo sends the browser back to.
// Nobody has been there yet.
func (h *duoHouse) confirm(prompt string) string {
	h.t.Helper()
	back, err := h.duo.Confirm(prompt)
	if err != nil {
		h.t.Fatal(err)
	}
	return back
}

// passed counts how often Duo was taken for a second factor.
func (h *duoHouse) passed() int {
	n := 0
	for _, l := range h.audit() {
		if l.Kind == "mfa" && l.Result == "success" {
			n++
		}
	}
	return n
}

// lastMFA is the reason of the newest line about a second factor.
func (h *duoHouse) lastMFA() string {
	reason := ""
	for _, l := range h.audit() {
		if l.Kind == "mfa" {
			reason = l.Reason
		}
	}
	return reason
}

// TestDuoJourney: an agent of the domain confirms at Duo, on another site than the portal, and opens Connect. Duo's other
// answers lead to a page of ours, or back; none of them lets anybody in.
func TestDuoJourney(t *testing.T) {
	t.Parallel()
	h := openDuoHouse(t)
	b := h.browser(t, h.alice)

	h.stayHere(b)
	b.Shoot("handoff-duo")
	b.pressAt(`main a.button`, kb.Enter)
	h.waitDuo(b)
	b.atDuo("approve")
	h.arrives(b)

	for _, step := range []struct {
		name string
		run  func(*duoHouse, *testing.T, *Browser)
	}{
		{"denied at Duo", (*duoHouse).deniedAtDuo},
		{"denied by Duo", (*duoHouse).deniedByDuo},
		{"timed out", (*duoHouse).timedOut},
		{"locked out", (*duoHouse).lockedOut},
		{"cancelled", (*duoHouse).cancelled},
		{"a state of another browser", (*duoHouse).otherBrowser},
		{"a callback twice", (*duoHouse).callbackTwice},
		{"two tabs", (*duoHouse).twoTabs},
		{"remembered by Duo", (*duoHouse).rememberedByDuo},
		{"without scripts", (*duoHouse).withoutScripts},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.run(h.on(t), t, b.on(t))
		})
	}
	h.duo.Set("", duoservice.Breaks)
	if err := h.Reload(); err != nil { // which forgets that Duo was well
		t.Fatal(err)
	}
	b.Open(h.Portal("/"))
	b.WaitKind("portal")
	b.Click(`form[action="/apps/connect"] button`)
	b.WaitText("Duo does not answer")
	b.WaitKind("rescue")
	b.Shoot("duo-away")
	b.Close()
	for what, text := range map[string]string{"client secret": h.duo.Secret, "code": "duo_code="} {
		if strings.Contains(h.Log.String(), text) {
			t.Errorf("the log holds the %s", what)
		}
	}
}

// stayHere presses the tile of Connect while Duo does not show its page, so that ours stays to be seen. Duo is well afterwards.
func (h *duoHouse) stayHere(b *Browser) {
	b.t.Helper()
	const page = "/oauth/v1/authorize"
	b.Open(h.Portal("/"))
	b.WaitKind("portal")
	before := h.duo.Asked(page)
	h.duo.Set(page, duoservice.Stays)
	b.Click(`form[action="/apps/connect"] button`)
	b.WaitKind("handoff")
	Await(b.t, "the browser at Duo", func() error { // it goes there by itself, without scripts too
		if h.duo.Asked(page) == before {
			return errors.New("Duo was not asked")
		}
		return nil
	})
	h.duo.Set(page, duoservice.Well)
}

// withoutScripts: by the link of our page to Duo, and by the button that a script would have pressed to AWS.
func (h *duoHouse) withoutScripts(_ *testing.T, b *Browser) {
	b.withoutScripts()
	h.stayHere(b)
	b.Click(`main a.button`)
	h.waitDuo(b)
	b.atDuo("approve")
	b.pressOn("post")
	h.arrives(b)
	b.runScripts(true)
}

// deniedAtDuo: Duo keeps whoever denies, and the back button leads to the portal.
func (h *duoHouse) deniedAtDuo(t *testing.T, b *Browser) {
	before := h.passed()
	h.leave(b)
	b.atDuo("deny")
	b.WaitText("Login request denied")
	b.Back()
	h.waitDuo(b)
	b.Back()
	b.WaitKind("portal")
	// A page that the browser has kept is not loaded again, and nothing can be clicked in it from outside.
	Eval[bool](b, `document.querySelector('form[action="/apps/connect"] button').click() ?? true`)
	h.waitDuo(b)
	if n := h.passed() - before; n != 0 {
		t.Errorf("passed %d times", n)
	}
}

// deniedByDuo: an answer that says no is no way in; loaded again, it leads to where the person was going.
func (h *duoHouse) deniedByDuo(t *testing.T, b *Browser) {
	h.leave(b)
	b.atDuo("refuse")
	b.WaitText("You did not confirm this sign-in")
	b.WaitKind("mfa")
	b.Shoot("mfa-duo-denied")
	if r := h.lastMFA(); r != "denied" {
		t.Errorf("reason %q", r)
	}
	b.Reload()
	h.waitDuo(b)
	b.atDuo("refuse")
	b.WaitText("You did not confirm this sign-in")
	b.Click(`main form[action="/mfa/duo"] button`)
	h.waitDuo(b)
	b.atDuo("approve")
	h.arrives(b)
}

func (h *duoHouse) timedOut(_ *testing.T, b *Browser) {
	h.leave(b)
	b.atDuo("timeout")
	b.WaitText("timed out")
	b.atDuo("approve") // tried again
	h.arrives(b)
}

func (h *duoHouse) lockedOut(t *testing.T, b *Browser) {
	before := h.passed()
	h.leave(b)
	b.atDuo("locked")
	b.WaitText("locked out")
	b.Open(h.Portal("/"))
	b.WaitKind("portal")
	if n := h.passed() - before; n != 0 {
		t.Errorf("passed %d times", n)
	}
}

func (h *duoHouse) cancelled(t *testing.T, b *Browser) {
	h.leave(b)
	b.atDuo("cancel")
	b.WaitText("Nothing was confirmed at Duo")
	b.WaitKind("mfa")
	b.Shoot("mfa-duo-cancelled")
	if r := h.lastMFA(); r != "duo_error" {
		t.Errorf("reason %q", r)
	}
	b.Click(`main form[action="/mfa/duo"] button`)
	h.waitDuo(b)
	b.atDuo("approve")
	h.arrives(b)
}

// otherBrowser: an answer of Duo's in another browser proves nothing, whoever is signed in there, and is still good in its
// own.
func (h *duoHouse) otherBrowser(t *testing.T, b *Browser) {
	h.leave(b)
	back := h.confirm(b.Location())
	before := h.passed()
	other := h.browser(t, h.susan)
	other.Open(back)
	other.WaitText("another browser")
	other.Shoot("duo-other-browser")
	other.Close()
	if r := h.lastMFA(); r != "other_browser" || h.passed() != before {
		t.Errorf("reason %q, passed %d times", r, h.passed()-before)
	}
	b.Open(back)
	h.arrives(b)
}

// callbackTwice: an answer counts once, and its code for no other prompt.
func (h *duoHouse) callbackTwice(t *testing.T, b *Browser) {
	h.leave(b)
	used := h.confirm(b.Location())
	b.Open(used)
	h.arrives(b)
	before := h.passed()
	b.Open(used)
	h.waitDuo(b) // on the way to Connect, and asked again
	if r := h.lastMFA(); r != "unknown_state" || h.passed() != before {
		t.Errorf("reason %q, passed %d times", r, h.passed()-before)
	}
	fresh, err := url.Parse(h.confirm(b.Location()))
	if err != nil {
		t.Fatal(err)
	}
	spent, err := url.Parse(used)
	if err != nil {
		t.Fatal(err)
	}
	q := fresh.Query()
	q.Set("duo_code", spent.Query().Get("duo_code"))
	fresh.RawQuery = q.Encode()
	b.Open(fresh.String())
	b.WaitText("does not fit this sign-in")
	if r := h.lastMFA(); r != "bad_code" || h.passed() != before {
		t.Errorf("reason %q, passed %d times", r, h.passed()-before)
	}
}

// twoTabs: both go to Duo at once, and each comes back to its own.
func (h *duoHouse) twoTabs(t *testing.T, b *Browser) {
	two := b.Tab(t)
	h.leave(b)
	h.leave(two)
	two.atDuo("approve")
	h.arrives(two)
	b.atDuo("approve")
	h.arrives(b)
}

// rememberedByDuo: an application that asks always has Duo ask although it remembers the browser; one that asks once a week is
// content with it.
func (h *duoHouse) rememberedByDuo(_ *testing.T, b *Browser) {
	h.leave(b)
	b.atDuo("remember")
	h.arrives(b)
	h.leave(b) // and Duo asks
	b.Open(h.Portal("/"))
	b.WaitKind("portal")
	b.Click(`form[action="/apps/roster"] button`)
	b.WaitKind("device") // asked of whoever has just confirmed
	b.Click(`main button[name=device][value=no]`)
	Await(b.t, "the roster's form", func() error {
		if len(b.Posted("https://roster.example.test/acs")) == 0 {
			return errors.New("it was not sent")
		}
		return nil
	})
}

// on is the tab as a subtest sees it, which fails on its own.
func (b *Browser) on(t testing.TB) *Browser {
	own := &Browser{t: t, ctx: b.ctx, end: b.end}
	own.listen()
	return own
}

// Tab opens another one beside it.
func (b *Browser) Tab(t testing.TB) *Browser {
	t.Helper()
	ctx, free := chromedp.NewContext(b.ctx)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	t.Cleanup(free)
	tab := &Browser{t: t, ctx: ctx, end: free}
	tab.listen()
	return tab
}
