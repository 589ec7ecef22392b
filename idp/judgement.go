package idp

import (
	"context"
	"errors"
	"net/http"
)

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
	if f.user == nil && f.downErr != nil {
		// Perhaps the name is the directory's: that is no wrong password, and counts as none.
		return nil, f.downErr
	}
	err = g.judge(r, v, f, password)
	if accepted(err) {
		return f.user, err
	}
	f.pretend(ctx, password, err)
	return f.user, f.explain(err)
}

// judge has the person's source judge the password.
func (g *Gateway) judge(r *http.Request, v *visitor, f found, password string) error {
	ctx := r.Context()
	offer := func(ctx context.Context) error { return f.source.Authenticate(ctx, f.user, password) }
	err := g.charge(r, v, f, offer)
	if errors.Is(err, ErrUnanswered) && ctx.Err() == nil {
		err = g.chargeAgain(r, v, f, offer, err)
	}
	if err == nil && f.user == nil {
		err = ErrBadCredentials // a source that lets nobody in as somebody
	}
	return err
}

// accepted reports whether the answer is to a right password.
func accepted(err error) bool {
	_, state := errors.AsType[*AccountState](err)
	return err == nil || state
}

// pretend does the work of a wrong password at every source that the name could be in and that was not shown it, so
// that the time does not tell which of them knows the name. A right password does not pay for that.
func (f *found) pretend(ctx context.Context, password string, judged error) {
	for _, source := range f.knowing {
		if source == f.source && !errors.Is(judged, errLimited) || ctx.Err() != nil {
			continue
		}
		_ = source.Authenticate(ctx, nil, password)
	}
}
