package idp_test

import (
	"context"
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

// beside is a store that has something done at a moment of its writing, once. Sessions that were ended by another process it
// knows for a while, as a store with a cache does.
type beside struct {
	idp.Store
	enrolling, ending, remembering func()
	known                          map[idp.Hash]*idp.Session
}

func (s *beside) Session(ctx context.Context, id idp.Hash) (*idp.Session, error) {
	if sess := s.known[id]; sess != nil {
		return sess, nil
	}
	sess, err := s.Store.Session(ctx, id)
	if s.known != nil && err == nil {
		s.known[id] = sess
	}
	return sess, err
}

func (s *beside) PutDevice(ctx context.Context, d *idp.Device) error {
	if do := s.remembering; do != nil {
		s.remembering = nil
		do()
	}
	return s.Store.PutDevice(ctx, d)
}

func (s *beside) PutEnrollment(ctx context.Context, e idp.Enrollment) error {
	if do := s.enrolling; do != nil {
		s.enrolling = nil
		do()
	}
	return s.Store.PutEnrollment(ctx, e)
}

func (s *beside) ReplaceEnrollments(ctx context.Context, user, factor string, list []idp.Enrollment) error {
	if do := s.enrolling; do != nil {
		s.enrolling = nil
		do()
	}
	return s.Store.ReplaceEnrollments(ctx, user, factor, list)
}

func (s *beside) DeleteUserSessions(ctx context.Context, user string, keep idp.Hash) (int, error) {
	if do := s.ending; do != nil {
		s.ending = nil
		do()
	}
	return s.Store.DeleteUserSessions(ctx, user, keep)
}

// What a stranger sets up in an open session while the service desk resets the person's factors is gone with them, whichever
// of the two is faster; so are recovery codes.
func TestWhatIsSetUpBesideAResetIsGone(t *testing.T) {
	for _, setUp := range []string{"/enroll/totp", "/settings"} {
		for _, faster := range []string{"reset", "stranger"} {
			h := newVenue(t)
			s := &beside{Store: h.store, known: map[idp.Hash]*idp.Session{}}
			var err error
			h.gateway, err = idp.New(baseConfig(t, s, h.clock.Now))
			must(t, err)
			h.signIn(t, "alice")
			h.visit(setUp)
			h.arrive(t)
			form := url.Values{"code": {h.codeNow(t)}}
			if setUp == "/settings" {
				form = url.Values{"kind": {"recovery"}, "make": {"yes"}, "once": {onceField.FindStringSubmatch(h.now.body)[1]}}
			}
			reset := func() {
				_, _, err := h.gateway.ResetMFA(t.Context(), "alice", "", "the test")
				must(t, err)
			}
			status := 0
			if faster == "reset" {
				s.enrolling = reset
				status = h.beside(h.now, setUp, form).Code
			} else {
				s.ending = func() { status = h.beside(h.now, setUp, form).Code }
				reset()
			}
			if left, err := h.store.UserEnrollments(t.Context(), "staff:alice", ""); err != nil || len(left) > 0 {
				t.Errorf("%s, the %s is faster: %d, and %d enrollments are left, %v", setUp, faster, status, len(left), err)
			}
			if faster == "reset" && status != http.StatusForbidden {
				t.Errorf("%s: %d", setUp, status)
			}
		}
	}
}

// A revocation by a command is one of another process, of whose end of a session this one hears a moment later: the browser that
// answers meanwhile is not remembered.
func TestNoDeviceIsRememberedBesideARevocation(t *testing.T) {
	h := newVenue(t)
	s := &beside{Store: h.store, known: map[idp.Hash]*idp.Session{}}
	var err error
	h.gateway, err = idp.New(baseConfig(t, s, h.clock.Now))
	must(t, err)
	h.password(t, "alice", "/")
	h.authenticator(t)
	s.remembering = func() {
		_, err := h.gateway.Revoke(t.Context(), "alice", "the test")
		must(t, err)
	}
	h.form("/mfa", "device", "yes")
	if n := h.devices(t, "staff:alice"); n != 0 || h.now.answer.StatusCode != http.StatusForbidden {
		t.Errorf("%d, %d devices are remembered", h.now.answer.StatusCode, n)
	}
}
