package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// found is where a name was looked up.
type found struct {
	user     *User            // nil where nobody has the name
	source   PasswordSource   // of the user; for nobody, one that does the work all the same
	key      string           // counts failures: the user's key, or the name as everybody would write it
	spelling string           // counts failures of the name as it was typed, case aside, whoever has it
	asked    time.Time        // when sources were begun to be asked
	knowing  []PasswordSource // those that could say whether they know the name
	downErr  error            // why a source could not answer
	refusal  *Error           // why there is nobody, where there is more to say of it than that
}

// find asks every source for the name, for an administrator: no route and no rule stands in between.
func (g *Gateway) find(ctx context.Context, name string) (found, error) {
	return g.askAll(ctx, name, g.everywhere(), func(*origin, *User) error { return nil })
}

// lookUp finds whom a typed name means at the sources that its route leads to. Where a route, a rule or a
// doubt stands in between, the name is one that nobody has, with the same work done; only the audit
// line tells more.
func (g *Gateway) lookUp(ctx context.Context, t Typed) (found, error) {
	routed, ok := g.route(t)
	var on []*origin
	var off []string
	for _, o := range routed {
		if o.Off {
			off = append(off, o.Source)
		} else if o.passwords != nil {
			on = append(on, o)
		}
	}
	f, err := g.askAll(ctx, t.Name, on, func(o *origin, u *User) error {
		if domain := domainOf(t.Name); !o.permits(domain) {
			return fmt.Errorf("source %s does not take the domain %q", o.Source, domain)
		}
		return o.permitsUser(u)
	})
	if f.user != nil || err != nil {
		return f, err
	}
	switch {
	case !ok:
		f.refuse("no_route", errors.New("no route fits, and there is no default"))
	case len(off) > 0:
		f.refuse("source_off", fmt.Errorf("off, and not asked: %s", strings.Join(off, ", ")))
	}
	if len(on) == 0 {
		f.source = g.standIn()
		f.knowing = []PasswordSource{f.source}
		// The answer does not matter; its time does.
		_, _ = f.source.Find(ctx, t.Name)
	}
	return f, nil
}

// askAll asks each source for the name, in order, whatever the others said, so that the work does not tell
// where somebody is known. A name that two directories have is nobody's, and so is one that a directory gives to
// several: whose password it is must not depend on which of them answers. Where a directory cannot answer, a local account
// may still sign in, and its session says so; people of another directory do by a name with a domain, and not
// by a bare one, which may be somebody's of the directory that is away.
func (g *Gateway) askAll(ctx context.Context, name string, origins []*origin, may func(*origin, *User) error) (found, error) {
	f := found{key: nameKey(name), spelling: "spelling:" + strings.ToLower(name), asked: g.now()}
	for _, o := range origins {
		ps := o.passwords
		if ps == nil {
			continue
		}
		u, err := ps.Find(ctx, name)
		if errors.Is(err, context.Canceled) {
			return f, err
		}
		if err == nil {
			if no := may(o, u); no != nil {
				f.refuse("domain_not_permitted", no)
				u, err = nil, ErrNoUser
			}
		}
		_, local := ps.(UserLister)
		if answered(err) {
			f.knowing = append(f.knowing, ps)
		}
		switch {
		case err == nil && f.user == nil:
			f.user, f.source, f.key = u, ps, u.Key()
		case err == nil:
			if _, also := f.source.(UserLister); !local && !also {
				f.refuse("ambiguous", fmt.Errorf("%w: %s of source %s, %s of source %s", ErrAmbiguous, whose(f.user), f.user.Source, whose(u), u.Source))
			}
		case errors.Is(err, ErrNoUser), errors.Is(err, ErrAmbiguous):
			if errors.Is(err, ErrAmbiguous) {
				f.refuse("ambiguous", fmt.Errorf("source %s: %w", o.Source, err))
			}
			if f.source == nil {
				f.source = ps
			}
		default:
			f.downErr = err
		}
	}
	f.settle(name)
	if f.source == nil {
		return f, f.downErr
	}
	return f, nil
}

// answered reports whether a source could say if it has a name.
func answered(err error) bool {
	return err == nil || errors.Is(err, ErrNoUser) || errors.Is(err, ErrAmbiguous)
}

// settle decides whose the name is once all sources were asked.
func (f *found) settle(name string) {
	if f.user == nil {
		return
	}
	_, local := f.source.(UserLister)
	switch {
	case f.refusal != nil && f.refusal.Reason == "ambiguous", f.downErr != nil && !local && domainOf(name) == "":
		f.user, f.key = nil, nameKey(name)
	case f.downErr != nil && local:
		u := *f.user
		u.BreakGlass = true
		f.user, f.refusal = &u, nil
	default:
		f.refusal = nil
	}
}

// nameKey counts the failures of a name that nobody has.
func nameKey(name string) string { return "name:" + strings.ToLower(name) }

// whose names an account for the audit line.
func whose(u *User) string {
	if u.DN != "" {
		return strconv.Quote(u.DN)
	}
	return u.Key()
}

// refuse keeps the first reason. What the person reads is what a wrong password has them read.
func (f *found) refuse(reason string, why error) {
	if f.refusal == nil {
		f.refusal = &Error{Status: http.StatusUnauthorized, Public: wrongSentence(StrictWindow), Reason: reason, Err: why}
	}
}

// doubt returns why there is nobody, where there is more to say of it.
func (f *found) doubt() error {
	if f.refusal == nil {
		return nil
	}
	return f.refusal
}

// explain turns the answer to a wrong password into the reason for which no password is right: perhaps the name is that of a
// directory that is away.
func (f *found) explain(err error) error {
	if f.user == nil && f.downErr != nil {
		return f.downErr
	}
	if f.refusal != nil && errors.Is(err, ErrBadCredentials) {
		return f.refusal
	}
	return err
}

// standIn returns the source that does the work for names which go to none: one that is on, if any is.
func (g *Gateway) standIn() PasswordSource {
	var s standIn
	for _, o := range g.everywhere() {
		if o.passwords != nil && (s.PasswordSource == nil || !o.Off) {
			s.PasswordSource = o.passwords
			if !o.Off {
				break
			}
		}
	}
	return s
}

// standIn lets nobody in and costs what its source costs.
type standIn struct{ PasswordSource }

// Find finds nobody.
func (s standIn) Find(ctx context.Context, name string) (*User, error) {
	if s.PasswordSource != nil {
		_, _ = s.PasswordSource.Find(ctx, name)
	}
	return nil, ErrNoUser
}

// Authenticate takes no password. A source that cannot answer is no news here: the name is not its own.
func (s standIn) Authenticate(ctx context.Context, _ *User, password string) error {
	if s.PasswordSource == nil {
		return ErrBadCredentials
	}
	err := s.PasswordSource.Authenticate(ctx, nil, password)
	if busy, ok := errors.AsType[*Error](err); ok {
		return busy
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return ErrBadCredentials
}

// Limit is the limit for a name that nobody has.
func (s standIn) Limit(ctx context.Context, _ *User) (Lockout, error) {
	if lr, ok := s.PasswordSource.(LimitReader); ok {
		return lr.Limit(ctx, nil)
	}
	return Lockout{}, nil
}
