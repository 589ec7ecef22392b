package idp

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// ChangedKind is the kind of memo that marks a person who changed their password with nothing but the old one; see
// [EnrollAfterChangeSection]. The mark goes when they have a factor.
const ChangedKind = "changed"

const changedLife = 400 * 24 * time.Hour

// changedID is where the mark is kept. It holds no source, so that a source which gets another name changes nothing.
func changedID(u *User) Hash { return hashOf(ChangedKind + "\x00" + u.ID) }

// changedBare reports whether the person has the mark.
func (g *Gateway) changedBare(ctx context.Context, u *User) (bool, error) {
	_, err := g.store.Memo(ctx, ChangedKind, changedID(u), g.now())
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// unmark takes the mark from a person who has a factor now. One that stays only has the gate ask too much.
func (g *Gateway) unmark(ctx context.Context, u *User) error {
	_, err := g.store.TakeMemo(context.WithoutCancel(ctx), ChangedKind, changedID(u), g.now())
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// change has the source change the password, within the limits of a sign-in. The audit line that it was begun comes before
// anybody is asked, and nobody is where it cannot be written. It returns that line, for whoever writes what came of it.
func (g *Gateway) change(r *http.Request, v *visitor, o *origin, c PasswordChanger, old, replacement string) (Event, error) {
	begun := g.event(r, v, EventPassword, Begun)
	begun.Reason = g.askedForChange(v).Reason
	u, err := g.readied(r, v, o)
	if err != nil {
		return begun, err
	}
	return begun, g.charge(r, v, found{user: u, source: o.passwords, key: u.Key(), asked: begun.Time}, func(ctx context.Context) error {
		if err := g.record(r, begun); err != nil {
			return err
		}
		// Whoever leaves the page has changed their password all the same.
		return c.ChangePassword(context.WithoutCancel(ctx), u, old, replacement)
	})
}

// readied returns the person as they are now, marked where nothing but the old password speaks for the change.
func (g *Gateway) readied(r *http.Request, v *visitor, o *origin) (*User, error) {
	ctx, now := r.Context(), g.now()
	if g.limiter.addresses.empty(g.client(r), now) {
		return nil, errAddressLimited
	}
	u := &v.session.User
	if o.refresher != nil {
		// The session may be hours old, and what counts is how many failures the directory has counted by now.
		fresh, err := o.refresher.Refresh(ctx, u)
		if err != nil {
			return nil, err
		}
		u = fresh
	}
	if g.askedForChange(v).Verdict == Ask {
		// Nothing was shown because there is nothing. The mark comes first, for a change of which nobody hears any more, and stays
		// whatever comes of this one: another that runs beside it may be made.
		m := Memo{Kind: ChangedKind, ID: changedID(u), Owner: u.Key(), Expires: now.Add(changedLife)}
		if err := g.store.PutMemo(context.WithoutCancel(ctx), m, 0); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// mayHaveChanged reports whether a change that failed was perhaps made all the same.
func mayHaveChanged(err error) bool {
	return errors.Is(err, ErrUnanswered) && !errors.Is(err, ErrUnchanged)
}

// changed ends the person's other sessions, which somebody may have who knew the old password, forgets what their devices
// remember, and lets this one go on.
func (g *Gateway) changed(w http.ResponseWriter, r *http.Request, v *visitor, o *origin, begun Event) error {
	ctx := context.WithoutCancel(r.Context())
	// The others first: they are why there is a hurry. The password is changed whatever comes of that, and its line is due.
	_, ended := g.endSessionsBut(ctx, v.session.User.Key(), v.session.ID)
	_, forgotten := g.forgetDevices(ctx, v.session.User.Key())
	begun.Time, begun.Result = g.now(), Success
	unfinished := errors.Join(ended, forgotten, g.record(r, begun))
	s := *v.session
	s.MustChange, s.User.PasswordExpires = "", time.Time{}
	if o.refresher != nil {
		if fresh, err := o.refresher.Refresh(ctx, &s.User); err == nil && fresh.Key() == s.User.Key() {
			breakGlass := s.User.BreakGlass
			s.User, s.Refreshed = *fresh, g.now()
			s.User.BreakGlass = breakGlass
		}
	}
	if err := g.raise(w, r, v, s); err != nil {
		return err
	}
	v.flow.Change, v.flow.Step = false, nil
	if err := errors.Join(unfinished, g.keep(ctx, v)); err != nil {
		return &auditedError{ref: begun.Ref, err: &Error{
			Status: http.StatusServiceUnavailable, Title: "Your password is changed", Reason: "unfinished", Err: err,
			Public: "Use the new one from now on. The portal could not finish all that follows, and may have left you signed in elsewhere: sign out there.",
		}}
	}
	return nil
}

// changeFailed records why and shows the page again.
func (g *Gateway) changeFailed(w http.ResponseWriter, r *http.Request, v *visitor, c PasswordChanger, begun Event, err error) error {
	e := g.event(r, v, EventPassword, Failure)
	e.Ref, e.Detail = begun.Ref, clip(err.Error())
	rules := rulesFor(r.Context(), v, c)
	status, field := http.StatusServiceUnavailable, ""
	var sentence string
	refused, isRefused := errors.AsType[*PasswordRefused](err)
	switch {
	case isRefused:
		e.Reason, e.Detail = refused.Reason, clip(refused.Detail)
		status, field, sentence = http.StatusUnprocessableEntity, "new", refusalInWords(refused.Reason, rules)
	case mayHaveChanged(err):
		e.Reason = "unanswered"
		sentence = "The directory did not say whether it took the new password. Sign out and sign in again: try the new password first, then the old one."
	case errors.Is(err, ErrNoUser):
		e.Reason = "account_gone"
		status, sentence = http.StatusForbidden, stateSentence("")
	default:
		if errors.Is(err, ErrBadCredentials) {
			field = "old"
		}
		e.because(err)
		status, sentence = answer(w, err, "Your current password is not right.", "We cannot change passwords just now. Yours is as it was. Try again in a minute.")
	}
	if err := g.recordTry(r, e, err); err != nil {
		return err
	}
	g.showNewPassword(w, v, rules, status, field, sentence)
	return nil
}
