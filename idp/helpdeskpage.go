package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// Bounds of the help desk. A person takes three forms: found, given a code, and signed out.
const (
	deskCodeLife = 15 * time.Minute
	deskForms    = 40 // of one helper, in codeWindow
)

// getHelpDesk asks whom to help.
func (g *Gateway) getHelpDesk(w http.ResponseWriter, r *http.Request) error {
	v, err := g.atHelpDesk(w, r)
	if err != nil || v == nil {
		return err
	}
	g.show(w, http.StatusOK, web.HelpDesk{Frame: g.frame(v), F: v.session.Form})
	return nil
}

// atHelpDesk returns a visitor who is of the help desk by what their source says now, and has shown a factor of their own a
// moment ago. It refuses others, or sends them on their way.
func (g *Gateway) atHelpDesk(w http.ResponseWriter, r *http.Request) (*visitor, error) {
	if len(g.desks) == 0 {
		return nil, &Error{Status: http.StatusNotFound, Public: "There is no help desk here.", Reason: "not_found"}
	}
	way := &flow{To: "/helpdesk", Prove: true, Desk: true}
	v, err := g.settled(w, r, way)
	if err != nil || v == nil {
		return nil, err
	}
	if err := g.lookNow(r, v); err != nil {
		return nil, err
	}
	switch {
	case v.session == nil:
		return nil, sessionEnded()
	case !g.desks.staff(&v.session.User):
		return nil, g.refuse(r, g.deskEvent(r, v, nil, "", Denied), &Error{
			Status: http.StatusForbidden, Reason: "not_help_desk", Public: "This page is for the people of the help desk, and your account is not one of them.",
		})
	case g.proved(v):
		return v, nil
	}
	ready, err := g.readyFactors(r.Context(), v, g.wanted(Decision{}))
	if err != nil {
		return nil, err
	}
	if len(ready.enrolled)+len(ready.unreachable) == 0 {
		return nil, g.refuse(r, g.deskEvent(r, v, nil, "", Denied), &Error{
			Status: http.StatusForbidden, Title: "A second step is missing", Reason: "no_factor",
			Public: "Helping others takes a second step of your own. Set one up in your settings first.",
		})
	}
	return nil, g.setOut(w, r, v, way)
}

// deskEvent begins the line of what somebody of the help desk did, or did not get to do, for a person, or for a name that was
// typed.
func (g *Gateway) deskEvent(r *http.Request, v *visitor, u *User, typed, result string) Event {
	e := g.event(r, v, EventHelpDesk, result)
	helper := &v.session.User
	e.By = "helpdesk: " + helper.Name + " (" + helper.Key() + ")"
	e.User, e.Name, e.Source = "", clip(typed), ""
	if u != nil {
		e.User, e.Name, e.Source = u.Key(), u.Name, u.Source
	}
	return e
}

// postHelpDesk finds a person, gives them a code, or ends what they have open.
func (g *Gateway) postHelpDesk(w http.ResponseWriter, r *http.Request) error {
	v, err := g.atHelpDesk(w, r)
	if err != nil || v == nil {
		return err
	}
	if !v.ownForm(r) {
		return redirect(w, "/helpdesk")
	}
	typed := strings.TrimSpace(r.PostForm.Get("name"))
	u, no, err := g.helped(r, v, typed)
	if err != nil {
		return err
	}
	page := web.HelpDesk{Frame: g.frame(v), F: v.session.Form, Name: typed}
	if no != nil {
		if no.Status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "900")
		}
		page.Error = no.Public
		g.show(w, no.Status, page)
		return nil
	}
	// What the page holds comes first: a code that was made and cannot be shown would have ended the one before for nothing.
	o, err := g.overview(r.Context(), u)
	if err != nil {
		return err
	}
	if page.Once, err = g.makeOnce(r.Context(), v, u.Key()); err != nil {
		return err
	}
	done, err := g.help(r, v, u)
	if err != nil {
		return err
	}
	if done.code == "" && done.notice != "" { // something may have ended
		if o, err = g.overview(r.Context(), u); err != nil {
			return err
		}
	}
	page.Person, page.Notice = g.helpedPage(o), done.notice
	page.Person.Code = done.code
	g.show(w, done.status, page)
	return nil
}

// helping is what came of a form of the help desk.
type helping struct {
	status int
	code   string // shown this one time
	notice string // what was done
	again  string // what a browser is told that sends the form again
}

// help does what the form at hand is for, once.
func (g *Gateway) help(r *http.Request, v *visitor, u *User) (helping, error) {
	what := r.PostForm.Get("kind")
	act := map[string]func(*http.Request, *visitor, *User) (helping, error){"code": g.giveCode, "end": g.endFor}[what]
	if act == nil {
		e := g.deskEvent(r, v, u, "", Success)
		e.Reason = deskLook
		return helping{status: http.StatusOK}, g.record(r, e)
	}
	did, err := g.takeOnce(r, v, what, u.Key())
	if errors.Is(err, ErrSpent) || errors.Is(err, ErrNotFound) {
		return g.helpedBefore(r, v, u, did)
	}
	if err != nil {
		return helping{}, err
	}
	h, err := act(r, v, u)
	if err != nil {
		return h, err
	}
	h.status = http.StatusOK
	g.doneOnce(r, v, what, u.Key(), h.again)
	return h, nil
}

// helpedBefore does nothing, for a form that was sent before, or that is not good any more.
func (g *Gateway) helpedBefore(r *http.Request, v *visitor, u *User, did string) (helping, error) {
	e := g.deskEvent(r, v, u, "", Success)
	h := helping{status: http.StatusOK, notice: doneBefore + did}
	e.Reason = "repeated"
	if did == "" {
		h = helping{status: http.StatusConflict, notice: staleForm}
		e.Result, e.Reason = Denied, "stale_form"
	}
	return h, g.record(r, e)
}

// helped returns the person of a name that was typed, looked up as it would be at a sign-in, or why they are not helped. Each
// refusal has its line. Whoever is outside of the groups is told of as nobody is, so that the page tells of no account
// but those that it is for.
func (g *Gateway) helped(r *http.Request, v *visitor, typed string) (*User, *Error, error) {
	ctx := context.WithoutCancel(r.Context())
	refused := func(u *User, no *Error) (*User, *Error, error) {
		e := g.deskEvent(r, v, u, typed, Denied)
		e.Reason = no.Reason
		if no.Err != nil {
			e.Detail = clip(no.Err.Error())
		}
		return nil, no, g.record(r, e)
	}
	if typed == "" || len(typed) > mostName || !utf8.ValidString(typed) {
		return nil, &Error{Status: http.StatusUnprocessableEntity, Public: "Type a user name."}, nil
	}
	// Counted before anybody is asked, so that forms which are sent together are all counted.
	few, err := g.few(ctx, "desk:"+v.session.User.Key(), g.now(), deskForms)
	if err != nil {
		return nil, nil, err
	}
	if !few {
		return refused(nil, &Error{Status: http.StatusTooManyRequests, Reason: "limited", Public: "You have looked up very many people. Wait 15 minutes, then go on."})
	}
	f, err := g.lookUp(r.Context(), Typed{Name: typed, Client: g.client(r)})
	if err != nil && f.downErr == nil {
		return nil, nil, err
	}
	reason := deskNobody
	if f.user != nil {
		reason = g.desks.refuses(&v.session.User, f.user)
	}
	switch {
	case reason == "" && r.PostForm.Has("user") && r.PostForm.Get("user") != f.user.Key():
		return refused(f.user, &Error{Status: http.StatusConflict, Reason: "renamed", Public: "That name is another person’s now. Find them again."})
	case reason == "":
		return f.user, nil, nil
	case reason == deskOneself:
		return refused(f.user, &Error{Status: http.StatusForbidden, Reason: reason, Public: "That is your own account. Somebody else has to help you: ask an administrator."})
	case reason == deskStaff:
		return refused(f.user, &Error{Status: http.StatusForbidden, Reason: reason, Public: "That is somebody of the help desk, and the help desk does not help its own people. An administrator does."})
	case f.downErr != nil:
		return refused(f.user, &Error{Status: http.StatusServiceUnavailable, Reason: "source_unavailable", Public: "A directory does not answer just now. Try again in a minute.", Err: f.downErr})
	}
	return refused(f.user, &Error{Status: http.StatusNotFound, Reason: reason, Public: "Nobody whom you help has that user name. Type it as the person does who signs in with it.", Err: f.doubt()})
}

// giveCode makes the code that stands in for the person's second step, and ends the one before.
func (g *Gateway) giveCode(r *http.Request, v *visitor, u *User) (h helping, err error) {
	b, err := g.newBypass(r.Context(), u, deskCodeLife, 1)
	if err != nil {
		return h, err
	}
	if err := g.record(r, b.line(g.deskEvent(r, v, u, "", Success))); err != nil {
		return h, err
	}
	h.code = b.Code
	h.again = "The code for " + u.Label() + " was shown then, and is not shown again: if it was not heard, give another."
	return h, g.keepDeskBypass(context.WithoutCancel(r.Context()), b)
}

// endFor ends the person's sessions and forgets their devices.
func (g *Gateway) endFor(r *http.Request, v *visitor, u *User) (h helping, err error) {
	e := g.deskEvent(r, v, u, "", Success)
	e.Kind, e.Reason = EventLogout, "revoked"
	if err := g.record(r, e); err != nil {
		return h, err
	}
	sessions, devices, err := g.endAll(context.WithoutCancel(r.Context()), u.Key())
	h.again = fmt.Sprintf("%s ended, %s forgotten. Codes that you gave before do not count any more.", counted(sessions, "session"), counted(devices, "device"))
	h.notice = "Done: " + h.again
	return h, err
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// helpedPage is what the help desk sees of a person.
func (g *Gateway) helpedPage(o *Overview) web.Helped {
	u, now := o.User, g.now()
	p := web.Helped{
		Key: u.Key(), Label: u.Label(), Codes: o.Codes, Sessions: len(o.Sessions), Devices: len(o.Devices), Minutes: int(deskCodeLife / time.Minute),
	}
	names := slices.DeleteFunc([]string{u.Name, u.Email}, func(s string) bool { return s == "" || s == p.Label })
	p.Detail = strings.Join(slices.Compact(names), ", ")
	locked := func(of string) bool {
		return slices.ContainsFunc(o.Tries, func(t Tries) bool { return t.Of == of && t.Locked() })
	}
	for _, e := range o.Factors {
		item := e.item(now)
		p.Factors = append(p.Factors, web.HelpedFactor{Label: item.Label, Detail: item.Detail, Locked: locked(e.Factor)})
	}
	if locked(rescueName) {
		p.Warnings = append(p.Warnings, "Too many wrong codes were typed in the place of a second step: for a while, none is taken. An administrator can lift that.")
	}
	if locked(inviteName) {
		p.Warnings = append(p.Warnings, "Too many wrong codes were typed before a first second step is set up: for a while, none is taken. An administrator can lift that.")
	}
	for _, f := range g.factors {
		if g.elsewhere(f.Name()) && locked(f.Name()) {
			p.Warnings = append(p.Warnings, g.factorLabel(f.Name())+" was tried too often without being confirmed: for a while, it is not asked. An administrator can lift that.")
		}
	}
	if !g.takesCode(u, BypassFactor) {
		p.Warnings = append(p.Warnings, "Nothing that they open takes a code in the place of a second step.")
	}
	if o.MustChange != "" {
		p.Warnings = append(p.Warnings, "The password has to be changed at the next sign-in.")
	}
	return p
}
