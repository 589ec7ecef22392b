package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// failure is a name and a password that were not taken. The cause is for the audit line. What is shown tells nothing of the
// person (security.md C-20, C-23): it hangs on what a stranger sees for a name that nobody has.
type failure struct {
	cause, shown error
	within       time.Duration // so long is counted what was typed under the name; 0 where the answer is exact
}

// Error names the cause.
func (f *failure) Error() string { return f.cause.Error() }

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.cause }

// checked is somebody whose password was right.
type checked struct {
	user   *User
	ending string // the last end of their sessions when it began to be judged, see [Gateway.outlives]
}

// checkPassword finds the person and has their source judge the password, within the limits. What comes of a wrong one
// tells nothing of whose the name is, nor does the time that it takes.
func (g *Gateway) checkPassword(r *http.Request, v *visitor, password string) (checked, error) {
	ctx, client := r.Context(), g.client(r)
	if g.limiter.addresses.empty(client, g.now()) {
		return checked{}, errAddressLimited
	}
	f, err := g.lookUp(ctx, Typed{Name: v.flow.Name, App: v.flow.App, Client: client})
	if err != nil {
		return checked{}, err
	}
	ending, err := g.ending(ctx, f.key)
	if err != nil {
		return checked{}, err
	}
	b := g.budget(ctx, v, f)
	err = g.judge(ctx, b, f, password)
	if accepted(err) {
		return checked{f.user, ending}, err
	}
	failed := &failure{cause: f.explain(err), shown: err}
	if !b.own {
		s := g.spelling(ctx, f)
		failed.within, failed.shown = s.window, g.shown(ctx, f, s, err, f.pretend(ctx, password, err))
	}
	g.blame(client, failed.shown)
	return checked{}, failed
}

// judge has the person's source judge the password. It is asked once more where its answer was lost: the server that fell
// silent is put aside by now, and another may answer. Where the person has no failure left for that, it is still the answer
// that is missing.
func (g *Gateway) judge(ctx context.Context, b budget, f found, password string) error {
	offer := func(ctx context.Context) error { return f.source.Authenticate(ctx, f.user, password) }
	err := g.passOn(ctx, b, offer)
	if errors.Is(err, ErrUnanswered) && ctx.Err() == nil {
		if again := g.passOn(ctx, b, offer); !errors.Is(again, errLimited) {
			err = again
		}
	}
	if err == nil && f.user == nil {
		return ErrBadCredentials // a source that lets nobody in as somebody
	}
	return err
}

// accepted reports whether the answer is to a right password.
func accepted(err error) bool {
	_, state := errors.AsType[*AccountState](err)
	return err == nil || state
}

// pretend does the work of a wrong password at every source that the name could be in and that was not shown it, so
// that the time does not tell which of them knows the name. A right password does not pay for that. It returns why
// sources could not do it.
func (f *found) pretend(ctx context.Context, password string, judged error) error {
	var away []error
	for _, source := range f.knowing {
		if source == f.source && !errors.Is(judged, errLimited) || ctx.Err() != nil {
			continue
		}
		if err := source.Authenticate(ctx, nil, password); err != nil && !errors.Is(err, ErrBadCredentials) {
			away = append(away, err)
		}
	}
	return errors.Join(away...)
}

// shown returns what a stranger is told of a failure. Where a source that the name could be in is away, nobody is told more than
// that: whether the name is known to one that answers would show otherwise.
func (g *Gateway) shown(ctx context.Context, f found, s budget, judged, away error) error {
	if !errors.Is(judged, ErrBadCredentials) && !errors.Is(judged, errLimited) {
		away = errors.Join(away, judged)
	}
	if away = errors.Join(away, f.downErr); away != nil {
		return away
	}
	return g.countSpelling(ctx, s)
}

// spelling is how many failures a name may have, as it is typed, before the answer is that there were too many. It bounds
// nothing but the answer: what is passed on hangs on the person's own budget, which counts every spelling of theirs, and what
// their directory counted elsewhere. An answer that came from there would tell that somebody has the name, and which names are
// one person's. So it is the most that any of the sources would take of a name that nobody has.
func (g *Gateway) spelling(ctx context.Context, f found) budget {
	s := budget{key: f.spelling}
	for _, source := range f.knowing {
		nobody, _ := g.budgets(ctx, found{source: source, key: f.spelling, asked: f.asked})
		s.most, s.window = max(s.most, nobody.most), max(s.window, nobody.window)
	}
	return s
}

// countSpelling counts a failure of the name as it was typed, and returns what that is told.
func (g *Gateway) countSpelling(ctx context.Context, s budget) error {
	ctx, now := context.WithoutCancel(ctx), g.now()
	n, err := g.store.Failures(ctx, s.key, now, s.window)
	if err == nil && n < s.most {
		n, err = g.store.Fail(ctx, s.key, now, s.window)
		n-- // itself
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errUncounted, err)
	case n >= s.most:
		return errLimited
	}
	return ErrBadCredentials
}
