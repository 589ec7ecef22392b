package idp

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// EventAdmin is what an administrator did that has no kind of its own: a backup, a restore.
const EventAdmin = "admin"

// Note records what an administrator did, under a reference number of its own. detail ends in who it was.
func (g *Gateway) Note(ctx context.Context, kind, reason, detail string) error {
	return g.note(ctx, Event{Kind: kind, Reason: reason, Detail: clip(detail)})
}

func (g *Gateway) note(ctx context.Context, e Event) error {
	e.Time, e.Result, e.Ref = g.now(), Success, g.newRef()
	if err := g.store.Append(ctx, e); err != nil {
		return fmt.Errorf("writing the audit line: %w", err)
	}
	return nil
}

// Person returns whom an administrator means: somebody by a name that signs in, or by a user key
// ("corp:" and the immutable id), which also fits people whom their source no longer knows.
func (g *Gateway) Person(ctx context.Context, name string) (*User, error) {
	f, err := g.find(ctx, name)
	if err == nil && f.user != nil {
		return f.user, nil
	}
	if source, id, ok := strings.Cut(name, ":"); ok && source != "" && id != "" {
		return &User{Source: source, ID: id, Name: id}, nil
	}
	return nil, errors.Join(err, f.downErr, fmt.Errorf("%q: %w", name, ErrNoUser))
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
	e := Event{Kind: EventLogout, Reason: "revoked", Detail: by, User: u.Key(), Name: u.Name, Source: u.Source}
	if err := g.note(ctx, e); err != nil {
		return out, err
	}
	// Sessions first: a session that is still alive could make a new device.
	if out.Sessions, err = g.store.DeleteUserSessions(ctx, u.Key(), Hash{}); err != nil {
		return out, fmt.Errorf("ending the sessions: %w", err)
	}
	devices, err := g.store.UserDevices(ctx, u.Key(), g.now())
	if err != nil {
		return out, fmt.Errorf("listing the devices: %w", err)
	}
	for _, d := range devices {
		if err := g.store.DeleteDevice(ctx, d.ID, u.Key()); err != nil {
			return out, fmt.Errorf("forgetting %s: %w", d.Label, err)
		}
		out.Devices++
	}
	return out, nil
}

// ResetFactor deletes a person's enrollments for one factor, or for all (factor ""), and returns them
// without their secrets. Each has its line, written before. The gate of a first enrollment (enroll_first)
// then stands before them again.
func (g *Gateway) ResetFactor(ctx context.Context, name, factor, by string) (*User, []Enrollment, error) {
	u, err := g.Person(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	list, err := g.store.UserEnrollments(ctx, u.Key(), factor)
	if err != nil {
		return u, nil, err
	}
	var gone []Enrollment
	for _, e := range list {
		e.Secret = nil
		line := Event{Kind: EventEnroll, Reason: "reset", Detail: by, Factor: e.Factor, User: u.Key(), Name: u.Name, Source: u.Source}
		if err := g.note(ctx, line); err != nil {
			return u, gone, err
		}
		if err := g.store.DeleteEnrollment(ctx, u.Key(), e.Factor, e.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return u, gone, fmt.Errorf("deleting an enrollment for %s: %w", e.Factor, err)
		}
		gone = append(gone, e)
	}
	return u, gone, nil
}
