package idp

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// Bounds of what people type.
const (
	mostName     = 256
	mostPassword = 1024
)

// The sentences of the sign-in. The same for every reason, so that nothing can be learnt from them.
const (
	exactSentence   = "That user name and password do not match. Check both and try again."
	limitedSentence = "There were too many tries. Wait a few minutes, then try again."
	cannotSentence  = "We cannot check passwords just now. Try again in a minute. If yours is an emergency account, check your user name and password first."
)

// wrongSentence is what strangers read, who may have tried too often: within that time it was counted.
func wrongSentence(within time.Duration) string {
	return "That user name and password do not match, or there were too many tries. Check both and try again; if that does not help, wait " + atLeast(within) + " or ask the service desk."
}

// getLogin asks for the name, or for the password once there is a name.
func (g *Gateway) getLogin(w http.ResponseWriter, r *http.Request) error {
	v, err := g.openFlow(r)
	if err != nil {
		return err
	}
	if v.flow == nil {
		app := r.URL.Query().Get("app")
		if g.byName[app] == nil {
			app = g.appOf(r.URL.Query().Get("f"))
		}
		if v.session != nil {
			return g.startAnew(w, app)
		}
		if err := g.start(w, r, v, &flow{App: app}); err != nil {
			return err
		}
	}
	if v.session != nil {
		// Signed in meanwhile, perhaps in another tab: this sign-in goes on with that. A flow that has done
		// so is not written again, because it may have been spent since it was read.
		if v.flow.User == "" {
			v.flow.User = v.session.User.Key()
			if err := g.keep(r.Context(), v); err != nil {
				return err
			}
		}
		return g.next(w, r, v)
	}
	if err := g.keepOffer(r, v); err != nil {
		return err
	}
	g.showLogin(w, v, http.StatusOK, "")
	return nil
}

// showLogin shows the page that is due: name first, then password.
func (g *Gateway) showLogin(w http.ResponseWriter, v *visitor, status int, message string) {
	app := g.label(v.flow.App)
	if v.flow.Name == "" {
		g.show(w, status, web.Login{Frame: g.frame(v), F: v.fid, App: app, Error: message, Passkey: g.loginOffer(v)})
		return
	}
	p := web.Password{Frame: g.frame(v), F: v.fid, App: app, Username: v.flow.Name, Error: message}
	p.NotYou = "/login"
	if v.flow.App != "" {
		p.NotYou += "?app=" + v.flow.App
	}
	g.show(w, status, p)
}

// postLogin takes the name, or the name with the password. A browser that fills in both at once is served too.
func (g *Gateway) postLogin(w http.ResponseWriter, r *http.Request) error {
	v, err := g.takeFlow(w, r)
	if err != nil || v == nil {
		return err
	}
	name, password := r.PostForm.Get("username"), r.PostForm.Get("password")
	if r.PostForm.Has("username") {
		v.flow.Name = strings.TrimSpace(name)
	}
	if v.flow.Name == "" || len(v.flow.Name) > mostName || !utf8.ValidString(v.flow.Name) {
		v.flow.Name = ""
		g.showLogin(w, v, http.StatusUnprocessableEntity, "Type your user name.")
		return g.keep(r.Context(), v)
	}
	if err := g.keep(r.Context(), v); err != nil {
		return err
	}
	if !r.PostForm.Has("password") {
		return redirect(w, v.withFlow("/login"))
	}
	if emptyPassword(password) || len(password) > mostPassword {
		g.showLogin(w, v, http.StatusUnprocessableEntity, "Type your password.")
		return nil
	}
	c, err := g.checkPassword(r, v, password)
	due := g.changeDue(c.user, err)
	if err != nil && due == "" {
		return g.loginFailed(w, r, v, err)
	}
	return g.signedIn(w, r, v, c, due)
}

// emptyPassword reports whether a password is refused before any source hears of it: an empty one turns a simple
// bind into an unauthenticated one, which succeeds (RFC 4513 §5.1.2).
func emptyPassword(s string) bool { return strings.Trim(s, " \t\x00") == "" }

// signedIn starts the session of a person whose password was right. due is why it must be changed before anything
// else, or empty.
func (g *Gateway) signedIn(w http.ResponseWriter, r *http.Request, v *visitor, c checked, due string) error {
	proof := Proof{Factor: PasswordFactor, At: g.now(), ACR: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"}
	return g.signedInBy(w, r, v, c, proof, due)
}

// signedInBy starts the session of a person by what they have proved: the password, or a factor in its place, which
// counts as any other time that it is passed.
func (g *Gateway) signedInBy(w http.ResponseWriter, r *http.Request, v *visitor, c checked, proof Proof, due string) error {
	now, u, passed := g.now(), c.user, Passed{Proof: proof}
	if proof.Factor != PasswordFactor {
		passed.Scope = g.guardOf(v.flow.App).For(u).scope(v.flow.App)
	}
	s := Session{User: *u, SignedIn: now, Proofs: []Passed{passed}, MustChange: due}
	if v.session != nil && v.session.User.Key() == u.Key() {
		s.NoDevice = v.session.NoDevice
	}
	s.Expires = now.Add(g.limits.Absolute)
	// Before there is a session and a cookie for it: the page of an error would carry that cookie too.
	e := g.event(r, v, EventLogin, Success)
	e.User, e.Name, e.Source, e.BreakGlass, e.Factor = u.Key(), u.Name, u.Source, u.BreakGlass, proof.Factor
	e.Reason = due
	if err := g.record(r, e); err != nil {
		return err
	}
	if err := g.raise(w, r, v, s); err != nil {
		return err
	}
	if err := g.outlives(w, r, v, c.ending); err != nil {
		return err
	}
	v.flow.belongTo(u.Key())
	if proof.Factor != PasswordFactor {
		own, err := g.ownDevice(r.Context(), v, u.Key())
		if err != nil {
			return err
		}
		if err := g.rememberProof(context.WithoutCancel(r.Context()), v, own, passed); err != nil {
			return err
		}
		v.flow.Proofs = []Proof{proof}
	}
	if err := g.keep(r.Context(), v); err != nil {
		return err
	}
	return g.next(w, r, v)
}

// loginFailed records why and shows the password page again. What the person reads is the same for an
// unknown name and a wrong password.
func (g *Gateway) loginFailed(w http.ResponseWriter, r *http.Request, v *visitor, err error) error {
	e := g.event(r, v, EventLogin, Failure)
	// Whoever is signed in to this browser need not be the one whose password was tried.
	e.User, e.Source, e.BreakGlass = "", "", false
	e.Name, e.Factor, e.Detail = clip(v.flow.Name), PasswordFactor, clip(err.Error())
	e.because(err)
	shown, wrong := err, exactSentence
	if failed, ok := errors.AsType[*failure](err); ok {
		shown = failed.shown
		if failed.within > 0 {
			wrong = wrongSentence(failed.within)
		}
	}
	status, sentence := answer(w, shown, wrong, cannotSentence)
	if err := g.recordTry(r, e, err); err != nil {
		return err
	}
	g.showLogin(w, v, status, sentence)
	return nil
}

// recordTry records that a password was not taken. One line a minute tells of an address that is limited; one for each try
// would be another way to fill the log.
func (g *Gateway) recordTry(r *http.Request, e Event, err error) error {
	if errors.Is(err, errAddressLimited) && !g.limiter.told.allow(e.Client, e.Time) {
		return nil
	}
	return g.record(r, e)
}

// because notes why a password was not taken.
func (e *Event) because(err error) {
	state, isState := errors.AsType[*AccountState](err)
	public, isPublic := errors.AsType[*Error](err)
	switch {
	case errors.Is(err, ErrBadCredentials):
		e.Reason = "bad_credentials"
	case errors.Is(err, errLimited):
		e.Kind, e.Result, e.Reason = EventLockout, Denied, "limited"
	case isState:
		e.Reason = state.State
	case isPublic:
		e.Reason = public.Reason
	case errors.Is(err, errUncounted):
		e.Reason = "uncounted"
	default:
		e.Reason = "source_unavailable"
	}
}

// answer returns the status and the sentence of the page that says why a password was not taken: wrong where it was wrong,
// cannot where nobody could judge it.
func answer(w http.ResponseWriter, err error, wrong, cannot string) (status int, sentence string) {
	state, isState := errors.AsType[*AccountState](err)
	public, isPublic := errors.AsType[*Error](err)
	switch {
	case errors.Is(err, ErrBadCredentials):
		return http.StatusUnauthorized, wrong
	case errors.Is(err, errLimited):
		w.Header().Set("Retry-After", "60")
		return http.StatusTooManyRequests, limitedSentence
	case isState:
		return http.StatusForbidden, stateSentence(state.State)
	case isPublic:
		return public.Status, public.Public
	}
	w.Header().Set("Retry-After", "5")
	return http.StatusServiceUnavailable, cannot
}

// stateSentence tells the owner of the right password what to do.
func stateSentence(state string) string {
	switch state {
	case "password_expired", "must_change":
		return "Your password must be changed first, which cannot be done here. Change it on a computer of your company, or ask the service desk."
	case "locked":
		return "Your account is locked. Wait a while, or ask the service desk."
	case "hours":
		return "Your account may not sign in at this hour."
	case "workstation":
		return "Your account may not sign in from here."
	}
	return "Your account cannot be used. Ask the service desk."
}
