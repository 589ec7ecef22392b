package idp_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// tried says in a line what counts.
func tried(list []idp.Tries) string {
	var words []string
	for _, t := range list {
		words = append(words, fmt.Sprintf("%s %d/%d in %s %v", t.Of, t.Wrong, t.Most, t.Window, t.Locked()))
	}
	return strings.Join(words, "; ")
}

// C-30: what wrong codes have locked an administrator lifts, and the next code is judged.
func TestUnlockLiftsCodes(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	for range 2 {
		h.visit("/apps/salesforce")
		h.arrive(t)
		for range 5 {
			h.form("/mfa/totp", "code", "000000")
		}
		h.clock.move(16 * time.Minute)
	}
	o, err := h.gateway.Overview(t.Context(), "alice", "root")
	must(t, err)
	if len(o.Factors) != 1 || o.Factors[0].Factor != "totp" || o.Factors[0].Secret != nil || len(o.Sessions) != 1 || o.Codes != 0 {
		t.Errorf("%+v", o)
	}
	if got := tried(o.Tries); got != "totp 10/10 in 24h0m0s true" {
		t.Error(got)
	}
	h.visit("/apps/salesforce")
	h.arrive(t)
	if got := h.form("/mfa/totp", "code", h.codeNow(t)); got.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("%d", got.StatusCode)
	}
	if u, err := h.gateway.Unlock(t.Context(), "alice", "passkey", "root"); err != nil || len(u.Lifted) != 0 {
		t.Errorf("of another factor: %+v, %v", u, err)
	}
	u, err := h.gateway.Unlock(t.Context(), "alice", "totp", "root")
	must(t, err)
	if got := tried(u.Lifted); got != "totp 10/10 in 24h0m0s true" || u.User.Key() != "staff:alice" {
		t.Error(got)
	}
	e := h.last(t, idp.EventLockout)
	if e.Reason != "lifted" || e.Factor != "totp" || e.By != "root" || e.User != "staff:alice" || e.Result != idp.Success {
		t.Errorf("%+v", e)
	}
	if h.form("/mfa/totp", "code", h.codeNow(t)); !strings.HasPrefix(h.now.answer.Header.Get("Location"), "/apps/") {
		t.Errorf("after that: %d %s", h.now.answer.StatusCode, h.words())
	}
}

// Wrong passwords of a person in the gateway's own file are forgotten.
func TestUnlockLiftsPasswords(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	h.use("stranger")
	h.visit("/")
	h.arrive(t)
	for range 6 {
		h.form("/login", "username", "alice", "password", "wrong")
		h.arrive(t)
	}
	u, err := h.gateway.Unlock(t.Context(), "alice@example.com", "", "root")
	must(t, err)
	if got := tried(u.Lifted); got != "password 5/5 in 15m0s true" || len(u.Left) > 0 {
		t.Errorf("%s; left %+v", got, u.Left)
	}
	h.form("/login", "username", "alice", "password", "correct horse")
	if !strings.HasPrefix(h.now.answer.Header.Get("Location"), "/mfa/") {
		t.Errorf("after that: %d %s", h.now.answer.StatusCode, h.words())
	}
	if _, err := h.gateway.Unlock(t.Context(), "nobody", "", "root"); !errors.Is(err, idp.ErrNoUser) {
		t.Error(err)
	}
}

// What a directory has counted by itself the gateway does not forget: it would lock the account.
func TestUnlockSaysWhatTheDirectoryCounts(t *testing.T) {
	h, d := withLocking(t, 7)
	for range 2 {
		d.fail("alice")
	}
	o, err := h.gateway.Overview(t.Context(), "alice", "root")
	must(t, err)
	if got := tried(o.Tries); got != "password 2/5 in 30m0s false" {
		t.Error(got)
	}
	u, err := h.gateway.Unlock(t.Context(), "alice", "", "root")
	must(t, err)
	if got := tried(u.Left); len(u.Lifted) != 0 || got != "password 2/5 in 30m0s false" {
		t.Errorf("lifted %+v, left %s", u.Lifted, got)
	}
	// By the key too, under which the directory is asked by nobody's name.
	if o, err := h.gateway.Overview(t.Context(), "corp:gone", "root"); err != nil || o.User.Key() != "corp:gone" {
		t.Errorf("%+v, %v", o, err)
	}
}

// A look that finds nobody is written for what it is: of nobody, or of a name that nobody could say whose it is.
func TestLooksThatFindNobody(t *testing.T) {
	corp, partners, _ := corpAndOthers()
	v := routed(t, func(*idp.Config) {}, corp, partners)
	look := func(name, want string) {
		t.Helper()
		_, err := v.gateway.Overview(t.Context(), name, "root")
		if err == nil {
			t.Errorf("%s is found", name)
		}
		// A directory that is silent is no answer: a script must not take it for one.
		if down := strings.Contains(want, "source_unavailable"); errors.Is(err, idp.ErrNoUser) == down && !errors.Is(err, idp.ErrAmbiguous) {
			t.Errorf("%s: %v", name, err)
		}
		list := v.events(t, idp.EventHelpDesk)
		e := list[len(list)-1]
		if got := strings.Join([]string{e.Result, e.Reason, e.Name, e.User, e.By}, "|"); got != want {
			t.Errorf("%s: %s (%s), want %s", name, got, e.Detail, want)
		}
	}
	look("nobody", "denied|not_found|nobody||root")
	look("alice", "denied|ambiguous|alice||root")
	corp.down = errors.New("connection refused")
	look("nobody", "denied|source_unavailable|nobody||root")
	look("pat", "denied|source_unavailable|pat||root") // who may be somebody of corp
	partners.down = corp.down
	look("pat", "denied|source_unavailable|pat||root")
	for _, e := range lines(t, v.store, "source_unavailable") {
		if e.Detail != corp.down.Error() {
			t.Errorf("the detail is %q", e.Detail)
		}
	}
}
