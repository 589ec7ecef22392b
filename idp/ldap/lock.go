package ldap

import (
	"strconv"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// lock keeps out whoever has the right password, and nobody learns of it but an admin. It may last longer than wrong
// passwords count.
type lock struct {
	since time.Time // zero where the directory does not say
	until time.Time // zero where somebody has to unlock the account
}

// lockSince is a lock that a policy ends.
func lockSince(at time.Time, p policy) *lock {
	l := &lock{since: at}
	if p.lockedFor > 0 {
		l.until = at.Add(p.lockedFor)
	}
	return l
}

// holds reports whether it still does. No lock never does.
func (l *lock) holds(now time.Time) bool {
	return l != nil && (l.until.IsZero() || now.Before(l.until))
}

// lockInActiveDirectory finds a lock that has been put on the account, which is there until somebody signs in after its end.
func lockInActiveDirectory(e *goldap.Entry, p policy) *lock {
	if at := fileTime(text(e, "lockoutTime")); !at.IsZero() {
		return lockSince(at, p)
	}
	return nil
}

// lockDuration reads how long locks last; 0 is until somebody unlocks, which Active Directory also writes as the least
// number there is, and means by any that is not below zero ([MS-ADTS] §3.1.1.4.5.17). One that is not shown is no shorter
// than the window, which the directory makes sure of.
func lockDuration(text string, window time.Duration) time.Duration {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return window
	}
	if d, err := span(text); err == nil && n < 0 {
		return d
	}
	return 0
}

// lockInOpenLDAP finds a lock by wrong passwords. 389 Directory Server writes down when it ends, the beginning of Unix time
// for never, and the ppolicy overlay when it began. One by an admin is a state of the account.
func lockInOpenLDAP(e *goldap.Entry, p policy) *lock {
	if at := generalTime(text(e, "pwdAccountLockedTime")); !at.IsZero() {
		return lockSince(at, p)
	}
	switch ends := generalTime(text(e, "accountUnlockTime")); {
	case ends.IsZero():
		return nil
	case ends.Unix() == 0:
		return &lock{}
	default:
		return &lock{until: ends}
	}
}

// checkLock tells whether the account is locked now, and until when.
func (s *Source) checkLock(e *goldap.Entry, p policy, unread error) idp.Finding {
	l := s.kind.lockIn(e, p)
	dated := unread == nil || l != nil && l.since.IsZero() // whether its end is known
	if l == nil || dated && !l.holds(s.now()) {
		return s.finding("ok", "the account is not locked", "")
	}
	when := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	began := "the account is locked"
	if !l.since.IsZero() {
		began = "the account was locked at " + when(l.since)
	}
	const cure = "wait until the directory's policy sets it free, or unlock it there"
	switch {
	case !dated:
		return s.finding("warning", "%s; until when is not known, because the policy cannot be read", s.kind.policyCure, began)
	case l.until.IsZero() && l.since.IsZero():
		return s.finding("warning", "%s until somebody unlocks it", "unlock it in the directory", began)
	case l.until.IsZero():
		return s.finding("warning", "%s and stays so until somebody unlocks it", "unlock it in the directory", began)
	case l.since.IsZero():
		return s.finding("warning", "%s until %s", cure, began, when(l.until))
	}
	return s.finding("warning", "%s and stays so until %s", cure, began, when(l.until))
}
