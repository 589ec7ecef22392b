package ldap

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	lockoutTime = 10 * time.Minute // how long the policy is believed
	lockoutWait = time.Minute      // how long nobody asks again after it could not be read
)

var errNoPolicy = errors.New("the domain does not show its lockout policy")

// lockout is the domain's policy as it was read last.
type lockout struct {
	idp.Lockout
	err   error
	until time.Time
}

// Limit implements [idp.LimitReader] by the policy of the domain. With several domains it is the strictest of
// each. It is kept for ten minutes.
func (s *Source) Limit(ctx context.Context, u *idp.User) (idp.Lockout, error) {
	l, err := s.domainLimit(ctx)
	if u != nil {
		l.Counted = u.Failures
	}
	return l, err
}

func (s *Source) domainLimit(ctx context.Context) (idp.Lockout, error) {
	s.mu.Lock()
	known := s.limit
	s.mu.Unlock()
	if s.now().Before(known.until) {
		return known.Lockout, known.err
	}
	read := s.readLimit(ctx)
	if ctx.Err() != nil {
		return read.Lockout, read.err // the caller left, which says nothing of the domain
	}
	read.until = s.now().Add(lockoutTime)
	if read.err != nil {
		read.until = s.now().Add(lockoutWait)
	}
	s.mu.Lock()
	s.limit = read
	s.mu.Unlock()
	return read.Lockout, read.err
}

func (s *Source) readLimit(ctx context.Context) lockout {
	var l lockout
	for _, root := range s.roots {
		entries, err := s.search(ctx, &goldap.SearchRequest{
			BaseDN: root, Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)",
			Attributes: []string{"lockoutThreshold", "lockOutObservationWindow"},
		})
		if err != nil {
			return lockout{err: err}
		}
		if len(entries) != 1 {
			return lockout{err: fmt.Errorf("%q: %w", root, errNoPolicy)}
		}
		threshold, err := strconv.Atoi(text(entries[0], "lockoutThreshold"))
		if err != nil || threshold < 0 {
			return lockout{err: fmt.Errorf("%q: %w", root, errNoPolicy)}
		}
		// Hundreds of nanoseconds, below zero: a span and not a date.
		span, err := strconv.ParseInt(text(entries[0], "lockOutObservationWindow"), 10, 64)
		if err != nil || span > 0 || span < -int64(366*24*time.Hour/100) {
			return lockout{err: fmt.Errorf("%q: %w", root, errNoPolicy)}
		}
		if threshold > 0 && (l.Failures == 0 || threshold < l.Failures) {
			l.Failures = threshold
		}
		l.Window = max(l.Window, time.Duration(-span)*100)
	}
	return l
}
