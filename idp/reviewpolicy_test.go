package idp_test

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// While a factor cannot be asked, what stands in for it has to be there already: a session that somebody left alone must
// not set up a factor of its own and open with it what is asked at every sign-in.
func TestAnOutageEnrollsNothing(t *testing.T) {
	h, duo := newOutage(t, alwaysMFA, idp.OutageRule{Use: []string{"totp"}})
	h.password(t, "alice", "/")
	h.form("/mfa/duo", "code", "1234")
	h.arrive(t)
	h.wantPageOf(t, "/", "portal")
	duo.down.Store(true)
	h.clock.move(time.Minute)
	h.visit("/apps/connect")
	h.arrive(t)
	if h.page() != "rescue" || h.now.answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the way to the application shows %q (%d): %s", h.page(), h.now.answer.StatusCode, h.words())
	}
}

// A password that was given out or left to expire is not changed from where the policy lets nobody in.
func TestNoPasswordIsChangedWhereThePolicyDenies(t *testing.T) {
	jail := idp.Network{Name: "jail", Ranges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	v, d := newDomainVenue(t, func(c *idp.Config) {
		c.Policies[1].Networks = &idp.NetworksSection{Rules: []idp.NetworkRule{{Action: idp.NetworkBlocked, Networks: []idp.Network{jail}}}}
	})
	d.accounts["anna"].state = "must_change"
	v.client = netip.MustParseAddr("192.0.2.9")
	v.visit("/")
	v.arrive(t)
	v.form("/login", "username", "anna", "password", "Summer-2025")
	v.arrive(t)
	if v.page() != "error" || v.now.answer.StatusCode != http.StatusForbidden {
		t.Fatalf("%q (%d): %s", v.page(), v.now.answer.StatusCode, v.words())
	}
	v.visit("/password")
	v.arrive(t)
	if v.page() != "error" || v.now.answer.StatusCode != http.StatusForbidden {
		t.Errorf("%q (%d): %s", v.page(), v.now.answer.StatusCode, v.words())
	}
}

// A new password opens the portal, too: a code counts for it where both that and the application on the way take one.
func TestACodeCountsForANewPasswordWhereItIsTaken(t *testing.T) {
	for mode, want := range map[idp.RescueMode]string{idp.RescueAny: "newpassword", idp.RescueBypass: "newpassword", idp.RescueOff: "mfa"} {
		v, d := newDomainVenue(t, func(c *idp.Config) {
			c.Portal.Policy = "portal"
			c.Policies = append(c.Policies, &idp.Policy{Name: "portal", MFA: &idp.MFASection{Mode: idp.MFAAlways}, Rescue: &idp.RescueSection{Mode: mode}})
		})
		signIn := func() {
			v.visit("/apps/connect")
			v.arrive(t)
			v.form("/login", "username", "anna", "password", "Summer-2025")
			v.arrive(t)
		}
		signIn()
		v.form("/enroll/totp", "code", v.codeNow(t))
		v.arrive(t)
		d.accounts["anna"].state = "must_change"
		b, err := v.gateway.IssueBypass(t.Context(), "anna", time.Hour, 1, "the test")
		if err != nil {
			t.Fatal(err)
		}
		v.use("second")
		signIn()
		v.visit("/rescue?f=" + flowID.FindStringSubmatch(v.now.body)[1])
		v.form("/rescue", "code", b.Code)
		v.arrive(t)
		if v.page() != want {
			t.Errorf("the portal takes %s, on the way to the application: %q: %s", mode, v.page(), v.words())
		}
		v.visit("/")
		v.arrive(t)
		if v.page() != want {
			t.Errorf("the portal takes %s, on the way to it: %q: %s", mode, v.page(), v.words())
		}
	}
}
