package idp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// callbackPath is where a browser comes back to from a factor whose page is not ours. It is one address for all of
// them, however many: what comes back names the step by its state, and the step knows its factor.
const callbackPath = "/duo/callback"

// awayKind is the kind of the memos of browsers that are away, under their state.
const awayKind = "away"

// away is a step at another site. It is not kept in the flow, so that each of two tabs gets its answer.
type away struct {
	Flow   string `json:"flow"` // id
	Factor string `json:"factor"`
	Memo   []byte `json:"memo"`
}

// asked is a factor that a decision asks for.
type asked struct {
	factor Factor
	d      Decision
	ready  readiness
}

// leaveMost is how often a person's browsers may leave for a factor in codeWindow before an answer comes: each time may
// make a phone ring. It is more than for wrong answers, because whoever opens several tabs leaves as often.
const leaveMost = 10

const (
	deniedAway  = "You did not confirm this sign-in, or it was not confirmed for you."
	limitedAway = "There were too many sign-ins that were not confirmed. Wait 15 minutes, then try again."
	lockedAway  = "There were too many sign-ins today that were not confirmed. Ask the service desk, or try again tomorrow."
)

// leave keeps the step for the way back and hands the browser over. It goes nowhere while the person keeps denying what
// somebody else may have begun (security.md C-32).
func (g *Gateway) leave(w http.ResponseWriter, r *http.Request, v *visitor, f asked, a Attempt, made Step) error {
	sentence, err := g.mayLeave(r, v, f.factor.Name())
	if err != nil {
		return err
	}
	if sentence != "" {
		g.holdBack(w, v, f, sentence)
		return nil
	}
	data, err := json.Marshal(away{Flow: v.fid, Factor: f.factor.Name(), Memo: made.Memo})
	if err != nil {
		return err
	}
	m := Memo{Kind: awayKind, ID: hashOf(a.State), Browser: v.browser, Owner: v.session.User.Key(), Expires: made.Expires, Data: data}
	if m.Expires.IsZero() {
		m.Expires = g.now().Add(flowLife)
	}
	if err := g.store.PutMemo(context.WithoutCancel(r.Context()), m, flowMost); err != nil {
		return err
	}
	if err := g.keep(r.Context(), v); err != nil { // for as long as the other page may take
		return err
	}
	return g.handoff(w, v, web.Handoff{
		App: g.factorLabel(f.factor.Name()), For: g.label(v.flow.App), URL: made.URL, Others: append(g.otherWays(v, f), web.Link{Label: "Cancel and go back", URL: "/"}),
	})
}

// mayLeave counts a leave, and returns a sentence where the person has denied too often, or left too often.
func (g *Gateway) mayLeave(r *http.Request, v *visitor, factor string) (string, error) {
	if sentence, err := g.deniedTooOften(r, v, factor); err != nil || sentence != "" {
		return sentence, err
	}
	few, err := g.few(context.WithoutCancel(r.Context()), leaveKey(v.session.User.Key(), factor), g.now(), leaveMost)
	if err != nil || few {
		return "", err
	}
	return limitedAway, g.recordLimit(r, v, factor, EventMFA)
}

// deniedTooOften returns a sentence where the person has denied too often.
func (g *Gateway) deniedTooOften(r *http.Request, v *visitor, factor string) (string, error) {
	short, daily := tryKeys(v.session.User.Key(), factor)
	for _, bound := range []struct {
		key      string
		window   time.Duration
		most     int
		sentence string
	}{{daily, day, codeDaily, lockedAway}, {short, codeWindow, codeTries, limitedAway}} {
		n, err := g.store.Failures(r.Context(), bound.key, g.now(), bound.window)
		if err != nil {
			return "", err
		}
		if n >= bound.most {
			return bound.sentence, g.recordLimit(r, v, factor, EventMFA)
		}
	}
	return "", nil
}

// leaveKey is the counter of the times that a person left for a factor and did not come back with a right answer.
func leaveKey(userKey, factor string) string { return "left:" + factor + ":" + userKey }

// getCallback takes the answer that a browser brings from another site. It comes with our Lax cookies, because it is a
// navigation, and counts in the browser, for the flow and the person that the step was made for, once.
func (g *Gateway) getCallback(w http.ResponseWriter, r *http.Request) error {
	if prefetch(r) || r.Method == http.MethodHead {
		w.WriteHeader(http.StatusNoContent) // a browser that looks ahead must not spend the answer
		return nil
	}
	v, err := g.visitor(r)
	if err != nil {
		return err
	}
	state := r.URL.Query().Get("state")
	a, owner, err := g.comeBack(r, v, state)
	switch {
	case errors.Is(err, ErrNotFound):
		return g.nothingToJudge(w, r, v, state)
	case err != nil:
		return err
	}
	err = g.findFlow(v, a.Flow, func(id Hash) (Memo, error) {
		return g.store.TakeMemo(context.WithoutCancel(r.Context()), flowKind, id, g.now())
	})
	if err != nil {
		return err
	}
	if v.flow == nil { // another tab has gone on with it
		return g.startAnew(w, g.appOf(state))
	}
	if err := g.begin(r.Context(), v, v.flow); err != nil {
		return err
	}
	if v.session == nil || v.flow.User != owner {
		return g.next(w, r, v)
	}
	return g.judgeAway(w, r, v, a)
}

// comeBack spends the step of a state, and says whose it is. It answers ErrNotFound where there is none any more.
func (g *Gateway) comeBack(r *http.Request, v *visitor, state string) (away, string, error) {
	var a away
	if len(state) > 1024 {
		return a, "", ErrNotFound
	}
	id := hashOf(state)
	m, err := g.store.Memo(r.Context(), awayKind, id, g.now())
	if err != nil {
		return a, "", err
	}
	// Looked at before it is spent: whoever got hold of an address of somebody else cannot even use it up.
	if m.Browser != v.browser {
		e := g.event(r, v, EventMFA, Denied)
		return a, "", g.refuse(r, e, &Error{
			Status: http.StatusForbidden, Reason: "other_browser", Title: "Begun in another browser",
			Public: "This step was begun in another browser and can only be finished there. If that was not you, tell the service desk.",
		})
	}
	if m, err = g.store.TakeMemo(context.WithoutCancel(r.Context()), awayKind, id, g.now()); err != nil {
		return a, "", err
	}
	return a, m.Owner, json.Unmarshal(m.Data, &a)
}

// nothingToJudge goes on where an answer was taken already (a callback that is loaded again), has expired or was made up.
// Nothing is proved by it, and nobody is left on a dead page.
func (g *Gateway) nothingToJudge(w http.ResponseWriter, r *http.Request, v *visitor, state string) error {
	if v.session != nil {
		e := g.event(r, v, EventMFA, Denied)
		e.App, e.Reason = g.appOf(state), "unknown_state"
		if err := g.record(r, e); err != nil {
			return err
		}
	}
	return g.startAnew(w, g.appOf(state))
}

// judgeAway lets the factor judge an answer from another site.
func (g *Gateway) judgeAway(w http.ResponseWriter, r *http.Request, v *visitor, a away) error {
	v.answers = a.Factor
	f, d, ready, err := g.askedFactor(r, v, a.Factor)
	if err != nil {
		return err
	}
	if f == nil {
		return g.next(w, r, v)
	}
	// A lock holds for what was under way, too (security.md R-44).
	if sentence, err := g.deniedTooOften(r, v, f.Name()); err != nil {
		return err
	} else if sentence != "" {
		g.holdBack(w, v, asked{f, d, ready}, sentence)
		return nil
	}
	p, err := f.Verify(r.Context(), &v.session.User, a.Memo, r.URL.Query())
	v.answers = ""
	if err != nil {
		return g.notPassed(w, r, v, asked{f, d, ready}, err)
	}
	if _, err := g.judged(r, v, f, EventMFA, nil); err != nil {
		return err
	}
	if err := g.store.Clear(context.WithoutCancel(r.Context()), leaveKey(v.session.User.Key(), f.Name())); err != nil {
		return err
	}
	if err := g.pass(w, r, v, p); err != nil {
		return err
	}
	return g.next(w, r, v)
}

// notPassed shows what came of an answer that proves nothing, with every way on. No outage plan hears of it: what failed
// is this answer, and whoever cannot give a right one must not be let in by another.
func (g *Gateway) notPassed(w http.ResponseWriter, r *http.Request, v *visitor, f asked, err error) error {
	e := g.event(r, v, EventMFA, Failure)
	e.Factor, e.Detail = f.factor.Name(), clip(err.Error())
	status, sentence := http.StatusServiceUnavailable, g.factorLabel(f.factor.Name())+" did not answer. Try again in a minute."
	public, ok := errors.AsType[*Error](err)
	switch {
	case ok:
		status, sentence, e.Reason = public.Status, public.Public, public.Reason
	case errors.Is(err, ErrBadCredentials), errors.Is(err, ErrSpent):
		short, _ := tryKeys(v.session.User.Key(), f.factor.Name())
		if _, err := g.store.Fail(context.WithoutCancel(r.Context()), short, g.now(), codeWindow); err != nil {
			return err
		}
		if err := g.countDay(r, v, f.factor.Name()); err != nil {
			return err
		}
		status, sentence, e.Reason = http.StatusUnauthorized, deniedAway, "denied"
	default:
		e.Reason = "factor_unavailable"
	}
	if err := g.record(r, e); err != nil {
		return err
	}
	if e.Reason != "denied" {
		sentence += " Reference number: " + e.Ref
		g.log.Warn("a factor's answer was not accepted", "factor", f.factor.Name(), "reason", e.Reason, "ref", e.Ref, "cause", err)
	}
	g.showBefore(w, v, f, status, sentence)
	return nil
}

// holdBack tells somebody that it was too often.
func (g *Gateway) holdBack(w http.ResponseWriter, v *visitor, f asked, sentence string) {
	w.Header().Set("Retry-After", "900")
	g.showBefore(w, v, f, http.StatusTooManyRequests, sentence)
}

// showBefore is the page of ours for a factor whose own is elsewhere: it is seen when something went wrong there.
func (g *Gateway) showBefore(w http.ResponseWriter, v *visitor, f asked, status int, sentence string) {
	name := f.factor.Name()
	g.show(w, status, web.MFA{
		Frame: g.frame(v), F: v.fid, Action: "/mfa/" + name, Factor: name, Heading: g.factorLabel(name),
		Text: "Continue takes you to " + g.factorLabel(name) + " once more.", App: g.label(v.flow.App),
		Rule: why(f.d), Others: g.otherWays(v, f), Error: sentence,
	})
}
