package idp_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// forbidden returns a venue with an application that alice may not open beside those that she may.
func forbidden(t *testing.T) *venue {
	t.Helper()
	h := policed(t, noMFA(), func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{Name: "bosses", Groups: &idp.GroupsSection{Allow: []idp.GroupRef{{Source: "staff", Name: "Supervisors"}}}})
		c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "vault"}, Policy: "bosses"})
	})
	h.password(t, "alice", "/")
	return h
}

// sendRaw sends a request whose target is what was written, as a client may that is no browser.
func (h *venue) sendRaw(t *testing.T, method, target, body string) {
	t.Helper()
	r := h.request(method, "/", strings.NewReader(body))
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return // net/http answers 400 by itself
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.RequestURI = u.Path, u.RawPath, u.RawQuery, target
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range h.cookies(t) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.gateway.ServeHTTP(w, r)
	h.now.answer, h.now.body = w.Result(), w.Body.String()
}

// C-54: each request for an application is judged by itself, however its address is written.
func TestC54NoSpellingOpensAnApplication(t *testing.T) {
	h := forbidden(t)
	h.launched(t, "connect")
	before := len(h.events(t, idp.EventLaunch))
	h.wantPageOf(t, "/", "portal")
	f := h.mark(t)
	for _, target := range []string{
		"/apps/vault", "/apps/Vault", "/apps/VAULT", "/apps/%76ault", "/apps/%76%61%75%6c%74", "/apps/connect/../vault", "/apps/connect/%2e%2e/vault",
		"/apps/connect%2f..%2fvault", "/apps/./vault", "/apps//vault", "//apps/vault", "/Apps/vault", "/apps/vault/", "/apps/vault%00", "/apps/vault%20",
		"/apps/vault;x=1", "/apps/vault?f=", "/apps/vault?f=.connect", "/apps/connect?app=vault", "/apps/connect%3fapp=vault", "/apps/va%C5%ADlt", "/login?app=vault", "/apps/vault?destination=/ccp-v2",
		"/apps/connect/vault", "/apps/connect\\..\\vault", "/apps/%2e%2e/apps/vault", "/mfa/../apps/vault",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			body := ""
			if method == http.MethodPost {
				body = url.Values{"f": {f}, "app": {"vault"}, "choice": {"vault"}}.Encode()
			}
			h.sendRaw(t, method, target, body)
			for range 6 {
				to := h.now.answer.Header.Get("Location")
				if to == "" {
					break
				}
				h.sendRaw(t, http.MethodGet, to, "")
			}
		}
	}
	for _, e := range h.events(t, idp.EventLaunch)[before:] {
		if e.App != "connect" {
			t.Errorf("%s was opened", e.App)
		}
	}
	if denied := h.events(t, idp.EventDecision); len(denied) == 0 || denied[0].App != "vault" || denied[0].Rule != `groups "staff/Supervisors"` {
		t.Errorf("%+v", denied)
	}
}

// C-54: a way that leads to one application opens no other.
func TestC54AFlowOpensItsOwnApplication(t *testing.T) {
	h := policed(t, &idp.Policy{MFA: &idp.MFASection{Mode: idp.MFAAlways}}, nil)
	h.password(t, "alice", "/apps/connect")
	f := h.mark(t)
	h.visit("/apps/salesforce?f=" + f)
	h.arrive(t)
	if h.page() == "post" || len(h.events(t, idp.EventLaunch)) != 0 {
		t.Errorf("%q", h.page())
	}
	h.visit("/mfa?f=" + f)
	h.arrive(t)
	h.authenticator(t)
	if e := h.events(t, idp.EventLaunch); h.page() != "post" || len(e) != 1 || e[0].App != "connect" {
		t.Errorf("%q: %+v", h.page(), e)
	}
	h.wantPageOf(t, "/apps/salesforce", "mfa")
}

// C-55: what a device proved is its person's, in that browser, for so long, until it is revoked.
func TestC55ADeviceIsItsPersonsOwn(t *testing.T) {
	h := remembering(t, idp.RememberAuto)
	h.password(t, "alice", "/apps/connect")
	h.authenticator(t)
	h.save(nil, []string{"alices"})
	h.use("bobs")
	h.password(t, "bob", "/apps/connect")
	h.authenticator(t)
	h.clock.move(13 * time.Hour)
	// Alice's cookie under bob's name, and in a browser beside.
	h.use("stolen")
	h.load(nil, []string{"alices"})
	h.password(t, "bob", "/apps/connect")
	if h.page() != "mfa" {
		t.Fatalf("bob with the device of alice: %q", h.page())
	}
	h.clock.move(7 * 24 * time.Hour)
	h.use("first")
	h.password(t, "alice", "/apps/connect")
	if h.page() != "mfa" {
		t.Errorf("after its time: %q", h.page())
	}
	h.authenticator(t)
	list, err := h.store.UserDevices(t.Context(), "staff:alice", h.clock.Now())
	if err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	if err := h.store.DeleteDevice(t.Context(), list[0].ID, "staff:alice"); err != nil {
		t.Fatal(err)
	}
	h.clock.move(13 * time.Hour)
	h.password(t, "alice", "/apps/connect")
	if h.page() != "mfa" {
		t.Errorf("revoked: %q", h.page())
	}
}

// C-55: a signal of the device that is missing is one that speaks against it.
func TestC55NoSignalIsNoTrust(t *testing.T) {
	h, f := watchful(t, nil)
	h.password(t, "alice", "/")
	f.now = idp.Facts{}
	h.opens(t, "managed", false)
	h.opens(t, "modern", false)
}

// C-56: the address that policy and audit see is Config.Client's, whatever headers say.
func TestC56TheAddressIsTheSurroundings(t *testing.T) {
	h, _ := watchful(t, nil)
	h.password(t, "alice", "/")
	claim := []string{}
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Cluster-Client-Ip", "Client-Ip"} {
		claim = append(claim, name, floor.String(), name, "unknown", name, "10.1.2.3:80, [::ffff:10.1.2.3%eth0]")
	}
	claim = append(claim, "Forwarded", `for="10.1.2.3";by=10.1.0.1;host=sso.example.com;proto=https`)
	for _, c := range []struct {
		client netip.Addr
		opens  bool
		reason string
	}{{home, false, "network"}, {netip.Addr{}, false, "network_unknown"}, {floor, true, ""}, {netip.MustParseAddr("::ffff:10.1.2.3"), true, ""}, {netip.MustParseAddr("::ffff:198.51.100.7"), false, "network"}} {
		h.client = c.client
		h.visit("/apps/inside", claim...)
		if to := h.now.answer.Header.Get("Location"); to != "" {
			t.Fatalf("led to %s", to)
		}
		if (h.page() == "post") != c.opens {
			t.Errorf("%v: %q", c.client, h.page())
		}
		e := h.last(t, map[bool]string{true: idp.EventLaunch, false: idp.EventDecision}[c.opens])
		if e.Client != c.client || e.Visit.Client != c.client || e.Reason != c.reason {
			t.Errorf("%v: %+v", c.client, e)
		}
	}
}

// C-57: IPv4 in IPv6 clothes is IPv4, an address is in each network that has it, and one that nobody knows is in none.
func TestC57NetworksOfAnAddress(t *testing.T) {
	network := func(name string, ranges ...string) idp.Network {
		n := idp.Network{Name: name}
		for _, r := range ranges {
			n.Ranges = append(n.Ranges, netip.MustParsePrefix(r))
		}
		return n
	}
	all := []idp.Network{network("ten", "10.0.0.0/8"), network("floor", "10.1.0.0/16", "2001:db8:1::/48"), network("one", "10.1.2.3/32"), network("any4", "0.0.0.0/0"), network("any6", "::/0"), network("none")}
	p := noMFA()
	p.Networks = &idp.NetworksSection{Rules: []idp.NetworkRule{{Action: idp.NetworkAlwaysOutside, Networks: all}, {Action: idp.NetworkBlocked, Networks: []idp.Network{network("never", "192.0.2.0/24")}}}}
	h := policed(t, p, nil)
	h.password(t, "alice", "/")
	for address, want := range map[string]string{
		"10.1.2.3": "ten floor one any4", "::ffff:10.1.2.3": "ten floor one any4", "::ffff:10.1.2.4": "ten floor any4", "10.200.0.1": "ten any4", "11.0.0.1": "any4",
		"2001:db8:1::7": "floor any6", "fe80::1%eth0": "any6", "::10.1.2.3": "any6",
	} {
		h.client = netip.MustParseAddr(address)
		h.launched(t, "connect")
		if got := strings.Join(h.last(t, idp.EventLaunch).Visit.Networks, " "); got != want {
			t.Errorf("%s is in %q, want %q", address, got, want)
		}
	}
	for _, address := range []string{"192.0.2.7", "::ffff:192.0.2.7"} {
		h.client = netip.MustParseAddr(address)
		h.opensNot(t, "connect", "network")
	}
	h.client = netip.Addr{}
	h.opensNot(t, "connect", "network_unknown")
}

// opensNot asks for an application that is denied for a reason.
func (h *venue) opensNot(t *testing.T, app, reason string) {
	t.Helper()
	h.visit("/apps/" + app)
	h.arrive(t)
	if e := h.last(t, idp.EventDecision); h.now.answer.StatusCode != http.StatusForbidden || e.Reason != reason {
		t.Errorf("%d: %+v, want %s", h.now.answer.StatusCode, e, reason)
	}
}

// no decision reads an address that the client put in a header, nor the User-Agent where no section asks for it, nor a
// fragment.
func TestR47NoDecisionReadsAClientsWord(t *testing.T) {
	h := forbidden(t)
	var claim []string
	for _, name := range []string{"X-Original-Url", "X-Original-Uri", "X-Rewrite-Url", "X-Forwarded-Uri", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-Original-Method", "X-Http-Method-Override", "X-Forwarded-Method", "X-Accel-Redirect", "Referer"} {
		claim = append(claim, name, "/apps/connect")
	}
	for _, name := range []string{"X-Forwarded-User", "Remote-User", "X-Remote-User", "X-Forwarded-Groups", "Remote-Groups"} {
		claim = append(claim, name, "Supervisors")
	}
	for _, agent := range []string{"", "kube-probe/1.30", "ELB-HealthChecker/2.0", "GoogleHC/1.0", "Mozilla/5.0 Chrome/140"} {
		for _, fragment := range []string{"", "#/apps/connect", "%23/apps/connect"} {
			h.visit("/apps/vault"+fragment, append(claim, "User-Agent", agent)...)
			h.arrive(t)
			if h.now.answer.StatusCode == http.StatusOK || len(h.events(t, idp.EventLaunch)) != 0 {
				t.Errorf("%q %q: %d", agent, fragment, h.now.answer.StatusCode)
			}
		}
		// And nobody is kept out by them.
		h.visit("/", append(claim, "User-Agent", agent)...)
		if h.page() != "portal" {
			t.Errorf("%q: the portal shows %q", agent, h.page())
		}
		// A stranger stays one.
		signedIn := h.now
		h.use("stranger" + agent)
		h.visit("/", append(claim, "User-Agent", agent)...)
		if h.arrive(t); h.page() != "login" {
			t.Errorf("%q: a stranger sees %q", agent, h.page())
		}
		h.now = signedIn
	}
}

// what cannot be evaluated denies, and says so in the audit line.
func TestR48WhatCannotBeEvaluatedDenies(t *testing.T) {
	agent := idp.Agent{System: "windows", SystemVersion: "11", Browser: "chrome", BrowserVersion: "140"}
	for reason, p := range map[string]idp.Policy{
		"network_unknown":           {Networks: &idp.NetworksSection{Rules: []idp.NetworkRule{{Action: idp.NetworkBlocked, Networks: []idp.Network{floorNet}}}}},
		"anonymous_network_unknown": {Anonymous: &idp.AnonymousSection{Mode: idp.PlaceDeny}},
		"location_unknown":          {Locations: &idp.LocationsSection{Rules: []idp.LocationRule{{Action: idp.PlaceDeny, Countries: []string{"KP"}}}}},
		"endpoint":                  {Endpoints: &idp.EndpointsSection{Mode: idp.EndpointsRequire}},
		"system_unknown":            {Systems: &idp.AgentSection{Of: idp.SystemsSectionName, Rules: []idp.AgentRule{{Action: idp.AgentBlock, Names: []string{"haiku"}}}}},
		"browser_unknown":           {Browsers: &idp.AgentSection{Of: idp.BrowsersSectionName, Rules: []idp.AgentRule{{Action: idp.AgentBlock, Names: []string{"opera"}}}}},
		"condition":                 {Require: &idp.RequireSection{Conditions: []string{"intranet"}}},
	} {
		t.Run(reason, func(t *testing.T) {
			f := &facts{now: idp.Facts{Anonymous: idp.No, Country: "DE", Agent: agent, Certificate: "CN=laptop-7", Met: []string{"intranet"}}}
			h := policed(t, noMFA(), func(c *idp.Config) {
				p.Name, c.Facts = "its", f.of
				c.Policies = append(c.Policies, &p)
				c.Applications[0].Policy = "its"
			})
			h.password(t, "alice", "/")
			h.opens(t, "connect", true)
			f.now, h.client = idp.Facts{}, netip.Addr{}
			h.opensNot(t, "connect", reason)
		})
	}
	// Surroundings that say nothing at all are as silent.
	h := policed(t, noMFA(), func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{Name: "its", Require: &idp.RequireSection{Conditions: []string{"intranet"}}})
		c.Applications[0].Policy = "its"
		c.Client, c.Facts = nil, nil
	})
	h.password(t, "alice", "/")
	h.opensNot(t, "connect", "condition")
}
