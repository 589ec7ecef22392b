package idp

import "net/http"

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

// VisitOf is what an audit line keeps of a request to an application.
func (g *Gateway) VisitOf(r *http.Request, app string) (*Visit, error) {
	v, err := g.visitor(r)
	if err != nil {
		return nil, err
	}
	own, err := g.ownDevice(r.Context(), v, v.session.User.Key())
	if err != nil {
		return nil, err
	}
	return g.guardOf(app).recorded(*g.visit(r, v, own, app)), nil
}
