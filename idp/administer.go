package idp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// EventAdmin is what an administrator did that has no kind of its own: a backup, a restore.
const EventAdmin = "admin"

// Note records what an administrator did, under a reference number of its own. by is who it was.
func (g *Gateway) Note(ctx context.Context, kind, reason, detail, by string) error {
	return g.note(ctx, Event{Kind: kind, Reason: reason, Detail: clip(detail), By: by})
}

func (g *Gateway) note(ctx context.Context, e Event) error {
	e.Time, e.Ref = g.now(), g.newRef()
	if e.Result == "" {
		e.Result = Success
	}
	if err := g.store.Append(ctx, e); err != nil {
		return fmt.Errorf("writing the audit line: %w", err)
	}
	g.observe(ctx, e)
	return g.announce(ctx, e)
}

// Person returns whom an administrator means: somebody by a name that signs in, or by a user key
// ("corp:" and the immutable id), which also fits people whom their source no longer knows.
func (g *Gateway) Person(ctx context.Context, name string) (*User, error) {
	f, err := g.person(ctx, name)
	return f.user, err
}

// person is Person, with where the name was found, or why it was not.
func (g *Gateway) person(ctx context.Context, name string) (found, error) {
	f, err := g.find(ctx, name)
	if err == nil && f.user != nil {
		return f, nil
	}
	source, id, ok := strings.Cut(name, ":")
	if !ok || source == "" || id == "" {
		f.user, f.downErr = nil, cmp.Or(err, f.downErr)
		if f.downErr != nil { // nobody can tell whether there is such a person
			return f, errors.Join(fmt.Errorf("%q is not found where people can be looked up now: %w", name, f.downErr), f.doubt())
		}
		return f, errors.Join(f.doubt(), fmt.Errorf("%q: %w", name, ErrNoUser))
	}
	u := &User{Source: source, ID: id, Name: id}
	f = found{user: u, key: u.Key(), asked: g.now()}
	if o := g.origins[source]; o != nil {
		f.source = o.passwords
	}
	return f, nil
}

// Revoked is what Revoke ended.
type Revoked struct {
	User     *User
	Sessions int
	Devices  int
}

// Revoke ends all sessions of a person in the portal and forgets their devices, so that the next visit
// begins with the password and a second factor. The line is written first. What applications keep
// (Amazon Connect: up to 12 hours) goes on.
func (g *Gateway) Revoke(ctx context.Context, name, by string) (Revoked, error) {
	u, err := g.Person(ctx, name)
	if err != nil {
		return Revoked{}, err
	}
	out := Revoked{User: u}
	if err := g.note(ctx, revocation(u, by)); err != nil {
		return out, err
	}
	out.Sessions, out.Devices, err = g.endAll(ctx, u.Key())
	return out, err
}

func revocation(u *User, by string) Event {
	return Event{Kind: EventLogout, Reason: "revoked", By: by, User: u.Key(), Name: u.Name, Source: u.Source}
}

// endAll ends the sessions of a person, and the codes that were given to them, and forgets their devices. A changed password
// ends no invitation: whoever has it for a first factor may have had to change the password first.
func (g *Gateway) endAll(ctx context.Context, user string) (sessions, devices int, err error) {
	// Sessions first: a session that is still alive could make a new device.
	if sessions, err = g.endAllBut(ctx, user, Hash{}); err != nil {
		return 0, 0, fmt.Errorf("ending the sessions: %w", err)
	}
	devices, err = g.forgetDevices(ctx, user)
	return sessions, devices, errors.Join(err, g.endInvitations(ctx, user))
}

// ResetMFA deletes a person's enrollments for one factor, or for all (factor ""), and returns them
// without their secrets. Each has its line, written before. What was proved with them ends too: sessions,
// and what devices remember, so that a stolen browser has nothing left. The count of wrong codes is
// forgotten. The gate of a first enrollment (enroll_first) then stands before them again.
func (g *Gateway) ResetMFA(ctx context.Context, name, factor, by string) (*User, []Enrollment, error) {
	u, err := g.Person(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	gone, err := g.dropEnrollments(ctx, u, factor, by)
	if err != nil {
		return u, gone, err
	}
	if len(gone) == 0 {
		if err := g.note(ctx, revocation(u, by)); err != nil {
			return u, gone, err
		}
	}
	if _, _, err := g.endAll(ctx, u.Key()); err != nil {
		return u, gone, err
	}
	// What somebody set up beside this in one of those sessions. Whoever is a moment later finds that theirs has ended.
	late, err := g.dropEnrollments(ctx, u, factor, by)
	if gone = append(gone, late...); err != nil {
		return u, gone, err
	}
	of := []string{factor}
	if factor == "" {
		of = append(g.wanted(Decision{}), rescueName, inviteName)
	}
	for _, name := range of { // also of those that are set up elsewhere, of which nothing is enrolled here
		if err := g.forgetCodes(ctx, u.Key(), name); err != nil {
			return u, gone, err
		}
	}
	return u, gone, nil
}

// dropEnrollments deletes a person's enrollments for one factor, or for all, and returns them without their secrets.
func (g *Gateway) dropEnrollments(ctx context.Context, u *User, factor, by string) (gone []Enrollment, err error) {
	list, err := g.store.UserEnrollments(ctx, u.Key(), factor)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		e.Secret = nil
		if e.Factor == RecoveryFactor && slices.ContainsFunc(gone, func(g Enrollment) bool { return g.Factor == RecoveryFactor }) {
			if err := g.store.DeleteEnrollment(ctx, u.Key(), e.Factor, e.ID); err != nil && !errors.Is(err, ErrNotFound) {
				return gone, fmt.Errorf("deleting a recovery code: %w", err)
			}
			continue // one line tells of them all
		}
		line := Event{Kind: EventEnroll, Reason: "reset", By: by, Factor: e.Factor, User: u.Key(), Name: u.Name, Source: u.Source}
		if err := g.note(ctx, line); err != nil {
			return gone, err
		}
		if err := g.store.DeleteEnrollment(ctx, u.Key(), e.Factor, e.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return gone, fmt.Errorf("deleting an enrollment for %s: %w", e.Factor, err)
		}
		gone = append(gone, e)
	}
	return gone, nil
}

// forgetCodes lifts the lock that wrong codes have put on a person's factor, and that leaving for it has.
func (g *Gateway) forgetCodes(ctx context.Context, user, factor string) error {
	short, daily := tryKeys(user, factor)
	return errors.Join(g.store.Clear(ctx, short), g.store.Clear(ctx, daily), g.store.Clear(ctx, leaveKey(user, factor)))
}
