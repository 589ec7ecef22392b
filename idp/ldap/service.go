package ldap

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	// refusedTime is how long a server that refused the service account is not asked again, where asking does no harm.
	refusedTime = time.Minute
	// wrongTime is how long where the password was wrong: longer than the usual window of a lockout, half an hour, so that a
	// gateway with an old password does not lock the account that everybody depends on.
	wrongTime = 35 * time.Minute
	// mostWrong servers are shown a password that is wrong, lest one that lags behind the others stop them all.
	mostWrong = 2
)

// refusal is an answer to the service account that is believed for a while.
type refusal struct {
	err   error
	until time.Time
}

func (r refusal) at(now time.Time) error {
	if now.Before(r.until) {
		return r.err
	}
	return nil
}

// service is the account that searches. Until a server has taken its password, one is asked at a time.
type service struct {
	mu    sync.Mutex
	good  bool // the last answer was yes
	wrong int  // servers that said no since
	all   refusal
	turn  chan struct{}
}

// refused returns why a server is not asked.
func (s *service) refused(sv *server, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.all.at(now); err != nil {
		return err
	}
	return sv.refusal.at(now)
}

// enter waits for the turn, where turns are taken.
func (s *service) enter(ctx context.Context) (leave func(), err error) {
	s.mu.Lock()
	good := s.good
	s.mu.Unlock()
	if good {
		return func() {}, nil
	}
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// took notes that a server let the account in.
func (s *service) took() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.good, s.wrong, s.all = true, 0, refusal{}
}

// refuse notes that one did not. Only a wrong password is counted by the directory.
func (s *service) refuse(sv *server, err error, wrong bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.good = false
	if !wrong {
		sv.refusal = refusal{err, now.Add(refusedTime)}
		return
	}
	sv.refusal = refusal{err, now.Add(wrongTime)}
	if s.wrong++; s.wrong >= mostWrong {
		s.all, s.wrong = refusal{err, now.Add(wrongTime)}, mostWrong-1
	}
}

// dialService opens a connection that is signed in as the service account.
func (sv *server) dialService(ctx context.Context) (*conn, error) {
	s := sv.source
	if err := s.service.refused(sv, s.now()); err != nil {
		return nil, err
	}
	c, err := sv.dial(ctx)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, s.timeouts.Operation)
	defer cancel()
	leave, err := s.service.enter(waiting)
	if err != nil {
		c.close()
		return nil, &stageError{sv, "bind", err}
	}
	defer leave()
	if err := s.service.refused(sv, s.now()); err != nil {
		c.close()
		return nil, err
	}
	err = c.do(ctx, func(l *goldap.Conn) error { return l.Bind(s.bindUser, s.bindPassword.Reveal()) })
	if err == nil {
		s.service.took()
		return c, nil
	}
	c.close()
	failed := &stageError{sv, "bind", err}
	if judged(err) {
		s.service.refuse(sv, failed, s.kind.counted(err), s.now())
	}
	return nil, failed
}

// counted reports whether a refused bind of the service account counts towards its lockout: a wrong password does, the state
// of an account whose password was right does not, nor does one that is locked already.
func (k kind) counted(err error) bool {
	answer, _ := errors.AsType[*goldap.Error](err)
	return errors.Is(k.refusal(answer, nil), idp.ErrBadCredentials) && !strings.Contains(err.Error(), "data 775")
}
