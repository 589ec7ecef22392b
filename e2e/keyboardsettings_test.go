package e2e

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// signOutByKeys goes through the menu of the portal.
func (b *Browser) signOutByKeys() {
	b.t.Helper()
	b.WaitKind("portal")
	b.pressAt(`.userbutton`, kb.Enter)
	b.pressAt(`.menu button`, kb.Enter)
	b.WaitText("signed out")
}

// waitTold waits until a page says what has come of the one before: to those who see, and, having the focus, to those who listen.
func (b *Browser) waitTold(says string) {
	b.t.Helper()
	b.waitFocus(says)
	if role := Eval[string](b, `document.activeElement.role ?? ""`); role != "status" {
		b.t.Errorf("%q is said by an element whose role is %q", says, role)
	}
}

// TestKeyboardAloneInTheSettings: a remembered device is forgotten, after the proof that this takes, codes on paper are made, the
// app gets another name, a second one comes and goes, and a code opens the portal on a browser that nobody knows, all without
// a mouse.
func TestKeyboardAloneInTheSettings(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	b := OpenBrowser(t, h.NewProfile())
	b.passwordByKeys(h.Caddy, h.agent)
	b.enrollByKeys(h.agent)
	b.signOutByKeys()

	b.passwordByKeys(h.Caddy, h.agent) // which is enough where the device is remembered
	b.WaitKind("portal")
	b.Open(h.Portal("/settings"))
	b.WaitKind("settings")
	const forget = `[aria-labelledby=devices] button:not([value=all])`
	b.pressAt(forget, kb.Enter)
	b.WaitKind("mfa")
	b.waitFocus("code")
	b.codeByKeys(h.agent)
	b.waitTold("Thank you. You can make your changes now.")
	b.pressAt(forget, kb.Enter)
	b.waitTold("That device is forgotten.")
	b.tabTo("Rename\nAuthenticator app")
	b.press(kb.Enter)
	b.tabTo("label")
	b.press("My phone" + kb.Enter) // the name that is there is selected, as Tab does
	b.waitTold("The name is changed.")
	b.pressAt(`main a[href="/enroll/totp"]`, kb.Enter)
	b.setUpByKeys(&Person{Name: h.agent.Name})
	b.WaitKind("device") // which is not remembered any more
	b.pressAt(`button[value=no]`, kb.Enter)
	b.waitTold("Your new second step is set up.")
	b.pressAt(`button[aria-label="Remove Authenticator app"]`, kb.Enter)
	b.waitTold("The second step is removed. Everywhere else you were signed out here, and your remembered devices are forgotten.")
	b.pressAt(`button[aria-label="Remove My phone"]`, kb.Enter)
	b.waitTold("That is your only second step, and your apps ask for one. Add another first.")
	b.tabTo("make")
	b.press(kb.Enter)
	b.WaitKind("recovery-codes")
	codes := Eval[[]string](b, `[...document.querySelectorAll("ol code")].map(c => c.innerText)`)
	b.tabTo("I have kept them")
	b.press(kb.Enter)
	b.WaitText("You have 10 left")
	b.Close()

	b = OpenBrowser(t, h.NewProfile())
	b.passwordByKeys(h.Caddy, h.agent)
	b.WaitKind("mfa")
	b.tabTo("I can’t use this")
	b.press(kb.Enter)
	b.WaitKind("rescue")
	b.tabTo("code")
	b.press("wrong" + kb.Enter)
	b.WaitText("not right")
	b.waitFocus("code")
	b.press(codes[3] + kb.Enter)
	b.WaitKind("portal")
	b.WaitText("9 recovery codes left")
}
