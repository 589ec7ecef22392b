package idp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

func TestRoutesChoose(t *testing.T) {
	office := idp.Network{Name: "office", Ranges: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}
	inside, outside := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("198.51.100.9")
	routes := idp.Routes{
		{Sources: []string{"partners"}, Domains: []string{"partner.example", "PARTNERS"}},
		{Sources: []string{"floor"}, Domains: []string{"example.com"}, Apps: []string{"connect"}, Networks: []idp.Network{office}},
		{Sources: []string{"corp", "emergency"}, Domains: []string{"example.com", "CORP"}},
		{Sources: []string{"kiosk"}, Networks: []idp.Network{office}},
		{Sources: []string{"portal"}, Apps: []string{"", "handbook"}},
		{Sources: []string{"default"}},
	}
	for _, c := range []struct {
		says  string
		typed idp.Typed
		want  string
	}{
		{"a mail domain", idp.Typed{Name: "pat@partner.example", App: "x"}, "partners"},
		{"any case", idp.Typed{Name: "PAT@Partner.EXAMPLE", App: "x"}, "partners"},
		{"a NetBIOS prefix", idp.Typed{Name: `partners\pat`, App: "x"}, "partners"},
		{"a prefix goes before what looks like a mail domain", idp.Typed{Name: `CORP\pat@partner.example`, App: "x"}, "corp"},
		{"the last @ counts", idp.Typed{Name: "pat@partner.example@example.com", App: "x"}, "corp"},
		{"a domain below is another one", idp.Typed{Name: "pat@eu.partner.example", App: "x"}, "default"},
		{"a domain above is another one", idp.Typed{Name: "pat@example", App: "x"}, "default"},
		{"a letter that only looks alike is another one", idp.Typed{Name: "pat@partner.exampl\u0435", App: "x"}, "default"},
		{"the sign for kelvin is no k", idp.Typed{Name: "pat@\u212aiosk.example", App: "x"}, "default"},
		{"all conditions hold", idp.Typed{Name: "a@example.com", App: "connect", Client: inside}, "floor"},
		{"IPv4 in IPv6 clothes", idp.Typed{Name: "a@example.com", App: "connect", Client: netip.MustParseAddr("::ffff:203.0.113.9")}, "floor"},
		{"one of the conditions does not", idp.Typed{Name: "a@example.com", App: "connect", Client: outside}, "corp"},
		{"an address that is not known is in no network", idp.Typed{Name: "a@example.com", App: "connect"}, "corp"},
		{"a name without a domain has none of them", idp.Typed{Name: "alice", App: "x", Client: inside}, "kiosk"},
		{"an empty domain is none", idp.Typed{Name: "alice@", App: "x"}, "default"},
		{"an empty prefix is none", idp.Typed{Name: `\alice`, App: "x"}, "default"},
		{"the portal is a place to go", idp.Typed{Name: "alice", App: ""}, "portal"},
		{"an application", idp.Typed{Name: "alice", App: "handbook"}, "portal"},
		{"nothing else fits", idp.Typed{Name: "alice", App: "x"}, "default"},
	} {
		t.Run(c.says, func(t *testing.T) {
			if r := routes.Choose(c.typed); r == nil || r.Sources[0] != c.want {
				t.Errorf("%+v goes by %v, want %s", c.typed, r, c.want)
			}
		})
	}
	if r := routes[:4].Choose(idp.Typed{Name: "alice", App: "x"}); r != nil {
		t.Errorf("without a default: %v", r)
	}
	if got := routes[1].String(); got != "route floor domain example.com application connect network office" {
		t.Error(got)
	}
}

func TestRoutesThatCannotBeMeant(t *testing.T) {
	for want, routes := range map[string]idp.Routes{
		"names no source":                         {{}},
		`no source is named "corp"`:               {{Sources: []string{"corp"}}},
		`no application is named "x"`:             {{Sources: []string{"staff"}, Apps: []string{"x"}}},
		"no route after it is ever reached":       {{Sources: []string{"staff"}}, {Sources: []string{"staff"}, Domains: []string{"x"}}},
		`a rule is for a source "corp", which`:    nil,
		`source "staff" is configured twice`:      nil,
		"refresh (2h0m0s) is longer than grace (": nil,
	} {
		now := func() time.Time { return adminNow }
		cfg := baseConfig(t, storetest.NewMemory(now), now)
		cfg.Routes = routes
		switch {
		case strings.HasPrefix(want, "a rule"):
			cfg.SourceRules = []idp.SourceRule{{Source: "corp"}}
		case strings.HasPrefix(want, "source"):
			cfg.Sources = append(cfg.Sources, cfg.Sources[0])
		case strings.HasPrefix(want, "refresh"):
			cfg.Sessions.Refresh = 2 * time.Hour
		}
		if _, err := idp.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// routed is a venue with the configuration changed.
func routed(t *testing.T, change func(*idp.Config), sources ...idp.Source) *venue {
	t.Helper()
	v := withSources(t, sources...)
	cfg := baseConfig(t, v.store, v.clock.Now)
	cfg.Sources = sources
	cfg.Policies = []*idp.Policy{{Name: "default", MFA: &idp.MFASection{Mode: idp.MFAOff}, Backup: &idp.BackupSection{Mode: idp.BackupOff}}}
	cfg.Portal.Policy = ""
	cfg.Applications = []idp.AppConfig{{Application: &sender{name: "connect"}}}
	change(&cfg)
	var err error
	if v.gateway, err = idp.New(cfg); err != nil {
		t.Fatal(err)
	}
	return v
}

func corpAndOthers() (corp, partners *countingSource, emergency listed) {
	corp = &countingSource{name: "corp", users: map[string]string{"alice": "right"}, limit: 9}
	partners = &countingSource{name: "partners", users: map[string]string{"pat": "right", "alice": "right too"}, limit: 9}
	return corp, partners, listed{&countingSource{name: "emergency", users: map[string]string{"breakglass": "right"}, limit: 9}}
}

// A name is looked up where its route leads, and nowhere else.
func TestNamesGoByTheirRoute(t *testing.T) {
	corp, partners, emergency := corpAndOthers()
	v := routed(t, func(c *idp.Config) {
		c.Routes = idp.Routes{
			{Sources: []string{"partners"}, Domains: []string{"partner.example"}},
			{Sources: []string{"partners"}, Apps: []string{"connect"}},
			{Sources: []string{"corp", "emergency"}},
		}
	}, corp, partners, emergency)
	for _, c := range []struct {
		name, password string
		status         int
		source         string
	}{
		{"alice@partner.example", "right too", http.StatusSeeOther, "partners"},
		{"alice@partner.example", "right", http.StatusUnauthorized, ""},
		{"alice", "right", http.StatusSeeOther, "corp"},
		{"pat", "right", http.StatusUnauthorized, ""}, // of partners, which the default does not ask
		{"breakglass", "right", http.StatusSeeOther, "emergency"},
	} {
		if status, _ := v.try(t, c.name, c.password); status != c.status || v.lastLogin(t).Source != c.source {
			t.Errorf("%s: %d by %q, want %d by %q", c.name, status, v.lastLogin(t).Source, c.status, c.source)
		}
	}
	partners.take()
	v.try(t, "pat", "wrong")
	if calls := partners.take(); len(calls) != 0 {
		t.Errorf("a source off the route was asked: %v", calls)
	}
	v.use("on the way to connect")
	v.visit("/apps/connect")
	v.arrive(t)
	if a := v.form("/login", "username", "pat", "password", "right"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("on the way to connect: %d", a.StatusCode)
	}
}

// C-23: what stands between a name and its source is told to the audit log and to nobody else.
func TestRefusedNamesLookUnknown(t *testing.T) {
	for _, c := range []struct {
		says, name, reason, detail string
		change                     func(*idp.Config)
	}{
		{"no route", "alice", "no_route", "no default", func(c *idp.Config) {
			c.Routes = idp.Routes{{Sources: []string{"corp"}, Domains: []string{"example.com"}}}
		}},
		{"a source that is off", "alice", "source_off", "corp", func(c *idp.Config) {
			c.SourceRules = []idp.SourceRule{{Source: "corp", Off: true}}
			c.Routes = idp.Routes{{Sources: []string{"corp"}}}
		}},
		{"a source that is off beside others", "alice", "source_off", "corp", func(c *idp.Config) {
			c.SourceRules = []idp.SourceRule{{Source: "corp", Off: true}}
			c.Routes = idp.Routes{{Sources: []string{"corp", "emergency"}}}
		}},
		{"a typed domain that is not permitted", "alice@other.example", "domain_not_permitted", `"other.example"`, func(c *idp.Config) {
			c.SourceRules = []idp.SourceRule{{Source: "corp", Domains: []string{"example.com"}}}
		}},
		{"a typed prefix that is not permitted", `CORP\alice`, "domain_not_permitted", `"CORP"`, func(c *idp.Config) {
			c.SourceRules = []idp.SourceRule{{Source: "corp", Domains: []string{"example.com"}}}
		}},
		{"an account with a mail address elsewhere", "alice", "domain_not_permitted", `"alice@example.com"`, func(c *idp.Config) {
			c.SourceRules = []idp.SourceRule{{Source: "corp", Domains: []string{"example.org"}}}
		}},
	} {
		t.Run(c.says, func(t *testing.T) {
			corp, _, emergency := corpAndOthers()
			v := routed(t, c.change, corp, emergency)
			status, body := v.try(t, c.name, "right")
			e := v.lastLogin(t)
			if e.Result != idp.Failure || e.Reason != c.reason || !strings.Contains(e.Detail, c.detail) || e.User != "" {
				t.Errorf("audit: %+v", e)
			}
			calls := [][]string{corp.take(), emergency.take()}
			unknown := strings.Replace(c.name, "alice", "nosuch", 1)
			unknownStatus, unknownBody := v.try(t, unknown, "right")
			if again := [][]string{corp.take(), emergency.take()}; !slices.EqualFunc(calls, again, slices.Equal) {
				t.Errorf("calls %v, for an unknown name %v", calls, again)
			}
			if !slices.Contains(slices.Concat(calls...), "authenticate") {
				t.Errorf("nothing was done: %v", calls)
			}
			same := func(body, name string) string {
				return strings.ReplaceAll(flowID.ReplaceAllString(body, ""), name, "NAME")
			}
			if status != unknownStatus || status != http.StatusUnauthorized || same(body, c.name) != same(unknownBody, unknown) {
				t.Errorf("the answers differ: %d %s\n%d %s", status, same(body, c.name), unknownStatus, same(unknownBody, unknown))
			}
		})
	}
}

// Whoever has a permitted domain everywhere gets in, and failures are limited as ever.
func TestPermittedDomainsLetTheirOwnIn(t *testing.T) {
	corp, _, _ := corpAndOthers()
	v := routed(t, func(c *idp.Config) {
		c.SourceRules = []idp.SourceRule{{Source: "corp", Domains: []string{"EXAMPLE.com", "corp"}}}
	}, corp)
	for _, name := range []string{"alice", "Alice@Example.com", `CORP\alice`} {
		if status, _ := v.try(t, name, "right"); status != http.StatusSeeOther {
			t.Errorf("%s: %d", name, status)
		}
	}
	limited := false
	for i := range 12 {
		status, _ := v.try(t, "alice@other.example", string(rune('a'+i)))
		limited = limited || status == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("a name that no source takes may be tried for ever")
	}
}

// A directory that is down and off is not waited for, and is no news.
func TestASourceThatIsOffIsNotAsked(t *testing.T) {
	corp, partners, emergency := corpAndOthers()
	corp.down = errors.New("connection refused")
	v := routed(t, func(c *idp.Config) { c.SourceRules = []idp.SourceRule{{Source: "corp", Off: true}} }, corp, partners, emergency)
	if status, _ := v.try(t, "breakglass", "right"); status != http.StatusSeeOther || v.lastLogin(t).BreakGlass {
		t.Errorf("%d %+v", status, v.lastLogin(t))
	}
	if status, _ := v.try(t, "nosuch", "right"); status != http.StatusUnauthorized {
		t.Error(status)
	}
	if calls := corp.take(); len(calls) != 0 {
		t.Errorf("it was asked: %v", calls)
	}
	v = routed(t, func(c *idp.Config) { c.SourceRules = []idp.SourceRule{{Source: "corp", Off: true}} }, corp)
	if status, _ := v.try(t, "alice", "right"); status != http.StatusUnauthorized || v.lastLogin(t).Reason != "source_off" {
		t.Errorf("the only source is off and down: %d %+v", status, v.lastLogin(t))
	}
}

// ambiguous is a directory in which every name fits two accounts.
type ambiguous struct{ *countingSource }

func (ambiguous) Find(context.Context, string) (*idp.User, error) {
	return nil, fmt.Errorf("%w: %s", idp.ErrAmbiguous, `"CN=A,DC=x", "CN=B,DC=x"`)
}

func TestTwoAccountsAreNamedInTheAuditLine(t *testing.T) {
	corp, _, _ := corpAndOthers()
	v := routed(t, func(*idp.Config) {}, ambiguous{corp})
	if status, body := v.try(t, "alice", "right"); status != http.StatusUnauthorized || strings.Contains(body, "CN=A") {
		t.Errorf("%d", status)
	}
	if e := v.lastLogin(t); e.Reason != "ambiguous" || !strings.Contains(e.Detail, "CN=A") || !strings.Contains(e.Detail, "CN=B") {
		t.Errorf("audit: %+v", e)
	}
}

// Sessions of a source's people end when it is turned off, whatever they were doing.
func TestTurningASourceOffEndsItsSessions(t *testing.T) {
	corp, _, emergency := corpAndOthers()
	v := routed(t, func(*idp.Config) {}, corp, emergency)
	for _, name := range []string{"alice", "breakglass"} {
		if status, _ := v.try(t, name, "right"); status != http.StatusSeeOther {
			t.Fatal(status)
		}
	}
	cfg := baseConfig(t, v.store, v.clock.Now)
	cfg.Sources = []idp.Source{corp, emergency}
	cfg.SourceRules = []idp.SourceRule{{Source: "corp", Off: true}}
	cfg.Policies, cfg.Portal.Policy, cfg.Applications = []*idp.Policy{{Name: "default", MFA: &idp.MFASection{Mode: idp.MFAOff}}}, "", nil
	var err error
	v.gateway, err = idp.New(cfg)
	must(t, err)
	for name, want := range map[string]int{"alice": http.StatusSeeOther, "breakglass": http.StatusOK} {
		v.use(name + " right")
		if got := v.visit("/").StatusCode; got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	if l := lines(t, v.store, "source_off"); len(l) != 1 || l[0].Kind != idp.EventLogout || l[0].User != "corp:alice" {
		t.Errorf("audit: %+v", l)
	}
	if left, err := v.store.UserSessions(t.Context(), "corp:alice"); err != nil || len(left) != 0 {
		t.Errorf("%d sessions are left (%v)", len(left), err)
	}
}

func TestCheckTellsOfRoutesAndSourcesThatAreOff(t *testing.T) {
	corp, partners, emergency := corpAndOthers()
	v := routed(t, func(c *idp.Config) {
		c.SourceRules = []idp.SourceRule{{Source: "partners", Off: true}}
		c.Routes = idp.Routes{{Sources: []string{"corp", "partners"}, Domains: []string{"example.com"}}}
	}, corp, partners, emergency)
	found := v.gateway.Check(t.Context())
	for where, what := range map[string]string{"source partners": "it is off", "source emergency": "no route leads to it", "routes": "there is no default"} {
		if !slices.ContainsFunc(found, func(f idp.Finding) bool {
			return f.Where == where && strings.Contains(f.What, what) && f.Level == idp.LevelWarning && f.Cure != ""
		}) {
			t.Errorf("%s: nothing of %q in %+v", where, what, found)
		}
	}
}
