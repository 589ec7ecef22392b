package idp

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// frame is what every page shows around its content.
func (g *Gateway) frame(v *visitor) web.Frame {
	f := web.Frame{Title: g.portal.Title, Logo: g.logo, Help: g.portal.Help, HelpURL: g.portal.HelpURL}
	if v == nil {
		return f
	}
	if v.session != nil {
		f.User, f.Form = v.session.User.Label(), v.session.Form
		f.HelpDesk = g.desks.staff(&v.session.User)
	}
	if v.flow != nil {
		f.Compact, f.Late = v.flow.App != "", v.flow.Late
	}
	return f
}

// fail shows an error as a page, writes its audit line where somebody was refused something, and
// logs the cause once. The page, the audit line and the log share the reference number.
func (g *Gateway) fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Status: http.StatusInternalServerError, Public: "Something broke on our side. Try again; if it stays, call the service desk.", Reason: "internal", Err: err}
		if errors.Is(err, ErrNotReady) {
			e.Status, e.Public, e.Reason = http.StatusServiceUnavailable, "The portal is starting. Try again in a few seconds.", "starting"
		}
	}
	var ref string
	told, audited := errors.AsType[*auditedError](err)
	if audited {
		ref = told.ref
	} else {
		ref = g.newRef()
	}
	if w.Header().Get("Retry-After") == "" && e.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	g.logRefusal(r, e, ref, audited)
	page := web.Error{Frame: g.frame(g.whom(r, e)), Status: e.Status, Heading: e.Title, Text: e.Public, Ref: ref, Action: web.Link{Label: "Back to the portal", URL: "/"}}
	if page.Heading == "" {
		page.Heading = heading(e.Status)
	}
	page.Retry = e.Status == http.StatusServiceUnavailable || e.Status == http.StatusBadGateway
	if p := r.URL.EscapedPath(); page.Retry && r.Method == http.MethodGet && !strings.HasPrefix(p, "//") && !strings.Contains(p, `\`) {
		page.Action = web.Link{Label: "Try again", URL: p}
	}
	g.show(w, e.Status, page)
}

// logRefusal puts a refusal into the log, under the number that its page shows. Where no audit line has that number, the log is where
// it leads to, for so many pages a minute, of one address and of all (limit.go): more would let strangers fill the disk.
func (g *Gateway) logRefusal(r *http.Request, e *Error, ref string, audited bool) {
	level, client := slog.LevelDebug, g.client(r)
	switch {
	case e.Status >= http.StatusInternalServerError:
		level = slog.LevelError
	case !audited && g.limiter.mayLog(client, g.now()):
		level = slog.LevelInfo
	}
	g.log.Log(r.Context(), level, "request refused", "status", e.Status, "reason", e.Reason, "ref", ref,
		"method", clipTo(20, r.Method), "path", clipTo(200, r.URL.Path), "client", client, "cause", e.Err)
}

// whom returns the visitor of a refusal that another account might not meet, so that the page can
// say who is signed in and offer to change that.
func (g *Gateway) whom(r *http.Request, e *Error) *visitor {
	if e.Status != http.StatusForbidden || g.store.Ready() != nil {
		return nil
	}
	v, err := g.visitor(r)
	if err != nil {
		return nil
	}
	return v
}

// show writes a page; a page that cannot be written is logged, since its status is already sent.
func (g *Gateway) show(w http.ResponseWriter, status int, p web.Page) {
	if err := g.pages.Render(w, status, p); err != nil {
		g.log.Error("writing a page", "error", err)
	}
}

// auditedError carries the reference number of the audit line that tells of the error.
type auditedError struct {
	err error
	ref string
}

func (a *auditedError) Error() string { return a.err.Error() }

func (a *auditedError) Unwrap() error { return a.err }

func heading(status int) string {
	switch status {
	case http.StatusNotFound:
		return "Page not found"
	case http.StatusForbidden:
		return "Not allowed"
	case http.StatusTooManyRequests:
		return "Too many tries"
	case http.StatusServiceUnavailable, http.StatusBadGateway:
		return "Not available just now"
	case http.StatusMisdirectedRequest:
		return "Wrong address"
	case http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return "That did not work"
	}
	return "Something went wrong"
}

// redirect answers 303 to an address of ours.
func redirect(w http.ResponseWriter, path string) error {
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// handoff sends the browser off our origin by a page of ours. A redirect would do as well but for
// Chromium, which applies the form-action of the page that posted to every redirect that follows.
func (g *Gateway) handoff(w http.ResponseWriter, v *visitor, p web.Handoff) error {
	w.Header().Set("Refresh", "0; url="+p.URL)
	p.Frame = g.frame(v)
	g.show(w, http.StatusOK, p)
	return nil
}
