package idp

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Levels of a [Finding].
const (
	LevelOK      = "ok"
	LevelWarning = "warning"
	LevelError   = "error"
)

// UserLister is an optional power of a source that knows all its people without asking anybody.
type UserLister interface {
	// Users returns the people as Find would.
	Users() []*User
}

// GroupFinder is an optional power of a source: it says whether a group that the configuration names is there.
type GroupFinder interface {
	// FindGroup returns nil, ErrNotFound, or ErrAmbiguous where the name fits more than one group. Any other
	// error means that the source could not answer.
	FindGroup(ctx context.Context, name string) error
}

// Check looks at the configuration and reports one finding for each thing, in order: what sources, factors
// and applications say of themselves, then policies and who may open what. Applications that sign
// look at their key, so the store must be open.
func (g *Gateway) Check(ctx context.Context) []Finding {
	var out []Finding
	add := func(part any) {
		if c, ok := part.(Checker); ok {
			out = append(out, c.Check(ctx)...)
		}
	}
	for _, s := range g.sources {
		if g.origins[s.Name()].Off {
			out = append(out, sourceOff(s.Name()))
			continue // it may be off because it does not answer
		}
		add(s)
	}
	for _, f := range g.factors {
		add(f)
	}
	for i := range g.applications {
		add(g.applications[i].Application)
	}
	out = append(out, g.checkRoutes()...)
	out = append(out, g.CheckPolicies()...)
	out = append(out, g.CheckPrompts()...)
	return append(out, g.checkEntitled()...)
}

// CheckStore looks at what the store holds: the signing keys, the audit log against the clock, people
// of sources that are no more, and what factors keep.
func (g *Gateway) CheckStore(ctx context.Context) []Finding {
	return slices.Concat(g.checkKeys(), []Finding{g.checkClock(ctx)}, g.CheckOrphans(ctx), g.CheckFactors(ctx))
}

// CheckFactors reports what factors find in what the store keeps for them.
func (g *Gateway) CheckFactors(ctx context.Context) (out []Finding) {
	for _, f := range g.factors {
		if c, ok := f.(StoreChecker); ok {
			out = append(out, c.CheckStore(ctx)...)
		}
	}
	return out
}

// checkEntitled reports the applications that nobody may open, where all people are known.
func (g *Gateway) checkEntitled() []Finding {
	var people []*User
	for _, s := range g.sources {
		l, ok := s.(UserLister)
		if !ok {
			return nil
		}
		people = append(people, l.Users()...)
	}
	var out []Finding
	for i := range g.applications {
		if a := &g.applications[i]; !slices.ContainsFunc(people, a.opensFor) {
			out = append(out, Finding{
				Level: LevelWarning, Where: "application " + a.tile.Name, What: "nobody is in a group that may open it",
				Cure: "put somebody in one of its groups, or name another group",
			})
		}
	}
	return out
}

// opensFor reports whether groups let the person open the application.
func (a *application) opensFor(u *User) bool {
	if s := a.guard.current().For(u).Groups; s != nil && !u.InAny(s.Allow) {
		return false
	}
	e, ok := a.Application.(Entitler)
	return !ok || e.Entitled(u)
}

// keyNear is how long before the end of a certificate it is told.
const keyNear = 60 * 24 * time.Hour

// checkKeys reports what signs, and what stands by.
func (g *Gateway) checkKeys() []Finding {
	const where = "keys"
	keys, err := g.store.SAMLKeys()
	if err != nil {
		return []Finding{{Level: LevelError, Where: where, What: "the signing keys cannot be read: " + err.Error(), Cure: "see the log of the gateway"}}
	}
	var out []Finding
	next := 0
	for _, k := range keys {
		if k.State == KeyNext {
			next++
		}
		out = append(out, g.checkKey(k))
	}
	if next == 0 {
		out = append(out, Finding{Level: LevelWarning, Where: where, What: "no key stands by to take over", Cure: "restart the gateway; if it stays, report it"})
	}
	return out
}

func (g *Gateway) checkKey(k SAMLKey) Finding {
	f := Finding{Level: LevelOK, Where: "key " + k.ID, Rule: "M6"}
	cert, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		f.Level, f.What, f.Cure = LevelError, "its certificate cannot be read", "promote another key: caddy gatehouse keys list"
		return f
	}
	does := map[KeyState]string{KeyActive: "it signs", KeyNext: "it stands by"}[k.State]
	f.What = fmt.Sprintf("%s; made on %s, its certificate ends on %s", does, k.Created.UTC().Format(time.DateOnly), cert.NotAfter.UTC().Format(time.DateOnly))
	if left := cert.NotAfter.Sub(g.now()); left < keyNear {
		f.Level = LevelWarning
		f.Cure = "promote a younger key and retire this one: caddy gatehouse keys --help"
	}
	return f
}

// clockSlack is how far ahead of us the writer of a line may have been.
const clockSlack = time.Minute

// checkClock reports lines from the future: this clock, or the one that wrote them, is or was wrong, and
// AWS takes a response for five minutes only.
func (g *Gateway) checkClock(ctx context.Context) Finding {
	f := Finding{Level: LevelOK, Where: "clock", Rule: "R7", What: "it is " + g.now().UTC().Format(time.RFC3339) + ", after every line of the audit log"}
	var last *Event
	err := g.store.Events(ctx, EventQuery{From: g.now().Add(clockSlack)}, func(e Event) bool {
		last = &e
		return true
	})
	switch {
	case err != nil:
		f.Level, f.What = LevelError, "the audit log cannot be read: "+err.Error()
		f.Cure = "see the log of the gateway"
	case last != nil:
		f.Level = LevelWarning
		f.What = strings.Join([]string{"it is", g.now().UTC().Format(time.RFC3339), "here, and the audit log has a line of", last.Time.UTC().Format(time.RFC3339)}, " ")
		f.Cure = "compare with a time server (timedatectl, chronyc tracking) on every machine of the gateway"
	}
	return f
}
