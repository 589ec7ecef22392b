package idp

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// rescueName is what tries of codes that stand in for a factor are counted under, whichever kind they are meant for.
const rescueName = "rescue"

// getRescue helps somebody who can use none of their second steps: by a code that stands in for one, else by whom to
// call, with a reference number that the service desk finds in the audit log.
func (g *Gateway) getRescue(w http.ResponseWriter, r *http.Request) error {
	v, err := g.onTheWay(w, r)
	if err != nil || v == nil {
		return err
	}
	d, due, err := g.rescueDue(r, v)
	if err != nil {
		return err
	}
	if !due {
		return g.next(w, r, v)
	}
	if outOfReach(d) {
		return g.showAway(w, r, v, d, readiness{})
	}
	if v.flow.Cannot == "" { // once for a sign-in, however often the page is loaded
		e := g.event(r, v, EventMFA, Failure)
		e.Reason, e.Factor = "cannot", rescueName
		g.decidedBy(&e, v, d)
		if err := g.record(r, e); err != nil {
			return err
		}
		v.flow.Cannot = e.Ref
		if err := g.keepTime(r.Context(), v); err != nil {
			return err
		}
	}
	p := g.rescuePage(v)
	p.Ref = v.flow.Cannot
	g.show(w, http.StatusOK, p)
	return nil
}

// rescueDue reports whether a second step is what keeps somebody from where they are going: it is asked, or cannot be and
// the plan for that denies.
func (g *Gateway) rescueDue(r *http.Request, v *visitor) (Decision, bool, error) {
	d, err := g.askedNow(r, v)
	return d, err == nil && (d.Verdict == Ask && d.Reason != AskSession || outOfReach(d)), err
}

// outOfReach reports whether somebody is denied because their factor cannot be asked, and for nothing else.
func outOfReach(d Decision) bool { return d.Verdict == Deny && d.Section == "outage" }

// showAway tells somebody that their second step cannot be asked. A code stands in for it there as well, where the policy
// takes one.
func (g *Gateway) showAway(w http.ResponseWriter, r *http.Request, v *visitor, d Decision, ready readiness) error {
	e, silent := g.event(r, v, EventMFA, Failure), namesOf(ready.unreachable)
	if d.Outage != "" {
		silent = []string{d.Outage} // what the person has, and not what would have stood in for it
	}
	if cause := v.silence(silent); cause != nil {
		e.Detail = clip(cause.Error())
	}
	no := &Error{Status: http.StatusServiceUnavailable, Public: g.notAnswering(silent) + " Try again in a minute.", Reason: "factor_unreachable", Err: ready.err}
	if outOfReach(d) {
		e.Kind, e.Result = EventDecision, Denied
		no = &Error{Status: http.StatusForbidden, Public: g.notAnswering(silent) + " This does not open without it. Try again in a few minutes.", Reason: d.Reason}
	}
	g.decidedBy(&e, v, d)
	e.Reason = no.Reason
	if g.rescueMode(v) == RescueOff {
		return g.refuse(r, e, no)
	}
	if err := g.record(r, e); err != nil {
		return err
	}
	w.Header().Set("Retry-After", "5")
	p := g.rescuePage(v)
	p.Away, p.Error, p.Ref = true, no.Public, e.Ref
	g.show(w, no.Status, p)
	return nil
}

// silence returns why factors do not answer, as they said in this request.
func (v *visitor) silence(factors []string) error {
	var all []error
	for _, name := range factors {
		if a := v.asked[name]; a != nil {
			all = append(all, a.err)
		}
	}
	return errors.Join(all...)
}

// notAnswering says which second step does not answer.
func (g *Gateway) notAnswering(factors []string) string {
	if len(factors) != 1 || factors[0] == "" {
		return "Your second step does not answer just now."
	}
	return g.factorLabel(factors[0]) + " does not answer just now."
}

func (g *Gateway) rescuePage(v *visitor) web.Rescue {
	mode := g.rescueMode(v)
	return web.Rescue{
		Frame: g.timed(v, "/rescue"), F: v.fid, Action: "/rescue", App: g.label(v.flow.App), Recovery: mode == RescueAny, Bypass: mode != RescueOff,
		Back: v.withFlow("/login"),
	}
}

// rescueFor returns what the policy says about codes where the visitor is going. A new password opens the portal, too, and so
// does what is set up: on the way to those, both have to take a code.
func (g *Gateway) rescueFor(v *visitor) *RescueSection {
	here := g.policyFor(v).Rescue
	if portal := g.rescueInPortal(v); (v.changes() || v.flow.Prove) && portal.rank() > here.rank() {
		return portal
	}
	return here
}

// rescueInPortal returns what the portal's own policy says about codes.
func (g *Gateway) rescueInPortal(v *visitor) *RescueSection {
	return g.guardOf("").For(&v.session.User).Rescue
}

// rescueMode returns which codes count where the visitor is going.
func (g *Gateway) rescueMode(v *visitor) RescueMode {
	if v.flow.Desk {
		return RescueOff
	}
	return g.rescueFor(v).mode()
}

// takesHere reports whether a code of a kind stands in for a factor where the visitor is going. One that another application
// took is none for one that takes none: what is set up behind it would open that one all the same.
func (g *Gateway) takesHere(v *visitor, kind string) bool {
	return !v.flow.Desk && g.rescueFor(v).takes(kind)
}

// takesToAdd reports whether a code of a kind counts for setting something up, which opens the portal as well.
func (g *Gateway) takesToAdd(v *visitor, kind string) bool {
	return g.takesHere(v, kind) && g.rescueInPortal(v).takes(kind)
}

// countsToAdd reports whether a proof by a factor, or a code, counts for setting something up. A password does not.
func (g *Gateway) countsToAdd(v *visitor, factor string) bool {
	return factor != PasswordFactor && (!isRescue(factor) || g.takesToAdd(v, factor))
}

// shownToAdd reports whether this session has proved what counts for setting something up.
func (g *Gateway) shownToAdd(v *visitor) bool {
	return slices.ContainsFunc(v.session.Proofs, func(p Passed) bool { return g.countsToAdd(v, p.Factor) })
}

// cameByCode reports whether a code opened this session behind which nothing can be set up, and nothing better did since.
func (g *Gateway) cameByCode(v *visitor) bool {
	return slices.ContainsFunc(v.session.Proofs, func(p Passed) bool { return isRescue(p.Factor) }) && !g.shownToAdd(v)
}

// countedHere returns the proofs without those by codes that are not taken where the visitor is going.
func (g *Gateway) countedHere(v *visitor, proofs []Proof) []Proof {
	return slices.DeleteFunc(slices.Clone(proofs), func(p Proof) bool { return isRescue(p.Factor) && !g.takesHere(v, p.Factor) })
}

const wrongRescue = "That code is not right, or it has been used. Check each character, or ask the service desk for a new one."

// postRescue takes a code.
func (g *Gateway) postRescue(w http.ResponseWriter, r *http.Request) error {
	v, err := g.takeStep(w, r)
	if err != nil || v == nil {
		return err
	}
	d, due, err := g.rescueDue(r, v)
	if err != nil {
		return err
	}
	if !due || g.rescueMode(v) == RescueOff {
		return g.next(w, r, v)
	}
	page := g.rescuePage(v)
	page.Error, err = g.mayTry(r, v, rescueName, EventMFA)
	if err != nil {
		return err
	}
	if page.Error != "" {
		w.Header().Set("Retry-After", "900")
		g.show(w, http.StatusTooManyRequests, page)
		return nil
	}
	p, err := g.takeCode(r, v, d, r.PostForm.Get("code"))
	e := g.event(r, v, EventMFA, Success)
	if e.Factor = p.Factor; err != nil {
		e.Factor = rescueName
	}
	if e.Factor == inviteName {
		e.Kind = EventInvite
	}
	wrong, err := g.judgedCode(r, v, rescueName, e, err)
	if err != nil {
		return err
	}
	switch {
	case wrong:
		page.Error, page.Wrong, page.Ref = wrongRescue, true, e.Ref
		g.show(w, http.StatusUnauthorized, page)
		return nil
	case p.Factor == inviteName:
		return g.invited(w, r, v)
	}
	if err := g.pass(w, r, v, p); err != nil {
		return err
	}
	return g.next(w, r, v)
}

// judgedCode records what came of a code that is kept here, and counts it under a name: ErrNotFound is a wrong one, which it
// reports.
func (g *Gateway) judgedCode(r *http.Request, v *visitor, name string, e Event, err error) (wrong bool, _ error) {
	switch {
	case errors.Is(err, ErrNotFound):
		e.Result, e.Reason = Failure, "bad_credentials"
		return true, errors.Join(g.countDay(r, v, name), g.record(r, e))
	case err != nil:
		return false, err
	}
	if err := g.forgetTries(r.Context(), v, name); err != nil {
		return false, err
	}
	return false, g.record(r, e)
}

// takeCode spends the code that somebody typed: a recovery code of theirs, else a bypass code, else an invitation, which proves
// nothing and lets them set up what does.
func (g *Gateway) takeCode(r *http.Request, v *visitor, d Decision, code string) (Proof, error) {
	ctx, user := context.WithoutCancel(r.Context()), v.session.User.Key()
	if len(code) > mostName {
		return Proof{}, ErrNotFound
	}
	if g.takesHere(v, RecoveryFactor) {
		if p, err := g.takeRecoveryCode(ctx, user, code); !errors.Is(err, ErrNotFound) {
			return p, err
		}
	}
	if !g.takesHere(v, BypassFactor) {
		return Proof{}, ErrNotFound
	}
	if p, err := g.takeBypass(ctx, user, code); !errors.Is(err, ErrNotFound) {
		return p, err
	}
	if !g.takesToAdd(v, BypassFactor) {
		return Proof{}, ErrNotFound
	}
	if v.changes() || v.flow.Prove || !d.asksFactor() || d.Outage != "" || len(g.here(g.wanted(d))) == 0 {
		return Proof{}, ErrNotFound // it is no sign-in, or there is nothing to set up: the invitation stays
	}
	return Proof{Factor: inviteName}, g.spendInvitation(ctx, user, code)
}

// invited opens the gate of an enrollment for the sign-in that is under way.
func (g *Gateway) invited(w http.ResponseWriter, r *http.Request, v *visitor) error {
	v.flow.Invited = true
	if err := g.keep(r.Context(), v); err != nil {
		return err
	}
	return redirect(w, v.withFlow("/enroll"))
}
