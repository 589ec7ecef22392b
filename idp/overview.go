package idp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Overview is what the gateway keeps about one person, without what is secret.
type Overview struct {
	User     *User
	Factors  []Described // without recovery codes
	Codes    int         // recovery codes that are left
	Devices  []*Device
	Sessions []*Session
	Tries    []Tries // those that count now
	// MustChange is why the password has to be changed first, as the newest session has it; see [Session].
	MustChange string
	// ChangedBare says that the password was changed with nothing but the old one; see [EnrollAfterChangeSection].
	ChangedBare bool
}

// Described is an enrollment without its secret, and what the factor tells of it beyond that.
type Described struct {
	Enrollment
	Kind string // what people call the factor
	More string // see [Describer]
}

func (g *Gateway) described(e Enrollment) Described {
	out := Described{Enrollment: e, Kind: g.factorLabel(e.Factor)}
	if d, ok := g.factor(e.Factor).(Describer); ok {
		out.More = d.Describe(e)
	}
	out.Secret = nil
	return out
}

// Tries are wrong answers of one person that count.
type Tries struct {
	Of     string        // a factor; [PasswordFactor]; "rescue" or "invitation" for codes in a factor's place
	Wrong  int           // so many there were
	Most   int           // so many lock
	Window time.Duration // within this time
}

// Locked reports whether no answer is judged for as long as they count.
func (t Tries) Locked() bool { return t.Wrong >= t.Most }

// Overview returns what is kept about a person. by is who looks, for the audit line, which is written first, also of a look that
// finds nobody.
func (g *Gateway) Overview(ctx context.Context, name, by string) (*Overview, error) {
	f, err := g.person(ctx, name)
	if err := errors.Join(err, g.note(ctx, lookedUp(f, name, by, err))); err != nil {
		return nil, err
	}
	o, err := g.overview(ctx, f.user)
	if err != nil {
		return nil, err
	}
	password, err := g.passwordTries(ctx, f)
	for _, c := range password {
		o.Tries = append(o.Tries, c.Tries)
	}
	return o, err
}

// lookedUp is the line of a look at a person, as the help desk's page writes it; no says why there was nobody to be seen. That there
// is nobody of the name is known only where every source has answered.
func lookedUp(f found, typed, by string, no error) Event {
	e := Event{Kind: EventHelpDesk, Reason: deskLook, By: by, Name: clip(typed)}
	if no == nil {
		e.User, e.Name, e.Source = f.user.Key(), f.user.Name, f.user.Source
		return e
	}
	e.Result, e.Reason = Denied, deskNobody
	switch {
	case f.downErr != nil:
		e.Reason, no = "source_unavailable", f.downErr
	case f.refusal != nil:
		e.Reason = f.refusal.Reason
	}
	e.Detail = clip(no.Error())
	return e
}

// overview leaves out the passwords, which their directory may have to be asked about.
func (g *Gateway) overview(ctx context.Context, u *User) (*Overview, error) {
	o, key := &Overview{User: u}, u.Key()
	enrolled, err := g.store.UserEnrollments(ctx, key, "")
	if err != nil {
		return nil, fmt.Errorf("listing the factors: %w", err)
	}
	for _, e := range enrolled {
		if e.Factor == RecoveryFactor {
			o.Codes++
		} else {
			o.Factors = append(o.Factors, g.described(e))
		}
	}
	if o.Devices, err = g.store.UserDevices(ctx, key, g.now()); err != nil {
		return nil, fmt.Errorf("listing the devices: %w", err)
	}
	if o.Sessions, err = g.store.UserSessions(ctx, key); err != nil {
		return nil, fmt.Errorf("listing the sessions: %w", err)
	}
	if len(o.Sessions) > 0 {
		o.MustChange = o.Sessions[0].MustChange
	}
	if o.ChangedBare, err = g.changedBare(ctx, u); err != nil {
		return nil, err
	}
	counted, err := g.codeTries(ctx, key)
	for _, c := range counted {
		o.Tries = append(o.Tries, c.Tries)
	}
	return o, err
}

// counter is where tries are counted.
type counter struct {
	Tries
	key string
	own bool // some of them are in our store, and not in that of a directory alone
}

// codeTries returns the wrong codes of a person that count, by what they were for, and the times that they left for a factor
// elsewhere and brought no right answer.
func (g *Gateway) codeTries(ctx context.Context, userKey string) (out []counter, err error) {
	for _, of := range append(g.wanted(Decision{}), rescueName, inviteName) {
		short, daily := tryKeys(userKey, of)
		for _, c := range []counter{
			{Tries: Tries{Of: of, Most: codeTries, Window: codeWindow}, key: short},
			{Tries: Tries{Of: of, Most: codeDaily, Window: day}, key: daily},
			{Tries: Tries{Of: of, Most: leaveMost, Window: codeWindow}, key: leaveKey(userKey, of)},
		} {
			if c.Wrong, err = g.store.Failures(ctx, c.key, g.now(), c.Window); err != nil {
				return nil, fmt.Errorf("counting wrong codes: %w", err)
			}
			if c.own = c.Wrong > 0; c.own {
				out = append(out, c)
			}
		}
	}
	return out, nil
}

// passwordTries returns the wrong passwords of a person that count, from wherever: where their directory does not lock,
// each device of their own counts by itself.
func (g *Gateway) passwordTries(ctx context.Context, f found) (out []counter, err error) {
	strangers, own := g.budgets(ctx, f)
	budgets := []budget{strangers}
	if !own.directory {
		devices, err := g.store.UserDevices(ctx, f.key, g.now())
		if err != nil {
			return nil, err
		}
		for _, d := range devices {
			b := own
			b.key += ":" + hashText(d.ID)
			budgets = append(budgets, b)
		}
	}
	for _, b := range budgets {
		c := counter{Tries: Tries{Of: PasswordFactor, Most: b.most, Window: b.window}, key: b.key}
		kept, err := g.store.Failures(ctx, b.key, g.now(), b.remembered())
		if err == nil {
			c.Wrong, err = b.spent(ctx, g.store, g.now())
		}
		if err != nil {
			return nil, fmt.Errorf("counting wrong passwords: %w", err)
		}
		if c.own = kept > 0; c.Wrong > 0 {
			out = append(out, c)
		}
	}
	return out, nil
}

// Unlocked is what Unlock did.
type Unlocked struct {
	User   *User
	Lifted []Tries
	// Left are wrong passwords that still count, because the person's directory has counted them.
	Left []Tries
}

// Unlock forgets the wrong passwords and codes of a person, or those of one factor, so that the next answer is judged. Each
// kind has its line, written before.
func (g *Gateway) Unlock(ctx context.Context, name, factor, by string) (*Unlocked, error) {
	f, err := g.person(ctx, name)
	if err != nil {
		return nil, err
	}
	counted, err := g.codeTries(ctx, f.user.Key())
	if err != nil {
		return nil, err
	}
	passwords, err := g.passwordTries(ctx, f)
	if err != nil {
		return nil, err
	}
	counted = slices.DeleteFunc(append(passwords, counted...), func(c counter) bool { return !c.own || factor != "" && c.Of != factor })
	out := &Unlocked{User: f.user}
	for i, c := range counted {
		if i == 0 || counted[i-1].Of != c.Of {
			line := Event{Kind: EventLockout, Reason: "lifted", Factor: c.Of, By: by, User: f.user.Key(), Name: f.user.Name, Source: f.user.Source}
			if err := g.note(ctx, line); err != nil {
				return out, err
			}
		}
		if err := g.store.Clear(ctx, c.key); err != nil {
			return out, fmt.Errorf("forgetting wrong answers for %s: %w", c.Of, err)
		}
		out.Lifted = append(out.Lifted, c.Tries)
	}
	if factor != "" && factor != PasswordFactor {
		return out, nil
	}
	left, err := g.passwordTries(ctx, f)
	for _, c := range left {
		out.Left = append(out.Left, c.Tries)
	}
	return out, err
}

// UnlockWords are what [Gateway.Unlock] takes for a factor, beside the names of the factors.
func UnlockWords() []string { return []string{PasswordFactor, rescueName, inviteName} }
