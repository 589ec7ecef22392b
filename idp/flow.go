package idp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Bounds of a sign-in in progress.
const (
	flowKind = "flow"
	flowLife = 15 * time.Minute
	flowMost = 8 // per browser
)

// flow is a sign-in in progress: where somebody is going and what they have shown on the way.
// It travels as an id only and is spent by each form, which gets a new id.
type flow struct {
	App         string    `json:"app,omitempty"` // "" is the portal
	To          string    `json:"to,omitempty"`  // page of ours to end on, with App ""
	Destination string    `json:"destination,omitempty"`
	Choice      string    `json:"choice,omitempty"`
	CrossSite   bool      `json:"cross_site,omitempty"`
	Name        string    `json:"name,omitempty"`     // as typed
	User        string    `json:"user,omitempty"`     // key, once the password was right
	SignedIn    time.Time `json:"signed_in,omitzero"` // which sign-in of that person it belongs to
	Proofs      []Proof   `json:"proofs,omitempty"`
	Invited     bool      `json:"invited,omitempty"`   // an invitation code was taken
	NoBackup    bool      `json:"no_backup,omitempty"` // "not now" was the answer to a backup
	DeviceAsked bool      `json:"device_asked,omitempty"`
	Change      bool      `json:"change,omitempty"` // over a new password that the person chooses to have
	Prove       bool      `json:"prove,omitempty"`  // to something that takes a fresh second step
	Desk        bool      `json:"desk,omitempty"`   // to the help desk: a code in a factor's place is no second step there
	Add         string    `json:"add,omitempty"`    // over setting up a further factor
	Step        *step     `json:"step,omitempty"`
	Ways        []*step   `json:"ways,omitempty"`   // those that one page asks for all at once; Step is then the one at hand
	Aside       []*step   `json:"aside,omitempty"`  // set-ups that were begun and left for another; see setups.go
	Own         string    `json:"own,omitempty"`    // whose device it is, "yes" or "no", where that was said before a factor
	Late        bool      `json:"late,omitempty"`   // the sign-in before this one was over
	Cannot      string    `json:"cannot,omitempty"` // reference number of the line that they can use none of their second steps
}

// begin keeps a flow under a new id for the visitor's browser.
func (g *Gateway) begin(ctx context.Context, v *visitor, f *flow) error {
	v.flow, v.fid = f, g.randomText()+appSuffix(f.App)
	return g.keep(ctx, v)
}

// keep stores the visitor's flow as it is now, for another while.
func (g *Gateway) keep(ctx context.Context, v *visitor) error {
	v.ends = g.now().Add(flowLife)
	return g.keepTime(ctx, v)
}

// keepTime is keep without more time: the page that writes something down is not the one that people asked it of.
func (g *Gateway) keepTime(ctx context.Context, v *visitor) error {
	if v.session != nil && v.session.User.Key() == v.flow.User {
		v.flow.SignedIn = v.session.SignedIn
	}
	data, err := json.Marshal(v.flow)
	if err != nil {
		return err
	}
	m := Memo{Kind: flowKind, ID: hashOf(v.fid), Browser: v.browser, Owner: v.flow.User, Expires: v.ends, Data: data}
	return g.store.PutMemo(context.WithoutCancel(ctx), m, flowMost)
}

// A flow's id ends in the application's name. It decides nothing: when the flow has expired, the
// person still gets to where they were going.
func appSuffix(app string) string {
	if app == "" {
		return ""
	}
	return "." + app
}

// appOf returns the configured application that a flow's id names, or "".
func (g *Gateway) appOf(fid string) string {
	_, app, _ := strings.Cut(fid, ".")
	if g.byName[app] == nil {
		return ""
	}
	return app
}

// openFlow reads the flow of ?f= without spending it. A flow of another browser, an unknown or an
// expired one gives none; the caller starts anew.
func (g *Gateway) openFlow(r *http.Request) (*visitor, error) {
	v, err := g.visitor(r)
	if err != nil {
		return nil, err
	}
	return v, g.findFlow(v, r.URL.Query().Get("f"), func(id Hash) (Memo, error) {
		return g.store.Memo(r.Context(), flowKind, id, g.now())
	})
}

// takeFlow spends the flow of a form. Where there is none any more, it answers the request by starting
// anew, with the application kept, and returns nil.
func (g *Gateway) takeFlow(w http.ResponseWriter, r *http.Request) (*visitor, error) {
	v, err := g.visitor(r)
	if err != nil {
		return nil, err
	}
	fid := r.PostForm.Get("f")
	err = g.findFlow(v, fid, func(id Hash) (Memo, error) {
		return g.store.TakeMemo(context.WithoutCancel(r.Context()), flowKind, id, g.now())
	})
	if err != nil {
		return nil, err
	}
	if v.flow != nil {
		v.flow.Late = false
		return v, g.begin(r.Context(), v, v.flow)
	}
	if v.browser == (Hash{}) {
		return nil, &Error{Status: http.StatusBadRequest, Title: "Cookies are off", Public: "Your browser did not send our cookie. Allow cookies for " + g.portal.URL.Hostname() + " and try again.", Reason: "no_cookie"}
	}
	return nil, g.startLate(w, v, g.appOf(fid))
}

// takeStep spends the flow of a form that only somebody signed in can have been shown. Where they are
// not, it sends them on and returns nil.
func (g *Gateway) takeStep(w http.ResponseWriter, r *http.Request) (*visitor, error) {
	v, err := g.takeFlow(w, r)
	if err != nil || v == nil {
		return nil, err
	}
	if v.session == nil || v.flow.User == "" {
		return nil, g.next(w, r, v)
	}
	return v, nil
}

func (g *Gateway) findFlow(v *visitor, fid string, get func(Hash) (Memo, error)) error {
	if fid == "" || len(fid) > 128 || v.browser == (Hash{}) {
		return nil
	}
	m, err := get(hashOf(fid))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	// Bound to the browser that it was made for: an id that leaked is useless elsewhere.
	if m.Browser != v.browser {
		return nil
	}
	f := &flow{}
	if err := json.Unmarshal(m.Data, f); err != nil {
		return err
	}
	// Two people in two tabs: a flow of one never meets the session of the other, nor that of a later
	// sign-in of the same person, who may have shown less.
	if f.User != "" && (v.session == nil || v.session.User.Key() != f.User || !v.session.SignedIn.Equal(f.SignedIn)) {
		f.belongTo("")
	}
	// Each form keeps a flow for another while. What was passed on the way does not grow old with it.
	f.Proofs = slices.DeleteFunc(f.Proofs, func(p Proof) bool { return g.now().Sub(p.At) > flowLife })
	v.flow, v.fid, v.ends = f, fid, m.Expires
	return nil
}

// belongTo gives the flow to a person, "" for nobody, and forgets what the one before has shown.
func (f *flow) belongTo(user string) {
	f.User, f.SignedIn, f.Proofs, f.Step, f.Invited, f.DeviceAsked = user, time.Time{}, nil, nil, false, false
	f.Ways, f.Aside, f.Own, f.NoBackup, f.Cannot = nil, nil, "", false, ""
}

// startAnew sends the browser to the beginning, towards the same application.
func (g *Gateway) startAnew(w http.ResponseWriter, app string) error {
	if app != "" {
		return redirect(w, "/apps/"+app)
	}
	return redirect(w, "/")
}

// startLate is startAnew for somebody who comes with a sign-in in progress that is over, and is told so.
func (g *Gateway) startLate(w http.ResponseWriter, v *visitor, app string) error {
	if v.browser == (Hash{}) {
		return g.startAnew(w, app)
	}
	if app != "" {
		return redirect(w, "/apps/"+app+"?late=1")
	}
	return redirect(w, "/?late=1")
}

// late reports whether a request is the beginning anew of a sign-in that was over.
func late(r *http.Request) bool { return r.URL.Query().Has("late") }

// withFlow adds the flow's id to an address of ours.
func (v *visitor) withFlow(path string) string { return path + "?f=" + url.QueryEscape(v.fid) }

// label returns what people call an application; "" for the portal.
func (g *Gateway) label(app string) string {
	if a := g.byName[app]; a != nil {
		return a.tile.Label
	}
	return ""
}

// setOut begins a flow towards a page or an application and sends the browser to the next step.
func (g *Gateway) setOut(w http.ResponseWriter, r *http.Request, v *visitor, f *flow) error {
	if v.session != nil {
		f.User = v.session.User.Key()
	}
	if err := g.start(w, r, v, f); err != nil {
		return err
	}
	return g.next(w, r, v)
}

// start begins a flow for whoever comes. Strangers of one address begin so many, because each is a row.
func (g *Gateway) start(w http.ResponseWriter, r *http.Request, v *visitor, f *flow) error {
	if v.session == nil && !g.limiter.mayStart(g.client(r), g.now()) {
		w.Header().Set("Retry-After", "5")
		return &Error{Status: http.StatusTooManyRequests, Public: "Very many people came from your network just now. Wait a few seconds, then try again.", Reason: "too_many_starts"}
	}
	if err := g.ensureDevice(w, v); err != nil {
		return err
	}
	if own, _ := g.passwordless(); own != nil && v.session == nil {
		v.flow = f // with the question at once, so that the page of the name need not write the flow a second time
		g.offerLogin(r.Context(), g.attempt(r, v, Decision{}), f)
	}
	return g.begin(r.Context(), v, f)
}
