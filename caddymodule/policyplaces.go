package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/visit"
)

// NetworkRuleConfig is one line of the networks section.
type NetworkRuleConfig struct {
	// Action is blocked, deny_outside, mfa_always_outside, mfa_always_inside or mfa_off_inside.
	Action idp.NetworkAction `json:"action"`
	// Networks are names of networks.
	Networks []string `json:"networks"`
}

// LocationsConfig looks at countries.
type LocationsConfig struct {
	// Rules are asked in order; the first that names the country decides.
	Rules []LocationRuleConfig `json:"rules,omitempty"`
	// Otherwise is for the other countries: allow, mfa_always, mfa_off or deny. Default: allow.
	Otherwise idp.PlaceAction `json:"otherwise,omitempty"`
}

// LocationRuleConfig is one line of the locations section.
type LocationRuleConfig struct {
	// Action is allow, mfa_always, mfa_off or deny.
	Action idp.PlaceAction `json:"action"`
	// Countries are codes of ISO 3166-1 alpha-2, or unknown: an address that the file does not have.
	Countries []string `json:"countries"`
}

func (p *PolicyConfig) buildPlaces(out *idp.Policy, networks map[string]idp.Network, _ func(string) (idp.GroupRef, error)) error {
	if len(p.Networks) > 0 {
		out.Networks = &idp.NetworksSection{}
		for _, r := range p.Networks {
			out.Networks.Rules = append(out.Networks.Rules, idp.NetworkRule{Action: r.Action, Networks: named(networks, r.Networks)})
		}
	}
	if len(p.SharedComputers) > 0 {
		out.SharedComputers = &idp.SharedSection{Networks: named(networks, p.SharedComputers)}
	}
	if p.AnonymousNetworks != "" {
		out.Anonymous = &idp.AnonymousSection{Mode: p.AnonymousNetworks}
	}
	if l := p.Locations; l != nil {
		out.Locations = &idp.LocationsSection{Otherwise: l.Otherwise}
		for _, r := range l.Rules {
			out.Locations.Rules = append(out.Locations.Rules, idp.LocationRule{Action: r.Action, Countries: r.Countries})
		}
	}
	return nil
}

func named(networks map[string]idp.Network, names []string) []idp.Network {
	out := make([]idp.Network, len(names))
	for i, n := range names {
		out[i] = networks[n]
	}
	return out
}

// networkActions are the options of the networks section.
func networkActions() []string {
	words := make([]string, len(idp.NetworkActions))
	for i, a := range idp.NetworkActions {
		words[i] = string(a)
	}
	return words
}

// parseNetworkRules reads
//
//	networks {
//		blocked <network...>
//		deny_outside <network...>
//		mfa_always_outside <network...>
//		mfa_always_inside <network...>
//		mfa_off_inside <network...>
//	}
func parseNetworkRules(b *block) (rules []NetworkRuleConfig) {
	inner := b.inner("networks", networkActions()...)
	for inner.next() {
		r := NetworkRuleConfig{Action: idp.NetworkAction(inner.option)}
		inner.list(&r.Networks, "NETWORK…")
		rules = append(rules, r)
	}
	b.leave(inner, len(rules) > 0)
	return rules
}

// parseLocations reads
//
//	locations {
//		allow <country...>
//		mfa_always <country...>
//		mfa_off <country...>
//		deny <country...>
//		otherwise allow | mfa_always | mfa_off | deny
//	}
func parseLocations(b *block) *LocationsConfig {
	l := new(LocationsConfig)
	places := []string{string(idp.PlaceAllow), string(idp.PlaceMFAAlways), string(idp.PlaceMFAOff), string(idp.PlaceDeny)}
	inner := b.inner("locations", append(places, "otherwise")...).repeatable(places...)
	for inner.next() {
		if inner.option == "otherwise" {
			oneWord(inner, &l.Otherwise, idp.PlaceAllow, idp.PlaceMFAAlways, idp.PlaceMFAOff, idp.PlaceDeny)
			continue
		}
		r := LocationRuleConfig{Action: idp.PlaceAction(inner.option)}
		inner.list(&r.Countries, "COUNTRY…")
		for i, c := range r.Countries {
			var err error
			if r.Countries[i], err = countryWord(c); err != nil {
				inner.fail("%s in %s: %w", inner.option, inner.where, err)
			}
		}
		l.Rules = append(l.Rules, r)
	}
	b.leave(inner, len(l.Rules) > 0 || l.Otherwise != "")
	return l
}

// countryWord reads the code of a country in any case, or unknown.
func countryWord(s string) (string, error) {
	if s == idp.CountryUnknown {
		return s, nil
	}
	code, err := visit.ParseCountry(strings.ToUpper(s))
	if err != nil {
		return "", fmt.Errorf("%w; or %s", err, idp.CountryUnknown)
	}
	return code, nil
}

// filesNeeded reports a section that nothing could judge, because the file that tells is missing.
func (a *App) filesNeeded() *mistake {
	for _, p := range a.Policies {
		switch {
		case p.AnonymousNetworks != "" && p.AnonymousNetworks != idp.PlaceAllow && a.AnonymousNetworks == "":
			return &mistake{within: [2]string{"policy", p.Name}, name: "anonymous_networks", text: "anonymous_networks needs the list: write anonymous_networks FILE in the gatehouse block"}
		case p.Locations != nil && a.Countries == "":
			return &mistake{within: [2]string{"policy", p.Name}, name: "locations", text: "locations needs a file that tells countries: write countries FILE in the gatehouse block"}
		}
	}
	return nil
}

// shutsNobodyOut reports locations that do nothing: a country that no line names is let in as well, so that whoever lists the
// countries to let in, and no more, believes the others to be shut out.
func (a *App) shutsNobodyOut() *mistake {
	for _, p := range a.Policies {
		l := p.Locations
		if l == nil || l.Otherwise != "" || len(l.Rules) == 0 {
			continue
		}
		if !slices.ContainsFunc(l.Rules, func(r LocationRuleConfig) bool { return r.Action != idp.PlaceAllow }) {
			return &mistake{within: [2]string{"policy", p.Name}, name: "locations", text: "locations has allow alone and shuts nobody out, since every other country is let in as well; add: otherwise deny"}
		}
	}
	return nil
}
