package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// premises is a gateway whose policies look at who comes, from where, when and with what. Its people are in a domain.
type premises struct {
	*Caddy
	domain *Domain
	// The portal is behind four ports: its own; inner, which trusts a proxy; careless, where nobody verifies
	// certificates; and that of the proxy.
	inner, careless, proxy int
	devices                *Authority // of the company's own computers
}

// Where people are.
const (
	atOffice = "127.0.31.7"
	atGuests = "127.0.32.7"
	atHome   = "127.0.33.7"
	atDesk   = "127.0.34.7"

	trustedProxy = "127.0.44.2"
	otherProxy   = "127.0.45.2"
)

const premisesPassword = "Blue-Harbour-41x" // of everybody

func premisesDomain(t *testing.T) *Domain {
	t.Helper()
	user := func(name string, groups ...string) ADUser {
		return ADUser{Name: name, Password: premisesPassword, Mail: name + "@example.test", Groups: groups}
	}
	return NewDomain(t, People{
		Groups: []ADGroup{
			{Name: "Agents"},
			{Name: "Berlin Floor 2", MemberOf: []string{"Agents"}},
			{Name: "Supervisors"},
			{Name: "Floor Managers", MemberOf: []string{"Supervisors"}},
			{Name: "Pilots"},
		},
		Users: []ADUser{
			user("svc-gatehouse"), user("max"), user("cora"), user("kim"), user("wanda"), user("hal"), user("bruno", "Pilots"),
			user("ada", "Berlin Floor 2"), user("ben", "Agents"), user("sue", "Berlin Floor 2", "Floor Managers"), user("fred", "Agents"),
			user("carl"),
		},
	})
}

func someone(name string) *Person { return &Person{Name: name, Password: premisesPassword} }

func openPremises(t *testing.T, d *Domain) *premises {
	t.Helper()
	dir := t.TempDir()
	devices, err := NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := &premises{domain: d, inner: FreePort(t), careless: FreePort(t), proxy: FreePort(t), devices: devices}
	p.Caddy = NewCaddy(t, "premises", map[string]any{
		"Domain": d, "Devices": devices.CA, "Inner": p.inner, "Careless": p.careless, "Proxy": p.proxy,
		"Tomorrow": time.Now().UTC().Add(24 * time.Hour).Format(time.DateOnly),
	})
	WriteFile(t, filepath.Join(p.Dir, "ad_bind"), premisesPassword+"\n")
	p.Start()
	return p
}

// TestPremises: who gets in depends on the network, the computer, the browser, the hour and the groups, as the policies
// say, and on nothing that a client can write into a request.
func TestPremises(t *testing.T) {
	t.Parallel()
	d := premisesDomain(t)
	p := openPremises(t, d)
	for _, part := range []struct {
		name string
		run  func(*premises, *testing.T)
	}{
		{"C-56 addresses", (*premises).addressesAreCaddys},
		{"C-56 failures", (*premises).failuresAreOfTheAddress},
		{"networks", (*premises).networksDecide},
		{"certificates", (*premises).certificatesDecide},
		{"computers", (*premises).computers},
		{"groups", (*premises).groupsDecide},
		{"facts change", (*premises).factsChange},
		{"by keyboard from home to the office", (*premises).homeToOffice},
		{"browsers", (*premises).browsersDecide},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(p.on(t), t)
		})
	}
	t.Run("hot desk", func(t *testing.T) {
		t.Parallel()
		openHotDesk(t, d).day(t)
	})
}

// on is the premises as a subtest sees them, which fails on its own.
func (p *premises) on(t *testing.T) *premises {
	own, gateway := *p, *p.Caddy
	gateway.t = t
	own.Caddy = &gateway
	return &own
}

// way is how a plain client comes to the portal: from an address, to a port, and with a certificate or without.
func (p *premises) way(from string, port int, certificates ...tls.Certificate) *http.Client {
	p.t.Helper()
	hc := p.HTTP(from)
	tr := hc.Transport.(*http.Transport)
	tr.TLSClientConfig.Certificates = certificates
	dial := tr.DialContext
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	return hc
}

// comes is a new browser by a way.
func (p *premises) comes(from string, port int, certificates ...tls.Certificate) *Client {
	return NewClient(p.t, p.way(from, port, certificates...))
}

// goes is the same browser, with its cookies, by another way.
func (c *Client) goes(hc *http.Client) *Client {
	hc.Jar = c.http.Jar
	return &Client{t: c.t, http: hc}
}

// opens opens an application by its address, and returns the kind of the page that comes: handoff where it opened.
func (c *Client) opens(p *premises, app string) string {
	c.t.Helper()
	return c.Get(p.Portal("/apps/" + app)).Kind
}

// tileText is what the tile of an application says beneath its name; found is whether there is a tile.
func tileText(p *Page, app string) (text string, found bool) {
	m := regexp.MustCompile(`action="/apps/` + app + `">.*?</button>`).FindString(p.Body)
	asks := regexp.MustCompile(`class="asks">([^<]*)<`).FindStringSubmatch(m)
	if asks == nil {
		return "", m != ""
	}
	return asks[1], true
}

var reference = regexp.MustCompile(`<code id="ref">([0-9A-Z-]+)</code>`)

// refusal is the audit line that the reference number on a page leads to.
func (c *Caddy) refusal(page *Page) auditLine {
	c.t.Helper()
	m := reference.FindStringSubmatch(page.Body)
	if page.Status != http.StatusForbidden || m == nil {
		c.t.Fatalf("no refusal with a reference number: %s", page)
	}
	lines := c.audit("--ref", m[1])
	if len(lines) != 1 {
		c.t.Fatalf("%d lines have the number %s", len(lines), m[1])
	}
	return lines[0]
}

// wantRule fails the test where another rule decided than the one that is wanted.
func (l *auditLine) wantRule(t *testing.T, section, rule string) {
	t.Helper()
	if l.Section != section || l.Rule != rule || l.Visit == nil || l.Visit.Now.IsZero() || l.Visit.User == nil {
		t.Errorf("decided by %s, %q on %+v; want %s, %q", l.Section, l.Rule, l.Visit, section, rule)
	}
}

func (l *auditLine) String() string {
	return fmt.Sprintf("%s %s %s of %s from %s", l.Kind, l.Result, l.Reason, l.Name, l.Client)
}
