package idp

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// checkPassword finds the person and has their source judge the password, within the limits.
// An unknown name costs the same work as a wrong password.
func (g *Gateway) checkPassword(r *http.Request, v *visitor, password string) (*User, error) {
	client := g.client(r)
	if g.limiter.addresses.empty(client, g.now()) {
		return nil, errAddressLimited
	}
	f, err := g.lookUp(r.Context(), Typed{Name: v.flow.Name, App: v.flow.App, Client: client})
	if err != nil {
		return nil, err
	}
	if f.user == nil && f.downErr != nil {
		// Perhaps the name is the directory's: that is no wrong password, and counts as none.
		return nil, f.downErr
	}
	err = g.charge(r, v, f, func(ctx context.Context) error { return f.source.Authenticate(ctx, f.user, password) })
	if err == nil && f.user == nil {
		err = ErrBadCredentials // a source that lets nobody in as somebody
	}
	return f.user, f.explain(err)
}

// charge has the source judge a password by offer, if the person has a failure left, and counts a wrong one:
// whatever shows a source somebody's password passes here.
func (g *Gateway) charge(r *http.Request, v *visitor, f found, offer func(context.Context) error) error {
	ctx, now := r.Context(), g.now()
	client := g.client(r)
	b := g.budget(ctx, f)
	leave, err := g.limiter.enter(ctx, g.store, b, now)
	if errors.Is(err, errLimited) && f.user != nil {
		// A stranger's failures must not lock out the person's own device (security.md C-21).
		if own, ok := g.ownBudget(ctx, v, f.user, b); ok {
			leave, err = g.limiter.enter(ctx, g.store, own, now)
		}
	}
	if errors.Is(err, errLimited) {
		g.limiter.addresses.take(client, now) // so that trying on in vain ends as well
	}
	if err != nil {
		return err
	}
	err = offer(ctx)
	failed := errors.Is(err, ErrBadCredentials)
	if failed {
		g.limiter.addresses.take(client, now)
	}
	if counted := leave(failed); counted != nil {
		return counted
	}
	return err
}

// budget returns how many failures the person, or the unknown name, may have.
func (g *Gateway) budget(ctx context.Context, f found) budget {
	b := budget{key: "password:" + f.key, most: g.limiter.limits.User, window: g.limiter.limits.UserWindow}
	lr, ok := f.source.(LimitReader)
	if !ok {
		return b
	}
	l, err := lr.Limit(ctx, f.user)
	most, window := l.Failures, l.Window
	switch {
	case err != nil:
		// Unreadable: as if the directory locked after 3 in 30 minutes.
		most, window = 3, 30*time.Minute
	case most == 0:
		return b // the directory never locks, so there is nothing to stay below
	}
	// Two below the directory's own threshold: the gateway must not become the cannon that locks accounts.
	b.most, b.window, b.directory = max(1, most-2), window, true
	return b
}

// ownBudget returns the credit of the person's own device.
func (g *Gateway) ownBudget(ctx context.Context, v *visitor, u *User, b budget) (budget, bool) {
	own, err := g.ownDevice(ctx, v, u.Key())
	if err != nil || own == nil {
		return b, false
	}
	b.key = "password:" + u.Key() + ":" + hashText(own.ID)
	if b.directory {
		b.most = 1 // together with the strangers' failures still below the directory's threshold
	}
	return b, true
}
