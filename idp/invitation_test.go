package idp_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// C-36: an invitation opens the gate of the one account that it was made for, once, while it is young.
func TestC36AnInvitationIsOfOnePersonOnceAndNotForLong(t *testing.T) {
	h := newVenue(t)
	code, _, _, err := h.gateway.Invite(t.Context(), "alice", idp.InviteLife, "the test")
	must(t, err)
	try := func(who string) int {
		h.use(who + h.clock.Now().String())
		h.password(t, who, "/apps/coded")
		if h.page() != "enroll-code" {
			t.Fatalf("%s is led to %q: %s", who, h.page(), h.words())
		}
		return h.form("/enroll", "code", code).StatusCode
	}
	if got := try("bob"); got != http.StatusUnauthorized {
		t.Errorf("another person: %d", got)
	}
	h.clock.move(idp.InviteLife)
	if got := try("alice"); got != http.StatusUnauthorized {
		t.Errorf("too old: %d", got)
	}
	code, _, _, err = h.gateway.Invite(t.Context(), "alice", idp.InviteLife, "the test")
	must(t, err)
	h.clock.move(idp.InviteLife - time.Second)
	if got := try("alice"); got != http.StatusSeeOther {
		t.Errorf("its person: %d", got)
	}
	h.clock.move(time.Second)
	if got := try("alice"); got != http.StatusUnauthorized {
		t.Errorf("once more: %d", got)
	}
}

// C-36: where the account may be in wrong hands, a code that was given out before opens its gate no more, of whichever kind.
func TestC36InvitationsEndWithTheSessions(t *testing.T) {
	for _, end := range []string{"revoke", "reset"} {
		h := newVenue(t)
		code, _, _, err := h.gateway.Invite(t.Context(), "alice", idp.InviteLife, "the test")
		must(t, err)
		others, _, _, err := h.gateway.Invite(t.Context(), "bob", idp.InviteLife, "the test")
		must(t, err)
		if end == "revoke" {
			_, err = h.gateway.Revoke(t.Context(), "alice", "the test")
		} else {
			_, _, err = h.gateway.ResetMFA(t.Context(), "alice", "", "the test")
		}
		must(t, err)
		later, _, _, err := h.gateway.Invite(t.Context(), "alice", idp.InviteLife, "the test")
		must(t, err)
		for _, c := range []struct {
			who, code string
			want      int
		}{{"alice", code, http.StatusUnauthorized}, {"alice", later, http.StatusSeeOther}, {"bob", others, http.StatusSeeOther}} {
			h.use(c.who + c.code)
			h.password(t, c.who, "/apps/coded")
			if got := h.form("/enroll", "code", c.code).StatusCode; got != c.want {
				t.Errorf("after %s, a code of %s: %d, want %d", end, c.who, got, c.want)
			}
		}
	}
}

// Nobody is invited without a line that says by whom.
func TestAnInvitationHasItsLineFirst(t *testing.T) {
	h := newVenue(t)
	_, _, _, err := h.gateway.Invite(t.Context(), "alice", idp.InviteLife, "command as root")
	must(t, err)
	if e := h.last(t, idp.EventInvite); e.By != "command as root" || e.User != "staff:alice" || e.Result != "issued" {
		t.Errorf("%+v", e)
	}
	s := &failingLog{Store: h.store}
	s.fails.Store(true)
	g, err := idp.New(baseConfig(t, s, h.clock.Now))
	must(t, err)
	code, _, _, err := g.Invite(t.Context(), "bob", idp.InviteLife, "command as root")
	if err == nil || code != "" {
		t.Errorf("without a line: %q, %v", code, err)
	}
	if kept, err := h.store.OwnedMemos(t.Context(), "invite", "staff:bob", h.clock.Now()); err != nil || len(kept) > 0 {
		t.Errorf("%d codes are good, %v", len(kept), err)
	}
}
