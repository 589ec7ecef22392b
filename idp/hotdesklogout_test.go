package idp_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// newHotDesk is a venue at whose desk, 192.0.2.0/24, several people share one computer.
func newHotDesk(t *testing.T) *venue {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	cfg := baseConfig(t, storetest.NewMemory(c.Now), c.Now)
	desk := idp.Network{Name: "desk", Ranges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	cfg.Policies[0].SharedComputers = &idp.SharedSection{Networks: []idp.Network{desk}}
	g, err := idp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := venueOf(t, cfg.Store, c)
	h.gateway, h.client = g, netip.MustParseAddr("192.0.2.9")
	return h
}

// An application leads to /logout?app= after its own sign-out. At a desk that people share, the next of them is at the
// keyboard by then, and must not be let through as the one before.
func TestNobodyGoesStraightThroughAfterASignOutAtAHotDesk(t *testing.T) {
	h := newHotDesk(t)
	h.signIn(t, "alice")
	if h.visit("/apps/connect"); !strings.Contains(h.now.body, `data-page="post"`) {
		t.Fatal("alice cannot launch", h.words())
	}
	for _, look := range [][]string{{"Sec-Purpose", "prefetch"}, {"Sec-Fetch-Dest", "image"}} {
		h.visit("/logout?app=connect", look...)
		if h.visit("/"); !strings.Contains(h.now.body, `data-page="portal"`) {
			t.Errorf("%v ended the session", look)
		}
	}
	// Connect is another site.
	h.visit("/logout?app=connect", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "document")
	if !strings.Contains(h.now.body, `data-page="signed-out"`) || !strings.Contains(h.now.body, `href="/apps/connect"`) {
		t.Error("after Connect's sign-out:", h.now.answer.StatusCode, h.words())
	}
	for _, path := range []string{"/apps/connect", "/"} {
		if h.visit(path); !strings.HasPrefix(h.now.answer.Header.Get("Location"), "/login") {
			t.Errorf("%s after it: %d %s", path, h.now.answer.StatusCode, h.words())
		}
	}
	ended := 0
	if err := h.store.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool {
		if e.Kind == idp.EventLogout && e.User == "staff:alice" && e.Section == "shared_computers" && e.Rule == "shared_computers desk" {
			ended++
		}
		return true
	}); err != nil || ended != 1 {
		t.Errorf("%d lines tell of the end: %v", ended, err)
	}
}

// Elsewhere, a link of another site must not sign anybody out.
func TestALinkSignsNobodyOutOfTheirOwnComputer(t *testing.T) {
	h := newHotDesk(t)
	h.client = netip.MustParseAddr("198.51.100.7")
	h.signIn(t, "alice")
	for _, path := range []string{"/logout", "/logout?app=connect", "/logout?app=nothing"} {
		if a := h.visit(path, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "document"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
			t.Errorf("%s: %d %s", path, a.StatusCode, h.words())
		}
		if h.visit("/"); !strings.Contains(h.now.body, `data-page="portal"`) {
			t.Errorf("%s ended the session", path)
		}
	}
}
