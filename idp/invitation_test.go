package idp_test

import (
	"net/http"
	"testing"
	"time"
)

// C-36: an invitation opens the gate of the one account that it was made for, once, while it is young.
func TestC36AnInvitationIsOfOnePersonOnceAndNotForLong(t *testing.T) {
	h := newVenue(t)
	code, _, _, err := h.gateway.Invite(t.Context(), "alice")
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
	h.clock.move(25 * time.Hour)
	if got := try("alice"); got != http.StatusUnauthorized {
		t.Errorf("too old: %d", got)
	}
	code, _, _, err = h.gateway.Invite(t.Context(), "alice")
	must(t, err)
	h.clock.move(time.Hour)
	if got := try("alice"); got != http.StatusSeeOther {
		t.Errorf("its person: %d", got)
	}
	h.clock.move(time.Second)
	if got := try("alice"); got != http.StatusUnauthorized {
		t.Errorf("once more: %d", got)
	}
}
