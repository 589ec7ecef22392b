package idp

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// CheckPolicies reports what is odd about the policies by themselves: those that guard nobody, and those that ask for less
// than the one named default. It asks nobody.
func (g *Gateway) CheckPolicies() []Finding {
	out, guards := g.checkUnused(), g.guards()
	for i, guard := range guards {
		where := "portal"
		if i > 0 {
			where = "application " + g.applications[i-1].tile.Name
		}
		out = append(out, guard.checkShadowed(where)...)
		out = append(out, guard.checkShut(where)...)
		out = append(out, guard.checkRescue(where, guards[0])...)
	}
	for _, name := range slices.Sorted(maps.Keys(g.policies.byName)) {
		p := g.policies.byName[name]
		for _, less := range p.weakerThan(&g.policies.global) {
			out = append(out, Finding{
				Level: LevelWarning, Where: "policy " + name, What: fmt.Sprintf("it asks for less than policy %s: %s", defaultPolicy, less),
				Cure: "leave the section out, or be sure that it is meant",
			})
		}
	}
	return out
}

// checkUnused reports the policies that guard nothing.
func (g *Gateway) checkUnused() []Finding {
	used := map[string]bool{defaultPolicy: true}
	for _, guard := range g.guards() {
		for p := range guard.policies() {
			used[p.Name] = true
		}
	}
	var out []Finding
	for _, name := range slices.Sorted(maps.Keys(g.policies.byName)) {
		if !used[name] {
			out = append(out, Finding{
				Level: LevelWarning, Where: "policy " + name, What: "neither the portal nor an application uses it",
				Cure: "write policy " + name + " in what it should guard, or take it away",
			})
		}
	}
	return out
}

// checkShadowed reports the group policies that are never in force, because whoever is in one of their groups has met an
// earlier line.
func (g *Guard) checkShadowed(where string) []Finding {
	var out []Finding
	var before []GroupRef
	for _, p := range g.Groups {
		if !slices.ContainsFunc(p.For, func(r GroupRef) bool { return !hasGroup(before, r) }) {
			out = append(out, Finding{
				Level: LevelWarning, Where: where, What: fmt.Sprintf("policy %s for %s is never in force: an earlier line has the same groups", p.Policy.Name, groupWords(p.For)),
				Cure: "write the line further up, or take it away",
			})
		}
		before = append(before, p.For...)
	}
	return out
}

func hasGroup(refs []GroupRef, want GroupRef) bool {
	return slices.ContainsFunc(refs, func(r GroupRef) bool { return r.Source == want.Source && sameName(r.Name, want.Name) })
}

// checkShut reports what nobody at all may open.
func (g *Guard) checkShut(where string) []Finding {
	for p := range g.policies() {
		if p.Authentication == nil || p.Authentication.Mode != AuthenticationDeny {
			return nil
		}
	}
	return []Finding{{
		Level: LevelWarning, Where: where, What: fmt.Sprintf("nobody may open it: %s of policy %s", g.Policy.Authentication.line(), g.Policy.Authentication.From),
		Cure: "take the section away when it is to be opened again",
	}}
}

// checkRescue reports an application that takes fewer codes than the portal: a code that the portal takes is a fresh second step
// for the settings, where a factor can be set up that opens the application.
func (g *Guard) checkRescue(where string, portal *Guard) []Finding {
	here, there := g.Policy.Rescue.rank(), portal.Policy.Rescue.rank()
	if here <= there {
		return nil
	}
	line := g.Policy.Rescue.lines()[0]
	return []Finding{{
		Level: LevelWarning, Where: where,
		What: fmt.Sprintf("%s of policy %s, and the portal takes more: whoever signs in there by a code can set up a factor, which opens it", line, g.Policy.Rescue.From),
		Cure: "write " + line + " in the portal's policy too",
	}}
}

// weakerThan names the sections by which a policy asks for less in kind than another one. "mfa every" in the place of "mfa
// always" is what policies of their own are for, and no finding.
func (p *Policy) weakerThan(global *Policy) []string {
	var out []string
	have, want := p.strictness(), global.strictness()
	for i := range have {
		if have[i].rank < want[i].rank {
			out = append(out, have[i].line)
		}
	}
	return out
}

// strict is how much a section asks for, and the line that says so.
type strict struct {
	rank int
	line string
}

// strictness ranks the sections whose words can be compared at all, those that are not written as what they do then.
func (p *Policy) strictness() [6]strict {
	out := [6]strict{1: {1, ""}, 2: {1, ""}}
	if p.MFA != nil && p.MFA.Mode != MFAOff {
		out[0].rank = 1
	}
	if p.MFA != nil {
		out[0].line = p.MFA.String()
	}
	if a := p.Authentication; a != nil {
		out[1] = strict{map[AuthenticationMode]int{AuthenticationEnforce: 1, AuthenticationDeny: 2}[a.Mode], a.line()}
	}
	if n := p.NewUser; n != nil {
		out[2] = strict{map[NewUserMode]int{NewUserEnroll: 1, NewUserDeny: 1}[n.Mode], n.lines()[0]}
	}
	if e := p.Endpoints; e != nil {
		out[3] = strict{map[EndpointMode]int{EndpointsMFAAlways: 1, EndpointsRequire: 2}[e.Mode], e.line()}
	}
	if a := p.Anonymous; a != nil {
		out[4] = strict{map[PlaceAction]int{PlaceMFAAlways: 1, PlaceDeny: 2}[a.Mode], a.line()}
	}
	if s := p.Rescue; s != nil {
		out[5] = strict{s.rank(), s.lines()[0]}
	}
	return out
}

// CheckOutages reports the plans for an outage that name a factor which nobody has set up. Where nobody has set up any, the
// gateway is new and there is nothing to tell. at says where a policy plans for a factor, "Caddyfile:42", or nothing.
func (g *Gateway) CheckOutages(ctx context.Context, at func(policy, factor string) string) []Finding {
	var plans []*OutageSection
	for _, name := range slices.Sorted(maps.Keys(g.policies.byName)) {
		if s := g.policies.byName[name].Outage; s != nil && s.From == name { // and not inherited
			plans = append(plans, s)
		}
	}
	if len(plans) == 0 {
		return nil
	}
	held := map[string]bool{}
	err := g.holders(ctx, func(h Holder) {
		for factor := range h.Enrolled {
			held[factor] = true
		}
	})
	switch {
	case err != nil:
		return []Finding{{Level: LevelError, Where: "store", What: "who has set up which factor cannot be read: " + err.Error(), Cure: "see the log of the gateway"}}
	case len(held) == 0:
		return nil
	}
	var out []Finding
	for _, s := range plans {
		for i := range s.Rules {
			where := "policy " + s.From
			if place := at(s.From, s.Rules[i].Factor); place != "" {
				where += ", at " + place
			}
			out = append(out, g.checkOutage(&s.Rules[i], where, held)...)
		}
	}
	return out
}

// checkOutage holds one plan against the factors that somebody has set up.
func (g *Gateway) checkOutage(r *OutageRule, where string, held map[string]bool) []Finding {
	var out []Finding
	for _, factor := range append([]string{r.Factor}, r.Use...) {
		if !held[factor] && !g.elsewhere(factor) {
			out = append(out, Finding{
				Level: LevelWarning, Where: where, What: fmt.Sprintf("%s names the factor %s, which nobody has set up", r, factor),
				Cure: "have people set it up before it is needed, or name another one: caddy gatehouse factors report",
			})
		}
	}
	return out
}

// CheckPrompts tells how far the roll-out of the universal prompt has come, where it has begun or is yet to begin. An
// application counts as moved once no policy of its own, for whichever groups, has the traditional one.
func (g *Gateway) CheckPrompts() []Finding {
	var old []string
	for i, guard := range g.guards() {
		name := "the portal"
		if i > 0 {
			name = g.applications[i-1].tile.Name
		}
		if guard.reads(func(p *Policy) bool { return p.Prompt.mode() == PromptTraditional }) {
			old = append(old, name)
		}
	}
	if len(old) == 0 {
		return nil
	}
	return []Finding{{
		Level: LevelOK, Where: "prompt",
		What: fmt.Sprintf("%d of %d have the universal prompt; still traditional: %s", 1+len(g.applications)-len(old), 1+len(g.applications), strings.Join(old, ", ")),
	}}
}
