package idp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// getApp is the stable address of an application: bookmarks and the Streams loginUrl of an embedded CCP
// open it. It launches when session and policy allow, and leads there when not.
func (g *Gateway) getApp(w http.ResponseWriter, r *http.Request) error {
	a := g.byName[r.PathValue("name")]
	if a == nil {
		return &Error{Status: http.StatusNotFound, Public: "There is no such application here. Perhaps the link is old.", Reason: "no_application"}
	}
	if prefetch(r) || r.Method == http.MethodHead {
		// A browser that looks ahead must not sign anybody in.
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return &Error{Status: http.StatusForbidden, Public: "This address opens in a window of its own, not inside a page.", Reason: "not_a_document"}
	}
	if r.URL.Query().Has("f") {
		return g.launchFlow(w, r, a)
	}
	v, err := g.visitor(r)
	if err != nil {
		return err
	}
	f := &flow{App: a.tile.Name, CrossSite: crossSite(r), Late: late(r)}
	if f.Destination, err = destination(a, r.URL.Query().Get("destination")); err != nil {
		return err
	}
	return g.goTo(w, r, v, f)
}

// goTo launches at once where nothing is missing, and sets out towards the application where something is.
func (g *Gateway) goTo(w http.ResponseWriter, r *http.Request, v *visitor, f *flow) error {
	if err := g.lookNow(r, v); err != nil {
		return err
	}
	if v.session == nil {
		return g.setOut(w, r, v, f)
	}
	v.flow = f
	d, err := g.decideLaunch(r, v)
	if err != nil {
		return err
	}
	if open, err := g.opens(r, v, d); !open || err != nil {
		if err != nil {
			return err
		}
		return g.setOut(w, r, v, f)
	}
	if err := g.recordOutage(r, v, d); err != nil {
		return err
	}
	return g.launch(w, r, v, d)
}

// launchFlow launches at the end of a sign-in and spends it: back and reload find nothing to post.
func (g *Gateway) launchFlow(w http.ResponseWriter, r *http.Request, a *application) error {
	v, err := g.openFlow(r)
	if err != nil {
		return err
	}
	if v.flow == nil {
		if v.session == nil {
			return g.startAnew(w, a.tile.Name)
		}
		g.show(w, http.StatusOK, web.Error{
			Frame: g.frame(v), Status: http.StatusOK, Heading: a.tile.Label + " was opened already",
			Text: "This sign-in has been used. Open it again, or go back to the portal.", Action: web.Link{Label: "Open " + a.tile.Label, URL: "/apps/" + a.tile.Name},
		})
		return nil
	}
	if err := g.lookNow(r, v); err != nil {
		return err
	}
	if v.session == nil || v.flow.User == "" || v.flow.App != a.tile.Name {
		return g.next(w, r, v)
	}
	d, err := g.decideLaunch(r, v)
	if err != nil {
		return err
	}
	if open, err := g.opens(r, v, d); !open || err != nil {
		if err != nil {
			return err
		}
		return g.next(w, r, v)
	}
	if err := g.spend(r, v.fid); err != nil {
		if errors.Is(err, ErrNotFound) {
			return g.startAnew(w, "")
		}
		return err
	}
	return g.launch(w, r, v, d)
}

// spend ends the flow of an id; of two requests with one flow, one goes on.
func (g *Gateway) spend(r *http.Request, fid string) error {
	_, err := g.store.TakeMemo(context.WithoutCancel(r.Context()), flowKind, hashOf(fid), g.now())
	return err
}

// postApp is the tile.
func (g *Gateway) postApp(w http.ResponseWriter, r *http.Request) error {
	a := g.byName[r.PathValue("name")]
	if a == nil {
		return &Error{Status: http.StatusNotFound, Public: "There is no such application here.", Reason: "no_application"}
	}
	v, err := g.visitor(r)
	if err != nil {
		return err
	}
	if !v.ownForm(r) {
		// An old page, or the form of a choice: the stable address leads on either way.
		return g.postChoice(w, r, a)
	}
	return g.goTo(w, r, v, &flow{App: a.tile.Name, Choice: r.PostForm.Get("choice")})
}

// postChoice takes up a flow whose person chose between several ways in.
func (g *Gateway) postChoice(w http.ResponseWriter, r *http.Request, a *application) error {
	v, err := g.takeStep(w, r)
	if err != nil || v == nil {
		return err
	}
	if v.flow.App != a.tile.Name {
		return g.next(w, r, v)
	}
	v.flow.Choice = r.PostForm.Get("choice")
	if err := g.keep(r.Context(), v); err != nil {
		return err
	}
	return g.next(w, r, v)
}

// launch signs the person in to the application. The audit line is durable before the page is sent.
func (g *Gateway) launch(w http.ResponseWriter, r *http.Request, v *visitor, d Decision) error {
	a := g.byName[v.flow.App]
	if l, ok := a.Application.(Linker); ok {
		if err := g.endSoon(r, v, d); err != nil {
			return err
		}
		e := g.event(r, v, EventLaunch, Success)
		g.decidedBy(&e, v, d)
		if err := g.record(r, e); err != nil {
			return err
		}
		return g.handoff(w, v, web.Handoff{App: a.tile.Label, URL: l.URL()})
	}
	sender, ok := a.Application.(SAMLSender)
	if !ok {
		return fmt.Errorf("application %q can neither be signed in to nor opened", a.tile.Name)
	}
	if asked, err := g.choose(w, r, v, a); asked || err != nil {
		return err
	}
	if err := g.endSoon(r, v, d); err != nil {
		return err
	}
	form, err := g.signIn(r, v, sender, d)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", web.PostCSP)
	p := web.Post{Frame: g.frame(v), App: a.tile.Label, Action: form.Action, Fields: make([]web.Field, len(form.Fields))}
	for i, f := range form.Fields {
		p.Fields[i] = web.Field(f)
	}
	g.show(w, http.StatusOK, p)
	return nil
}

// hotDeskLife is how long a session on a shared computer goes on after its last launch, or after the sign-in where there was
// none.
const hotDeskLife = 5 * time.Minute

// hotDeskEnd is when a session on a shared computer ends after what is done now.
func (g *Gateway) hotDeskEnd(s *Session) time.Time {
	end := g.now().Add(hotDeskLife)
	if most := s.SignedIn.Add(g.limits.Absolute); most.Before(end) {
		return most
	}
	return end
}

// endUnused has a session on a shared computer end in a few minutes if nothing is opened. To look at the portal opens nothing, and
// does not prolong it.
func (g *Gateway) endUnused(r *http.Request, v *visitor) error {
	end := g.hotDeskEnd(v.session)
	if e := v.session.Expires; !e.IsZero() && !e.After(end) {
		return nil
	}
	return g.amend(r.Context(), v, func(s *Session) { s.Expires = end })
}

// endSoon ends the session of somebody on a shared computer a few minutes after what they opened last: the next
// person there must find no portal of theirs. What was opened has a session of its own.
func (g *Gateway) endSoon(r *http.Request, v *visitor, d Decision) error {
	if !d.HotDesk {
		return nil
	}
	return g.amend(r.Context(), v, func(s *Session) {
		s.Expires = g.hotDeskEnd(s)
	})
}

// signIn makes the form and the audit line of a launch. Whoever launches at the same moment may share the
// writing of the line, so they are told that it will come.
func (g *Gateway) signIn(r *http.Request, v *visitor, sender SAMLSender, d Decision) (*Form, error) {
	over := g.store.Expect()
	defer over()
	e := g.event(r, v, EventLaunch, Success)
	g.decidedBy(&e, v, d)
	form, err := sender.SignIn(r.Context(), &v.session.User, Launch{
		Now: g.now(), SignedInAt: v.session.SignedIn, Proofs: bare(v.session.Proofs),
		Session: sessionIndex(v.session), Choice: v.flow.Choice, Destination: v.flow.Destination,
	})
	if err != nil {
		return nil, g.launchRefused(r, e, err)
	}
	e.Launch, e.Reason = &form.Record, ""
	return form, g.record(r, e)
}

// choose asks which of several ways in the person wants, unless they have said so.
func (g *Gateway) choose(w http.ResponseWriter, r *http.Request, v *visitor, a *application) (bool, error) {
	c, ok := a.Application.(Chooser)
	if !ok {
		return false, nil
	}
	choices := c.Choices(&v.session.User)
	known := slices.ContainsFunc(choices, func(c Choice) bool { return c.Value == v.flow.Choice })
	if len(choices) < 2 || known {
		return false, nil
	}
	if err := g.ensureDevice(w, v); err != nil {
		return true, err
	}
	v.flow.User = v.session.User.Key()
	if err := g.begin(r.Context(), v, v.flow); err != nil {
		return true, err
	}
	p := web.Choose{Frame: g.frame(v), F: v.fid, Action: "/apps/" + a.tile.Name, App: a.tile.Label}
	for _, c := range choices {
		p.Choices = append(p.Choices, web.Option{Value: c.Value, Label: c.Label})
	}
	g.show(w, http.StatusOK, p)
	return true, nil
}

// launchRefused records why an application would not be signed in to.
func (g *Gateway) launchRefused(r *http.Request, e Event, err error) error {
	var public *Error
	if !errors.As(err, &public) {
		public = &Error{Status: http.StatusInternalServerError, Public: "The sign-in could not be made. Try again; if it stays, call the service desk.", Reason: "sign_in", Err: err}
	}
	e.Result, e.Reason = Denied, public.Reason
	if public.Status >= http.StatusInternalServerError {
		e.Result = Failure
	}
	return g.refuse(r, e, public)
}

// destination checks the page that a deep link names.
func destination(a *application, want string) (string, error) {
	if want == "" {
		return "", nil
	}
	if d, ok := a.Application.(Destinations); ok && d.Allows(want) {
		return want, nil
	}
	return "", &Error{Status: http.StatusBadRequest, Public: "The link names a page that is not set up for " + a.tile.Label + ".", Reason: "destination"}
}

// prefetch reports whether the browser is only looking ahead.
func prefetch(r *http.Request) bool {
	for _, h := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if strings.Contains(strings.ToLower(r.Header.Get(h)), "prefetch") || strings.Contains(strings.ToLower(r.Header.Get(h)), "preview") {
			return true
		}
	}
	return false
}

// crossSite reports whether another site led here.
func crossSite(r *http.Request) bool {
	s := r.Header.Get("Sec-Fetch-Site")
	return s == "cross-site" || s == "same-site"
}

// sessionIndex names a session to a service provider: it follows from the session but leads back to nothing.
func sessionIndex(s *Session) string {
	h := hashOf("session index " + string(s.ID[:]))
	return "_" + url.QueryEscape(base64.RawURLEncoding.EncodeToString(h[:16]))
}
