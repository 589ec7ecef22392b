package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// passTime lets the page believe that it has been open for a while longer.
func (b *Browser) passTime(minutes float64) {
	b.t.Helper()
	Eval[bool](b, fmt.Sprintf(`(Date.now = ((now) => () => now() + %v * 60000)(Date.now)) && true`, minutes))
}

// TestPromptByItself: on their own device a person's passkey is asked for without a key pressed, once; and a page tells when
// its time is nearly over, and when it is.
func TestPromptByItself(t *testing.T) {
	t.Parallel()
	h := openKeyHouse(t, nil)
	b := OpenBrowser(t, h.NewProfile())
	own := b.NewPlatformAuthenticator()
	b.Open(h.Portal("/"))
	b.Walk(h.agent, "the choice of a second step", func(kind, _ string) bool { return kind == "choose" })
	b.pressAt(`main a[href^="/enroll/passkey"]`, kb.Enter)
	b.WaitKind("enroll")
	b.waitFocus("Create a passkey")
	b.press(kb.Enter)
	b.WaitKind("device")
	b.Click(`main button[name=device][value=yes]`)
	b.WaitKind("portal")

	// The wiki asks at every sign-in, and nobody is there to answer.
	own.Present(false)
	b.Click(`form[action="/apps/wiki"] button`)
	b.WaitKind("mfa")
	b.WaitText("Waiting for your device")
	b.Reload()
	b.WaitKind("mfa")
	if strings.Contains(Eval[string](b, `document.querySelector(".progress").textContent`), "Waiting") {
		t.Error("it begins again when the page is loaded again")
	}
	b.passTime(4.5)
	b.WaitText("seconds left")
	if said := Eval[string](b, `document.querySelector(".limit [role=status]").textContent`); !strings.Contains(said, "less than a minute") {
		t.Errorf("what is read aloud: %q", said)
	}
	b.axe("a page that ends soon")
	b.passTime(1)
	b.WaitText("This page has ended")
	b.Shoot("mfa-over")
	b.Click(".limit a")
	b.WaitText("You have 5 minutes")
	b.pressAt(`main form.cancel button`, kb.Enter)
	b.WaitKind("portal")

	own.Present(true)
	b.Click(`form[action="/apps/wiki"] button`)
	Await(t, "the launch of the wiki", func() error { // which does not run here
		if n := len(h.audit("--app", "wiki")); n == 0 || h.audit("--app", "wiki")[n-1].Kind != "launch" {
			return fmt.Errorf("%d lines", n)
		}
		return nil
	})
	b.Close()
}
