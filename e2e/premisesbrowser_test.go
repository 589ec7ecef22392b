package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const arrived = "You have arrived"

// comesBy opens a browser that comes to the portal by a passage.
func (p *premises) comesBy(way *passage) *Browser {
	profile := p.NewProfile()
	profile.portal = way.Port
	return OpenBrowser(p.t, profile)
}

// shownRefusal reads the audit line that the reference number in the tab leads to.
func (p *premises) shownRefusal(b *Browser) auditLine {
	p.t.Helper()
	b.WaitKind("error")
	ref := Eval[string](b, `document.querySelector("#ref").textContent`)
	lines := p.audit("--ref", ref)
	if len(lines) != 1 {
		p.t.Fatalf("%d lines have the number %s", len(lines), ref)
	}
	return lines[0]
}

// homeToOffice: kim's laptop goes from home to the office, through the proxy and by keyboard alone. At home each opening
// asks for the code and says why; in the office it asks for nothing.
func (p *premises) homeToOffice(t *testing.T) {
	way := newPassage(t, atHome, fmt.Sprintf("127.0.0.1:%d", p.proxy))
	b := p.comesBy(way)
	kim := someone("kim")
	b.passwordByKeys(p.Caddy, kim)
	b.WaitKind("portal")
	b.WaitText("Asks for your authenticator app: every sign-in from here")
	b.WaitText("Does not open from here")
	b.press("payroll" + kb.Enter)
	b.setUpByKeys(kim)
	b.WaitText(arrived)

	b.Open(p.Portal("/"))
	b.WaitKind("portal")
	b.press("payroll" + kb.Enter)
	b.WaitKind("mfa")
	b.waitFocus("code")
	b.WaitText("Asked at every sign-in from where you are.")
	b.Shoot("why-now")
	b.codeByKeys(kim)
	b.WaitText(arrived)

	b.Open(p.Portal("/apps/officeonly"))
	b.WaitText("This cannot be opened from where you are.")
	l := p.shownRefusal(b)
	l.wantRule(t, "networks", "networks deny_outside office")
	if l.Client != atHome {
		t.Errorf("%s", &l)
	}
	b.tabTo("Back to the portal")
	b.press(kb.Enter)
	b.WaitKind("portal")

	way.Move(atOffice)
	for _, app := range []string{"outside", "officeonly"} {
		b.Open(p.Portal("/apps/" + app))
		b.WaitSite(p.URL("tools.other.test", ""))
	}
	b.Open(p.Portal("/"))
	b.WaitKind("portal")
	if text := Eval[string](b, "document.body.innerText"); strings.Contains(text, "from here") {
		t.Errorf("in the office the tiles say: %s", text)
	}
	way.Move(atGuests)
	b.Open(p.Portal("/apps/noguests"))
	l = p.shownRefusal(b)
	l.wantRule(t, "networks", "networks blocked guests")
}

// computers: Chromium with the company's certificate opens what needs it, and with a self-made one of the same name it
// does not, not even where Caddy asks for any and verifies none.
func (p *premises) computers(t *testing.T) {
	for _, computer := range []struct {
		name    string
		signs   func() (*Authority, error)
		port    int
		managed bool
	}{
		{"of the company", func() (*Authority, error) { return p.devices, nil }, p.Port, true},
		{"self-made", func() (*Authority, error) { return NewAuthority(t.TempDir()) }, p.careless, false},
	} {
		authority, err := computer.signs()
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := authority.IssueClient("laptop-18")
		if err != nil {
			t.Fatal(err)
		}
		profile := p.NewProfile()
		profile.portal = computer.port
		profile.Install(t, certificate, "https://sso.example.test")
		b := OpenBrowser(t, profile)
		b.SignIn(p.Caddy, someone("carl"))
		b.Click(`form[action="/apps/managed"] button`)
		if computer.managed {
			b.WaitText(arrived)
		} else {
			b.WaitText("This opens on the company's own computers only.")
			l := p.shownRefusal(b)
			l.wantRule(t, "trusted_endpoints", "trusted_endpoints require")
		}
		b.Close()
	}
}

// browsersDecide: what Chromium says of itself is warned of, refused, and let in.
func (p *premises) browsersDecide(t *testing.T) {
	b := OpenBrowser(t, p.NewProfile())
	b.SignIn(p.Caddy, someone("bruno"))
	b.WaitText("Your browser is going to be too old: from tomorrow on it opens nothing here.")
	b.WaitText("Does not open with this browser")
	b.Shoot("portal-warned")

	b.Open(p.Portal("/apps/renewed"))
	b.WaitText("Your browser is too old to open this. Update it, then try again.")
	b.Shoot("refused")
	l := p.shownRefusal(b)
	l.wantRule(t, "browsers", "browsers minimum chrome 999")
	version := Eval[string](b, `navigator.userAgentData.getHighEntropyValues(["fullVersionList"]).then((v) => v.fullVersionList.find((b) => b.brand === "Chromium").version)`)
	if a := l.Visit.Agent; a.Browser != "chrome" || a.BrowserVersion != version || a.System != "linux" {
		t.Errorf("Chromium %s is taken for %+v", version, a)
	}
	b.Open(p.Portal("/apps/noedge"))
	b.WaitSite(p.URL("tools.other.test", ""))

	major, _, _ := strings.Cut(version, ".")
	b.claimToBe("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/"+major+".0.0.0 Safari/537.36 Edg/"+major+".0.0.0",
		"Windows", "15.0.0", "Microsoft Edge", version)
	b.Open(p.Portal("/apps/noedge"))
	b.WaitText("This does not open with your browser. Use another one, or ask the service desk.")
	l = p.shownRefusal(b)
	l.wantRule(t, "browsers", "browsers block edge")
	if a := l.Visit.Agent; a.System != "windows" || a.Browser != "edge" {
		t.Errorf("Edge on Windows 11 is taken for %+v", a)
	}
	b.claimToBe("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/"+major+".0.0.0 Safari/537.36",
		"macOS", "15.1.0", "Google Chrome", version)
	b.Open(p.Portal("/apps/noedge"))
	b.WaitText("This does not open with your operating system.")
	l = p.shownRefusal(b)
	l.wantRule(t, "operating_systems", "operating_systems allow_only linux windows")
}

// claimToBe has Chromium say that it is another browser, in its User-Agent and in the client hints.
func (b *Browser) claimToBe(agent, system, systemVersion, brand, version string) {
	b.t.Helper()
	major, _, _ := strings.Cut(version, ".")
	do(b, "claiming to be "+brand, func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
		return cdp.Call(ctx, t, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{
			UserAgent: agent,
			UserAgentMetadata: &emulation.UserAgentMetadata{
				Platform: system, PlatformVersion: systemVersion, Architecture: "x86", Bitness: "64",
				Brands:          []*emulation.UserAgentBrandVersion{{Brand: "Chromium", Version: major}, {Brand: brand, Version: major}},
				FullVersionList: []*emulation.UserAgentBrandVersion{{Brand: "Chromium", Version: version}, {Brand: brand, Version: version}},
			},
		})
	})
}
