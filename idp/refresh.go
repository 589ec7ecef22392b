package idp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// lookTime bounds one look. Somebody waits for a page meanwhile.
	lookTime = 3 * time.Second
	// lookPause is how long a source that could not answer for somebody is not asked for them again.
	lookPause = 30 * time.Second
	// justLooked is how old a look may be at a launch: what is signed there is out of our hands for hours.
	justLooked = 10 * time.Second
)

// looks keeps the tabs of one person from each asking the directory.
type looks struct {
	flight singleflight.Group

	mu     sync.Mutex
	failed map[string]failedLook // by user key
	before map[string]failedLook // those of the pause before
	turned time.Time             // when failed was begun
}

// failedLook is when and why a source last could not answer.
type failedLook struct {
	at  time.Time
	err error
}

// errNoLook says that the source could not answer, now or a moment ago.
var errNoLook = errors.New("the person could not be looked up again")

// rests returns why the last look at the person failed, where that was a moment ago.
func (l *looks) rests(key string, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range []map[string]failedLook{l.failed, l.before} {
		if f := list[key]; f.err != nil && now.Sub(f.at) < lookPause {
			return f.err
		}
	}
	return nil
}

func (l *looks) fail(key string, now time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil || now.Sub(l.turned) >= lookPause {
		// Whoever failed before the pause that is over may be asked for again: nobody has to go through the list.
		l.before, l.failed, l.turned = l.failed, map[string]failedLook{}, now
	}
	l.failed[key] = failedLook{now, err}
}

func (l *looks) succeed(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.failed, key)
	delete(l.before, key)
}

// current returns the session with its person as they are now, where the last look at them is older than
// most. It is nil where they may not have one any more (security.md C-50). Every request passes here, so
// that a look that is not due costs a comparison.
func (g *Gateway) current(r *http.Request, s *Session, most time.Duration) (*Session, error) {
	o := g.origins[s.User.Source]
	switch {
	case o == nil && g.now().Sub(s.Looked()) < most:
		return s, nil
	case o == nil:
		// Taken out of the configuration, so that it vouches for nobody; or renamed, and "user move-source" is to come.
		return g.withinGrace(r, s, fmt.Errorf("no source is named %q", s.User.Source))
	case o.Off:
		_, err := g.endOnce(r, s, "source_off", "source "+o.Source+" is off", g.endUser)
		return nil, err
	case o.refresher == nil || g.now().Sub(s.Looked()) < most:
		return s, nil
	}
	return g.lookAgain(r, s, o, most)
}

// lookNow is what stands before a launch.
func (g *Gateway) lookNow(r *http.Request, v *visitor) (err error) {
	if v.session != nil {
		v.session, err = g.current(r, v.session, justLooked)
	}
	return err
}

// lookAgain asks the source once for all requests of a session that come together: another session of the person may
// hold what was found before, and is judged by itself. They all wait, so that
// none of them goes on with what is about to be found out of date.
func (g *Gateway) lookAgain(r *http.Request, s *Session, o *origin, most time.Duration) (*Session, error) {
	_, err, _ := g.looks.flight.Do("look "+string(s.ID[:]), func() (any, error) { return nil, g.look(r, s.ID, o, most) })
	if errors.Is(err, errNoLook) {
		return g.withinGrace(r, s, err)
	}
	if err != nil {
		return nil, err
	}
	return g.reread(r, s.ID)
}

// reread returns a session as it is in the store now, or nil.
func (g *Gateway) reread(r *http.Request, id Hash) (*Session, error) {
	s, err := g.store.Session(r.Context(), id)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return s, err
}

// look looks a person up again and has the store follow: their sessions get what was found, or end.
func (g *Gateway) look(r *http.Request, id Hash, o *origin, most time.Duration) error {
	// Not the request's own context: others wait for this look, and whoever asked first may leave.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), lookTime)
	defer cancel()
	s, err := g.store.Session(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	key, at := s.User.Key(), g.now()
	if at.Sub(s.Looked()) < most {
		return nil // the request before this one has done it
	}
	if why := g.looks.rests(key, at); why != nil {
		return why
	}
	u, err := o.lookUpAgain(ctx, &s.User)
	if reason, detail := o.ends(u, err); reason != "" {
		g.looks.succeed(key)
		_, err := g.endSessions(r, s, reason, detail, g.endUser)
		return err
	}
	var state *AccountState
	if err != nil && !errors.As(err, &state) {
		err = fmt.Errorf("%w: %w", errNoLook, err)
		g.looks.fail(key, at, err)
		return err
	}
	g.looks.succeed(key)
	if u == nil || err != nil {
		u = &s.User // an account in a state that passes
	}
	if at.Sub(s.Looked()) < g.limits.Refresh && sameUser(&s.User, u) {
		return nil // nothing to write down before the next look is due
	}
	_, err = g.store.UpdateUser(context.WithoutCancel(r.Context()), *u, at)
	return err
}

// lookUpAgain returns somebody as their source knows them now, and nobody else in their place.
func (o *origin) lookUpAgain(ctx context.Context, known *User) (*User, error) {
	u, err := o.refresher.Refresh(ctx, known)
	if err == nil && u.Key() != known.Key() {
		return nil, fmt.Errorf("source %s returned somebody else, %s", o.Source, u.Key())
	}
	return u, err
}

// ends returns the reason for which the sessions of a person end, or "". A lock that wrong passwords set,
// or an hour of the day, is none: anybody could end somebody's work by typing passwords.
func (o *origin) ends(u *User, err error) (reason, detail string) {
	var state *AccountState
	switch {
	case errors.Is(err, ErrNoUser):
		return "account_gone", err.Error()
	case errors.As(err, &state) && state.State == "disabled":
		return "account_disabled", err.Error()
	case errors.As(err, &state) && state.State == "expired":
		return "account_expired", err.Error()
	case err != nil:
		return "", ""
	}
	if no := o.permitsUser(u); no != nil {
		return "domain_not_permitted", no.Error()
	}
	return "", ""
}

// sameUser compares what a session keeps and a source says: all but how the person signed in.
func sameUser(a, b *User) bool {
	return a.Source == b.Source && a.ID == b.ID && a.Name == b.Name && a.DN == b.DN &&
		a.Email == b.Email && a.FirstName == b.FirstName && a.LastName == b.LastName && a.DisplayName == b.DisplayName &&
		slices.EqualFunc(a.Groups, b.Groups, func(a, b Group) bool { return slices.Equal(a.Names, b.Names) }) &&
		maps.EqualFunc(a.Attributes, b.Attributes, slices.Equal) &&
		a.PasswordExpires.Equal(b.PasswordExpires)
}

// withinGrace lets a session go on as it is while its source cannot answer, until the grace has passed. Whoever is
// signed out then is told why: a page that asks for the password, as after any other end, would have them
// type one that cannot be checked.
func (g *Gateway) withinGrace(r *http.Request, s *Session, why error) (*Session, error) {
	if g.now().Sub(s.Looked()) <= g.limits.Grace {
		return s, nil
	}
	ref, err := g.endOnce(r, s, "source_unavailable", why.Error(), g.endOne)
	if ref == "" || err != nil {
		return nil, err
	}
	return nil, &auditedError{ref: ref, err: &Error{
		Status: http.StatusServiceUnavailable, Title: "You are signed out", Reason: "source_unavailable", Err: why,
		Public: "You were signed out, because we have not reached the directory for a while and cannot tell whether your account is still in use. Sign in again once it answers.",
	}}
}

// endOnce ends sessions once for all requests that come together. It returns the reference number of the audit
// line, or "" where the session had ended before.
func (g *Gateway) endOnce(r *http.Request, s *Session, reason, detail string, end func(context.Context, *Session) error) (string, error) {
	ref, err, _ := g.looks.flight.Do("end "+string(s.ID[:]), func() (any, error) {
		if again, err := g.reread(r, s.ID); again == nil {
			return "", err
		}
		return g.endSessions(r, s, reason, detail, end)
	})
	return ref.(string), err
}

// endSessions writes the audit line, then ends what end ends. It returns the line's reference number.
func (g *Gateway) endSessions(r *http.Request, s *Session, reason, detail string, end func(context.Context, *Session) error) (string, error) {
	e := g.event(r, &visitor{session: s}, EventLogout, Success)
	e.Reason, e.Detail = reason, clip(detail)
	if err := g.record(r, e); err != nil {
		return "", err
	}
	return e.Ref, end(context.WithoutCancel(r.Context()), s)
}

// endUser ends all sessions of the session's person.
func (g *Gateway) endUser(ctx context.Context, s *Session) error {
	_, err := g.endAllBut(ctx, s.User.Key(), Hash{})
	return err
}

// endOne ends the session alone.
func (g *Gateway) endOne(ctx context.Context, s *Session) error {
	return g.store.DeleteSession(ctx, s.ID)
}
