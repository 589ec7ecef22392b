package caddymodule

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// openedStore returns the store of the configuration in force.
func (s *site) openedStore() *shared {
	s.t.Helper()
	var found *shared
	pools.Range(func(_, v any) bool { found, _ = v.(*shared); return true })
	if found == nil {
		s.t.Fatal("no store is open")
	}
	return found
}

// furnish gives the demo user a session, a device and two enrollments.
func (s *site) furnish(store *shared) {
	s.t.Helper()
	now := time.Now()
	u := idp.User{Source: "people", ID: "demo", Name: "demo"}
	for _, err := range []error{
		store.PutSession(s.t.Context(), &idp.Session{ID: idp.Hash{1}, User: u, SignedIn: now, Expires: now.Add(time.Hour)}),
		store.PutDevice(s.t.Context(), &idp.Device{ID: idp.Hash{1}, User: u.Key(), Label: "Firefox", Created: now, Expires: now.Add(time.Hour)}),
		store.PutEnrollment(s.t.Context(), idp.Enrollment{User: u.Key(), Factor: "totp", ID: "1", Secret: []byte("the-seed"), Created: now}),
		store.PutEnrollment(s.t.Context(), idp.Enrollment{User: u.Key(), Factor: "passkey", ID: "1", Secret: []byte("key"), Created: now}),
	} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestRevokeByCommand(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	s.furnish(s.openedStore())

	if got := s.mustCommand(file, "user", "revoke", "DEMO@example.com"); !strings.Contains(got, "1 sessions ended, 1 devices forgotten") {
		t.Errorf("revoke: %s", got)
	}
	if left, err := s.openedStore().UserSessions(t.Context(), "people:demo"); err != nil || len(left) != 0 {
		t.Errorf("%d sessions are left (%v)", len(left), err)
	}
	var again struct {
		User              string
		Sessions, Devices int
	}
	if err := json.Unmarshal([]byte(s.mustCommand(file, "user", "revoke", "people:demo", "--json")), &again); err != nil || again.User != "people:demo" || again.Sessions != 0 {
		t.Errorf("by key: %+v, %v", again, err)
	}
	if got := s.mustCommand(file, "audit", "--user", "people:demo"); strings.Count(got, `reason="revoked"`) != 2 || !strings.Contains(got, `by="command as `) {
		t.Errorf("audit:\n%s", got)
	}
	_, err := s.command(file, "user", "revoke", "nobody")
	wantRefusal(t, err, "nobody")
}

func TestResetFactorByCommand(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	s.furnish(s.openedStore())

	got := s.mustCommand(file, "user", "reset-factor", "demo", "totp")
	if !strings.Contains(got, "totp of ") || strings.Contains(got, "the-seed") {
		t.Errorf("reset-factor: %s", got)
	}
	left, err := s.openedStore().UserEnrollments(t.Context(), "people:demo", "")
	if err != nil || len(left) != 1 || left[0].Factor != "passkey" {
		t.Errorf("left: %+v (%v)", left, err)
	}
	_, err = s.command(file, "user", "reset-factor", "demo", "totp")
	wantRefusal(t, err, "has enrolled nothing of that")
	_, err = s.command(file, "user", "reset-factor", "demo", "sms")
	wantFailure(t, err, `no factor is named "sms"; there are: totp`)
	var all struct{ Deleted []deleted }
	if err := json.Unmarshal([]byte(s.mustCommand(file, "user", "reset-factor", "demo", "--json")), &all); err != nil || len(all.Deleted) != 1 {
		t.Errorf("all: %+v, %v", all, err)
	}
}

func TestTypedNamesCannotSteerTheTerminal(t *testing.T) {
	if got := plain("a\x1b[2Jb\u202ec\u0085d"); got != "a\ufffd[2Jb\ufffdc\ufffdd" {
		t.Errorf("%q", got)
	}
}

// wantRefusal wants exit code 1 and a sentence.
func wantRefusal(t *testing.T, err error, parts ...string) {
	t.Helper()
	wantError(t, err, parts...)
	var no *refusal
	var failed *failure
	if !errors.As(err, &no) || errors.As(err, &failed) {
		t.Errorf("%v (%T) is no refusal", err, err)
	}
}

// wantFailure wants exit code 2 and a sentence.
func wantFailure(t *testing.T, err error, parts ...string) {
	t.Helper()
	wantError(t, err, parts...)
	var failed *failure
	if !errors.As(err, &failed) || !strings.Contains(failed.coded.Error(), "2") {
		t.Errorf("%v (%T) is no failure", err, err)
	}
}
