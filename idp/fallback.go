package idp

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
)

// FactorReport tells who could not sign in if one factor were lost or could not be asked.
type FactorReport struct {
	Factors []HeldFactor `json:"factors"`
	Places  []Place      `json:"applications"`
	// Silent are sources that did not answer. Of their people the groups are those of their last sign-in, or not known.
	Silent []string `json:"silent,omitempty"`
}

// HeldFactor is a factor and how many people hold it.
type HeldFactor struct {
	Factor      string `json:"factor"`
	People      int    `json:"people"`
	Enrollments int    `json:"enrollments"`
	// Elsewhere says that people do not set it up here: a service of its own knows who has it, and may be asked for anybody.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// Unconfigured says that the store keeps enrollments of a factor that there is not any more.
	Unconfigured bool `json:"unconfigured,omitempty"`
}

// Place is an application, or the portal, and who would not come in.
type Place struct {
	App      string     `json:"app"`    // "" is the portal
	Asked    int        `json:"people"` // with a factor, who may open it and may be asked for one
	Unbacked []Unbacked `json:"without_fallback"`
}

// Unbacked is somebody who holds one factor that a policy takes, and has nothing to put in its place.
type Unbacked struct {
	User   string `json:"user"` // user key
	Name   string `json:"name"`
	Factor string `json:"factor"` // their only one
	Then   string `json:"then"`   // what becomes of them without it
	// Planned says that the plan for an outage lets them in: it is only a loss that would keep them out.
	Planned bool   `json:"planned,omitempty"`
	Policy  string `json:"policy"`         // that is in force for them
	Rule    string `json:"rule,omitempty"` // the plan for an outage
}

// holdersPage is how many people are read at once.
const holdersPage = 500

// holders calls yield for everybody who has set up a factor.
func (g *Gateway) holders(ctx context.Context, yield func(Holder)) error {
	after := ""
	for {
		page, err := g.store.Holders(ctx, after, holdersPage)
		if err != nil {
			return err
		}
		for _, h := range page {
			yield(h)
		}
		if len(page) < holdersPage {
			return nil
		}
		after = page[len(page)-1].User
	}
}

// ReportFactors looks at everybody who has set up a factor. Their sources are asked for their groups; whom a source does
// not know any more, or keeps out, is left out.
func (g *Gateway) ReportFactors(ctx context.Context) (FactorReport, error) {
	out := FactorReport{Factors: g.factorsHeld(), Places: []Place{{}}}
	for i := range g.applications {
		out.Places = append(out.Places, Place{App: g.applications[i].tile.Name})
	}
	for i := range out.Places {
		out.Places[i].Unbacked = []Unbacked{}
	}
	err := g.holders(ctx, func(h Holder) {
		out.count(h)
		u := g.holding(ctx, h.User, &out)
		if u == nil {
			return
		}
		for i := range out.Places {
			g.report(&out.Places[i], u, h)
		}
	})
	return out, errors.Join(err, ctx.Err())
}

// factorsHeld lists the factors before anybody is counted.
func (g *Gateway) factorsHeld() []HeldFactor {
	out := make([]HeldFactor, len(g.factors))
	for i, f := range g.factors {
		out[i] = HeldFactor{Factor: f.Name(), Elsewhere: g.elsewhere(f.Name())}
	}
	return out
}

// elsewhere reports whether a factor's own service knows who has it: nobody sets it up here.
func (g *Gateway) elsewhere(factor string) bool {
	f := g.factor(factor)
	return f != nil && !setUpHere(f)
}

// count adds somebody to the factors that they hold.
func (r *FactorReport) count(h Holder) {
	for _, name := range slices.Sorted(maps.Keys(h.Enrolled)) {
		i := slices.IndexFunc(r.Factors, func(f HeldFactor) bool { return f.Factor == name })
		if i < 0 {
			i = len(r.Factors)
			r.Factors = append(r.Factors, HeldFactor{Factor: name, Unconfigured: !isRescue(name)})
		}
		r.Factors[i].People++
		r.Factors[i].Enrollments += h.Enrolled[name]
	}
}

// holding returns somebody as their source knows them, or nil where it lets them in no more. A source that does not answer is
// not asked again.
func (g *Gateway) holding(ctx context.Context, key string, out *FactorReport) *User {
	source, id, _ := strings.Cut(key, ":")
	u := &User{Source: source, ID: id, Name: id}
	if list, err := g.store.UserSessions(ctx, key); err == nil && len(list) > 0 {
		u = &list[0].User
	}
	o := g.origins[source]
	switch {
	case o == nil || o.Off:
		return nil
	case o.refresher == nil || slices.Contains(out.Silent, source):
		return u
	}
	now, err := o.refresher.Refresh(ctx, u)
	_, kept := errors.AsType[*AccountState](err)
	switch {
	case err == nil:
		return now
	case kept, errors.Is(err, ErrNoUser):
		return nil
	}
	out.Silent = append(out.Silent, source)
	return u
}

// report writes down what becomes of somebody at one place.
func (g *Gateway) report(place *Place, u *User, h Holder) {
	if a := g.byName[place.App]; a != nil && !a.opensFor(u) {
		return
	}
	p := g.guardOf(place.App).For(u)
	if place.App == "" && p.Groups != nil && !u.InAny(p.Groups.Allow) || !p.mayAsk() {
		return
	}
	place.Asked++
	if lost, ok := g.unbacked(p, u, h); ok {
		lost.User, lost.Name, lost.Policy = h.User, u.Label(), p.Name
		place.Unbacked = append(place.Unbacked, lost)
	}
}

// mayAsk reports whether a policy asks for a second factor at all, of anybody, from anywhere.
func (p *Policy) mayAsk() bool {
	if a := p.Authentication; a != nil && a.Mode != AuthenticationEnforce {
		return false
	}
	if p.MFA != nil && p.MFA.Mode != MFAOff {
		return true
	}
	asks := func(a PlaceAction) bool { return a == PlaceMFAAlways }
	return p.Anonymous != nil && asks(p.Anonymous.Mode) ||
		p.Endpoints != nil && p.Endpoints.Mode == EndpointsMFAAlways ||
		p.Locations != nil && (asks(p.Locations.Otherwise) || slices.ContainsFunc(p.Locations.Rules, func(r LocationRule) bool { return asks(r.Action) })) ||
		p.Networks != nil && slices.ContainsFunc(p.Networks.Rules, func(r NetworkRule) bool {
			return r.Action == NetworkAlwaysInside || r.Action == NetworkAlwaysOutside
		})
}

// unbacked reports whether somebody holds one factor that the policy takes and has nothing for the time without it. What is
// kept elsewhere counts as theirs, and is not lost; a recovery code is in the place of any.
func (g *Gateway) unbacked(p *Policy, u *User, h Holder) (Unbacked, bool) {
	if h.Enrolled[RecoveryFactor] > 0 && p.Rescue.takes(RecoveryFactor) {
		return Unbacked{}, false
	}
	var only string
	n := 0
	for _, f := range g.factors {
		have := h.Enrolled[f.Name()]
		if g.elsewhere(f.Name()) {
			have = 1
		}
		if have > 0 && p.lists(f.Name()) {
			only, n = f.Name(), n+have
		}
	}
	if n != 1 {
		return Unbacked{}, false
	}
	r := p.planFor(only)
	if r == nil {
		return Unbacked{Factor: only, Then: "cannot sign in until it is there again"}, true
	}
	out := Unbacked{Factor: only, Rule: r.text}
	switch stands := func(f string) bool { return h.Enrolled[f] > 0 || g.elsewhere(f) }; {
	case len(r.Use) > 0 && !slices.ContainsFunc(r.Use, stands):
		out.Then = "has not set up " + strings.Join(r.Use, " or ")
	case len(r.Use) == 0 && (r.Deny || !u.InAny(r.Allow)):
		out.Then = "is refused"
	default:
		out.Then, out.Planned = "comes in while it cannot be asked, and not where it is lost", true
		return out, !g.elsewhere(only)
	}
	return out, true
}

// planFor returns what is planned for the time in which a factor cannot be asked, or nil.
func (p *Policy) planFor(factor string) *OutageRule {
	if p.Outage == nil {
		return nil
	}
	for i := range p.Outage.Rules {
		if r := &p.Outage.Rules[i]; r.Factor == factor {
			return r
		}
	}
	return nil
}
