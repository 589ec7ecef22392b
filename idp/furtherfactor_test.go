package idp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// lost has alice set up an app on a telephone, then come with the password alone, and the page of those who cannot.
func (h *venue) lost(t *testing.T, app string) {
	t.Helper()
	h.password(t, "alice", "/apps/"+app)
	h.authenticator(t)
	h.use("without the telephone")
	h.password(t, "alice", "/apps/"+app)
	h.visit("/rescue?f=" + url.QueryEscape(h.mark(t)))
}

func (h *venue) invitationFor(t *testing.T, name string) string {
	t.Helper()
	code, _, _, err := h.gateway.Invite(t.Context(), name, idp.InviteLife, "the test")
	must(t, err)
	return code
}

// Whoever cannot use what they have sets up another factor by an invitation, which proves nothing by itself.
func TestAnInvitationOpensAFurtherFactor(t *testing.T) {
	h := newVenue(t)
	h.lost(t, "salesforce")
	if a := h.form("/rescue", "code", h.invitationFor(t, "bob")); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("somebody else's invitation: %d", a.StatusCode)
	}
	code := h.invitationFor(t, "alice")
	h.form("/rescue", "code", code)
	if to := h.now.answer.Header.Get("Location"); to == "" || h.now.answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("the invitation: %d: %s", h.now.answer.StatusCode, h.words())
	}
	h.visit("/apps/salesforce")
	if h.page() == "post" {
		t.Error("the invitation alone opens the application")
	}
	h.use("later")
	h.password(t, "alice", "/apps/salesforce")
	h.visit("/rescue?f=" + url.QueryEscape(h.mark(t)))
	if a := h.form("/rescue", "code", code); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("the invitation, once more: %d", a.StatusCode)
	}
	h.form("/rescue", "code", h.invitationFor(t, "alice"))
	h.arrive(t)
	if h.page() != "enroll" {
		t.Fatalf("the invitation leads to %q: %s", h.page(), h.words())
	}
	h.authenticator(t)
	if h.page() != "post" {
		t.Errorf("with the new app: %q: %s", h.page(), h.words())
	}
	if ids := h.own(t, "factors"); len(ids) != 2 {
		t.Errorf("alice has %d factors", len(ids))
	}
	if e := h.last(t, idp.EventInvite); e.Result != idp.Success || e.Factor != "invitation" || e.User != "staff:alice" {
		t.Errorf("the line: %+v", e)
	}
}

// An application that takes codes is not the way round a portal that takes none.
func TestAnInvitationOpensNothingWhereThePortalTakesNoCodes(t *testing.T) {
	h := newBesieged(t, func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{Name: "strict", MFA: &idp.MFASection{Mode: idp.MFAAlways}, Rescue: &idp.RescueSection{Mode: idp.RescueOff}})
		c.Portal.Policy = "strict"
	})
	h.lost(t, "connect")
	if a := h.form("/rescue", "code", h.invitationFor(t, "alice")); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("the invitation: %d", a.StatusCode)
	}
}

// Somebody at an open session changes nothing by an invitation: what takes a fresh second step takes one.
func TestAnInvitationIsNoFreshProof(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	h.clock.move(time.Hour)
	h.visit("/enroll/totp")
	h.arrive(t)
	if h.page() != "mfa" {
		t.Fatalf("another app: %q: %s", h.page(), h.words())
	}
	h.visit("/rescue?f=" + url.QueryEscape(h.mark(t)))
	if a := h.form("/rescue", "code", h.invitationFor(t, "alice")); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("the invitation: %d", a.StatusCode)
	}
	if left, err := h.store.OwnedMemos(t.Context(), "invite", "staff:alice", h.clock.Now()); err != nil || len(left) != 1 {
		t.Errorf("%d invitations are left, %v", len(left), err)
	}
}

// Where the policy takes no codes of the service desk, an invitation is none, and stays good for the gate that asks for one.
func TestAnInvitationOpensNoFurtherFactorWhereCodesAreOff(t *testing.T) {
	h := newBesieged(t, func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{Name: "strict", MFA: &idp.MFASection{Mode: idp.MFAAlways}, Rescue: &idp.RescueSection{Mode: idp.RescueOff}})
		for i := range c.Applications {
			c.Applications[i].Policy = "strict"
		}
	})
	h.lost(t, "connect")
	h.form("/rescue", "code", h.invitationFor(t, "alice"))
	h.arrive(t)
	if h.page() == "enroll" || h.page() == "post" {
		t.Errorf("the invitation leads to %q: %s", h.page(), h.words())
	}
	if left, err := h.store.OwnedMemos(t.Context(), "invite", "staff:alice", h.clock.Now()); err != nil || len(left) != 1 {
		t.Errorf("%d invitations are left, %v", len(left), err)
	}
}

// Somebody without the telephone, whose password has expired, needs the help desk's code twice.
func TestAnOwnNewPasswordEndsNoBypassCode(t *testing.T) {
	v, d := newDomainVenue(t, unchanged)
	now := func() string { p := d.accounts["anna"].passwords; return p[len(p)-1] }
	come := func() {
		v.visit("/apps/connect")
		v.arrive(t)
		v.form("/login", "username", "anna", "password", now())
		v.arrive(t)
	}
	come()
	v.form("/enroll/totp", "code", v.codeNow(t))
	v.arrive(t)
	b, err := v.gateway.IssueBypass(t.Context(), "anna", time.Hour, 3, "the test")
	must(t, err)
	rescue := func() {
		v.visit("/rescue?f=" + flowID.FindStringSubmatch(v.now.body)[1])
		v.form("/rescue", "code", b.Code)
		v.arrive(t)
	}
	d.accounts["anna"].state = "must_change"
	v.use("second")
	come()
	rescue()
	old := now()
	v.form("/password", "old", old, "new", "Winter-2026", "again", "Winter-2026")
	v.arrive(t)
	if now() == old {
		t.Fatalf("the password is not changed: %q: %s", v.page(), v.words())
	}
	v.use("third")
	come()
	rescue()
	if v.page() != "post" {
		t.Errorf("the code leads to %q: %s", v.page(), v.words())
	}
	_, err = v.gateway.Revoke(t.Context(), "anna", "the test")
	must(t, err)
	v.use("fourth")
	come()
	rescue()
	if v.page() == "post" {
		t.Error("a revocation ends no code")
	}
}

// The number that is read out over the telephone stays when the page is loaded again, and is of one line.
func TestTheRescuePageIsLoadedAgain(t *testing.T) {
	h := newVenue(t)
	h.lost(t, "salesforce")
	first, line := h.words(), h.last(t, idp.EventMFA)
	if !strings.Contains(first, line.Ref) || line.Reason != "cannot" {
		t.Fatalf("%+v: %s", line, first)
	}
	before := len(h.events(t, idp.EventMFA))
	for range 3 {
		h.visit("/rescue?f=" + url.QueryEscape(h.mark(t)))
		if !strings.Contains(h.words(), line.Ref) {
			t.Errorf("loaded again, without %s: %s", line.Ref, h.words())
		}
	}
	if after := len(h.events(t, idp.EventMFA)); after != before {
		t.Errorf("%d lines more", after-before)
	}
}
