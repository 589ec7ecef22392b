package idp_test

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// removed has the person remove the factor whose name in the settings begins so, and reports whether it is gone.
func (h *venue) removed(t *testing.T, kind string) bool {
	t.Helper()
	ids := h.own(t, "factors")
	for _, id := range ids {
		if strings.HasPrefix(id, kind+"/") {
			h.form("/settings", "kind", "factor", "remove", id)
			return len(h.own(t, "factors")) < len(ids)
		}
	}
	t.Fatalf("no %s in %v: %s", kind, ids, h.words())
	return false
}

// C-38: a second step asked for from outside only is asked for as well.
func TestC38TheLastSecondStepStaysWhereItIsAskedFromOutside(t *testing.T) {
	office := []idp.Network{{Name: "office", Ranges: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}}
	p := noMFA()
	p.Networks = &idp.NetworksSection{Rules: []idp.NetworkRule{{Action: idp.NetworkAlwaysOutside, Networks: office}}}
	h := policed(t, p, nil)
	h.password(t, "alice", "/")
	h.visit("/enroll/totp")
	h.arrive(t)
	h.authenticator(t)
	if h.removed(t, "totp") {
		t.Error("the last second step was removed, and is asked for from home")
	}
	h.form("/settings", "kind", "recovery", "make", "yes")
	if h.page() != "recovery-codes" {
		t.Errorf("recovery codes, which count there: %q: %s", h.page(), h.words())
	}
}

// C-38: a passkey that was stopped, because a copy of it was in use, is no second step that could be left.
func TestC38AStoppedPasskeyIsNoSecondStep(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		k := withKeys(t, func(c *idp.Config) {
			c.Applications = slices.DeleteFunc(c.Applications, func(a idp.AppConfig) bool { return a.Policy == "codes" })
		})
		k.enroll()
		k.login("/")
		k.visit("/enroll/totp")
		k.arrive(t)
		k.authenticator(t)
		keys, err := k.store.UserEnrollments(t.Context(), "corp:alice", "passkey")
		must(t, err)
		if stopped {
			must(t, k.store.SpendStep(t.Context(), "corp:alice", "passkey", keys[0].ID, math.MaxInt64, k.clock.Now()))
		}
		if gone := k.removed(t, "totp"); gone == stopped {
			t.Errorf("beside a passkey that was stopped (%v) the app was removed (%v): %s", stopped, gone, k.words())
		}
	}
}

// C-38: the last second step stays that something takes, whatever else the person has.
func TestC38TheLastSecondStepThatIsTakenStays(t *testing.T) {
	k := withKeys(t, unchanged)
	k.enroll()
	k.login("/")
	k.visit("/enroll/totp")
	k.arrive(t)
	k.authenticator(t)
	if k.removed(t, "totp") {
		t.Error("an application takes authenticator apps alone, and the last one was removed")
	}
	if !k.removed(t, "passkey") {
		t.Errorf("a passkey, for which an authenticator app does everywhere, was not removed: %s", k.words())
	}

	h, _ := newRemoteVenue(t, func(c *idp.Config) {
		for _, p := range c.Policies {
			if p.MFA == nil || p.MFA.Mode != idp.MFAOff {
				p.Factors = &idp.FactorsSection{Names: []string{"totp"}}
			}
		}
	})
	code, _, _, err := h.gateway.Invite(t.Context(), "bob", idp.InviteLife, "the test")
	must(t, err)
	h.password(t, "bob", "/apps/salesforce")
	h.form("/enroll", "code", code)
	h.arrive(t)
	h.authenticator(t)
	if h.removed(t, "totp") {
		t.Error("a factor that is set up elsewhere, and that nothing takes, was no reason to keep the last one")
	}
}
