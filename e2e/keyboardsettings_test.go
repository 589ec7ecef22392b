package e2e

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestKeyboardAloneInTheSettings: codes on paper are made, the app gets another name, the browser is signed out, and a code opens
// the portal on a browser that nobody knows, all without a mouse.
func TestKeyboardAloneInTheSettings(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	b := OpenBrowser(t, h.NewProfile())
	b.passwordByKeys(h.Caddy, h.agent)
	b.enrollByKeys(h.agent)

	b.Open(h.Portal("/settings"))
	b.WaitKind("settings")
	b.tabTo("Rename\nAuthenticator app")
	b.press(kb.Enter)
	b.tabTo("label")
	b.press("My phone" + kb.Enter) // the name that is there is selected, as Tab does
	b.WaitText("My phone")
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
