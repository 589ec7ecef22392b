package idp

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// getSettings shows a person their own factors, devices and sessions.
func (g *Gateway) getSettings(w http.ResponseWriter, r *http.Request) error {
	v, err := g.settled(w, r, &flow{To: "/settings"})
	if err != nil || v == nil {
		return err
	}
	return g.showSettings(w, r, v, doneSentences[r.URL.Query().Get("done")])
}

// doneSentences say what has been done, to somebody who comes back from it.
var doneSentences = map[string]string{
	"password": "Your password is changed. Use the new one from now on, on your computer too. Everywhere else you were signed out here, and your remembered devices are forgotten.",
	"added":    "Your new second step is set up.",
	"renamed":  "The name is changed.",
	"removed":  "The second step is removed. Everywhere else you were signed out here, and your remembered devices are forgotten.",
	"proved":   "Thank you. You can make your changes now.",

	"forgotten":     "That device is forgotten.",
	"all_forgotten": "Your devices are forgotten. Each asks for the second step at its next sign-in.",
	"ended":         "You are signed out there.",
	"others_ended":  "Everywhere else you are signed out.",
}

// settled returns a visitor for whom the portal's policy is content, or sends them on their way to the page.
func (g *Gateway) settled(w http.ResponseWriter, r *http.Request, way *flow) (*visitor, error) {
	v, err := g.visitor(r)
	if err != nil {
		return nil, err
	}
	if v.session == nil {
		return nil, g.setOut(w, r, v, way)
	}
	v.flow = way
	d, _, err := g.decide(r, v)
	if err != nil {
		return nil, err
	}
	if d.Verdict != Allow {
		return nil, g.setOut(w, r, v, way)
	}
	return v, g.recordOutage(r, v, d)
}

func (g *Gateway) showSettings(w http.ResponseWriter, r *http.Request, v *visitor, notice string) error {
	ctx, user, now := r.Context(), v.session.User.Key(), g.now()
	p := web.Settings{Frame: g.frame(v), F: v.session.Form, Notice: notice}
	if _, c := g.changer(&v.session.User); c != nil {
		p.Password = web.Link{Label: "Change your password", URL: "/password"}
		if at := v.session.User.PasswordExpires; at.After(now) {
			p.PasswordExpires = onDay(at, now)
		}
	}
	var err error
	if p.News, p.Lately, err = g.allNews(ctx, v); err != nil {
		return err
	}
	if p.Factors, p.Add, err = g.ownFactors(ctx, user); err != nil {
		return err
	}
	if p.Recovery = g.takesCode(&v.session.User, RecoveryFactor); p.Recovery {
		if p.Codes, err = g.recoveryLeft(ctx, user); err != nil {
			return err
		}
		if g.proved(v) { // without, the button leads to a second step and back to another page
			if p.Once, err = g.makeOnce(ctx, v, user); err != nil {
				return err
			}
		}
	}
	if p.Devices, err = g.ownDevices(r, v); err != nil {
		return err
	}
	live, err := g.store.UserSessions(ctx, user)
	if err != nil {
		return err
	}
	for _, s := range live {
		p.Sessions = append(p.Sessions, web.Item{ID: hex.EncodeToString(s.ID[:]), Label: s.Label(), Detail: "signed in " + onDay(s.SignedIn, now) + " from " + s.Client.String(), Current: s.ID == v.session.ID})
	}
	g.show(w, http.StatusOK, p)
	return nil
}

// postSettings changes a factor, forgets a device or ends a session of the person's own. Whatever is changed takes a proof
// of a moment ago: whoever finds the session open must not lock its person out, nor keep from them that they were here.
func (g *Gateway) postSettings(w http.ResponseWriter, r *http.Request) error {
	v, err := g.settled(w, r, &flow{To: "/settings"})
	if err != nil || v == nil {
		return err
	}
	if !v.ownForm(r) {
		return redirect(w, "/settings")
	}
	kind := r.PostForm.Get("kind")
	if kind == "news" {
		return g.postNews(w, r, v)
	}
	change := map[string]func(http.ResponseWriter, *http.Request, *visitor) error{
		"factor": g.postOwnFactor, "recovery": g.postRecovery, "device": g.postOwnDevice, "session": g.postOwnSession,
	}[kind]
	if change == nil {
		return redirect(w, "/settings")
	}
	fresh, err := g.fresh(r, v)
	if err != nil {
		return err
	}
	if !fresh {
		return g.setOut(w, r, v, &flow{To: "/settings?done=proved", Prove: true})
	}
	return change(w, r, v)
}

// postOwnSession ends one of the person's sessions, or all but this one.
func (g *Gateway) postOwnSession(w http.ResponseWriter, r *http.Request, v *visitor) error {
	ctx, user, wanted := context.WithoutCancel(r.Context()), v.session.User.Key(), r.PostForm.Get("remove")
	var id Hash
	e := g.event(r, v, EventLogout, Success)
	switch {
	case wanted == "others":
		e.Reason = "others_ended"
	case parseHash(&id, wanted):
		e.Reason = "ended"
	default:
		return redirect(w, "/settings")
	}
	if err := g.record(r, e); err != nil {
		return err
	}
	if wanted == "others" {
		// With the mark, so that a sign-in which is under way elsewhere does not come to a session.
		if _, err := g.endAllBut(ctx, user, v.session.ID); err != nil {
			return err
		}
	} else if err := g.endOwn(ctx, user, id); err != nil {
		return err
	}
	return redirect(w, "/settings?done="+e.Reason)
}

// endOwn ends a session if it is the person's own; nobody ends another's by naming it.
func (g *Gateway) endOwn(ctx context.Context, user string, id Hash) error {
	s, err := g.store.Session(ctx, id)
	if err != nil || s.User.Key() != user {
		return nil //nolint:nilerr // an unknown session has ended already
	}
	return g.store.DeleteSession(ctx, id)
}

// onDay prints a date as people say it.
func onDay(t, now time.Time) string {
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return "today"
	}
	return t.Format("2 January 2006")
}

func used(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", last used " + onDay(t, now)
}

// parseHash reads a hash from a form.
func parseHash(h *Hash, text string) bool {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(h) {
		return false
	}
	copy(h[:], raw)
	return true
}
