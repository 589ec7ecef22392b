package idp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// A section that warns stops nothing and says so on the portal.
func TestThePortalWarns(t *testing.T) {
	f := &facts{now: idp.Facts{Agent: idp.Agent{Browser: "chrome", BrowserVersion: "100"}}}
	p := noMFA()
	p.Browsers = &idp.AgentSection{Of: idp.BrowsersSectionName, Rules: []idp.AgentRule{{Action: idp.AgentMinimum, Names: []string{"chrome"}, Version: "120", From: time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)}}}
	h := policed(t, p, func(c *idp.Config) { c.Facts = f.of })
	h.password(t, "alice", "/")
	if h.page() != "portal" || !strings.Contains(h.now.body, "Your browser is going to be too old: in 3 days") {
		t.Errorf("%q: %s", h.page(), h.words())
	}
	h.launched(t, "connect")
	f.now.Agent.BrowserVersion = "120"
	if h.wantPageOf(t, "/", "portal"); strings.Contains(h.now.body, "too old") {
		t.Errorf("a browser that is new is warned: %s", h.words())
	}
	f.now.Agent.BrowserVersion = "100"
	h.clock.move(3 * 24 * time.Hour)
	h.password(t, "alice", "/")
	if e := h.last(t, idp.EventDecision); h.now.answer.StatusCode != http.StatusForbidden || e.Reason != "browser_old" || e.App != "" || !strings.Contains(h.now.body, e.Ref) {
		t.Errorf("%d: %+v: %s", h.now.answer.StatusCode, e, h.words())
	}
}

// Whoever has no factor at all is turned away, or let in by the password until they have one.
func TestNewUsers(t *testing.T) {
	for _, c := range []struct {
		mode   idp.NewUserMode
		page   string
		status int
	}{{idp.NewUserDeny, "error", http.StatusForbidden}, {idp.NewUserAllow, "post", http.StatusOK}, {idp.NewUserEnroll, "enroll", http.StatusOK}} {
		t.Run(string(c.mode), func(t *testing.T) {
			h := policed(t, noMFA(), func(cfg *idp.Config) {
				cfg.Policies = append(cfg.Policies, &idp.Policy{Name: "first", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour}, NewUser: &idp.NewUserSection{Mode: c.mode}})
				cfg.Policies = append(cfg.Policies, &idp.Policy{Name: "enrolls", MFA: &idp.MFASection{Mode: idp.MFAAlways}})
				cfg.Applications = append(cfg.Applications, idp.AppConfig{Application: &sender{name: "first"}, Policy: "first"}, idp.AppConfig{Application: &sender{name: "enrolls"}, Policy: "enrolls"})
			})
			h.password(t, "alice", "/apps/first")
			if h.page() != c.page || h.now.answer.StatusCode != c.status {
				t.Fatalf("%q (%d): %s", h.page(), h.now.answer.StatusCode, h.words())
			}
			switch c.mode {
			case idp.NewUserDeny:
				if e := h.last(t, idp.EventDecision); e.Section != "new_user" || e.Rule != "new_user deny" || !strings.Contains(h.now.body, e.Ref) {
					t.Errorf("%+v", e)
				}
			case idp.NewUserAllow:
				if e := h.last(t, idp.EventLaunch); e.Section != "new_user" || e.Rule != "new_user allow" || e.Visit.Holding == nil || h.devices(t, "staff:alice") != 0 {
					t.Errorf("%+v", e)
				}
			case idp.NewUserEnroll:
				return
			}
			// Once they have one it is asked.
			h.wantPageOf(t, "/apps/enrolls", "enroll")
			h.authenticator(t)
			h.clock.move(13 * time.Hour)
			h.password(t, "alice", "/apps/first")
			if h.page() != "mfa" {
				t.Errorf("with a factor: %q: %s", h.page(), h.words())
			}
		})
	}
}

// The portal has policies for groups as an application has.
func TestThePortalsOwnGroupPolicies(t *testing.T) {
	h := policed(t, noMFA(), func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{Name: "strict", MFA: &idp.MFASection{Mode: idp.MFAAlways}})
		c.Portal.GroupPolicies = []idp.GroupPolicyName{{Policy: "strict", For: []idp.GroupRef{{Source: "staff", Name: "agents"}}}}
	})
	h.password(t, "nomail", "/")
	if h.page() != "portal" {
		t.Errorf("somebody of no group: %q", h.page())
	}
	h.use("second")
	h.password(t, "alice", "/")
	if h.page() != "enroll" {
		t.Errorf("of the group: %q", h.page())
	}
	if e := h.last(t, idp.EventDecision); e.Policy != "strict" || e.Rule != "mfa always" {
		t.Errorf("%+v", e)
	}
}

// A tile says beforehand what will be asked.
func TestTilesSayWhatTheyAsk(t *testing.T) {
	const app = "authenticator app"
	week := 7 * 24 * time.Hour
	for _, c := range []struct {
		name          string
		policy        idp.Policy
		client        bool // on the floor
		before, after string
	}{
		{"always", idp.Policy{MFA: &idp.MFASection{Mode: idp.MFAAlways}}, false, "asks for your " + app + ": every sign-in", "asks for your " + app + ": every sign-in"},
		{"every", idp.Policy{MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: week}}, false, "will ask for your " + app + ", then not for 7 days", "asks for your " + app + " every 7 days"},
		{"off", idp.Policy{}, false, "", ""},
		{"hot desk", idp.Policy{MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: week}, SharedComputers: &idp.SharedSection{Networks: []idp.Network{floorNet}}}, true, "will ask for your " + app, "asks for your " + app + ": once a session"},
		{"off inside", idp.Policy{MFA: &idp.MFASection{Mode: idp.MFAAlways}, Networks: &idp.NetworksSection{Rules: []idp.NetworkRule{{Action: idp.NetworkOffInside, Networks: []idp.Network{floorNet}}}}}, true, "", ""},
		{"always outside", idp.Policy{Networks: &idp.NetworksSection{Rules: []idp.NetworkRule{{Action: idp.NetworkAlwaysOutside, Networks: []idp.Network{floorNet}}}}}, false, "asks for your " + app + ": every sign-in from here", "asks for your " + app + ": every sign-in from here"},
		{"always without a certificate", idp.Policy{Endpoints: &idp.EndpointsSection{Mode: idp.EndpointsMFAAlways}}, false, "asks for your " + app + ": every sign-in on this computer", "asks for your " + app + ": every sign-in on this computer"},
		{"bypass", idp.Policy{MFA: &idp.MFASection{Mode: idp.MFAAlways}, Authentication: &idp.AuthenticationSection{Mode: idp.AuthenticationBypass}}, false, "", ""},
		{"new user", idp.Policy{MFA: &idp.MFASection{Mode: idp.MFAAlways}, NewUser: &idp.NewUserSection{Mode: idp.NewUserAllow}}, false, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			policy := c.policy
			h := policed(t, noMFA(), func(cfg *idp.Config) {
				policy.Name = "its"
				cfg.Policies = append(cfg.Policies, &policy)
				cfg.Applications = []idp.AppConfig{{Application: &sender{name: "its"}, Policy: "its"}}
			})
			if h.client = home; c.client {
				h.client = floor
			}
			says := func(want string) {
				t.Helper()
				h.wantPageOf(t, "/", "portal")
				_, got, _ := strings.Cut(h.now.body, `class="asks">`)
				if got, _, _ = strings.Cut(got, "<"); got != want {
					t.Errorf("the tile says %q, want %q", got, want)
				}
			}
			h.password(t, "alice", "/")
			says(c.before)
			h.visit("/apps/its")
			h.arrive(t)
			if h.page() == "enroll" {
				h.authenticator(t)
			}
			h.device(t, "yes")
			if h.page() != "post" {
				t.Fatalf("%q: %s", h.page(), h.words())
			}
			says(c.after)
		})
	}
}

// What is passed in a browser that others use too counts for the session, and the tiles say no more.
func TestTilesOfABrowserThatOthersUse(t *testing.T) {
	h := policed(t, noMFA(), func(cfg *idp.Config) {
		cfg.Policies = append(cfg.Policies, &idp.Policy{Name: "its", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour}})
		cfg.Applications = []idp.AppConfig{{Application: &sender{name: "its"}, Policy: "its"}, {Application: &sender{name: "other"}, Policy: "its"}}
	})
	h.password(t, "alice", "/apps/its")
	h.authenticator(t)
	h.device(t, "no")
	h.wantPageOf(t, "/", "portal")
	if b := h.now.body; strings.Contains(b, "7 days") || !strings.Contains(b, "asks for your authenticator app: once a session<") || !strings.Contains(b, "will ask for your authenticator app<") {
		t.Errorf("the tiles say: %s", h.words())
	}
}

// The line of a launch and that of a refusal hold the section, the rule, the visit and the number that the person sees, and
// the store what the digest names.
func TestTheLineOfADecision(t *testing.T) {
	h, f := watchful(t, nil)
	f.now.Country, f.now.Met = "DE", []string{"intranet"}
	h.password(t, "alice", "/apps/modern")
	launch := h.last(t, idp.EventLaunch)
	f.now.Agent.BrowserVersion = "7"
	h.visit("/apps/modern")
	h.arrive(t)
	denied := h.last(t, idp.EventDecision)
	for _, c := range []struct {
		line    idp.Event
		section string
		policy  string
		rule    string
	}{{launch, "mfa", "default", "mfa off"}, {denied, "browsers", "modern", "browsers minimum chrome 120"}} {
		e := c.line
		if e.Section != c.section || e.Policy != c.policy || e.Rule != c.rule || len(e.Ref) != 9 || e.Client != floor || e.App != "modern" || e.Visit == nil {
			t.Fatalf("%+v", e)
		}
		v := e.Visit
		if v.Agent.Browser != "chrome" || v.App != "modern" || !v.Now.Equal(e.Time) || v.SignedIn.IsZero() || v.Client != floor || v.User.Name != "alice" {
			t.Errorf("%+v", v)
		}
		if v.Certificate != "" || v.Country != "" || v.Met != nil || v.Networks != nil || v.User.Email != "" || v.User.DisplayName != "" || v.User.Groups != nil {
			t.Errorf("what the policy does not read is kept: %+v %+v", v, v.User)
		}
		doc, err := h.store.RuleText(t.Context(), e.Digest)
		if err != nil {
			t.Fatal(err)
		}
		g, err := idp.ReadGuard(doc)
		if err != nil {
			t.Fatal(err)
		}
		if d := g.Decide(*v); d.Section != e.Section || d.Rule != e.Rule || d.Policy != e.Policy || d.Digest != e.Digest || d.Reason != e.Reason {
			t.Errorf("decided on again: %+v, want %+v", d, e)
		}
	}
	if !strings.Contains(h.now.body, denied.Ref) || denied.Result != idp.Denied || launch.Result != idp.Success {
		t.Errorf("%+v", denied)
	}
}

// However many tiles want to know, each factor is asked once for the page.
func TestAPageAsksEachFactorOnce(t *testing.T) {
	duo := &phone{}
	asks := &idp.Policy{
		Name: "asks", MFA: &alwaysMFA, Factors: &idp.FactorsSection{Names: []string{"duo"}}, NewUser: &idp.NewUserSection{Mode: idp.NewUserDeny},
		Outage: &idp.OutageSection{Rules: []idp.OutageRule{{Factor: "duo", Use: []string{"totp"}}}},
	}
	h := policed(t, noMFA(), func(c *idp.Config) {
		c.Factors, c.Policies, c.Applications = append(c.Factors, duo), append(c.Policies, asks), nil
		for _, name := range []string{"one", "two", "three", "four", "five"} {
			c.Applications = append(c.Applications, idp.AppConfig{Application: link{name, "https://example.com/"}, Policy: "asks"})
		}
	})
	h.password(t, "alice", "/")
	for _, down := range []bool{false, true} {
		duo.down.Store(down)
		before := duo.asked.Load()
		h.wantPageOf(t, "/", "portal")
		if n := duo.asked.Load() - before; n != 1 || !strings.Contains(h.now.body, "/apps/five") {
			t.Errorf("down %v: asked %d times: %s", down, n, h.words())
		}
	}
}
