package idp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// What belongs to the codes that open an enrollment.
const (
	inviteKind = "invite"
	inviteName = "invitation" // as a factor's name, for counting tries
	// InviteLife is how long one is good where nobody says (security.md C-36), and MostInviteLife how long at most.
	InviteLife     = 30 * time.Minute
	MostInviteLife = 24 * time.Hour
)

// enrollable returns what the person on the way may set up: the factors that policy asks for, none of which
// they have. Somebody who has one proves it instead; a factor that does not answer may be theirs. Whoever was invited sets up
// another beside what they have and cannot use.
func (g *Gateway) enrollable(r *http.Request, v *visitor) ([]Factor, Decision, error) {
	if v.changes() {
		return nil, Decision{}, nil // the password comes first
	}
	d, _, err := g.decide(r, v)
	if err != nil || !d.asksFactor() {
		return nil, d, err
	}
	wanted := g.wanted(d)
	if v.flow.Invited && d.Outage == "" {
		return g.here(wanted), d, nil
	}
	ready, err := g.readyFactors(r.Context(), v, wanted)
	if err != nil || d.Outage != "" || len(ready.enrolled) > 0 || len(ready.unreachable) > 0 {
		return nil, d, err // what stands in for a factor that cannot be asked has to be there already
	}
	return ready.open, d, nil
}

// here returns the factors of a list that people set up on pages of ours.
func (g *Gateway) here(names []string) (list []Factor) {
	for _, n := range names {
		if f := g.factor(n); setUpHere(f) {
			list = append(list, f)
		}
	}
	return list
}

// getEnroll guards the first enrollment, then goes to the factor to set up.
func (g *Gateway) getEnroll(w http.ResponseWriter, r *http.Request) error {
	v, err := g.onTheWay(w, r)
	if err != nil || v == nil {
		return err
	}
	open, d, err := g.enrollable(r, v)
	if err != nil {
		return err
	}
	gate, err := g.mayEnroll(r, v)
	if err != nil {
		return err
	}
	switch {
	case !d.asksFactor():
		return g.next(w, r, v)
	case len(open) == 0:
		return g.nothingToEnroll(r, v, d)
	case !gate:
		g.show(w, http.StatusOK, web.EnrollCode{Frame: g.timed(v, "/enroll"), F: v.fid, Action: "/enroll", App: g.label(v.flow.App)})
		return nil
	case len(open) == 1:
		return redirect(w, v.withFlow("/enroll/"+open[0].Name()))
	}
	p := web.ChooseFactor{Frame: g.timed(v, "/enroll"), F: v.fid, App: g.label(v.flow.App), Enroll: true, Backup: g.policyFor(v).Backup.mode() != BackupOff}
	for _, f := range open {
		p.Choices = append(p.Choices, web.Link{Label: g.factorLabel(f.Name()), URL: v.withFlow("/enroll/" + f.Name()), Script: needsScript(f)})
	}
	g.show(w, http.StatusOK, p)
	return nil
}

// nothingToEnroll refuses: there is either a factor to prove (next leads there) or none that could be set up.
func (g *Gateway) nothingToEnroll(r *http.Request, v *visitor, d Decision) error {
	e := g.event(r, v, EventEnroll, Denied)
	g.decidedBy(&e, v, d)
	e.Reason = "no_factor"
	return g.refuse(r, e, &Error{Status: http.StatusForbidden, Public: "There is no second step that you can set up here. Ask the service desk.", Reason: "no_factor"})
}

// mayEnroll reports whether the gate of the first enrollment is open: a password alone does not open it
// unless the policy says so, and never where the person has a factor already.
func (g *Gateway) mayEnroll(r *http.Request, v *visitor) (bool, error) {
	if v.flow.Invited {
		return true, nil
	}
	p, client := g.policyFor(v), g.client(r)
	if p.EnrollFirst == nil || !p.EnrollFirst.opens(client) {
		return false, nil
	}
	if guarded, err := g.guardedByOther(r.Context(), v); err != nil || guarded {
		return false, err
	}
	if p.afterChange().opens(client) {
		return true, nil
	}
	changed, err := g.changedBare(r.Context(), &v.session.User)
	return !changed, err
}

// guardedByOther reports whether the person has, or may have, a factor that this session has not proved. It
// may be one that the policy does not take: an application that asks for another factor must not be the
// way round the first.
func (g *Gateway) guardedByOther(ctx context.Context, v *visitor) (bool, error) {
	if g.shownToAdd(v) {
		return false, nil
	}
	ready, err := g.readyFactors(ctx, v, g.wanted(Decision{}))
	return len(ready.enrolled) > 0 || len(ready.unreachable) > 0, err
}

// postEnrollCode takes an invitation code.
func (g *Gateway) postEnrollCode(w http.ResponseWriter, r *http.Request) error {
	v, err := g.takeStep(w, r)
	if err != nil || v == nil {
		return err
	}
	open, d, err := g.enrollable(r, v)
	if err != nil || !d.asksFactor() || len(open) == 0 {
		if err != nil {
			return err
		}
		return g.next(w, r, v)
	}
	again := func(status int, sentence string) error {
		g.show(w, status, web.EnrollCode{Frame: g.timed(v, "/enroll"), F: v.fid, Action: "/enroll", App: g.label(v.flow.App), Error: sentence})
		return nil
	}
	sentence, err := g.mayTry(r, v, inviteName, EventInvite)
	if err != nil {
		return err
	}
	if sentence != "" {
		return again(http.StatusTooManyRequests, sentence)
	}
	e := g.event(r, v, EventInvite, Success)
	by, err := g.takeInvitation(r.Context(), v, r.PostForm.Get("code"))
	e.Factor = by
	wrong, err := g.judgedCode(r, v, inviteName, e, err)
	if err != nil {
		return err
	}
	if wrong {
		return again(http.StatusUnauthorized, g.wrongInvitation(v))
	}
	return g.invited(w, r, v)
}

// wrongInvitation says what to ask for. The service desk may have given a code of the other kind.
func (g *Gateway) wrongInvitation(v *visitor) string {
	if g.takesToAdd(v, BypassFactor) {
		return "That code is not right, or it has been used. Ask the service desk for a new one."
	}
	return "That code is not right, or it has been used. A code for signing in without your phone does not count here: ask the service desk for an invitation."
}

// takeInvitation spends an invitation, or a code that stands in for a factor: whoever trusts a person with that trusts
// them to set one up. It returns the name of what the code was.
func (g *Gateway) takeInvitation(ctx context.Context, v *visitor, code string) (string, error) {
	ctx, user := context.WithoutCancel(ctx), v.session.User.Key()
	err := g.spendInvitation(ctx, user, code)
	if !errors.Is(err, ErrNotFound) || len(code) > mostName || !g.takesToAdd(v, BypassFactor) {
		return inviteName, err
	}
	_, err = g.takeBypass(ctx, user, code)
	return BypassFactor, err
}

// spendInvitation answers ErrNotFound where there is none like it.
func (g *Gateway) spendInvitation(ctx context.Context, userKey, code string) error {
	_, err := g.store.TakeMemo(ctx, inviteKind, codeID(userKey, code), g.now())
	return err
}

// codeID is where a person's code is kept, of whatever kind. It holds the user, so that a code opens one account only.
func codeID(userKey, code string) Hash {
	code = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(code))
	return hashOf(userKey + "\x00" + code)
}

// Invite makes a code that lets one person set up a factor where policy would not let a password alone do so: their first one,
// or another in the place of those that they cannot use. It is good once. by is who does so, for the audit line, which is
// written first.
func (g *Gateway) Invite(ctx context.Context, name string, life time.Duration, by string) (code string, u *User, expires time.Time, err error) {
	if life <= 0 || life > MostInviteLife {
		return "", nil, time.Time{}, fmt.Errorf("an invitation may be good for up to %s, not for %s", days(MostInviteLife), life)
	}
	f, err := g.find(ctx, name)
	if err != nil {
		return "", nil, time.Time{}, err
	}
	if f.user == nil {
		if f.downErr != nil {
			return "", nil, time.Time{}, f.downErr
		}
		return "", nil, time.Time{}, errors.Join(f.doubt(), ErrNoUser)
	}
	code, expires = g.code(4, 3), g.now().Add(life)
	if err := g.note(ctx, Event{Kind: EventInvite, Result: "issued", By: by, User: f.user.Key(), Name: f.user.Name, Source: f.user.Source}); err != nil {
		return "", nil, time.Time{}, err
	}
	m := Memo{Kind: inviteKind, ID: codeID(f.user.Key(), code), Owner: f.user.Key(), Expires: expires}
	if err := g.store.PutMemo(ctx, m, 0); err != nil {
		return "", nil, time.Time{}, err
	}
	return code, f.user, expires, nil
}

// endInvitations makes the invitations of a person worthless.
func (g *Gateway) endInvitations(ctx context.Context, userKey string) error {
	list, err := g.store.OwnedMemos(ctx, inviteKind, userKey, g.now())
	if err != nil {
		return fmt.Errorf("listing the invitations: %w", err)
	}
	for _, m := range list {
		if _, err := g.store.TakeMemo(ctx, inviteKind, m.ID, g.now()); err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("ending an invitation: %w", err)
		}
	}
	return nil
}

// getEnrollFactor shows what the person needs to set a factor up.
func (g *Gateway) getEnrollFactor(w http.ResponseWriter, r *http.Request) error {
	if !r.URL.Query().Has("f") {
		return g.setOutToAdd(w, r)
	}
	v, err := g.onTheWay(w, r)
	if err != nil || v == nil {
		return err
	}
	f, err := g.toEnroll(r, v)
	if err != nil {
		return err
	}
	if f == nil {
		return g.next(w, r, v)
	}
	if err := g.setUp(r, v, f); err != nil {
		return err
	}
	g.showEnroll(w, v, f, http.StatusOK, "")
	return nil
}

// toEnroll returns the factor of the address where the person may set it up now.
func (g *Gateway) toEnroll(r *http.Request, v *visitor) (Factor, error) {
	if v.flow.Add != "" && !v.changes() {
		if d, _, err := g.decide(r, v); err != nil || d.Verdict == Allow {
			if err != nil {
				return nil, err
			}
			return g.toAdd(r, v)
		}
	}
	open, _, err := g.enrollable(r, v)
	if err != nil {
		return nil, err
	}
	if gate, err := g.mayEnroll(r, v); err != nil || !gate {
		return nil, err
	}
	for _, f := range open {
		if f.Name() == r.PathValue("factor") {
			return f, nil
		}
	}
	return nil, nil
}

func (g *Gateway) showEnroll(w http.ResponseWriter, v *visitor, f Factor, status int, message string) {
	view := v.flow.Step.View
	p := web.Enroll{
		Frame: g.timed(v, "/enroll/"+f.Name(), v.flow.Step), F: v.fid, Action: "/enroll/" + f.Name(), Factor: f.Name(), Cancel: v.flow.Add == "",
		Heading: g.heading(f, view, stepEnroll), Text: view.Text, App: g.label(v.flow.App),
		OTPAuth: view.OTPAuth, Key: view.Key, Digits: view.Digits, Options: view.Options, Error: message,
	}
	switch {
	case v.flow.Add == "":
		p.Others = g.otherEnrollments(v, f)
		if len(p.Others) == 0 {
			p.Welcome = "Welcome. A second step keeps others out even when they know your password. Setting it up takes about two minutes, once."
		}
	case v.flow.To == "":
		p.Others = []web.Link{{Label: "Choose another backup", URL: v.withFlow("/backup")}}
	default:
		p.Others = []web.Link{{Label: "Not now: back to your settings", URL: "/settings"}}
	}
	if len(view.QR) > 0 {
		p.QR = "data:image/png;base64," + base64.StdEncoding.EncodeToString(view.QR)
	}
	g.show(w, status, p)
}

// otherEnrollments returns links to what the person may set up instead of a factor.
func (g *Gateway) otherEnrollments(v *visitor, f Factor) (links []web.Link) {
	for _, other := range g.here(g.taken(g.policyFor(v))) {
		if n := other.Name(); n != f.Name() {
			links = append(links, web.Link{Label: g.factorLabel(n), URL: v.withFlow("/enroll/" + n), Script: needsScript(other)})
		}
	}
	return links
}

// postEnrollFactor stores the factor once its answer proves that it works. That is a proof as well.
func (g *Gateway) postEnrollFactor(w http.ResponseWriter, r *http.Request) error {
	v, err := g.takeStep(w, r)
	if err != nil || v == nil {
		return err
	}
	f, err := g.toEnroll(r, v)
	if err != nil {
		return err
	}
	if f == nil || !v.flow.resume(f, g.now()) {
		return g.next(w, r, v)
	}
	again := func(status int, sentence string) error {
		if err := g.stay(r, v); err != nil {
			return err
		}
		g.showEnroll(w, v, f, status, sentence)
		return nil
	}
	if said, err := g.declined(r, v, f, EventEnroll); err != nil {
		return err
	} else if said != "" {
		return again(http.StatusOK, said)
	}
	sentence, err := g.mayTry(r, v, f.Name(), EventEnroll)
	if err != nil {
		return err
	}
	if sentence != "" {
		return again(http.StatusTooManyRequests, sentence)
	}
	p, err := g.finishEnroll(r, v, f)
	if sentence, err := g.judged(r, v, f, EventEnroll, err); err != nil {
		return err
	} else if sentence != "" {
		if err := g.askAnew(r, v, f); err != nil {
			return err
		}
		return again(http.StatusUnauthorized, sentence)
	}
	if err := g.unmark(r.Context(), &v.session.User); err != nil {
		return err
	}
	if v.flow.Add == f.Name() {
		v.flow.Add, v.flow.Prove = "", false
	}
	v.flow.Step = nil // it is done, and is not to be come back to
	if err := g.pass(w, r, v, p); err != nil {
		return err
	}
	return g.next(w, r, v)
}

// finishEnroll has the factor store what the answer proves, and takes that back where the session has ended meanwhile: whoever
// resets somebody's factors, because a stranger is in their account, must not leave those that the stranger sets up.
func (g *Gateway) finishEnroll(r *http.Request, v *visitor, f Factor) (Proof, error) {
	ctx := context.WithoutCancel(r.Context())
	p, err := f.(Enroller).FinishEnroll(r.Context(), &v.session.User, v.flow.Step.Memo, r.PostForm)
	if err != nil {
		return p, err
	}
	if err := g.alive(ctx, v); err != nil {
		taken := g.store.DeleteEnrollment(ctx, v.session.User.Key(), f.Name(), p.Credential)
		if errors.Is(taken, ErrNotFound) {
			taken = nil
		}
		return Proof{}, errors.Join(err, taken)
	}
	return p, nil
}
