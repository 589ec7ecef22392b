package idp

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// Bounds of wrong codes, for each user and factor, over all flows, sessions and addresses
// (security.md C-30, R-37).
const (
	codeTries  = 5
	codeWindow = 15 * time.Minute
	codeDaily  = 10
	day        = 24 * time.Hour
)

const (
	wrongCode = "That code is not right. Type the code that your app shows now."
	spentCode = "That code has been used already. Wait for the next one."
)

// limitedCode and lockedCode say that there were too many wrong answers, in 15 minutes and in a day. Not every factor asks
// for a code.
func (v *visitor) limitedCode(factor string) string {
	return "There were too many " + v.wrongAnswers(factor) + ". Wait 15 minutes, then try again."
}

func (v *visitor) lockedCode(factor string) string {
	return "There were too many " + v.wrongAnswers(factor) + " today. Ask the service desk, or try again tomorrow."
}

func (v *visitor) wrongAnswers(factor string) string {
	if s := v.flow.Step; s != nil && s.Factor == factor && s.View.Digits == 0 {
		return "tries that failed"
	}
	return "wrong codes"
}

// getMFA asks for any of several factors on one page, or "Is this your device?", where that is due; else it goes on.
func (g *Gateway) getMFA(w http.ResponseWriter, r *http.Request) error {
	v, err := g.onTheWay(w, r)
	if err != nil || v == nil {
		return err
	}
	if shown, err := g.showAll(w, r, v); shown || err != nil {
		return err
	}
	d, own, err := g.decide(r, v)
	if err != nil {
		return err
	}
	if !v.asksDevice(d, own) {
		return g.next(w, r, v)
	}
	g.showDevice(w, v, d.Keep)
	return nil
}

// onTheWay opens the flow of a GET that needs a signed-in visitor. Where one is missing it starts anew and
// returns nil.
func (g *Gateway) onTheWay(w http.ResponseWriter, r *http.Request) (*visitor, error) {
	v, err := g.openFlow(r)
	if err != nil {
		return nil, err
	}
	if v.flow == nil {
		return nil, g.startLate(w, v, g.appOf(r.URL.Query().Get("f")))
	}
	if v.session == nil || v.flow.User == "" {
		return nil, redirect(w, v.withFlow("/login"))
	}
	if wantsMore(r) {
		return v, g.keep(r.Context(), v)
	}
	return v, nil
}

// getFactor challenges one factor, if policy asks for it.
func (g *Gateway) getFactor(w http.ResponseWriter, r *http.Request) error {
	v, err := g.onTheWay(w, r)
	if err != nil || v == nil {
		return err
	}
	f, d, ready, err := g.askedFactor(r, v, r.PathValue("factor"))
	if err != nil {
		return err
	}
	if f == nil {
		return g.next(w, r, v)
	}
	start := false
	if !v.flow.Step.waits(f, stepVerify, g.now()) || wantsMore(r) {
		v.flow.Ways = nil
		a := g.attempt(r, v, d)
		made, err := g.beginStep(r, v, f, stepVerify, a)
		if err != nil {
			return err
		}
		if made.URL != "" {
			return g.leave(w, r, v, asked{f, d, ready}, a, made)
		}
		// By itself it starts once: whoever opens the page again may want to do something else.
		if start, err = g.startsItself(r, v, f); err != nil {
			return err
		}
	}
	g.showFactor(w, v, asked{f, d, ready}, start, http.StatusOK, "")
	return nil
}

// askedFactor returns the factor of that name where the decision asks for it and the person has it.
func (g *Gateway) askedFactor(r *http.Request, v *visitor, name string) (Factor, Decision, readiness, error) {
	d, err := g.askedNow(r, v)
	if err != nil || d.Verdict != Ask || d.Reason == AskSession {
		return nil, d, readiness{}, err
	}
	ready, err := g.readyFactors(r.Context(), v, g.wanted(d))
	if err != nil {
		return nil, d, ready, err
	}
	for _, f := range ready.enrolled {
		if f.Name() == name {
			return f, d, ready, nil
		}
	}
	return nil, d, ready, nil
}

// askedNow decides about the way that somebody is on, be it to an application, to a new password, or to the settings.
func (g *Gateway) askedNow(r *http.Request, v *visitor) (Decision, error) {
	if v.changes() {
		return g.askedForChange(v), nil
	}
	d, _, err := g.decide(r, v)
	if err == nil && d.Verdict == Allow && v.flow.Prove && !g.proved(v) {
		d = Decision{Verdict: Ask, Rule: v.flow.proofRule(), Reason: AskMFA}
	}
	return d, err
}

// attempt describes a try at a step. Where the policy does not say for how long a proof is good, an old one will not do.
func (g *Gateway) attempt(r *http.Request, v *visitor, d Decision) Attempt {
	a := Attempt{
		App: v.flow.App, Flow: v.fid, Browser: v.browser, Client: g.client(r), Device: deviceLabel(r.UserAgent()),
		Callback: g.origin + callbackPath, State: g.randomText() + g.randomText() + appSuffix(v.flow.App),
	}
	if a.Fresh = d.Mode != MFAEvery; !a.Fresh {
		a.MaxAge = g.policyFor(v).MFA.Every
	}
	return a
}

// startsItself reports whether a factor begins as soon as its page is there: the one that the person used last here.
func (g *Gateway) startsItself(r *http.Request, v *visitor, f Factor) (bool, error) {
	if wantsMore(r) {
		return false, nil
	}
	last, err := g.usedLast(r.Context(), v)
	return last == f.Name(), err
}

// showFactor shows the page of one factor.
func (g *Gateway) showFactor(w http.ResponseWriter, v *visitor, a asked, start bool, status int, message string) {
	view, f := v.flow.Step.View, a.factor
	g.show(w, status, web.MFA{
		Frame: g.timed(v, "/mfa/"+f.Name(), v.flow.Step), F: v.fid, Action: "/mfa/" + f.Name(), Factor: f.Name(),
		Heading: g.heading(f, view, stepVerify), Text: view.Text, Digits: view.Digits, Options: view.Options, Start: start, Closed: view.Closed, App: g.label(v.flow.App),
		Rule: why(a.d), Others: g.otherWays(v, a), Error: message,
	})
}

// showAgain shows the page on which a factor was answered, with what came of that.
func (g *Gateway) showAgain(w http.ResponseWriter, r *http.Request, v *visitor, a asked, status int, message string) error {
	if len(v.flow.Ways) > 0 {
		return g.showPrompt(w, r, v, a.d, a.ready, status, a.factor.Name(), message)
	}
	g.showFactor(w, v, a, false, status, message)
	return nil
}

// why says in words which rule asks.
func why(d Decision) string {
	if d.Rule == changeRule {
		return "Asked before a password is changed."
	}
	if d.Rule == deskRule {
		return "Asked before you help somebody."
	}
	if d.Rule == proofRule {
		return "Asked before your settings are changed."
	}
	if d.Outage != "" {
		return "Your usual second step does not answer just now, so this one is asked."
	}
	if d.Mode == MFAAlways && d.Section == sectionNames[onEndpoints] {
		return "Asked at every sign-in on this computer."
	}
	if d.Mode == MFAAlways && d.Section != "mfa" {
		return "Asked at every sign-in from where you are."
	}
	if d.Keep > 0 {
		return "Asked every " + long(d.Keep) + " on your own device."
	}
	return "Asked at every sign-in."
}

// postFactor judges the answer to a challenge.
func (g *Gateway) postFactor(w http.ResponseWriter, r *http.Request) error {
	v, err := g.takeStep(w, r)
	if err != nil || v == nil {
		return err
	}
	f, d, ready, err := g.askedFactor(r, v, r.PathValue("factor"))
	if err != nil {
		return err
	}
	if f == nil {
		return g.next(w, r, v)
	}
	v.flow.noteOwn(r)
	// An answer counts for the very step that was shown, of this flow, factor and person.
	if v.flow.atHand(v.flow.waiting(f, g.now())); v.flow.Step == nil {
		return g.toFactor(w, r, v, f)
	}
	if v.flow.Step.View.Closed {
		return g.next(w, r, v)
	}
	a := asked{f, d, ready}
	if said, err := g.declined(r, v, f, EventMFA); err != nil {
		return err
	} else if said != "" {
		return g.showAgain(w, r, v, a, http.StatusOK, said)
	}
	sentence, err := g.mayTry(r, v, f.Name(), EventMFA)
	if err != nil {
		return err
	}
	if sentence != "" {
		w.Header().Set("Retry-After", "900")
		return g.showAgain(w, r, v, a, http.StatusTooManyRequests, sentence)
	}
	p, err := f.Verify(r.Context(), &v.session.User, v.flow.Step.Memo, r.PostForm)
	if sentence, err := g.judged(r, v, f, EventMFA, err); err != nil {
		return err
	} else if sentence != "" {
		if err := g.askAnew(r, v, f); err != nil {
			return err
		}
		return g.showAgain(w, r, v, a, http.StatusUnauthorized, sentence)
	}
	if err := g.pass(w, r, v, p); err != nil {
		return err
	}
	return g.next(w, r, v)
}

// toFactor leads to a factor that has made no question yet, or whose question was too old.
func (g *Gateway) toFactor(w http.ResponseWriter, r *http.Request, v *visitor, f Factor) error {
	if err := g.keep(r.Context(), v); err != nil {
		return err
	}
	if len(v.flow.Ways) > 0 && setUpHere(f) {
		return redirect(w, v.withFlow("/mfa"))
	}
	return redirect(w, v.withFlow("/mfa/"+f.Name()))
}

// judged records what came of an answer. A wrong one returns the sentence for the page.
func (g *Gateway) judged(r *http.Request, v *visitor, f Factor, kind string, err error) (string, error) {
	e := g.event(r, v, kind, Success)
	e.Factor = f.Name()
	switch {
	case err == nil:
		if err := g.forgetTries(r.Context(), v, f.Name()); err != nil {
			return "", err
		}
		return "", g.record(r, e)
	case errors.Is(err, ErrBadCredentials), errors.Is(err, ErrSpent):
		if err := g.countDay(r, v, f.Name()); err != nil {
			return "", err
		}
		e.Result, e.Reason = Failure, "bad_credentials"
		wrong := wrongCode
		if errors.Is(err, ErrSpent) {
			e.Reason, wrong = "spent", spentCode
		}
		if said := v.flow.Step.View.Wrong; said != "" {
			wrong, e.Detail = said, clip(err.Error())
		}
		return wrong, g.record(r, e)
	}
	return "", g.factorFailed(r, v, f, kind, err)
}

// factorFailed records that a factor could not answer. Nothing is let through because of it.
func (g *Gateway) factorFailed(r *http.Request, v *visitor, f Factor, kind string, err error) error {
	e := g.event(r, v, kind, Failure)
	e.Factor = f.Name()
	var public *Error
	if !errors.As(err, &public) {
		public = &Error{Status: http.StatusServiceUnavailable, Public: "Your second step does not answer just now. Try again in a minute.", Reason: "factor_unavailable", Err: err}
	}
	return g.refuse(r, e, public)
}

// tryKeys are the counters of a person's wrong answers to a factor.
func tryKeys(userKey, factor string) (short, daily string) {
	return "code:" + factor + ":" + userKey, "day:" + factor + ":" + userKey
}

// mayTry counts a try before it is judged, so that guesses sent together are all counted. It returns a sentence
// where there were too many. With a right answer this count goes back to nothing; that of the day, see
// countDay, does not.
func (g *Gateway) mayTry(r *http.Request, v *visitor, factor, kind string) (string, error) {
	ctx, now := context.WithoutCancel(r.Context()), g.now()
	short, daily := tryKeys(v.session.User.Key(), factor)
	may, spent, err := g.limiter.tries.begin(daily, now, codeDaily, func() (int, error) { return g.store.Failures(ctx, daily, now, day) })
	if err != nil {
		return "", err
	}
	var sentence string
	switch {
	case spent:
		sentence = v.lockedCode(factor)
	case !may:
		sentence = v.limitedCode(factor)
	default:
		few, err := g.few(ctx, short, now, codeTries)
		if err != nil || few {
			return "", err
		}
		sentence = v.limitedCode(factor)
		if err := g.limiter.tries.end(daily, func() error { return nil }); err != nil {
			return "", err
		}
	}
	return sentence, g.recordLimit(r, v, factor, kind)
}

// recordLimit records that there were too many tries of a kind.
func (g *Gateway) recordLimit(r *http.Request, v *visitor, factor, kind string) error {
	e := g.event(r, v, EventLockout, Denied)
	e.Factor, e.Reason, e.Detail = factor, "limited", kind
	return g.record(r, e)
}

// few counts a try of the last 15 minutes, and reports whether there were not more than most. What is refused is not counted,
// or whoever goes on trying would be kept out for ever.
func (g *Gateway) few(ctx context.Context, key string, now time.Time, most int) (bool, error) {
	n, err := g.store.Failures(ctx, key, now, codeWindow)
	if err != nil || n >= most {
		return false, err
	}
	n, err = g.store.Fail(ctx, key, now, codeWindow)
	return n <= most, err
}

// countDay counts a wrong answer for the day. A right one clears nothing here: somebody who has the password
// could otherwise guess on for as long as the person comes to work (security.md C-30).
func (g *Gateway) countDay(r *http.Request, v *visitor, factor string) error {
	_, daily := tryKeys(v.session.User.Key(), factor)
	return g.limiter.tries.end(daily, func() error {
		_, err := g.store.Fail(context.WithoutCancel(r.Context()), daily, g.now(), day)
		return err
	})
}

func (g *Gateway) forgetTries(ctx context.Context, v *visitor, factor string) error {
	short, daily := tryKeys(v.session.User.Key(), factor)
	return g.limiter.tries.end(daily, func() error { return g.store.Clear(context.WithoutCancel(ctx), short) })
}

// hashText prints a hash for use in a counter's key.
func hashText(h Hash) string { return hex.EncodeToString(h[:8]) }
