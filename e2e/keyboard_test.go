package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// press types keys wherever the focus is.
func (b *Browser) press(keys string) {
	b.t.Helper()
	do(b, fmt.Sprintf("pressing %q", keys), chromedp.KeyEvent(keys))
}

// pressBack moves the focus to the control before.
func (b *Browser) pressBack() {
	b.t.Helper()
	do(b, "pressing Shift and Tab", chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
}

// focus is the element that would take the next key: its name, or its text. There is none while one page makes room for the next.
func (b *Browser) focus() string {
	b.t.Helper()
	return Eval[string](b, `((e) => e?.name || e?.innerText || e?.tagName || "")(document.activeElement)`)
}

// waitFocus waits until a page has put the focus on a control: browsers do so a moment after the text is there.
func (b *Browser) waitFocus(want string) {
	b.t.Helper()
	b.awaitFocus(want, func(f string) bool { return f == want })
}

// waitFocusOn waits for the focus on what begins with a text, as a notice does.
func (b *Browser) waitFocusOn(start string) {
	b.t.Helper()
	b.awaitFocus(start, func(f string) bool { return strings.HasPrefix(f, start) })
}

func (b *Browser) awaitFocus(on string, is func(string) bool) {
	b.t.Helper()
	Await(b.t, "the focus on "+on, func() error {
		if f := b.focus(); !is(f) {
			return fmt.Errorf("it is on %q", f)
		}
		return nil
	})
}

// tabTo moves the focus on until it is on a control of that name or text.
func (b *Browser) tabTo(want string) {
	b.t.Helper()
	for range 30 {
		if b.focus() == want {
			return
		}
		b.press(kb.Tab)
	}
	b.t.Fatalf("Tab never came to %q; %s", want, b.Describe())
}

// pressAt moves the focus on until it is on an element that a selector fits, and presses a key there.
func (b *Browser) pressAt(selector, key string) {
	b.t.Helper()
	for range 40 {
		if Eval[bool](b, fmt.Sprintf("document.activeElement?.matches(%q) ?? false", selector)) {
			b.press(key)
			return
		}
		b.press(kb.Tab)
	}
	b.t.Fatalf("Tab never came to %s; %s", selector, b.Describe())
}

// passwordByKeys opens the portal and types name and password.
func (b *Browser) passwordByKeys(c *Caddy, who *Person) {
	b.t.Helper()
	b.Open(c.Portal("/"))
	b.WaitKind("login")
	b.waitFocus("username")
	b.press(who.Name + kb.Enter)
	b.WaitKind("password")
	b.waitFocus("password")
	b.press(who.Password + kb.Enter)
}

// codeByKeys types the code that the person's app shows.
func (b *Browser) codeByKeys(who *Person) {
	b.t.Helper()
	code, err := who.Code()
	if err != nil {
		b.t.Fatal(err)
	}
	b.tabTo("code")
	b.press(code + kb.Enter)
}

// setUpByKeys sets an authenticator app up.
func (b *Browser) setUpByKeys(who *Person) {
	b.t.Helper()
	b.WaitKind("enroll")
	if err := who.Enroll(Eval[string](b, `document.querySelector("main").dataset.otpauth`)); err != nil {
		b.t.Fatal(err)
	}
	b.codeByKeys(who)
}

// enrollByKeys sets an authenticator app up, and says that the device is one's own.
func (b *Browser) enrollByKeys(who *Person) {
	b.t.Helper()
	b.setUpByKeys(who)
	b.WaitKind("device")
	b.tabTo("device")
	b.press(kb.Enter)
	b.WaitKind("portal")
}

// TestKeyboardAlone: from the name to the console without a mouse.
func TestKeyboardAlone(t *testing.T) {
	h := openHouse(t)
	b := OpenBrowser(t, h.NewProfile())
	b.passwordByKeys(h.Caddy, h.agent)
	b.enrollByKeys(h.agent)

	// Type the beginning of a tile's name; Enter opens the first that is left.
	b.press("contact")
	b.press(kb.Enter)
	b.WaitSite(h.console())
	b.WaitText(accepted)

	b.Open(h.Portal("/apps/wiki"))
	b.WaitKind("mfa")
	b.waitFocus("code")
	b.press("000000" + kb.Enter)
	b.WaitText("not right")
	b.waitFocus("code")
}
