package idp

import (
	"context"
	"net/http"
	"slices"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// next is the only place that decides what comes after a step: it looks at the sign-in in progress
// and sends the browser to one address. Handlers end in it and know nothing of each other.
func (g *Gateway) next(w http.ResponseWriter, r *http.Request, v *visitor) error {
	if v.session == nil {
		return redirect(w, v.withFlow("/login"))
	}
	if v.changes() {
		return g.nextChange(w, r, v)
	}
	d, own, err := g.decide(r, v)
	if err != nil {
		return err
	}
	if err := g.recordOutage(r, v, d); err != nil {
		return err
	}
	switch {
	case outOfReach(d):
		return g.showAway(w, r, v, d, readiness{})
	case d.Verdict == Deny:
		return g.deny(r, v, d)
	case d.Verdict == Ask:
		return g.ask(w, r, v, d)
	}
	if done, err := g.nextFresh(w, r, v); done {
		return err
	}
	if _, due, err := g.backupDue(r, v, d); due || err != nil {
		if err != nil {
			return err
		}
		return redirect(w, v.withFlow("/backup"))
	}
	if v.asksDevice(d, own) && v.flow.Own != ownNo {
		if !d.Remember && v.flow.Own == "" {
			return redirect(w, v.withFlow("/mfa"))
		}
		if err := g.rememberUnasked(w, r, v, d); err != nil {
			return err
		}
	}
	return redirect(w, v.destination())
}

// destination is where the sign-in in progress leads in the end.
func (v *visitor) destination() string {
	switch {
	case v.flow.App != "":
		return v.withFlow("/apps/" + v.flow.App)
	case v.flow.To != "":
		return v.flow.To
	}
	return "/"
}

// decide asks the policy of where the visitor is going. It also returns their own device, if any. Where the computer turns out
// to be a shared one, the session ends soon, whether or not anything is opened.
func (g *Gateway) decide(r *http.Request, v *visitor) (Decision, *Device, error) {
	own, err := g.ownDevice(r.Context(), v, v.session.User.Key())
	if err != nil {
		return Decision{}, nil, err
	}
	d, err := g.judgeVisit(r, v, own, v.flow.App)
	if err == nil && d.HotDesk {
		err = g.endUnused(r, v)
	}
	return d, own, err
}

// decideLaunch is decide for those who need no device. What was passed on the device can only add to
// what was passed in the session (see [Policy.Decide]), so its row is read where that is not enough.
func (g *Gateway) decideLaunch(r *http.Request, v *visitor) (Decision, error) {
	d, err := g.judgeVisit(r, v, nil, v.flow.App)
	if err != nil || d.Verdict == Allow {
		return d, err
	}
	d, _, err = g.decide(r, v)
	return d, err
}

// deny writes the audit line of a refusal and returns its page.
func (g *Gateway) deny(r *http.Request, v *visitor, d Decision) error {
	e := g.event(r, v, EventDecision, Denied)
	e.App, e.Reason = v.flow.App, d.Reason
	g.decidedBy(&e, v, d)
	return g.refuse(r, e, &Error{Status: http.StatusForbidden, Public: d.Public, Reason: d.Reason})
}

// recordOutage writes down that a factor could not be asked and that the plan for it decided. The portal's own pages are
// decided on at each look at them, so that what lets in there is written once in a session, whichever page it was.
func (g *Gateway) recordOutage(r *http.Request, v *visitor, d Decision) error {
	factor, portal := d.Outage, v.flow.App == ""
	if portal && factor == "" {
		factor = d.StoodIn
	}
	if factor == "" || portal && d.Verdict == Allow && v.session.Outage == factor {
		return nil
	}
	e := g.event(r, v, EventOutage, d.Verdict.String())
	e.App, e.Factor, e.Reason = v.flow.App, factor, "factor_unreachable"
	g.decidedBy(&e, v, d)
	if err := g.record(r, e); err != nil || !portal || d.Verdict == Deny {
		return err
	}
	return g.amend(r.Context(), v, func(s *Session) { s.Outage = factor })
}

// ask sends the visitor to the factor that is missing, or to set one up.
func (g *Gateway) ask(w http.ResponseWriter, r *http.Request, v *visitor, d Decision) error {
	if d.Reason == AskSession {
		return g.signInAgain(w, r, v, d)
	}
	ready, err := g.readyFactors(r.Context(), v, g.wanted(d))
	if err != nil {
		return err
	}
	e := g.event(r, v, EventDecision, "ask")
	e.App = v.flow.App
	g.decidedBy(&e, v, d)
	if err := g.record(r, e); err != nil {
		return err
	}
	if len(ready.enrolled) > 0 {
		to, err := g.promptFor(r, v, ready.enrolled)
		if err != nil {
			return err
		}
		return redirect(w, to)
	}
	if len(ready.unreachable) > 0 || d.Outage != "" {
		return g.showAway(w, r, v, d, ready)
	}
	return redirect(w, v.withFlow("/enroll"))
}

// signInAgain ends a session that is too old for where the visitor is going, and asks for the password once more.
func (g *Gateway) signInAgain(w http.ResponseWriter, r *http.Request, v *visitor, d Decision) error {
	e := g.event(r, v, EventLogout, Success)
	g.decidedBy(&e, v, d)
	if err := g.record(r, e); err != nil {
		return err
	}
	if err := g.store.DeleteSession(context.WithoutCancel(r.Context()), v.session.ID); err != nil {
		return err
	}
	if err := v.cookie.erase(w); err != nil {
		return err
	}
	name := v.session.User.Name
	v.session = nil
	v.flow.belongTo("")
	v.flow.Name = name
	if err := g.keep(r.Context(), v); err != nil {
		return err
	}
	return redirect(w, v.withFlow("/login"))
}

// pass adds a proof to the session, the flow and, where it may be kept there, the device, under a new session id.
func (g *Gateway) pass(w http.ResponseWriter, r *http.Request, v *visitor, p Proof) error {
	p.At = p.At.Round(0).UTC() // as it will be read back; see [Visit]
	passed := Passed{Proof: p, Scope: g.policyFor(v).scope(v.flow.App)}
	// Judging takes its time. A session that was ended meanwhile must not come back under a new id.
	if err := g.alive(r.Context(), v); err != nil {
		return err
	}
	d, own, err := g.decide(r, v)
	if err != nil {
		return err
	}
	if passed.SessionOnly = isRescue(p.Factor); !passed.SessionOnly { // a code stands in, and is no property of the device
		if passed.SessionOnly, err = g.keptNowhere(r.Context(), v, d); err != nil {
			return err
		}
	}
	if err := g.rememberProof(context.WithoutCancel(r.Context()), v, own, passed); err != nil {
		return err
	}
	s := *v.session
	s.Proofs = addProof(s.Proofs, passed)
	if d.HotDesk {
		s.Expires = g.hotDeskEnd(&s) // the sign-in goes on: somebody was there
	}
	if err := g.raise(w, r, v, s); err != nil {
		return err
	}
	v.flow.atHand(nil)
	v.flow.Ways = nil
	v.flow.Proofs = append(slices.Clip(v.flow.Proofs), p)
	return g.keep(r.Context(), v)
}

// otherWays are the links from a factor that is asked to those that the person has beside it, and on from all of them.
func (g *Gateway) otherWays(v *visitor, a asked) []web.Link {
	var links []web.Link
	for _, f := range a.ready.enrolled {
		if f.Name() != a.factor.Name() {
			links = append(links, web.Link{Label: g.factorLabel(f.Name()), URL: v.withFlow("/mfa/" + f.Name()), Script: needsScript(f)})
		}
	}
	return append(links, v.rescueLink(len(a.ready.enrolled)))
}

// rescueLink leads on where none of the person's factors can be used.
func (v *visitor) rescueLink(factors int) web.Link {
	if factors > 1 {
		return web.Link{Label: "I can’t use any of these", URL: v.withFlow("/rescue")}
	}
	return web.Link{Label: "I can’t use this", URL: v.withFlow("/rescue")}
}
