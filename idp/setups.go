package idp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

// A set-up is what somebody is shown who sets a factor up, until it is finished. Whoever has added the account to their app is
// shown the same one whenever they come back to it: another would be a second entry in the app, and the first never works.

// resume puts the set-up of a factor at hand that was begun on this way and can still be finished. It reports whether there
// is one.
func (f *flow) resume(of Factor, at time.Time) bool {
	if f.Step.waits(of, stepEnroll, at) {
		return true
	}
	for _, s := range f.Aside {
		if s.waits(of, stepEnroll, at) {
			f.atHand(s)
			return true
		}
	}
	return false
}

// atHand puts a question in the place of the one before, nil for none. A set-up that was there waits for whoever comes back to
// it; of one factor there is one.
func (f *flow) atHand(s *step) {
	if f.Step != nil && f.Step.Kind == stepEnroll {
		f.Aside = append(f.Aside, f.Step)
	}
	f.Step = s
	if s != nil && s.Kind == stepEnroll {
		f.Aside = slices.DeleteFunc(f.Aside, func(a *step) bool { return a.Factor == s.Factor })
	}
}

// setUp puts the set-up of a factor at hand, a new one where none waits. More time for it is given with that for the sign-in; one
// that has an end of its own is begun anew for that.
func (g *Gateway) setUp(r *http.Request, v *visitor, f Factor) error {
	was := v.flow.Step
	if !v.flow.resume(f, g.now()) || wantsMore(r) && !v.flow.Step.Expires.IsZero() {
		_, err := g.beginStep(r, v, f, stepEnroll, g.attempt(r, v, Decision{}))
		return err
	}
	if v.flow.Step == was {
		return nil
	}
	return g.keepTime(r.Context(), v)
}

// stay gives the sign-in in progress back the id of the form that was answered. Nothing came of the answer, so that the page
// before, where the back button leads, is as good as the one that is shown now.
func (g *Gateway) stay(r *http.Request, v *visitor) error {
	given := v.fid // which nobody has seen
	v.fid = r.PostForm.Get("f")
	if err := g.keep(context.WithoutCancel(r.Context()), v); err != nil {
		return err
	}
	if err := g.spend(r, given); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}
