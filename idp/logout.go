package idp

import (
	"context"
	"net/http"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// getLogout says that the session has ended, or leads to where it can be ended. An application leads here after its own
// sign-out: at a shared computer that ends the session as well, since the next person is at the keyboard.
func (g *Gateway) getLogout(w http.ResponseWriter, r *http.Request) error {
	v, err := g.visitor(r)
	if err != nil {
		return err
	}
	app := r.URL.Query().Get("app")
	known := g.byName[app] != nil
	if v.session != nil {
		if !known || !navigates(r) {
			return redirect(w, "/")
		}
		f, at := g.sharedBy(r, v, app)
		if f.effect != hotDesk {
			return redirect(w, "/")
		}
		e := g.event(r, v, EventLogout, Success)
		e.App, e.Section, e.Policy, e.Rule, e.Digest = at, sectionNames[onShared], f.from, f.rule, g.guardOf(at).sum
		if err := g.signOut(w, r, v, e); err != nil {
			return err
		}
	}
	again := "/"
	if known {
		again = "/apps/" + app
	}
	g.show(w, http.StatusOK, web.SignedOut{Frame: g.frame(nil), Again: again})
	return nil
}

// navigates reports whether a person is on the way to a page, and not a browser that looks ahead or a page that
// embeds another one.
func navigates(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return r.Method == http.MethodGet && !prefetch(r) && (dest == "" || dest == "document")
}

// sharedBy returns what makes the visitor's computer a shared one, by the policy of the application or by the
// portal's, and which of the two it was.
func (g *Gateway) sharedBy(r *http.Request, v *visitor, app string) (f finding, at string) {
	for _, at = range []string{app, ""} {
		f = g.guardOf(at).For(&v.session.User).SharedComputers.judge(g.visit(r, v, nil, at))
		if f.effect == hotDesk {
			break
		}
	}
	return f, at
}

// postLogout ends the session on the server. The device stays remembered.
func (g *Gateway) postLogout(w http.ResponseWriter, r *http.Request) error {
	v, err := g.visitor(r)
	if err != nil {
		return err
	}
	// A page that was open while the session got a new id holds an old form; signing out from it must
	// work too. The worst that a forged form could do is to sign somebody out.
	if v.session == nil || !v.ownForm(r) && r.Header.Get("Sec-Fetch-Site") != "same-origin" {
		return redirect(w, "/logout")
	}
	if err := g.signOut(w, r, v, g.event(r, v, EventLogout, Success)); err != nil {
		return err
	}
	return redirect(w, "/logout")
}

// signOut ends the visitor's session, which the event tells of. It ends whether or not that can be written down.
func (g *Gateway) signOut(w http.ResponseWriter, r *http.Request, v *visitor, e Event) error {
	if err := g.store.DeleteSession(context.WithoutCancel(r.Context()), v.session.ID); err != nil {
		return err
	}
	if err := g.record(r, e); err != nil {
		return err
	}
	return v.cookie.erase(w)
}
