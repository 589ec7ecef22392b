package idp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Explainer is an optional power of an application: what its sign-in would make of one person.
type Explainer interface {
	// Explain reports one finding for each thing that would be sent, or that stands in the way. It signs nothing.
	Explain(u *User) []Finding
}

// CheckUser reports, in order, what the sources find under a name, which of them a sign-in with it would be
// looked up by, and for each application whether the person may open it and what would be asked and
// sent. It tries no password and writes nothing. client is where the person would come from; an
// address that is not known is in no network.
func (g *Gateway) CheckUser(ctx context.Context, name string, client netip.Addr) []Finding {
	var out []Finding
	for _, o := range g.everywhere() {
		if !o.Off {
			out = append(out, o.checkUser(ctx, name)...)
		}
	}
	looked := g.lookEverywhere(ctx, name, client)
	tell := func(app, where string) *User {
		l := looked[g.way(Typed{Name: name, App: app, Client: client})]
		for _, f := range l.found {
			f.Where = where
			out = append(out, f)
		}
		l.found = nil // once is enough
		return l.user
	}
	tell("", "sign-in")
	for i := range g.applications {
		a := &g.applications[i]
		where := "application " + a.tile.Name
		if u := tell(a.tile.Name, where); u != nil {
			out = append(out, g.checkOpens(ctx, a, u, client)...)
		} else {
			out = append(out, Finding{Level: LevelWarning, Where: where, What: "nobody of that name can sign in on the way there"})
		}
	}
	return out
}

// looked is what came of looking a name up by one way.
type looked struct {
	user  *User
	found []Finding
}

// lookEverywhere looks a name up by every way that it could take. That one of them knows nobody of the name is a fault
// only where none does: an application may have people of its own.
func (g *Gateway) lookEverywhere(ctx context.Context, name string, client netip.Addr) map[string]*looked {
	byWay := map[string]*looked{}
	somebody := false
	look := func(app string) {
		t := Typed{Name: name, App: app, Client: client}
		way := g.way(t)
		if byWay[way] != nil {
			return
		}
		u, found := g.checkSignIn(ctx, t, way)
		byWay[way] = &looked{u, found}
		somebody = somebody || u != nil
	}
	look("")
	for i := range g.applications {
		look(g.applications[i].tile.Name)
	}
	for _, l := range byWay {
		for i := range l.found {
			if f := &l.found[i]; somebody && f.Level == LevelError && f.Rule == "" {
				f.Level = LevelWarning
			}
		}
	}
	return byWay
}

// way says which sources a name is looked up by, in words.
func (g *Gateway) way(t Typed) string {
	if len(g.routing) == 0 {
		names := make([]string, len(g.sources))
		for i, s := range g.sources {
			names[i] = s.Name()
		}
		return "there are no routes, so every source is asked: " + strings.Join(names, ", ")
	}
	if r := g.routing.Choose(t); r != nil {
		return "the way is: " + r.String()
	}
	return "no route fits, and there is no default"
}

// checkUser reports what one source finds under the name.
func (o *origin) checkUser(ctx context.Context, name string) []Finding {
	if c, ok := o.source.(UserChecker); ok {
		return c.CheckUser(ctx, name)
	}
	if o.passwords == nil {
		return nil
	}
	f := Finding{Level: LevelOK, Where: "source " + o.Source}
	switch u, err := o.passwords.Find(ctx, name); {
	case err == nil:
		f.What = fmt.Sprintf("%q is %s, mail %q, groups: %s", name, u.Key(), u.Email, groupNames(u))
	case errors.Is(err, ErrNoUser):
		f.What = fmt.Sprintf("nobody is named %q", name)
	case errors.Is(err, ErrAmbiguous):
		f.Level, f.What, f.Cure = LevelError, fmt.Sprintf("%q: %v", name, err), "give each account a name of its own"
	default:
		f.Level, f.What, f.Cure = LevelError, fmt.Sprintf("it cannot be asked for %q: %v", name, err), "caddy gatehouse check"
	}
	return []Finding{f}
}

func groupNames(u *User) string {
	names := make([]string, 0, len(u.Groups))
	for _, g := range u.Groups {
		if len(g.Names) > 0 {
			names = append(names, g.Names[0])
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// cures of what stands between a name and a sign-in, by the reason of the audit line.
var cures = map[string]string{
	"no_route":             "name the domain in a route, or write a route without conditions last",
	"source_off":           "take the option off out of the source's block",
	"domain_not_permitted": "add the domain to permitted_domains of the source, or correct the account",
	"ambiguous":            "give each account a name of its own",
}

// checkSignIn reports whom a sign-in with the name would mean.
func (g *Gateway) checkSignIn(ctx context.Context, t Typed, way string) (*User, []Finding) {
	var out []Finding
	if _, led := g.route(t); led {
		out = append(out, Finding{Level: LevelOK, What: way})
	}
	f, err := g.lookUp(ctx, t)
	who := Finding{Level: LevelError}
	switch {
	case err != nil, f.user == nil && f.downErr != nil:
		who.Rule = "source_unavailable"
		who.What, who.Cure = fmt.Sprintf("a source cannot answer: %v", errors.Join(err, f.downErr)), "caddy gatehouse check"
	case f.refusal != nil:
		who.Rule, who.What, who.Cure = f.refusal.Reason, fmt.Sprintf("whoever types %q is told that the password is wrong: %v", t.Name, f.refusal.Err), cures[f.refusal.Reason]
	case f.user == nil:
		who.What, who.Cure = fmt.Sprintf("nobody is named %q", t.Name), "see what each source says of the name, above; that the account is where the source searches; and that the service account may read it"
	default:
		who.Level, who.What = LevelOK, fmt.Sprintf("%q signs in as %s of source %s", t.Name, f.user.Key(), f.user.Source)
		if f.user.BreakGlass {
			who.Level, who.What, who.Cure = LevelWarning, who.What+", as a break-glass account: "+f.downErr.Error(), "caddy gatehouse check"
		}
	}
	if out = append(out, who); f.user != nil {
		out = append(out, g.checkFailures(ctx, f))
	}
	return f.user, out
}

// checkOpens reports whether a person may open an application, by which rule, what they would be asked, and
// what would be sent.
func (g *Gateway) checkOpens(ctx context.Context, a *application, u *User, client netip.Addr) []Finding {
	where := "application " + a.tile.Name
	now := g.now()
	v := Visit{Now: now, User: u, App: a.tile.Name, Client: client, SignedIn: now, Seen: now}
	v.Networks = a.guard.current().networksOf(&v)
	d := a.guard.current().Decide(v)
	if d.Verdict == Deny {
		f := Finding{Level: LevelWarning, Where: where, What: fmt.Sprintf("may not open it, by %s of policy %s", d.Rule, d.Policy)}
		if closedTile(d) != "" {
			f.What = fmt.Sprintf("cannot open it from a browser and a place of which nothing is known, by %s of policy %s", d.Rule, d.Policy)
			f.Cure = "say what is to be supposed: caddy gatehouse explain --user NAME --app " + a.tile.Name
		}
		return []Finding{f}
	}
	out := []Finding{{Level: LevelOK, Where: where, What: fmt.Sprintf("may open it, by %s of policy %s", d.Rule, d.Policy)}}
	if d.Verdict == Ask {
		out = append(out, g.checkAsked(ctx, a, u, client))
	}
	e, explains := a.Application.(Explainer)
	if explains {
		return append(out, e.Explain(u)...)
	}
	if e, ok := a.Application.(Entitler); ok && !e.Entitled(u) {
		out = append(out, Finding{Level: LevelWarning, Where: where, What: "no group of the person gives it, so that there is no tile"})
	}
	return out
}

// checkAsked reports which second factor a browser that proved none before would be asked for.
func (g *Gateway) checkAsked(ctx context.Context, a *application, u *User, client netip.Addr) Finding {
	f := Finding{Level: LevelOK, Where: "application " + a.tile.Name}
	ready, err := g.readyFactors(ctx, &visitor{session: &Session{User: *u}}, g.taken(a.guard.current().For(u)))
	switch {
	case err != nil:
		f.Level, f.What = LevelError, "the factors cannot be asked: "+err.Error()
	case len(ready.enrolled) > 0:
		f.What = "asks for " + factorNames(ready.enrolled)
	case errors.Is(ready.err, ErrNotReady):
		f.Level, f.What = LevelWarning, "asks for "+factorNames(ready.unreachable)+", or has it set up first: the store is not open"
		f.Cure = "start the gateway once, then check again"
	case len(ready.unreachable) > 0:
		f.Level, f.What = LevelError, fmt.Sprintf("%s cannot be asked: %v", factorNames(ready.unreachable), ready.err)
		f.Cure = "caddy gatehouse check"
	case len(ready.open) == 0:
		f.Level, f.What, f.Cure = LevelError, "asks for a second factor, and there is none that the person could set up", "write a factor, or mfa off"
	default:
		p := a.guard.current().For(u)
		f.What = fmt.Sprintf("has %s to set up first, by %s of policy %s", factorNames(ready.open), p.EnrollFirst, p.EnrollFirst.From)
		if !p.EnrollFirst.opens(client) {
			f.Level, f.Cure = LevelWarning, "caddy gatehouse user invite NAME, unless the person comes from one of the networks"
		}
	}
	return f
}

func factorNames(factors []Factor) string {
	names := make([]string, len(factors))
	for i, f := range factors {
		names[i] = f.Name()
	}
	return strings.Join(names, " or ")
}
