package idp

import (
	"context"
	"errors"
	"net/http"
)

// failure is a name and a password that were not taken. The cause is for the audit line. What is shown tells nothing of the
// person (security.md C-20, C-23): it hangs on what a stranger sees for a name that nobody has.
type failure struct{ cause, shown error }

// Error names the cause.
func (f *failure) Error() string { return f.cause.Error() }

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.cause }

// checkPassword finds the person and has their source judge the password, within the limits. What comes of a wrong one
// tells nothing of whose the name is, nor does the time that it takes.
func (g *Gateway) checkPassword(r *http.Request, v *visitor, password string) (*User, error) {
	ctx, client := r.Context(), g.client(r)
	if g.limiter.addresses.empty(client, g.now()) {
		return nil, errAddressLimited
	}
	f, err := g.lookUp(ctx, Typed{Name: v.flow.Name, App: v.flow.App, Client: client})
	if err != nil {
		return nil, err
	}
	b := g.budget(ctx, v, f)
	err = g.judge(ctx, b, f, password)
	if accepted(err) {
		return f.user, err
	}
	failed := &failure{cause: f.explain(err), shown: err}
	if !b.own {
		failed.shown = g.shown(ctx, f, err, f.pretend(ctx, password, err))
	}
	g.blame(client, failed.shown)
	return nil, failed
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
func (g *Gateway) shown(_ context.Context, f found, judged, away error) error {
	if !errors.Is(judged, ErrBadCredentials) && !errors.Is(judged, errLimited) {
		away = errors.Join(away, judged)
	}
	if away = errors.Join(away, f.downErr); away != nil {
		return away
	}
	return judged
}
