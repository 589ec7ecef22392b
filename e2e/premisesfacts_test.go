package e2e

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// networksDecide: each rule, through the trusted proxy, from inside and from outside.
func (p *premises) networksDecide(t *testing.T) {
	wanda := p.comes(atHome, p.proxy)
	tiles, _ := wanda.SignIn(p.Caddy, someone("wanda"))
	ways := map[string]*Client{atHome: wanda, atOffice: wanda.goes(p.way(atOffice, p.proxy)), atGuests: wanda.goes(p.way(atGuests, p.proxy))}
	for _, c := range []struct {
		app  string
		want map[string]string // by place: the page, where nothing was set up yet
	}{
		{"outside", map[string]string{atHome: "enroll", atOffice: "handoff", atGuests: "enroll"}},
		{"inside", map[string]string{atHome: "enroll", atOffice: "handoff", atGuests: "enroll"}},
		{"officeonly", map[string]string{atHome: "error", atOffice: "handoff", atGuests: "error"}},
		{"noguests", map[string]string{atHome: "handoff", atOffice: "handoff", atGuests: "error"}},
	} {
		for place, want := range c.want {
			if kind := ways[place].opens(p, c.app); kind != want {
				t.Errorf("%s from %s: %q, want %q", c.app, place, kind, want)
			}
		}
	}
	for _, tile := range []struct {
		app, text string
	}{
		{"outside", "asks for your authenticator app: every sign-in from here"},
		{"inside", "asks for your authenticator app: every sign-in"},
		{"officeonly", "does not open from here"},
		{"noguests", ""},
	} {
		if text, found := tileText(tiles, tile.app); text != tile.text || !found {
			t.Errorf("the tile of %s at home: %q, %v", tile.app, text, found)
		}
	}
	inOffice := ways[atOffice].Get(p.Portal("/"))
	for _, app := range []string{"outside", "inside", "officeonly"} {
		if text, found := tileText(inOffice, app); text != "" || !found {
			t.Errorf("the tile of %s in the office: %q, %v", app, text, found)
		}
	}
	l := p.refusal(ways[atGuests].Get(p.Portal("/apps/noguests")))
	l.wantRule(t, "networks", "networks blocked guests")
	if l.Reason != "network" || l.Client != atGuests || len(l.Visit.Networks) != 1 || l.Visit.Networks[0] != "guests" {
		t.Errorf("%s, on %+v", &l, l.Visit)
	}
}

// groupsDecide: an application has a policy of its own for some groups, whose members may be in them by another group.
func (p *premises) groupsDecide(t *testing.T) {
	ada, sue := someone("ada"), someone("sue")
	ada.Own, sue.Own = true, true
	for _, who := range []*Person{ada, sue} {
		c := p.comes(atHome, p.Port)
		tiles, _ := c.SignIn(p.Caddy, who)
		c.Launch(tiles, "connect", who)
		again := c.Get(p.Portal("/apps/connect"))
		text, _ := tileText(c.Get(p.Portal("/")), "connect")
		want, says := "post", "asks for your authenticator app every 7 days"
		if who == sue {
			want, says = "mfa", "asks for your authenticator app: every sign-in"
		}
		if again.Kind != want || text != says {
			t.Errorf("%s, who opened Connect before: %s; the tile says %q", who.Name, again, text)
		}
		if who == sue && !strings.Contains(again.Text, "Asked at every sign-in.") {
			t.Errorf("sue is not told why: %s", again)
		}
	}
	for _, want := range []struct{ user, policy, rule string }{{"ada", "weekly", "mfa every 7d"}, {"sue", "strict", "mfa always"}} {
		lines := p.audit("--user", want.user+"@corp.example.test", "--app", "connect")
		l := lines[len(lines)-1]
		l.wantRule(t, "mfa", want.rule)
		if l.Policy != want.policy {
			t.Errorf("%s was judged by the policy %s, want %s", want.user, l.Policy, want.policy)
		}
	}
}

// factsChange: one cookie, and other facts than a moment ago.
func (p *premises) factsChange(t *testing.T) {
	ben := p.comes(atOffice, p.proxy)
	tiles, _ := ben.SignIn(p.Caddy, someone("ben"))
	if says, found := tileText(tiles, "officeonly"); !found || says != "" || ben.opens(p, "officeonly") != "handoff" {
		t.Error("ben cannot open in the office what opens there")
	}
	// The same cookie, out of the office.
	outside := ben.goes(p.way(atHome, p.proxy))
	l := p.refusal(outside.presses(tiles, "officeonly"))
	l.wantRule(t, "networks", "networks deny_outside office")
	if says, _ := tileText(outside.Get(p.Portal("/")), "officeonly"); says != "does not open from here" {
		t.Errorf("out of the office the tile says %q", says)
	}
	if kind := outside.opens(p, "outside"); kind != "enroll" {
		t.Errorf("out of the office nothing more is asked: %q", kind)
	}
	if kind := ben.opens(p, "officeonly"); kind != "handoff" {
		t.Errorf("back in the office: %q", kind)
	}

	fred := p.comes(atHome, p.Port)
	tiles, _ = fred.SignIn(p.Caddy, someone("fred"))
	if kind := fred.opens(p, "agents"); kind != "handoff" {
		t.Errorf("an agent opens what agents may: %q", kind)
	}
	p.domain.RemoveFromGroup("fred", "Agents")
	Await(t, "the tile to go", func() error {
		if _, found := tileText(fred.Get(p.Portal("/")), "agents"); found {
			return errors.New("it is there")
		}
		return nil
	})
	l = p.refusal(fred.presses(tiles, "agents"))
	l.wantRule(t, "groups", `groups "corp/Agents"`)
	if l.Reason != "group" {
		t.Errorf("%s", &l)
	}
}

// presses presses a tile of a page that was loaded before, and returns the page that comes.
func (c *Client) presses(tiles *Page, app string) *Page {
	c.t.Helper()
	f, err := tiles.Form("/apps/"+app, "f")
	if err != nil {
		c.t.Fatal(err)
	}
	return c.Submit(tiles, f, nil)
}

// certificatesDecide: a certificate that Caddy verified counts. One that nobody verified is none.
func (p *premises) certificatesDecide(t *testing.T) {
	company, err := p.devices.IssueClient("laptop-17")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	own, err := stranger.IssueClient("laptop-17")
	if err != nil {
		t.Fatal(err)
	}
	cora := p.comes(atHome, p.Port, company)
	tiles, _ := cora.SignIn(p.Caddy, someone("cora"))
	for _, c := range []struct {
		what               string
		by                 *Client
		managed, unmanaged string
		says               string
	}{
		{"the company's", cora, "handoff", "handoff", ""},
		{"none any more", cora.goes(p.way(atHome, p.Port)), "error", "enroll", "asks for your authenticator app: every sign-in on this computer"},
		{"the company's, which nobody verified", cora.goes(p.way(atHome, p.careless, company)), "error", "enroll", "asks for your authenticator app: every sign-in on this computer"},
		{"a self-made one, which nobody verified", cora.goes(p.way(atHome, p.careless, own)), "error", "enroll", "asks for your authenticator app: every sign-in on this computer"},
		// The proxy shows none of its own, and the client's stays with the proxy.
		{"the company's, to a proxy", cora.goes(p.way(atHome, p.proxy, company)), "error", "enroll", "asks for your authenticator app: every sign-in on this computer"},
	} {
		if kind := c.by.opens(p, "managed"); kind != c.managed {
			t.Errorf("%s: what needs one: %q, want %q", c.what, kind, c.managed)
		}
		if kind := c.by.opens(p, "unmanaged"); kind != c.unmanaged {
			t.Errorf("%s: what asks more without one: %q, want %q", c.what, kind, c.unmanaged)
		}
		tiles := c.by.Get(p.Portal("/"))
		if says, _ := tileText(tiles, "unmanaged"); says != c.says {
			t.Errorf("%s: the tile says %q", c.what, says)
		}
		if says, _ := tileText(tiles, "managed"); (says == "opens on company computers only") != (c.managed == "error") {
			t.Errorf("%s: the tile of what needs one says %q", c.what, says)
		}
	}
	// Caddy verifies a certificate that it is given, so with a self-made one there is no connection at all.
	req, err := http.NewRequest(http.MethodGet, p.Portal("/apps/managed"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if page, err := cora.goes(p.way(atHome, p.Port, own)).Do(req); err == nil {
		t.Errorf("with a self-made certificate: %s", page)
	}
	l := p.refusal(cora.goes(p.way(atHome, p.Port)).presses(tiles, "managed"))
	l.wantRule(t, "trusted_endpoints", "trusted_endpoints require")
	for _, l := range p.audit("--user", "cora@corp.example.test", "--app", "managed") {
		if (l.Visit.Certificate == "CN=laptop-17") != (l.Kind == idp.EventLaunch) {
			t.Errorf("%s on the certificate %q", &l, l.Visit.Certificate)
		}
	}
}
