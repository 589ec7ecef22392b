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
			f.putAside()
			f.Step = s
			return true
		}
	}
	return false
}

// putAside keeps the set-up at hand for when the person comes back to it.
func (f *flow) putAside() {
	at := f.Step
	if at == nil || at.Kind != stepEnroll {
		return
	}
	f.Aside = append(slices.DeleteFunc(f.Aside, func(s *step) bool { return s.Factor == at.Factor }), at)
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
	if err := g.spend(r, v); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	v.fid = r.PostForm.Get("f")
	return g.keep(context.WithoutCancel(r.Context()), v)
}
