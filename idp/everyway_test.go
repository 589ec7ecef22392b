package idp_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// guarded is alice with both kinds of factors, a remembered device and recovery codes, in front of her portal; and a thief
// who has nothing but her password.
type guarded struct {
	*keyHolder
	flow, sessionForm string // of the owner's own pages
	kept              string // what the store had of her before the thief came
}

// stands in the table of ways for a page that the thief looks at before the attempt.
type stand struct {
	name  string
	pages []string
}

var stands = []stand{
	{name: "after the password"},
	{name: "before the authenticator app", pages: []string{"/mfa/totp?f="}},
	{name: "before the codes", pages: []string{"/rescue?f="}},
	{name: "on the way to a further factor", pages: []string{"/enroll/totp"}},
	{name: "on the way to a new password", pages: []string{"/password"}},
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	k := withKeys(t, func(c *idp.Config) {
		// Nothing opens by the password alone.
		c.Applications = slices.DeleteFunc(c.Applications, func(a idp.AppConfig) bool { return a.Application.Tile().Name == "connect" })
		c.Policies = append(c.Policies, &idp.Policy{Name: "weekly", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * 3600e9, Shared: true}})
		c.Applications = append(c.Applications,
			idp.AppConfig{Application: &sender{name: "connect"}, Policy: "weekly"},
			idp.AppConfig{Application: &sender{name: "roles", choices: []idp.Choice{{Value: "agent", Label: "Agent"}, {Value: "boss", Label: "Boss"}}}, Policy: "always"})
	})
	k.enroll()
	k.login("/apps/connect")
	k.arrive(t)
	k.device0(t)
	k.visit("/enroll/totp")
	k.arrive(t)
	k.authenticator(t)
	_, err := k.gateway.MakeRecoveryCodes(t.Context(), "corp:alice")
	must(t, err)
	g := &guarded{keyHolder: k}
	k.visit("/settings")
	g.sessionForm = k.mark(t)
	k.visit("/apps/coded-only")
	k.arrive(t)
	if g.flow = k.mark(t); k.page() != "mfa" {
		t.Fatalf("%q: %s", k.page(), k.words())
	}
	g.kept = g.all()
	return g
}

// device0 calls the owner's browser her own.
func (k *keyHolder) device0(t *testing.T) {
	t.Helper()
	k.venue.device(t, "yes")
	if k.page() != "post" || k.devices(t, "corp:alice") != 1 {
		t.Fatalf("%q, %d devices: %s", k.page(), k.devices(t, "corp:alice"), k.words())
	}
}

// all is what the store keeps of alice that somebody could take away or add to.
func (g *guarded) all() string {
	g.t.Helper()
	var b strings.Builder
	own, err := g.store.UserEnrollments(g.t.Context(), "corp:alice", "")
	must(g.t, err)
	for _, e := range own {
		fmt.Fprintln(&b, e.Factor, e.ID, e.Label)
	}
	devices, err := g.store.UserDevices(g.t.Context(), "corp:alice", g.clock.Now())
	must(g.t, err)
	for _, d := range devices {
		fmt.Fprintf(&b, "%x %s %d\n", d.ID, d.Label, len(d.Proofs))
	}
	sessions, err := g.store.UserSessions(g.t.Context(), "corp:alice")
	must(g.t, err)
	for _, s := range sessions {
		if slices.ContainsFunc(s.Proofs, func(p idp.Passed) bool { return p.Factor != idp.PasswordFactor }) {
			fmt.Fprintf(&b, "%x\n", s.ID)
		}
	}
	return b.String()
}

// steal has the thief sign in with the password at a browser of their own, up to a page, and returns the f of that page.
// Wrong codes of the attempt before are forgotten: what is tried is whether they count for anything, not how many.
func (g *guarded) steal(s stand) string {
	g.t.Helper()
	for _, name := range []string{"totp", "passkey", "rescue", "invitation"} {
		must(g.t, g.store.Clear(g.t.Context(), "code:"+name+":corp:alice"))
		must(g.t, g.store.Clear(g.t.Context(), "day:"+name+":corp:alice"))
	}
	jar, err := cookiejar.New(nil)
	must(g.t, err)
	g.now = &browser{jar: jar}
	g.client = g.client.Next() // a few begin so many sign-ins a minute, and no more
	g.keyHolder.password("/apps/each")
	if g.page() != "mfa" {
		g.t.Fatalf("the password leads to %q: %s", g.page(), g.words())
	}
	for _, page := range s.pages {
		if strings.HasSuffix(page, "?f=") {
			page += url.QueryEscape(g.mark(g.t))
		}
		g.visit(page)
		g.arrive(g.t)
	}
	return g.mark(g.t)
}

// mustStandOutside holds whatever the thief tried against what they must not get.
func (g *guarded) mustStandOutside(tried string) {
	g.t.Helper()
	for range 8 { // they follow wherever it leads
		if p := g.page(); slices.Contains([]string{"portal", "post", "settings", "recovery-codes", "choose", "device", "newpassword", "enroll", "enroll-code"}, p) {
			g.t.Fatalf("%s: the password alone leads to the page %q: %s", tried, p, g.words())
		}
		to := g.now.answer.Header.Get("Location")
		if to == "" {
			break
		}
		g.visit(to)
	}
	if strings.Contains(g.now.body, "SAMLResponse") {
		g.t.Fatalf("%s: signed in: %s", tried, g.words())
	}
	if kept := g.all(); kept != g.kept {
		g.t.Fatalf("%s: it changed what is kept:\n%s\nwas\n%s", tried, kept, g.kept)
	}
}

// addressesOf returns the addresses of the gateway for a method, from its own source, so that none is forgotten here.
func addressesOf(t *testing.T, method string) (paths []string) {
	t.Helper()
	source, err := os.ReadFile("routes.go")
	must(t, err)
	for _, m := range regexp.MustCompile(`"`+method+` (/[^"]*)"`).FindAllStringSubmatch(string(source), -1) {
		all := []string{strings.ReplaceAll(m[1], "{$}", "")}
		for hole, fillings := range map[string][]string{"{factor}": {"totp", "passkey", "nosuch"}, "{name}": {"each", "coded-only", "connect", "roles", "nosuch"}} {
			for _, path := range slices.Clone(all) {
				if !strings.Contains(path, hole) {
					continue
				}
				all = slices.DeleteFunc(all, func(p string) bool { return p == path })
				for _, f := range fillings {
					all = append(all, strings.ReplaceAll(path, hole, f))
				}
			}
		}
		paths = append(paths, all...)
	}
	if len(paths) < 10 || strings.ContainsAny(strings.Join(paths, ""), "{}") {
		t.Fatalf("the addresses of %s: %v", method, paths)
	}
	return paths
}

// C-27: whoever has the password alone is let in by no address, from no page, with whatever sign-in of theirs or of the
// owner's they name.
func TestC27NoAddressLeadsPastTheSecondStep(t *testing.T) {
	for _, s := range stands {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t)
			for _, path := range addressesOf(t, http.MethodGet) {
				for _, query := range []string{"", "?f=own", "?f=owners", "?done=proved", "?destination=/ccp-v2", "?f=nobodys.connect"} {
					own := g.steal(s)
					query = strings.NewReplacer("f=owners", "f="+url.QueryEscape(g.flow), "f=own", "f="+url.QueryEscape(own)).Replace(query)
					g.visit(path + query)
					g.mustStandOutside("GET " + path + query)
				}
			}
		})
	}
}

// C-27, R-43b: nor by any form, be it empty, of another step, filled with what does not count, or of another's page.
func TestC27R43bNoFormLeadsPastTheSecondStep(t *testing.T) {
	for _, s := range stands {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t)
			for name, fields := range g.forms() {
				for _, path := range addressesOf(t, http.MethodPost) {
					for _, whose := range []string{"own", "owner's", "owner's session", "none"} {
						if fields[0] == "kind" && whose == "none" || fields[0] != "kind" && whose == "owner's session" {
							continue // there is a test of each where it could matter
						}
						f := map[string]string{"own": g.steal(s), "owner's": g.flow, "owner's session": g.sessionForm}[whose]
						g.form(path, append([]string{"f", f}, fields...)...)
						g.mustStandOutside(fmt.Sprintf("POST %s, %s, f: %s", path, name, whose))
					}
				}
			}
			if n := len(g.events(t, idp.EventLaunch)); n != 1 {
				t.Errorf("%d launches, want the owner's one", n)
			}
		})
	}
}

// forms are what the thief fills in, for lack of what would count.
func (g *guarded) forms() map[string][]string {
	own, err := g.store.UserEnrollments(g.t.Context(), "corp:alice", "")
	must(g.t, err)
	id := own[0].Factor + "/" + own[0].ID
	return map[string][]string{
		"empty":      {"", ""},
		"a code":     {"code", "000000", "credential", "{}", "device", "yes", "choice", "agent"},
		"no values":  {"code", "", "credential", "", "device", "", "username", "", "password", "", "old", "", "kind", ""},
		"a factor":   {"kind", "factor", "remove", id, "device", "yes", "username", "alice", "password", "right"},
		"a name":     {"kind", "factor", "rename", id, "label", "mine", "error", "NotAllowedError"},
		"codes":      {"kind", "recovery", "make", "yes", "code", strings.Repeat("0", 5000)},
		"sessions":   {"kind", "session", "remove", "others"},
		"devices":    {"kind", "device", "remove", "all"},
		"a password": {"old", "right", "new", "Winter-2026!", "again", "Winter-2026!", "username", "alice", "password", "Winter-2026!"},
	}
}
