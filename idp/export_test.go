package idp

import (
	"context"
	"net/http"
)

// MakeRecoveryCodes gives a person new codes, as the settings do.
func (g *Gateway) MakeRecoveryCodes(ctx context.Context, userKey string) ([]string, error) {
	return g.makeRecoveryCodes(ctx, userKey)
}

// TakeRecoveryCode spends one.
func (g *Gateway) TakeRecoveryCode(ctx context.Context, userKey, code string) (Proof, error) {
	return g.takeRecoveryCode(ctx, userKey, code)
}

// TakeBypass spends one use of a code.
func (g *Gateway) TakeBypass(ctx context.Context, userKey, code string) (Proof, error) {
	return g.takeBypass(ctx, userKey, code)
}

// Admit starts a session for u, as the right password does.
func (g *Gateway) Admit(w http.ResponseWriter, r *http.Request, u User) error {
	v, err := g.visitor(r)
	if err != nil {
		return err
	}
	if err := g.ensureDevice(w, v); err != nil {
		return err
	}
	now := g.now()
	return g.raise(w, r, v, Session{User: u, SignedIn: now, Expires: now.Add(g.limits.Absolute)})
}

// Visitor is the check that stands before every page: who the cookies of a request belong to.
func (g *Gateway) Visitor(r *http.Request) (*User, error) {
	v, err := g.visitor(r)
	if err != nil || v.session == nil {
		return nil, err
	}
	return &v.session.User, nil
}
