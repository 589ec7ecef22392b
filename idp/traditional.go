package idp

import (
	"net/http"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// The answers to whose device it is that are given on the page of all factors, before one of them is passed.
const (
	ownYes = "yes"
	ownNo  = "no"
)

// showAll asks for any one of the factors that a person has, on one page, where the policy says so and something asks for
// one. It reports whether it has answered.
func (g *Gateway) showAll(w http.ResponseWriter, r *http.Request, v *visitor) (bool, error) {
	if g.policyFor(v).Prompt.mode() != PromptTraditional {
		return false, nil
	}
	d, err := g.askedNow(r, v)
	if err != nil || d.Verdict != Ask || d.Reason == AskSession {
		return false, err
	}
	ready, err := g.readyFactors(r.Context(), v, g.wanted(d))
	if err != nil || len(ready.enrolled) == 0 {
		return false, err
	}
	if err := g.beginAll(r, v, d, ready.enrolled); err != nil {
		return false, err
	}
	return true, g.showPrompt(w, r, v, d, ready, http.StatusOK, "", "")
}

// beginAll has the factors that are asked here make their questions. One that people set up at another site is asked there,
// and makes its own when the person leaves for it.
func (g *Gateway) beginAll(r *http.Request, v *visitor, d Decision, enrolled []Factor) error {
	var ways []*step
	anew := wantsMore(r)
	for _, f := range enrolled {
		if !setUpHere(f) {
			continue
		}
		if s := v.flow.waiting(f, g.now()); s != nil && !anew {
			ways = append(ways, s)
			continue
		}
		anew = true
		made, err := f.Challenge(r.Context(), &v.session.User, g.attempt(r, v, d))
		if err != nil {
			return g.factorFailed(r, v, f, EventMFA, err)
		}
		ways = append(ways, newStep(f, stepVerify, made))
	}
	if !anew && len(v.flow.Ways) > 0 {
		return nil
	}
	v.flow.atHand(nil)
	v.flow.Ways = ways
	return g.keep(r.Context(), v)
}

// waiting returns the question of a factor that waits for an answer, or nil.
func (f *flow) waiting(of Factor, at time.Time) *step {
	asked := f.Ways
	if len(asked) == 0 {
		asked = []*step{f.Step}
	}
	for _, s := range asked {
		if s.waits(of, stepVerify, at) {
			return s
		}
	}
	return nil
}

// begun puts a question in the place of the one before, wherever that was.
func (f *flow) begun(s *step) {
	f.atHand(s)
	for i, way := range f.Ways {
		if way.Factor == s.Factor {
			f.Ways[i] = s
		}
	}
}

// noteOwn keeps whose device the person said it is, on the page of all factors. It counts once a factor was passed.
func (f *flow) noteOwn(r *http.Request) {
	if len(f.Ways) == 0 {
		return
	}
	f.Own = ownNo
	if r.PostForm.Get("own") == ownYes {
		f.Own = ownYes
	}
}

// showPrompt shows the page of all factors. wrong is the one that the message is about.
func (g *Gateway) showPrompt(w http.ResponseWriter, r *http.Request, v *visitor, d Decision, ready readiness, status int, wrong, message string) error {
	own, err := g.ownDevice(r.Context(), v, v.session.User.Key())
	if err != nil {
		return err
	}
	p := web.Prompt{
		Frame: g.timed(v, "/mfa", v.flow.Ways...), F: v.fid, App: g.label(v.flow.App), Rule: why(d), Error: message,
		Ask: d.Keep > 0 && !d.Remember && own == nil && !v.session.NoDevice && !v.flow.DeviceAsked, Own: v.flow.Own == ownYes, Days: wholeDays(d.Keep),
	}
	digits, options := false, false
	for _, f := range ready.enrolled {
		way := web.Way{Action: "/mfa/" + f.Name(), Factor: f.Name(), Label: g.factorLabel(f.Name()), Wrong: f.Name() == wrong}
		if s := v.flow.waiting(f, g.now()); s != nil {
			way.Text, way.Digits, way.Options, way.Closed = s.View.Text, s.View.Digits, s.View.Options, s.View.Closed
			if digits && way.Digits > 0 || options && way.Options != "" {
				// The form has one field of that name; a second such factor has a page of its own.
				p.Others = append(p.Others, web.Link{Label: way.Label, URL: v.withFlow(way.Action), Script: needsScript(f)})
				continue
			}
			digits, options = digits || way.Digits > 0, options || way.Options != ""
		}
		p.Ways = append(p.Ways, way)
	}
	p.Others = append(p.Others, v.rescueLink(len(ready.enrolled)))
	g.show(w, status, p)
	return nil
}
