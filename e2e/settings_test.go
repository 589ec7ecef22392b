package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestSettings: somebody is told what was changed since, adds a second authenticator app, gives it a name, and ends what they left
// open on another computer.
func TestSettings(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	left := OpenBrowser(t, h.NewProfile())
	left.SignIn(h.Caddy, h.agent)
	h.mustCommand("user", "bypass", h.agent.Name)

	b := OpenBrowser(t, h.NewProfile())
	b.SignIn(h.Caddy, h.agent)
	b.WaitText("A code was made that stands in for your second step.")
	b.WaitText("A second step (Authenticator app) was set up.")
	b.Shoot("portal-told")
	b.tabTo("I have read this")
	b.press(kb.Enter)
	b.waitFor("the portal without news", func(s seen) bool { return s.Kind == "portal" && !strings.Contains(s.Text, "I have read this") })

	b.Open(h.Portal("/settings"))
	b.WaitText("No second step for this portal and Contact centre, which share it, until")
	b.tabTo("Add an authenticator app")
	b.press(kb.Enter)
	b.setUpByKeys(&Person{Name: h.agent.Name})
	b.WaitText("Your new second step is set up.")
	b.WaitText("Authenticator app 2")
	Eval[bool](b, `document.querySelectorAll("details.rename summary")[1].focus() ?? true`)
	b.press(kb.Enter)
	b.press(kb.Tab)
	Eval[bool](b, `document.activeElement.select() ?? true`)
	b.press("Spare phone" + kb.Enter)
	b.WaitText("The name is changed.")
	b.WaitText("Spare phone")
	b.Shoot("settings-two-apps")

	b.Click(`main button[value=others]`)
	b.WaitText("Everywhere else you are signed out.")
	left.Reload()
	left.WaitKind("login")
	b.Open(h.Portal("/settings"))
	b.Click(`main button[value=all]`)
	b.WaitText("Your devices are forgotten.")
	b.Open(h.Portal("/settings"))
	if s := b.Describe(); strings.Contains(s, "Forget all devices") {
		t.Errorf("a device is left: %s", s)
	}
	for _, reason := range []string{"renamed", "others_ended", "all_forgotten"} {
		if out := h.mustCommand("audit", "--user", "people:alice"); strings.Count(out, `reason="`+reason+`"`) != 1 {
			t.Errorf("no line of %s:\n%s", reason, out)
		}
	}
}
