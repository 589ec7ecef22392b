package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestBackupAndTraditionalPrompt: a first visit that ends with a backup and at Connect, and the next one on a page that has
// all factors and the question whose device it is.
func TestBackupAndTraditionalPrompt(t *testing.T) {
	t.Parallel()
	h := openKeyHouse(t, map[string]any{"Backup": "require", "Prompt": "traditional"})
	b := OpenBrowser(t, h.NewProfile())
	own := b.NewPlatformAuthenticator()
	b.Open(h.Portal("/apps/connect"))
	b.Walk(h.agent, "the choice of a second step", func(kind, _ string) bool { return kind == "choose" })
	b.Shoot("choose-welcome")
	b.pressAt(`main a[href^="/enroll/passkey"]`, kb.Enter)
	b.WaitKind("enroll")
	b.waitFocus("Create a passkey")
	b.press(kb.Enter)
	b.WaitKind("backup")
	b.Shoot("backup")
	b.Open(h.Portal("/apps/connect")) // no way round it
	b.WaitKind("backup")
	b.pressAt(`main button[value=recovery]`, kb.Enter)
	b.WaitKind("recovery-codes")
	b.Shoot("backup-codes")
	if n := Eval[int](b, `document.querySelectorAll("ol code").length`); n != 10 {
		t.Errorf("%d recovery codes", n)
	}
	b.pressAt(`main .button`, kb.Enter)
	b.WaitText(accepted) // nothing was passed on the way that was begun anew, so that nobody is asked whose device it is
	b.signOut(h.Caddy)

	own.Present(false) // or the page of the name would be answered by what it offers
	b.Open(h.Portal("/apps/connect"))
	way := b.Walk(h.agent, "the page of all factors", func(kind, _ string) bool { return kind == "mfa" })
	if !slices.Equal(way, []string{"login", "password"}) {
		t.Errorf("on the way: %v", way)
	}
	b.WaitText("Only I use this device")
	b.Shoot("prompt")
	own.Present(true)
	b.pressAt(`main input[name=own]`, " ")
	b.pressAt(`main button[formaction="/mfa/passkey"]:not(.away)`, kb.Enter)
	b.WaitText(accepted)
	b.signOut(h.Caddy)

	own.Present(false)
	// It is remembered, without another question: Connect asks for the password alone.
	b.Open(h.Portal("/apps/connect"))
	if way := b.Walk(h.agent, "the console", func(_, address string) bool { return strings.HasPrefix(address, h.console()+"/") }); slices.Contains(way, "mfa") {
		t.Errorf("on the way: %v", way)
	}
	b.WaitText(accepted)
	b.Close()
}
