package idp

import "net/http"

// guardOf returns what guards an application, or the portal ("").
func (g *Gateway) guardOf(app string) *Guard {
	if a := g.byName[app]; a != nil {
		return a.guard
	}
	return g.guard
}

// guards returns the portal's and those of the applications.
func (g *Gateway) guards() []*Guard {
	all := []*Guard{g.guard}
	for i := range g.applications {
		all = append(all, g.applications[i].guard)
	}
	return all
}

// policyFor returns the policy that is in force where the visitor is going.
func (g *Gateway) policyFor(v *visitor) *Policy { return g.guardOf(v.flow.App).For(&v.session.User) }

// judgeVisit decides about a visit to an application, or the portal (""). The factors are asked only where the answer may
// depend on them. own is the visitor's own device, or nil.
func (g *Gateway) judgeVisit(r *http.Request, v *visitor, own *Device, app string) (Decision, error) {
	guard := g.guardOf(app)
	v.judged = g.visit(r, v, own, app)
	d := guard.Decide(*v.judged)
	if d.Verdict != Ask || d.Reason != AskMFA || !guard.For(&v.session.User).readsHolding() {
		return d, nil
	}
	ready, err := g.readyFactors(r.Context(), v, g.wanted(Decision{}))
	if err != nil {
		return Decision{}, err
	}
	v.judged.Holding = &Holding{Enrolled: namesOf(ready.enrolled), Unreachable: namesOf(ready.unreachable)}
	return guard.Decide(*v.judged), nil
}

// readsHolding reports whether a decision may depend on which factors a person has.
func (p *Policy) readsHolding() bool {
	return p.Outage != nil || p.NewUser != nil && p.NewUser.Mode != NewUserEnroll
}

func namesOf(factors []Factor) []string {
	names := make([]string, len(factors))
	for i, f := range factors {
		names[i] = f.Name()
	}
	return names
}

// visit gathers what a policy may look at.
func (g *Gateway) visit(r *http.Request, v *visitor, own *Device, app string) *Visit {
	guard := g.guardOf(app)
	visit := &Visit{
		Now: g.now(), User: &v.session.User, App: app, Session: v.session.Proofs, SignedIn: v.session.SignedIn, Seen: v.seen,
		Client: g.client(r), MustChange: v.session.MustChange,
	}
	if v.flow != nil && v.flow.App == app {
		visit.Flow = v.flow.Proofs
	}
	if own != nil {
		visit.Device = own.Proofs
	}
	if guard.facts {
		if v.facts == nil {
			f := g.facts(r)
			v.facts = &f
		}
		visit.Facts = *v.facts
	}
	visit.Networks = guard.networksOf(visit)
	return visit
}

// reads reports whether one of the guard's policies has a section.
func (g *Guard) reads(has func(*Policy) bool) bool {
	for p := range g.policies() {
		if has(p) {
			return true
		}
	}
	return false
}

func readsAnonymous(p *Policy) bool   { return p.Anonymous != nil }
func readsLocation(p *Policy) bool    { return p.Locations != nil }
func readsAgent(p *Policy) bool       { return p.Systems != nil || p.Browsers != nil }
func readsCertificate(p *Policy) bool { return p.Endpoints != nil }
func readsConditions(p *Policy) bool  { return p.Require != nil }

// networksOf returns the names of those of the guard's networks that hold the client.
func (g *Guard) networksOf(v *Visit) []string {
	var names []string
	for i := range g.nets {
		if g.nets[i].Contains(v.Client) {
			names = append(names, g.nets[i].Name)
		}
	}
	return names
}

// recorded returns what an audit line keeps of a visit: what the guard reads, and of the person who they are and in
// which of the groups that the guard looks for.
func (g *Guard) recorded(v Visit) *Visit {
	if v.User != nil {
		u := &User{Source: v.User.Source, ID: v.User.ID, Name: v.User.Name}
		for _, group := range v.User.Groups {
			if g.names(u.Source, group) {
				u.Groups = append(u.Groups, group)
			}
		}
		v.User = u
	}
	if !g.reads(readsAnonymous) {
		v.Anonymous = ""
	}
	if !g.reads(readsLocation) {
		v.Country = ""
	}
	if !g.reads(readsAgent) {
		v.Agent = Agent{}
	}
	if !g.reads(readsCertificate) {
		v.Certificate = ""
	}
	if !g.reads(readsConditions) {
		v.Met = nil
	}
	return &v
}
