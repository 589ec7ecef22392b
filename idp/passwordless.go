package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// The sentences of a sign-in without a password. They tell nothing of whose account it would have been.
const (
	unknownKey = "That passkey is not known here. Sign in with your user name and password."
	barredKey  = "You cannot sign in with a passkey. Try your user name and password, or ask the service desk."
	cannotKey  = "We cannot check your account just now. Try again in a minute."
)

// loginOffer is what the page of the name shows of a sign-in without one.
func (g *Gateway) loginOffer(v *visitor) web.Passkey {
	f, _ := g.passwordless()
	if f == nil || !v.flow.Step.waits(f, stepLogin, g.now()) {
		return web.Passkey{}
	}
	return web.Passkey{Action: "/login/" + f.Name(), Options: v.flow.Step.View.Options}
}

// keepOffer makes the question of a sign-in without a name for a flow that has none, as one has whose question was too
// old, or whose session has ended.
func (g *Gateway) keepOffer(r *http.Request, v *visitor) error {
	f, _ := g.passwordless()
	if f == nil || v.flow.Name != "" || v.flow.Step.waits(f, stepLogin, g.now()) {
		return nil
	}
	g.offerLogin(r.Context(), g.attempt(r, v, Decision{}), v.flow)
	return g.keep(r.Context(), v)
}

// postLoginFactor takes the answer of a factor in place of name and password.
func (g *Gateway) postLoginFactor(w http.ResponseWriter, r *http.Request) error {
	v, err := g.takeFlow(w, r)
	if err != nil || v == nil {
		return err
	}
	f, p := g.passwordless()
	if v.session != nil || f == nil || f.Name() != r.PathValue("factor") || !v.flow.Step.waits(f, stepLogin, g.now()) {
		return redirect(w, v.withFlow("/login"))
	}
	asked := v.flow.Step
	// One answer to one question, whatever comes of it.
	v.flow.Step, v.flow.Name = nil, ""
	g.offerLogin(r.Context(), g.attempt(r, v, Decision{}), v.flow)
	if err := g.keep(r.Context(), v); err != nil {
		return err
	}
	if said := declinedBy(f, r.PostForm); said != "" {
		g.showLogin(w, v, http.StatusOK, said)
		return nil
	}
	c, proof, err := g.checkAnswer(r, v, p, asked)
	if err != nil {
		return g.keyFailed(w, r, v, f, c.user, err)
	}
	return g.signedInBy(w, r, v, c, proof, "")
}

// checkAnswer has the factor say whose the answer is, and the source whether that person may sign in. The person is
// returned with an error too, as far as they are known.
func (g *Gateway) checkAnswer(r *http.Request, v *visitor, p Passwordless, asked *step) (checked, Proof, error) {
	ctx, client := r.Context(), g.client(r)
	if g.limiter.addresses.empty(client, g.now()) {
		return checked{}, Proof{}, errAddressLimited
	}
	key, proof, err := p.FinishLogin(ctx, asked.Memo, r.PostForm)
	g.blame(client, err)
	source, id, _ := strings.Cut(key, ":")
	c := checked{user: &User{Source: source, ID: id}}
	if err != nil {
		return c, Proof{}, err
	}
	if c.ending, err = g.ending(ctx, key); err != nil {
		return c, Proof{}, err
	}
	if err := g.lockedOut(ctx, key, proof.Factor); err != nil {
		return c, Proof{}, err
	}
	u, err := g.admitted(ctx, c.user)
	if err != nil {
		return c, Proof{}, err
	}
	c.user = u
	return c, proof, nil
}

// lockedOut holds a sign-in to the lock that wrong answers of the day have put on the person's factor: a lock that
// another way in does not know of is none (security.md R-44).
func (g *Gateway) lockedOut(ctx context.Context, userKey, factor string) error {
	_, daily := tryKeys(userKey, factor)
	n, err := g.store.Failures(ctx, daily, g.now(), day)
	if err == nil && n >= codeDaily {
		err = errLimited
	}
	return err
}

// admitted looks a person up where they come from. A passkey says who somebody is, and nothing of whether their account
// may still be used: a source that is off, is gone or cannot answer vouches for nobody (security.md C-50).
func (g *Gateway) admitted(ctx context.Context, known *User) (*User, error) {
	o := g.origins[known.Source]
	switch {
	case o == nil:
		return nil, &Error{Status: http.StatusForbidden, Public: barredKey, Reason: "source_gone", Err: fmt.Errorf("no source is named %q", known.Source)}
	case o.Off:
		return nil, &Error{Status: http.StatusForbidden, Public: barredKey, Reason: "source_off", Err: fmt.Errorf("source %s is off", known.Source)}
	case o.refresher == nil:
		return nil, &Error{Status: http.StatusForbidden, Public: barredKey, Reason: "source_cannot_look", Err: fmt.Errorf("source %s looks nobody up by id", known.Source)}
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	u, err := o.lookUpAgain(ctx, known)
	if err != nil {
		return nil, err
	}
	if no := o.permitsUser(u); no != nil {
		return nil, &Error{Status: http.StatusForbidden, Public: barredKey, Reason: "domain_not_permitted", Err: no}
	}
	return u, nil
}

// keyFailed records why nobody was signed in and shows the page of the name again, so that the password is at hand.
func (g *Gateway) keyFailed(w http.ResponseWriter, r *http.Request, v *visitor, f Factor, u *User, err error) error {
	e := g.event(r, v, EventLogin, Failure)
	e.Factor, e.Detail = f.Name(), clip(err.Error())
	if u != nil && u.ID != "" {
		e.User, e.Name, e.Source = u.Key(), u.ID, u.Source
	}
	status, sentence := http.StatusForbidden, barredKey
	if errors.Is(err, ErrNoUser) {
		e.Reason = "account_gone"
	} else {
		e.because(err)
		if status, sentence = answer(w, err, unknownKey, cannotKey); status == http.StatusForbidden {
			sentence = barredKey
		}
	}
	if err := g.recordTry(r, e, err); err != nil {
		return err
	}
	g.showLogin(w, v, status, sentence)
	return nil
}
