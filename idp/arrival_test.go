package idp_test

import (
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Who has one way in is not asked which.
func TestOneRoleIsNoChoice(t *testing.T) {
	h := policed(t, noMFA(), func(cfg *idp.Config) {
		one := &sender{name: "one", choices: []idp.Choice{{Value: "agent", Label: "Agent"}}}
		cfg.Applications = append(cfg.Applications, idp.AppConfig{Application: one})
	})
	h.password(t, "alice", "/apps/one")
	if h.page() != "post" {
		t.Errorf("%q: %s", h.page(), h.words())
	}
}

// The audit line of a launch says where another site led to it, a sibling of our own too; a bookmark and our own pages do not.
func TestArrivalsFromOtherSitesAreMarked(t *testing.T) {
	for from, want := range map[string]bool{"cross-site": true, "same-site": true, "same-origin": false, "none": false} {
		h := policed(t, noMFA(), nil)
		h.password(t, "alice", "/")
		h.visit("/apps/connect", "Sec-Fetch-Site", from, "Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate")
		h.arrive(t)
		if e := h.last(t, idp.EventLaunch); h.page() != "post" || e.CrossSite != want {
			t.Errorf("from %s: %q, marked %v", from, h.page(), e.CrossSite)
		}
	}
}
