package idp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// step is a factor's question that waits for its answer.
type step struct {
	Factor  string    `json:"factor"`
	Kind    stepKind  `json:"kind,omitempty"`
	Memo    []byte    `json:"memo,omitempty"`
	View    View      `json:"view"`
	Expires time.Time `json:"expires"`
}

// stepKind is what a question is for. An answer to one counts for no other.
type stepKind string

// The kinds of steps.
const (
	stepVerify stepKind = ""
	stepEnroll stepKind = "enroll"
	stepLogin  stepKind = "login"
	stepCodes  stepKind = "codes" // recovery codes to be kept; nothing is answered
)

// waits reports whether the step is that question of that factor and may still be answered.
func (s *step) waits(f Factor, kind stepKind, now time.Time) bool {
	return s != nil && s.Factor == f.Name() && s.Kind == kind && (s.Expires.IsZero() || !now.After(s.Expires))
}

// beginStep has a factor make its question and keeps it with the flow. One that is put at another site is not kept: see
// [Gateway.leave].
func (g *Gateway) beginStep(r *http.Request, v *visitor, f Factor, kind stepKind, a Attempt) (Step, error) {
	begin, event := f.Challenge, EventMFA
	if kind == stepEnroll {
		begin, event = f.(Enroller).BeginEnroll, EventEnroll
	}
	made, err := begin(r.Context(), &v.session.User, a)
	if err == nil && made.URL != "" && kind != stepVerify {
		err = fmt.Errorf("factor %s is set up at another site, which is not supported", f.Name())
	}
	if err != nil {
		return Step{}, g.factorFailed(r, v, f, event, err)
	}
	if made.URL != "" {
		return made, nil
	}
	v.flow.begun(newStep(f, kind, made))
	return made, g.keep(r.Context(), v)
}

func newStep(f Factor, kind stepKind, made Step) *step {
	return &step{Factor: f.Name(), Kind: kind, Memo: made.Memo, View: made.View, Expires: made.Expires}
}

// askAnew replaces a question that takes one answer only, so that what was sent is good for nothing any more.
func (g *Gateway) askAnew(r *http.Request, v *visitor, f Factor) error {
	if !v.flow.Step.View.Once {
		return nil
	}
	_, err := g.beginStep(r, v, f, v.flow.Step.Kind, g.attempt(r, v, Decision{}))
	return err
}

// declined returns what to tell a person whose browser sent no answer. Nothing was judged, so that nothing is counted;
// the line is for the service desk, which hears of it.
func (g *Gateway) declined(r *http.Request, v *visitor, f Factor, kind string) (string, error) {
	said := declinedBy(f, r.PostForm)
	if said == "" {
		return "", nil
	}
	e := g.event(r, v, kind, Failure)
	e.Factor, e.Reason = f.Name(), "declined"
	return said, g.record(r, e)
}

// needsScript reports whether a factor is of no use to a browser that runs no scripts.
func needsScript(f Factor) bool {
	_, ok := f.(Decliner)
	return ok
}

func declinedBy(f Factor, answer url.Values) string {
	if d, ok := f.(Decliner); ok {
		return d.Declined(answer)
	}
	return ""
}

// passwordless returns the factor that signs people in without a password, or nil.
func (g *Gateway) passwordless() (Factor, Passwordless) {
	for _, f := range g.factors {
		if p, ok := f.(Passwordless); ok {
			return f, p
		}
	}
	return nil, nil
}

// offerLogin puts the question of a sign-in without a password into a flow of somebody who has not signed in. A factor
// that cannot ask is no reason to keep people from their password.
func (g *Gateway) offerLogin(ctx context.Context, a Attempt, fl *flow) {
	f, p := g.passwordless()
	if f == nil || fl.Step.waits(f, stepLogin, g.now()) {
		return
	}
	made, err := p.BeginLogin(ctx, a)
	if err != nil {
		g.log.Warn("a factor cannot be asked for at sign-in", "factor", f.Name(), "error", err)
		return
	}
	fl.Step = newStep(f, stepLogin, made)
}
