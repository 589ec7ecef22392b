package e2e

import (
	"context"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// withoutScripts has the tab run none of the pages' own; what a test evaluates runs all the same.
func (b *Browser) withoutScripts() *Browser {
	b.t.Helper()
	do(b, "turning scripts off", func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
		return cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	})
	return b
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
