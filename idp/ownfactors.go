package idp

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// mostLabel is how long a name that people give a factor of theirs may be.
const mostLabel = 40

// ownFactors lists what a person has set up, with what can be added.
func (g *Gateway) ownFactors(ctx context.Context, user string) (own []web.Item, add []web.Link, err error) {
	enrolled, err := g.store.UserEnrollments(ctx, user, "")
	if err != nil {
		return nil, nil, err
	}
	now := g.now()
	for _, e := range withoutCodes(enrolled) {
		own = append(own, g.described(e).item(now))
	}
	for _, f := range g.factors {
		if setUpHere(f) {
			add = append(add, web.Link{Label: "Add " + withArticle(g.factorInSentence(f.Name())), URL: "/enroll/" + f.Name(), Script: needsScript(f)})
		}
	}
	return own, add, nil
}

// item says in words what somebody has set up.
func (e Described) item(now time.Time) web.Item {
	item := web.Item{ID: e.Factor + "/" + e.ID, Label: e.Label, Detail: "added " + onDay(e.Created, now) + used(e.Used, now) + e.More}
	if !strings.HasPrefix(item.Label, e.Kind) {
		item.Detail = e.Kind + ", " + item.Detail
	}
	return item
}

// withArticle is "a passkey", "an authenticator app".
func withArticle(noun string) string {
	if strings.ContainsRune("aeiouAEIOU", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// postOwnFactor renames or removes a factor of the person's own.
func (g *Gateway) postOwnFactor(w http.ResponseWriter, r *http.Request, v *visitor) error {
	enrolled, err := g.store.UserEnrollments(r.Context(), v.session.User.Key(), "")
	if err != nil {
		return err
	}
	enrolled = withoutCodes(enrolled)
	wanted := r.PostForm.Get("remove") + r.PostForm.Get("rename")
	i := slices.IndexFunc(enrolled, func(e Enrollment) bool { return e.Factor+"/"+e.ID == wanted })
	if i < 0 {
		return redirect(w, "/settings")
	}
	if r.PostForm.Has("rename") {
		return g.renameOwn(w, r, v, enrolled, i)
	}
	return g.removeOwn(w, r, v, enrolled, i)
}

// renameOwn gives a factor a name that no other one of the person's has: whoever loses one has to know which to remove.
func (g *Gateway) renameOwn(w http.ResponseWriter, r *http.Request, v *visitor, enrolled []Enrollment, i int) error {
	e := enrolled[i]
	label := strings.Join(strings.Fields(clip(r.PostForm.Get("label"))), " ")
	if label == "" || !utf8.ValidString(label) || utf8.RuneCountInString(label) > mostLabel {
		return g.showSettings(w, r, v, "That name is empty or too long: it may have 40 characters.")
	}
	if slices.ContainsFunc(enrolled, func(o Enrollment) bool { return o.Label == label && o.ID != e.ID }) {
		return g.showSettings(w, r, v, "You have another second step of that name. Choose a different one.")
	}
	line := g.event(r, v, EventEnroll, Success)
	line.Factor, line.Reason, line.Detail = e.Factor, "renamed", clip(e.Label+" to "+label)
	if err := g.record(r, line); err != nil {
		return err
	}
	if err := g.store.RenameEnrollment(context.WithoutCancel(r.Context()), e.User, e.Factor, e.ID, label); err != nil {
		return err
	}
	return redirect(w, "/settings?done=renamed")
}

// removeOwn takes a factor away, and what was proved by it: other sessions end, and devices forget. The last one stays
// while anything that the person may open asks for one (security.md C-38).
func (g *Gateway) removeOwn(w http.ResponseWriter, r *http.Request, v *visitor, enrolled []Enrollment, i int) error {
	ctx, e := context.WithoutCancel(r.Context()), enrolled[i]
	left := slices.Delete(slices.Clone(enrolled), i, i+1)
	if g.misses(ctx, v, e, left) {
		only := "That is your only second step, and your apps ask for one. Add another first."
		if len(left) > 0 {
			only = "That is the only second step of yours that some of your apps take. Add another of its kind first."
		}
		return g.showSettings(w, r, v, only)
	}
	line := g.event(r, v, EventEnroll, Success)
	line.Factor, line.Reason, line.Detail = e.Factor, "removed", clip(e.Label)
	if err := g.record(r, line); err != nil {
		return err
	}
	if err := g.store.DeleteEnrollment(ctx, e.User, e.Factor, e.ID); err != nil {
		return err
	}
	if _, err := g.endAllBut(ctx, e.User, v.session.ID); err != nil { // with the mark, for a sign-in by it that is under way
		return err
	}
	if _, err := g.forgetDevices(ctx, e.User); err != nil {
		return err
	}
	return redirect(w, "/settings?done=removed")
}

// usable reports whether an enrollment is of a factor of ours that can be asked for: a passkey that was stopped, or made for
// another host, lets nobody in.
func (g *Gateway) usable(e Enrollment) bool {
	f := g.factor(e.Factor)
	if d, ok := f.(Describer); ok {
		return d.Usable(e)
	}
	return f != nil
}

// misses reports whether something that the person may open asks for a second step, and takes the one that is removed and
// none of those that are left, here or elsewhere.
func (g *Gateway) misses(ctx context.Context, v *visitor, removed Enrollment, left []Enrollment) bool {
	var has []string
	u := &v.session.User
	for _, e := range left {
		if g.usable(e) {
			has = append(has, e.Factor)
		}
	}
	for _, a := range g.askFactors(ctx, v, slices.DeleteFunc(g.wanted(Decision{}), func(n string) bool { return !g.elsewhere(n) })) {
		if a.err == nil && a.state == Enrolled {
			has = append(has, a.factor.Name())
		}
	}
	return slices.ContainsFunc(g.guards(), func(guard *Guard) bool {
		p := guard.For(u)
		return p.mayAsk() && (p.Groups == nil || u.InAny(p.Groups.Allow)) && p.lists(removed.Factor) && !slices.ContainsFunc(has, p.lists)
	})
}

// keyNotice offers somebody who has typed a password a moment ago to do without the next time.
func (g *Gateway) keyNotice(ctx context.Context, v *visitor) (web.Notice, error) {
	f, _ := g.passwordless()
	if f == nil || g.now().Sub(v.session.SignedIn) > flowLife ||
		!slices.ContainsFunc(v.session.Proofs, func(p Passed) bool { return p.Factor == PasswordFactor }) {
		return web.Notice{}, nil
	}
	if a := g.askFactors(ctx, v, []string{f.Name()})[0]; a.err != nil || a.state != NotEnrolled {
		return web.Notice{}, a.err
	}
	return web.Notice{
		Text: "Skip the password next time: a passkey on this device knows you by your fingerprint, face or PIN.",
		Link: web.Link{Label: "Set up a passkey", URL: "/enroll/" + f.Name(), Script: needsScript(f)},
	}, nil
}
