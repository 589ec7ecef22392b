package idp_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// orderedBy is who gives an order with a secret, as the audit line would say.
func (h *venue) orderedBy(t *testing.T, secret, claimed string) string {
	t.Helper()
	by, err := h.gateway.Operator(t.Context(), secret, claimed)
	if err != nil {
		return err.Error()
	}
	return by
}

func TestOperatorTokens(t *testing.T) {
	h := newVenue(t)
	secret, made, err := h.gateway.MakeOperatorToken(t.Context(), "desk-1", 24*time.Hour, "the test")
	must(t, err)
	if want := h.clock.Now().Add(24 * time.Hour); !made.Expires.Equal(want) {
		t.Errorf("it is good until %s, want %s", made.Expires, want)
	}
	refused := idp.ErrNotFound.Error()
	for _, c := range []struct{ what, secret, claimed, want string }{
		{"the token", secret, "command as bob", "token desk-1, command as bob"},
		{"the token, of somebody who says nothing", secret, "", "token desk-1"},
		{"the token, of somebody who writes lines", secret, "bob\nroot", "token desk-1, bob root"},
		{"no token", "", "command as root", refused},
		{"another", secret + "x", "command as root", refused},
		{"its name", "desk-1", "command as root", refused},
	} {
		if got := h.orderedBy(t, c.secret, c.claimed); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	if _, _, err := h.gateway.MakeOperatorToken(t.Context(), "desk-1", time.Hour, "the test"); !errors.Is(err, idp.ErrTaken) {
		t.Errorf("a second one of the name: %v", err)
	}
	own, err := h.gateway.MakeOwnerToken(t.Context(), "command as caddy")
	must(t, err)
	if got := h.orderedBy(t, own, "somebody else"); got != "command as caddy" {
		t.Errorf("the owner's: %q", got)
	}
	if got := h.orderedBy(t, own, ""); !strings.Contains(got, refused) {
		t.Errorf("the owner's, for a second order: %q", got)
	}
	if unspent, err := h.gateway.EndOwnerToken(t.Context(), own); unspent || err != nil {
		t.Errorf("the owner's, of which an order was taken: unspent %v, %v", unspent, err)
	}
	if own, err = h.gateway.MakeOwnerToken(t.Context(), "command as caddy"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if unspent, err := h.gateway.EndOwnerToken(t.Context(), own); unspent != want || err != nil {
			t.Errorf("the owner's, of which no order was taken: unspent %v, %v; want %v", unspent, err, want)
		}
	}
	if got := h.orderedBy(t, own, ""); !strings.Contains(got, refused) {
		t.Errorf("the owner's, ended: %q", got)
	}
	if own, err = h.gateway.MakeOwnerToken(t.Context(), "command as caddy"); err != nil {
		t.Fatal(err)
	}
	list, err := h.gateway.OperatorTokens(t.Context())
	must(t, err)
	if len(list) != 1 || list[0].Name != "desk-1" || list[0].By != "the test" || !list[0].Expires.Equal(made.Expires) {
		t.Errorf("the list: %+v", list)
	}
	h.clock.move(idp.OwnerTokenLife)
	if got := h.orderedBy(t, own, ""); got == "command as caddy" {
		t.Error("the owner's is good after its time")
	}
	if unspent, err := h.gateway.EndOwnerToken(t.Context(), own); !unspent || err != nil {
		t.Errorf("the owner's, of which no order was taken in time: unspent %v, %v", unspent, err)
	}
	must(t, h.gateway.RevokeOperatorToken(t.Context(), "desk-1", "the test"))
	if got := h.orderedBy(t, secret, ""); !strings.Contains(got, refused) {
		t.Errorf("after it was revoked: %q", got)
	}
	if err := h.gateway.RevokeOperatorToken(t.Context(), "desk-1", "the test"); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	secret, _, err = h.gateway.MakeOperatorToken(t.Context(), "desk-1", time.Hour, "the test")
	must(t, err)
	h.clock.move(time.Hour)
	if got := h.orderedBy(t, secret, ""); !strings.Contains(got, refused) {
		t.Errorf("after its time: %q", got)
	}
	var said []string
	for _, e := range h.events(t, idp.EventAdmin) {
		said = append(said, e.Reason+" "+e.Detail+" "+e.By)
	}
	if got, want := strings.Join(said, "; "), "token_made desk-1 the test; token_revoked desk-1 the test; token_made desk-1 the test"; got != want {
		t.Errorf("the audit log says %q, want %q", got, want)
	}
	for _, name := range []string{"", "a b", "-x", strings.Repeat("x", 65), "a\nb"} {
		if _, _, err := h.gateway.MakeOperatorToken(t.Context(), name, time.Hour, "the test"); err == nil {
			t.Errorf("the name %q is taken", name)
		}
	}
	for _, life := range []time.Duration{0, -time.Hour, idp.MostTokenLife + time.Second} {
		if _, _, err := h.gateway.MakeOperatorToken(t.Context(), "other", life, "the test"); err == nil {
			t.Errorf("a life of %s is taken", life)
		}
	}
}
