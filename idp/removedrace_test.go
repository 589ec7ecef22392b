package idp_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/passkey/passkeytest"
)

// C-38: somebody removes the passkey of a lost telephone while whoever found it signs in by it.
func TestC38ASignInBesideTheRemovalOfItsPasskey(t *testing.T) {
	k := withKeys(t, unchanged)
	k.enroll()
	k.login("/")
	k.arrive(t)
	lost := k.factorIDs()[0]
	other := &passkeytest.Device{Origin: site}
	k.visit("/enroll/passkey")
	k.arrive(t)
	k.form("/enroll/passkey", k.answer(other.Create)...)
	k.factorIDs()
	owner := k.now

	removed := 0
	k.becomes(func(u *idp.User) (*idp.User, error) {
		if removed == 0 {
			removed = k.beside(owner, "/settings", url.Values{"kind": {"factor"}, "remove": {lost}}).Code
		}
		return &idp.User{Source: "corp", ID: u.ID, Name: u.ID}, nil
	})
	k.use("finder")
	a := k.login("/")
	if removed != http.StatusSeeOther {
		t.Fatalf("the removal: %d", removed)
	}
	if a.StatusCode != http.StatusForbidden {
		t.Errorf("the sign-in beside it: %d", a.StatusCode)
	}
	k.wantPortal(t, false)
}

// What ends the person's sessions ends the codes that were given to them.
func TestARemovedSecondStepEndsBypassCodes(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	h.visit("/enroll/totp")
	h.arrive(t)
	h.authenticator(t)
	ids := h.own(t, "factors")
	b, err := h.gateway.IssueBypass(t.Context(), "alice", time.Hour, 2, "the test")
	must(t, err)
	h.form("/settings", "kind", "factor", "remove", ids[0])
	h.arrive(t)
	if left := h.own(t, "factors"); len(ids) != 2 || len(left) != 1 {
		t.Fatalf("%v, left %v: %s", ids, left, h.words())
	}
	if p, err := h.gateway.TakeBypass(t.Context(), "staff:alice", b.Code); err == nil {
		t.Errorf("the code is still good: %+v", p)
	}
}
