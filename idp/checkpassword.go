package idp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// cureOfState says what an admin does about an account whose password was right.
var cureOfState = map[string]string{
	"disabled":         "enable it at the source",
	"expired":          "give it a later end at the source",
	"locked":           "wait, or unlock it at the source",
	"password_expired": "the next sign-in asks for another one",
	"must_change":      "the next sign-in asks for another one",
	"hours":            "change the hours at which it may sign in, at the source",
	"workstation":      "change the computers from which it may sign in, at the source",
}

// CheckPassword shows the source a person's password, once, as a sign-in to the portal with the name would, and reports what
// the source says of it: in a directory that is a bind as the person. It is charged like any sign-in, and where the person
// has no failure left it is not shown. The audit line, by whom, is written first.
func (g *Gateway) CheckPassword(ctx context.Context, name string, client netip.Addr, password Secret, by string) Finding {
	withheld := func(level, why, cure string) Finding {
		return Finding{Level: level, Where: "password", What: "it was not shown to anybody, because " + why, Cure: cure}
	}
	if emptyPassword(password.Reveal()) || len(password.Reveal()) > mostPassword {
		return withheld(LevelError, "it is empty or too long", "write the password alone into the file")
	}
	f, err := g.lookUp(ctx, Typed{Name: name, Client: client})
	if err != nil || f.user == nil {
		return withheld(LevelError, "a sign-in finds nobody", "see what is said of the sign-in, above")
	}
	strangers, _ := g.budgets(ctx, f)
	var unsaid error // why it was not shown after all
	err = g.passOn(ctx, strangers, func(ctx context.Context) error {
		line := Event{Kind: EventAdmin, Reason: "password_checked", User: f.user.Key(), Name: f.user.Name, Source: f.user.Source, By: by}
		if unsaid = g.note(ctx, line); unsaid != nil {
			return unsaid
		}
		return f.source.Authenticate(ctx, f.user, password.Reveal())
	})
	switch {
	case unsaid != nil:
		return withheld(LevelError, unsaid.Error(), "see the log of the gateway")
	case errors.Is(err, errLimited):
		return withheld(LevelWarning, f.user.Key()+" has no failure left", "wait until the failures are forgotten; a person's own device may still sign in")
	}
	return passwordFinding(f.user, err)
}

// passwordFinding says what a source's answer means.
func passwordFinding(u *User, err error) Finding {
	out := Finding{Level: LevelError, Where: "password"}
	account := u.DN
	if account == "" {
		account = u.Key()
	}
	var state *AccountState
	switch {
	case err == nil:
		out.Level, out.What = LevelOK, fmt.Sprintf("source %s signs in %s with it", u.Source, account)
	case errors.As(err, &state):
		out.Rule, out.Cure = state.State, cureOfState[state.State]
		out.What = fmt.Sprintf("it is right, and source %s does not sign in %s: %v", u.Source, account, err)
	case errors.Is(err, ErrBadCredentials):
		out.Rule, out.Cure = "bad_credentials", "type it again; mind that a locked account is answered in the same way"
		out.What = fmt.Sprintf("source %s does not sign in %s with it: %v", u.Source, account, err)
	default:
		out.Rule, out.Cure = "source_unavailable", "caddy gatehouse check"
		out.What = fmt.Sprintf("source %s cannot judge it: %v", u.Source, err)
	}
	return out
}
