package idp_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

var adminNow = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func adminGateway(t *testing.T, change func(*idp.Config)) (*idp.Gateway, idp.Store) {
	t.Helper()
	now := func() time.Time { return adminNow }
	s := storetest.NewMemory(now)
	c := baseConfig(t, s, now)
	if change != nil {
		change(&c)
	}
	g, err := idp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g, s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lines returns what the audit log has of a reason.
func lines(t *testing.T, s idp.Store, reason string) (out []idp.Event) {
	t.Helper()
	must(t, s.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool {
		if e.Reason == reason {
			out = append(out, e)
		}
		return true
	}))
	return out
}

func TestRevokeEndsSessionsAndForgetsDevices(t *testing.T) {
	g, s := adminGateway(t, nil)
	for i, user := range []string{"staff:alice", "staff:alice", "staff:bob"} {
		u := idp.User{Source: "staff", ID: strings.TrimPrefix(user, "staff:")}
		must(t, s.PutSession(t.Context(), &idp.Session{ID: idp.Hash{byte(i + 1)}, User: u, SignedIn: adminNow, Expires: adminNow.Add(time.Hour)}))
		must(t, s.PutDevice(t.Context(), &idp.Device{ID: idp.Hash{byte(i + 1)}, User: user, Created: adminNow, Expires: adminNow.Add(time.Hour)}))
	}
	r, err := g.Revoke(t.Context(), "Alice@example.com", "root")
	must(t, err)
	if r.User.Key() != "staff:alice" || r.Sessions != 2 || r.Devices != 2 {
		t.Errorf("revoked %+v, want 2 sessions and 2 devices of staff:alice", r)
	}
	if _, err := s.Session(t.Context(), idp.Hash{1}); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("the session is alive: %v", err)
	}
	if _, err := s.Session(t.Context(), idp.Hash{3}); err != nil {
		t.Errorf("the other person's session is gone: %v", err)
	}
	if d, err := s.UserDevices(t.Context(), "staff:bob", adminNow); err != nil || len(d) != 1 {
		t.Errorf("the other person has %d devices (%v), want 1", len(d), err)
	}
	if l := lines(t, s, "revoked"); len(l) != 1 || l[0].User != "staff:alice" || l[0].By != "root" || l[0].Ref == "" {
		t.Errorf("audit lines: %+v", l)
	}
}

func TestRevokeReachesPeopleWhoAreGoneFromTheirSource(t *testing.T) {
	g, s := adminGateway(t, nil)
	gone := idp.User{Source: "corp", ID: "4f2a"}
	must(t, s.PutSession(t.Context(), &idp.Session{ID: idp.Hash{1}, User: gone, SignedIn: adminNow, Expires: adminNow.Add(time.Hour)}))
	r, err := g.Revoke(t.Context(), "corp:4f2a", "root")
	must(t, err)
	if r.Sessions != 1 {
		t.Errorf("%d sessions, want 1", r.Sessions)
	}
	if _, err := g.Revoke(t.Context(), "nobody", "root"); !errors.Is(err, idp.ErrNoUser) {
		t.Errorf("nobody: %v", err)
	}
}

func TestResetMFADeletesWhatIsNamed(t *testing.T) {
	g, s := adminGateway(t, nil)
	for _, e := range []idp.Enrollment{
		{User: "staff:alice", Factor: "totp", ID: "1", Secret: []byte("seed"), Created: adminNow},
		{User: "staff:alice", Factor: "passkey", ID: "1", Secret: []byte("key"), Created: adminNow},
		{User: "staff:bob", Factor: "totp", ID: "1", Secret: []byte("seed"), Created: adminNow},
	} {
		must(t, s.PutEnrollment(t.Context(), e))
	}
	_, gone, err := g.ResetMFA(t.Context(), "alice", "totp", "root")
	must(t, err)
	if len(gone) != 1 || gone[0].Factor != "totp" || gone[0].Secret != nil {
		t.Errorf("gone: %+v", gone)
	}
	for user, want := range map[string]int{"staff:alice": 1, "staff:bob": 1} {
		if left, err := s.UserEnrollments(t.Context(), user, ""); err != nil || len(left) != want {
			t.Errorf("%s has %d enrollments (%v), want %d", user, len(left), err, want)
		}
	}
	if l := lines(t, s, "reset"); len(l) != 1 || l[0].Factor != "totp" {
		t.Errorf("audit lines: %+v", l)
	}
	_, gone, err = g.ResetMFA(t.Context(), "alice", "totp", "root")
	if err != nil || len(gone) != 0 {
		t.Errorf("a second time: %+v, %v", gone, err)
	}
}

func TestCheckFindsWhatIsUnusedUnreachableOrLate(t *testing.T) {
	g, s := adminGateway(t, func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{Name: "forgotten", MFA: &idp.MFASection{Mode: idp.MFAOff}})
	})
	find := func(where, what string) *idp.Finding {
		t.Helper()
		for _, f := range append(g.Check(t.Context()), g.CheckStore(t.Context())...) {
			if f.Where == where && strings.Contains(f.What, what) {
				return &f
			}
		}
		return nil
	}
	for where, what := range map[string]string{"policy forgotten": "neither", "application vault": "nobody"} {
		if f := find(where, what); f == nil || f.Level != idp.LevelWarning || f.Cure == "" {
			t.Errorf("%s: %+v, want a warning with its cure", where, f)
		}
	}
	if f := find("application connect", "nobody"); f != nil {
		t.Errorf("everybody may open connect, and the check says %+v", f)
	}
	keys, err := s.SAMLKeys()
	must(t, err)
	if f := find("key "+keys[0].ID, "it signs"); f == nil || f.Level != idp.LevelOK {
		t.Errorf("the active key: %+v", f)
	}
	if f := find("clock", "after every line"); f == nil || f.Level != idp.LevelOK {
		t.Errorf("the clock: %+v", f)
	}
	must(t, s.Append(t.Context(), idp.Event{Time: adminNow.Add(time.Hour), Kind: idp.EventLogin}))
	if f := find("clock", "has a line of 2026-03-02T09:00:00Z"); f == nil || f.Level != idp.LevelWarning {
		t.Errorf("a line from the future: %+v", f)
	}
}

func TestCheckWarnsOfKeysNearTheirEnd(t *testing.T) {
	late := adminNow.AddDate(10, 0, -30)
	g, s := adminGateway(t, func(c *idp.Config) { c.Now = func() time.Time { return late } })
	keys, err := s.SAMLKeys()
	must(t, err)
	for _, f := range g.CheckStore(t.Context()) {
		if f.Where == "key "+keys[0].ID && f.Level != idp.LevelWarning {
			t.Errorf("30 days before its end: %+v", f)
		}
	}
}

// C-67: the sessions of somebody who has enrolled nothing end with a line, too, and they are told.
func TestC67AResetOfNothingHasItsLine(t *testing.T) {
	h := newVenue(t)
	h.password(t, "alice", "/apps/handy")
	_, gone, err := h.gateway.ResetMFA(t.Context(), "alice", "", "root")
	must(t, err)
	if left, err := h.store.UserSessions(t.Context(), "staff:alice"); err != nil || len(left) > 0 || len(gone) > 0 {
		t.Errorf("%d sessions, %+v, %v", len(left), gone, err)
	}
	if e := h.last(t, idp.EventLogout); e.User != "staff:alice" || e.By != "root" || e.Reason != "revoked" {
		t.Errorf("%+v", e)
	}
}
