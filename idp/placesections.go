package idp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// NetworksSection looks at where a request comes from. Its rules stand beside each other: all are asked.
type NetworksSection struct {
	Written
	Rules []NetworkRule `json:"rules"`
}

// NetworkRule is one line of the networks section.
type NetworkRule struct {
	Action   NetworkAction `json:"action"`
	Networks []Network     `json:"networks"`

	text string
}

// NetworkAction is the first word of a line of the networks section.
type NetworkAction string

// The actions.
const (
	NetworkBlocked       NetworkAction = "blocked"            // nobody comes in from these
	NetworkDenyOutside   NetworkAction = "deny_outside"       // nobody comes in from anywhere else
	NetworkAlwaysOutside NetworkAction = "mfa_always_outside" // from elsewhere a second factor at every sign-in
	NetworkAlwaysInside  NetworkAction = "mfa_always_inside"  // from these a second factor at every sign-in
	NetworkOffInside     NetworkAction = "mfa_off_inside"     // from these the password alone
)

// NetworkActions are all of them, in the order in which they are explained.
var NetworkActions = []NetworkAction{NetworkBlocked, NetworkDenyOutside, NetworkAlwaysOutside, NetworkAlwaysInside, NetworkOffInside}

func (r *NetworkRule) String() string {
	return words("networks", string(r.Action), strings.Join(networkNames(r.Networks), " "))
}

func (s *NetworksSection) lines() []string {
	out := make([]string, len(s.Rules))
	for i := range s.Rules {
		out[i] = s.Rules[i].String()
	}
	return out
}

func (s *NetworksSection) check() error {
	if len(s.Rules) == 0 {
		return errors.New("networks has no rule")
	}
	s.Rules = slices.Clone(s.Rules)
	for i := range s.Rules {
		r := &s.Rules[i]
		if err := oneOf("networks", r.Action, NetworkActions...); err != nil {
			return err
		}
		if len(r.Networks) == 0 {
			return fmt.Errorf("networks %s names none", r.Action)
		}
		r.text = r.String()
	}
	return nil
}

// judge asks each rule. An address that is not known is in no network, and passes no rule that would have had to
// find it in one to refuse it.
func (s *NetworksSection) judge(v *Visit) finding {
	if s == nil {
		return finding{}
	}
	out := finding{effect: consents, from: s.From}
	if len(s.Rules) > 0 {
		out.rule = s.Rules[0].text
	}
	for i := range s.Rules {
		r := &s.Rules[i]
		inside := v.in(r.Networks)
		f := finding{from: s.From, rule: r.text}
		switch r.Action {
		case NetworkBlocked, NetworkDenyOutside:
			if !v.Client.IsValid() {
				return f.refused("network_unknown", cannotJudge)
			}
			if inside == (r.Action == NetworkBlocked) {
				return f.refused("network", wrongPlace)
			}
		case NetworkAlwaysOutside, NetworkAlwaysInside:
			if inside == (r.Action == NetworkAlwaysInside) || !v.Client.IsValid() {
				f.effect = always
				out = f
			}
		case NetworkOffInside:
			if inside && out.effect != always {
				f.effect = skip
				out = f
			}
		default:
			return f.refused("incomplete", cannotJudge)
		}
	}
	return out
}

// in reports whether one of the networks holds the client.
func (v *Visit) in(networks []Network) bool {
	for i := range networks {
		if slices.Contains(v.Networks, networks[i].Name) {
			return true
		}
	}
	return false
}

// Sentences that say where to go and not what the rule is.
const (
	wrongPlace  = "This cannot be opened from where you are. Connect to your company's network, or ask the service desk."
	cannotJudge = "This sign-in cannot be judged. Ask the service desk."
)

// AnonymousSection says what becomes of addresses that an anonymising service lends: Tor, public proxies, VPN providers.
type AnonymousSection struct {
	Written
	Mode PlaceAction `json:"mode"`
}

// PlaceAction is what a place leads to.
type PlaceAction string

// The actions.
const (
	PlaceAllow     PlaceAction = "allow"
	PlaceMFAAlways PlaceAction = "mfa_always"
	PlaceMFAOff    PlaceAction = "mfa_off"
	PlaceDeny      PlaceAction = "deny"
)

func (s *AnonymousSection) line() string {
	switch s.Mode {
	case PlaceAllow:
		return "anonymous_networks allow"
	case PlaceMFAAlways:
		return "anonymous_networks mfa_always"
	case PlaceDeny, PlaceMFAOff:
	}
	return "anonymous_networks deny"
}

func (s *AnonymousSection) lines() []string { return []string{s.line()} }

func (s *AnonymousSection) check() error {
	return oneOf("anonymous_networks", s.Mode, PlaceAllow, PlaceMFAAlways, PlaceDeny)
}

func (s *AnonymousSection) judge(v *Visit) finding {
	if s == nil {
		return finding{}
	}
	f := finding{effect: consents, from: s.From, rule: s.line()}
	switch {
	case s.Mode == PlaceAllow || v.Anonymous == No:
	case s.Mode == PlaceMFAAlways:
		f.effect = always // also where nobody can tell
	case v.Anonymous == Yes:
		f.effect, f.reason, f.public = refuse, "anonymous_network", "This cannot be opened through an anonymising network. Switch the VPN or proxy off, then try again."
	default:
		f.effect, f.reason, f.public = refuse, "anonymous_network_unknown", cannotJudge
	}
	return f
}

// LocationsSection looks at the country that an address belongs to. The first rule that names the country decides.
type LocationsSection struct {
	Written
	Rules     []LocationRule `json:"rules"`
	Otherwise PlaceAction    `json:"otherwise,omitempty"` // for the other countries; default: allow

	otherwise string
}

// LocationRule is one line of the locations section.
type LocationRule struct {
	Action    PlaceAction `json:"action"`
	Countries []string    `json:"countries"` // ISO 3166-1 alpha-2, or CountryUnknown

	text string
}

// CountryUnknown is the country of an address that the country file does not know.
const CountryUnknown = "unknown"

func (r *LocationRule) String() string {
	return words("locations", string(r.Action), strings.Join(r.Countries, " "))
}

func (s *LocationsSection) lines() []string {
	var out []string
	for i := range s.Rules {
		out = append(out, s.Rules[i].String())
	}
	if s.Otherwise != "" {
		out = append(out, "locations otherwise "+string(s.Otherwise))
	}
	return out
}

func (s *LocationsSection) check() error {
	if len(s.Rules) == 0 && s.Otherwise == "" {
		return errors.New("locations has no rule")
	}
	if s.Otherwise == "" {
		s.otherwise = "locations otherwise allow"
	} else {
		s.otherwise = "locations otherwise " + string(s.Otherwise)
	}
	s.Rules = slices.Clone(s.Rules)
	for i := range s.Rules {
		r := &s.Rules[i]
		if err := oneOf("locations", r.Action, PlaceAllow, PlaceMFAAlways, PlaceMFAOff, PlaceDeny); err != nil {
			return err
		}
		if len(r.Countries) == 0 {
			return fmt.Errorf("locations %s names no country", r.Action)
		}
		r.text = r.String()
	}
	if s.Otherwise == "" {
		return nil
	}
	return oneOf("locations otherwise", s.Otherwise, PlaceAllow, PlaceMFAAlways, PlaceMFAOff, PlaceDeny)
}

func (s *LocationsSection) judge(v *Visit) finding {
	switch {
	case s == nil:
		return finding{}
	case v.Country == "":
		return finding{effect: refuse, from: s.From, rule: s.otherwise, reason: "location_unknown", public: cannotJudge}
	}
	for i := range s.Rules {
		if r := &s.Rules[i]; slices.Contains(r.Countries, v.Country) {
			return r.Action.finding(r.text, s.From)
		}
	}
	if s.Otherwise == "" {
		return finding{effect: consents, from: s.From, rule: s.otherwise}
	}
	return s.Otherwise.finding(s.otherwise, s.From)
}

func (a PlaceAction) finding(rule, from string) finding {
	f := finding{effect: consents, from: from, rule: rule}
	switch a {
	case PlaceAllow:
	case PlaceMFAAlways:
		f.effect = always
	case PlaceMFAOff:
		f.effect = skip
	default:
		f.effect, f.reason, f.public = refuse, "location", "This cannot be opened from the country that you seem to be in. Ask the service desk."
	}
	return f
}
