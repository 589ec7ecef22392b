package idp_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// watchful returns a venue with three applications, each under a policy that reads something of where the browser is, and
// what its surroundings say.
func watchful(t *testing.T, change func(*idp.Config)) (*venue, *facts) {
	t.Helper()
	f := &facts{now: idp.Facts{Agent: idp.Agent{System: "windows", SystemVersion: "10.0.22631", Browser: "chrome", BrowserVersion: "140"}, Certificate: "CN=laptop-7"}}
	h := policed(t, noMFA(), func(c *idp.Config) {
		c.Facts = f.of
		c.Policies = append(c.Policies,
			&idp.Policy{Name: "inside", Networks: &idp.NetworksSection{Rules: []idp.NetworkRule{{Action: idp.NetworkDenyOutside, Networks: []idp.Network{floorNet}}}}},
			&idp.Policy{Name: "modern", Browsers: &idp.AgentSection{Of: idp.BrowsersSectionName, Rules: []idp.AgentRule{{Action: idp.AgentMinimum, Names: []string{"chrome"}, Version: "120"}}}},
			&idp.Policy{Name: "managed", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour}, Endpoints: &idp.EndpointsSection{Mode: idp.EndpointsRequire}})
		for _, name := range []string{"inside", "modern", "managed"} {
			c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: name}, Policy: name})
		}
		if change != nil {
			change(c)
		}
	})
	h.client = floor
	return h, f
}

// opens looks at the portal's tile, which is there and not closed, and at the launch: both say the same.
func (h *venue) opens(t *testing.T, app string, want bool) {
	t.Helper()
	h.wantPageOf(t, "/", "portal")
	_, tile, there := strings.Cut(h.now.body, "/apps/"+app+`"`)
	tile, _, _ = strings.Cut(tile, "</form>")
	if got := there && !strings.Contains(tile, `class="tile closed"`); got != want {
		t.Errorf("%s: a tile %v that opens %v, want %v", app, there, got, want)
	}
	h.visit("/apps/" + app)
	h.arrive(t)
	if want != (h.page() == "post") {
		t.Errorf("%s shows %q (%d), want open %v: %s", app, h.page(), h.now.answer.StatusCode, want, h.words())
	}
	if want {
		return
	}
	e := h.last(t, idp.EventDecision)
	if h.now.answer.StatusCode != http.StatusForbidden || e.App != app || e.Ref == "" || !strings.Contains(h.now.body, e.Ref) || e.Section == "" || e.Rule == "" || e.Digest == "" || e.Visit == nil {
		t.Errorf("%s: %d: %+v", app, h.now.answer.StatusCode, e)
	}
}

// A session is judged by what is so now, not by what was so when it began.
func TestFactsChangeWithinASession(t *testing.T) {
	h, f := watchful(t, nil)
	h.password(t, "alice", "/")
	h.opens(t, "inside", true)
	h.opens(t, "modern", true)

	for _, elsewhere := range []netip.Addr{home, {}} {
		h.client = elsewhere
		h.opens(t, "inside", false)
		h.opens(t, "modern", true)
	}
	h.client = floor
	h.opens(t, "inside", true)

	f.now.Agent.BrowserVersion = "119.9"
	h.opens(t, "modern", false)
	f.now.Agent = idp.Agent{}
	h.opens(t, "modern", false)
	if e := h.last(t, idp.EventDecision); e.Reason != "browser_unknown" {
		t.Errorf("%+v", e)
	}
	f.now.Agent = idp.Agent{Browser: "chrome", BrowserVersion: "120.0.1"}
	h.opens(t, "modern", true)
	h.opens(t, "connect", true) // which reads none of it
}

// A remembered device skips the factor, never the endpoint check.
func TestARememberedDeviceIsCheckedAllTheSame(t *testing.T) {
	h, f := watchful(t, nil)
	h.password(t, "alice", "/apps/managed")
	h.authenticator(t)
	h.form("/mfa", "device", "yes")
	h.arrive(t)
	h.clock.move(24 * time.Hour)
	h.password(t, "alice", "/apps/managed")
	if h.page() != "post" {
		t.Fatalf("the device leads to %q", h.page())
	}
	f.now.Certificate = ""
	h.opens(t, "managed", false)
	f.now.Certificate = "CN=laptop-7"
	h.opens(t, "managed", true)
}

// What the directory says meanwhile is in force at the next page, and before a launch.
func TestGroupsChangeWithinASession(t *testing.T) {
	agents := []idp.GroupRef{{Source: "corp", Name: "Agents"}}
	v, l := newLiving(t, func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{Name: "members", Groups: &idp.GroupsSection{Allow: agents}}, &idp.Policy{Name: "suspended", Authentication: &idp.AuthenticationSection{Mode: idp.AuthenticationDeny}})
		c.Applications = append(c.Applications, idp.AppConfig{
			Application: &sender{name: "members"}, Policy: "members",
			GroupPolicies: []idp.GroupPolicyName{{Policy: "suspended", For: []idp.GroupRef{{Source: "corp", Name: "Suspended"}}}},
		})
	})
	in := func(groups ...string) {
		l.becomes(func(u *idp.User) (*idp.User, error) {
			now := *u
			now.Groups = nil
			for _, g := range groups {
				now.Groups = append(now.Groups, idp.Group{Names: []string{g}})
			}
			return &now, nil
		})
		v.clock.move(5 * time.Minute)
	}
	v.opens(t, "members", false)
	in("Agents")
	v.opens(t, "members", true)
	in("Agents", "suspended")
	v.opens(t, "members", false)
	if e := v.last(t, idp.EventDecision); e.Policy != "suspended" || e.Rule != "authentication deny" || len(e.Visit.User.Groups) != 2 {
		t.Errorf("%+v", e)
	}
	in("Agents")
	v.opens(t, "members", true)
	// At a launch ten seconds are enough.
	l.becomes(func(u *idp.User) (*idp.User, error) {
		now := *u
		now.Groups = nil
		return &now, nil
	})
	v.clock.move(11 * time.Second)
	v.visit("/apps/members")
	v.arrive(t)
	if v.now.answer.StatusCode != http.StatusForbidden {
		t.Errorf("%d: %s", v.now.answer.StatusCode, v.words())
	}
}

// The surroundings are asked where a policy reads something, and once a request.
func TestFactsAreAskedOnce(t *testing.T) {
	h, f := watchful(t, nil)
	h.password(t, "alice", "/")
	asked := func(path string, want int) {
		t.Helper()
		f.asked = 0
		if h.visit(path); f.asked != want {
			t.Errorf("%s asks %d times, want %d", path, f.asked, want)
		}
	}
	asked("/", 1) // three tiles of five
	asked("/apps/connect", 0)
	asked("/apps/inside", 0) // the networks follow from the address
	asked("/apps/modern", 1)
	f.now.Agent.BrowserVersion = "1"
	asked("/apps/modern", 1) // though it is decided on more than once
	asked("/settings", 0)
	asked("/healthz", 0)
	asked("/logout", 0)
	h.use("stranger")
	asked("/", 0)
	asked("/apps/modern", 0)
	plain := policed(t, noMFA(), func(c *idp.Config) { c.Facts = f.of })
	plain.password(t, "alice", "/")
	f.asked = 0
	plain.wantPageOf(t, "/", "portal")
	plain.launched(t, "connect")
	if f.asked != 0 {
		t.Errorf("asked %d times, and no policy reads any of it", f.asked)
	}
}
