package idp

import (
	"context"
	"errors"
	"net/http"
	"unicode/utf8"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// changeRule stands in decisions where a policy's rule would: the password comes first.
const changeRule = "password"

// changedHere is where a person goes who chose to change their password.
const changedHere = "/settings?done=password"

// changes reports whether the visitor's way leads over a new password.
func (v *visitor) changes() bool {
	return v.session != nil && v.session.MustChange != "" || v.flow.Change
}

// askedForChange is Ask until the person has shown a factor, whichever they have: in this session where the
// change is due, since it began with the old password and opens nothing else; on this very way where they choose to change,
// since the session may have been left alone meanwhile. A code counts where it is taken.
func (g *Gateway) askedForChange(v *visitor) Decision {
	d := Decision{Verdict: Ask, Rule: changeRule, Reason: "password_change"}
	shown := v.flow.Proofs
	if v.session.MustChange != "" {
		d.Reason = v.session.MustChange
		shown = append(bare(v.session.Proofs), shown...)
	}
	if hasFactor(g.countedHere(v, shown)) {
		d.Verdict = Allow
	}
	return d
}

// changer returns what changes a person's password, or nil where that is not done here.
func (g *Gateway) changer(u *User) (*origin, PasswordChanger) {
	o := g.origins[u.Source]
	if o == nil || o.Off || o.KeepPasswords {
		return nil, nil
	}
	c, ok := o.passwords.(PasswordChanger)
	if !ok {
		return nil, nil
	}
	return o, c
}

// changeDue returns why a right password has to be changed before anything is opened, or "".
func (g *Gateway) changeDue(u *User, err error) string {
	state, ok := errors.AsType[*AccountState](err)
	if !ok || u == nil || state.State != "password_expired" && state.State != "must_change" {
		return ""
	}
	if _, c := g.changer(u); c == nil {
		return ""
	}
	return state.State
}

// factorsForChange returns the factors one of which has to be shown before the change: none where one was, and
// none where the person has none.
func (g *Gateway) factorsForChange(ctx context.Context, v *visitor) (readiness, error) {
	if g.askedForChange(v).Verdict == Allow {
		return readiness{}, nil
	}
	ready, err := g.readyFactors(ctx, v, g.wanted(Decision{}))
	ready.open = nil
	return ready, err
}

// nextChange is next on a way over a new password.
func (g *Gateway) nextChange(w http.ResponseWriter, r *http.Request, v *visitor) error {
	if err := g.mayChange(r, v); err != nil {
		return err
	}
	ready, err := g.factorsForChange(r.Context(), v)
	switch {
	case err != nil:
		return err
	case len(ready.enrolled) > 0:
		e := g.event(r, v, EventDecision, "ask")
		g.decidedBy(&e, v, g.askedForChange(v))
		if err := g.record(r, e); err != nil {
			return err
		}
		to, err := g.promptFor(r, v, ready.enrolled)
		if err != nil {
			return err
		}
		return redirect(w, to)
	case len(ready.unreachable) > 0:
		return g.showAway(w, r, v, g.askedForChange(v), ready)
	}
	return redirect(w, v.withFlow("/password"))
}

// mayChange refuses where the policy lets the person in neither before nor after: a password that was given out or left
// to expire must not be changed from where its owner could not sign in.
func (g *Gateway) mayChange(r *http.Request, v *visitor) error {
	d, _, err := g.decide(r, v)
	if err == nil && d.Verdict == Deny {
		err = g.deny(r, v, d)
	}
	return err
}

// getPassword asks for the new password, where that is next.
func (g *Gateway) getPassword(w http.ResponseWriter, r *http.Request) error {
	if !r.URL.Query().Has("f") {
		v, err := g.visitor(r)
		if err != nil {
			return err
		}
		return g.setOut(w, r, v, &flow{To: changedHere, Change: true})
	}
	v, err := g.onTheWay(w, r)
	if err != nil || v == nil {
		return err
	}
	o, c, err := g.readyToChange(r, v)
	if err != nil {
		return err
	}
	if o == nil {
		return g.next(w, r, v)
	}
	g.showNewPassword(w, v, rulesFor(r.Context(), v, c), http.StatusOK, "", "")
	return nil
}

// readyToChange returns what changes the password, where that is the step that the visitor is at.
func (g *Gateway) readyToChange(r *http.Request, v *visitor) (*origin, PasswordChanger, error) {
	if !v.changes() {
		return nil, nil, nil
	}
	if err := g.mayChange(r, v); err != nil {
		return nil, nil, err
	}
	if ready, err := g.factorsForChange(r.Context(), v); err != nil || len(ready.enrolled)+len(ready.unreachable) > 0 {
		return nil, nil, err
	}
	o, c := g.changer(&v.session.User)
	if c == nil {
		return nil, nil, g.refuse(r, g.event(r, v, EventPassword, Denied), &Error{
			Status: http.StatusForbidden, Title: "Your password is kept elsewhere", Reason: "not_changed_here",
			Public: "It cannot be changed here. Change it on a computer of your company, or ask the service desk.",
		})
	}
	return o, c, nil
}

// rulesFor returns what is asked of the visitor's new password. Rules that cannot be read are no reason to show none of
// the page: the directory names the one that was broken.
func rulesFor(ctx context.Context, v *visitor, c PasswordChanger) PasswordRules {
	rules, err := c.PasswordRules(ctx, &v.session.User)
	if err != nil {
		return PasswordRules{}
	}
	return rules
}

// showNewPassword shows the page. field is the one that the message is about.
func (g *Gateway) showNewPassword(w http.ResponseWriter, v *visitor, rules PasswordRules, status int, field, message string) {
	due := v.session.MustChange != ""
	if v.flow.App == "" {
		// On the way to an application it may be a window that the Streams API has opened, which would take it for closed.
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	p := web.NewPassword{
		Frame: g.frame(v), F: v.fid, App: g.label(v.flow.App), Username: v.session.User.Name, Due: due,
		Rules: rulesInWords(rules, !due), Error: message, Field: field,
	}
	switch v.session.MustChange {
	case "password_expired":
		p.Why = "Your password has expired. Choose a new one, then you go on to where you were going."
	case "must_change":
		p.Why = "Your password was given to you by somebody else. Choose one that only you know, then you go on to where you were going."
	}
	g.show(w, status, p)
}

// postPassword changes the password and goes on.
func (g *Gateway) postPassword(w http.ResponseWriter, r *http.Request) error {
	v, err := g.takeStep(w, r)
	if err != nil || v == nil {
		return err
	}
	o, c, err := g.readyToChange(r, v)
	if err != nil {
		return err
	}
	if o == nil {
		return g.next(w, r, v)
	}
	old, replacement, again := r.PostForm.Get("old"), r.PostForm.Get("new"), r.PostForm.Get("again")
	if field, sentence := unfit(old, replacement, again); sentence != "" {
		g.showNewPassword(w, v, rulesFor(r.Context(), v, c), http.StatusUnprocessableEntity, field, sentence)
		return nil
	}
	begun, err := g.change(r, v, o, c, old, replacement)
	if err != nil {
		return g.changeFailed(w, r, v, c, begun, err)
	}
	if err := g.changed(w, r, v, o, begun); err != nil {
		return err
	}
	return g.next(w, r, v)
}

// unfit returns what nobody needs to be asked about, with the field.
func unfit(old, replacement, again string) (field, sentence string) {
	switch {
	case emptyPassword(old) || len(old) > mostPassword:
		return "old", "Type your current password."
	case emptyPassword(replacement):
		return "new", "Type a new password."
	case len(replacement) > mostPassword || !utf8.ValidString(replacement):
		return "new", "That password is too long, or is no text. Choose another one."
	case replacement != again:
		return "again", "The two new passwords are not the same. Type both again."
	case replacement == old:
		return "new", "The new password is the current one. Choose another one."
	}
	return "", ""
}
