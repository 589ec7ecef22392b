package idp

import (
	"net/netip"
	"testing"
)

func TestNetworksSection(t *testing.T) {
	rules := func(r ...NetworkRule) Policy { return Policy{Networks: &NetworksSection{Rules: r}} }
	of := func(a NetworkAction, names ...string) NetworkRule {
		return NetworkRule{Action: a, Networks: networks(names...)}
	}
	inside := func(names ...string) func(*Visit) { return func(v *Visit) { v.Networks = names } }
	nowhere := func(v *Visit) { v.Networks, v.Client = nil, netip.Addr{} }
	passed := func(visit func(*Visit)) func(*Visit) {
		return func(v *Visit) { visit(v); proved(v) }
	}
	always := rules(of(NetworkAlwaysOutside, "office", "branch"))
	weekly := rules(of(NetworkAlwaysOutside, "office"))
	weekly.MFA = &MFASection{Mode: MFAEvery, Every: sevenDays}
	off := rules(of(NetworkOffInside, "office"))
	off.MFA = &MFASection{Mode: MFAAlways}
	both := rules(of(NetworkOffInside, "office"), of(NetworkAlwaysInside, "lab"))
	checkSection(t, "networks", []sectionCase{
		{name: "blocked: from elsewhere", write: rules(of(NetworkBlocked, "guests")), want: Allow},
		{name: "blocked: from there", write: rules(of(NetworkBlocked, "lobby", "guests")), visit: inside("home", "guests"), want: Deny, rule: "networks blocked lobby guests", reason: "network"},
		{name: "blocked: from nowhere that is known", write: rules(of(NetworkBlocked, "guests")), visit: nowhere, want: Deny, rule: "networks blocked guests", reason: "network_unknown"},
		{name: "deny_outside: inside", write: rules(of(NetworkDenyOutside, "office")), visit: inside("office"), want: Allow},
		{name: "deny_outside: outside", write: rules(of(NetworkDenyOutside, "office")), want: Deny, rule: "networks deny_outside office", reason: "network"},
		{name: "deny_outside: nowhere", write: rules(of(NetworkDenyOutside, "office")), visit: nowhere, want: Deny, rule: "networks deny_outside office", reason: "network_unknown"},
		{name: "always_outside: inside", write: always, visit: inside("branch"), want: Allow},
		{name: "always_outside: outside", write: always, want: Ask, rule: "networks mfa_always_outside office branch", reason: AskMFA},
		{name: "always_outside: nowhere", write: always, visit: nowhere, want: Ask, rule: "networks mfa_always_outside office branch", reason: AskMFA},
		{name: "always_outside: passed on this way", write: always, visit: proved, want: Allow, rule: "networks mfa_always_outside office branch"},
		{name: "always_outside: what the device remembers does not do", write: weekly, visit: func(v *Visit) {
			v.Device = []Passed{{Proof: Proof{Factor: "totp", At: monday}, Scope: "connect"}}
		}, want: Ask, rule: "networks mfa_always_outside office", reason: AskMFA},
		{name: "always_inside: outside", write: rules(of(NetworkAlwaysInside, "lab")), want: Allow},
		{name: "always_inside: inside", write: rules(of(NetworkAlwaysInside, "lab")), visit: inside("lab"), want: Ask, rule: "networks mfa_always_inside lab", reason: AskMFA},
		{name: "always_inside: nowhere", write: rules(of(NetworkAlwaysInside, "lab")), visit: nowhere, want: Ask, rule: "networks mfa_always_inside lab", reason: AskMFA},
		{name: "off_inside: inside", write: off, visit: inside("office"), want: Allow, rule: "networks mfa_off_inside office"},
		{name: "always outweighs off, whichever is first", write: both, visit: inside("office", "lab"), want: Ask, rule: "networks mfa_always_inside lab", reason: AskMFA},
		{name: "always outweighs off: passed", write: both, visit: passed(inside("office", "lab")), want: Allow, rule: "networks mfa_always_inside lab"},
		{name: "a later rule denies all the same", write: rules(of(NetworkOffInside, "home"), of(NetworkBlocked, "home")), want: Deny, rule: "networks blocked home", reason: "network"},
	})
	p, v := sectioned(t, off), usual()
	if d := p.Decide(v); d.Verdict != Ask || d.Rule != "mfa always" {
		t.Errorf("off_inside from outside: %v by %q", d.Verdict, d.Rule)
	}
	nowhere(&v)
	if d := p.Decide(v); d.Verdict != Ask {
		t.Errorf("an address that is not known was let off: %v by %q", d.Verdict, d.Rule)
	}
}

func TestAnonymousSection(t *testing.T) {
	mode := func(a PlaceAction) Policy { return Policy{Anonymous: &AnonymousSection{Mode: a}} }
	says := func(a Answer) func(*Visit) { return func(v *Visit) { v.Anonymous = a } }
	checkSection(t, "anonymous_networks", []sectionCase{
		{name: "allow: yes", write: mode(PlaceAllow), visit: says(Yes), want: Allow},
		{name: "allow: nobody can tell", write: mode(PlaceAllow), visit: says(Unanswered), want: Allow},
		{name: "mfa_always: no", write: mode(PlaceMFAAlways), want: Allow},
		{name: "mfa_always: yes", write: mode(PlaceMFAAlways), visit: says(Yes), want: Ask, rule: "anonymous_networks mfa_always", reason: AskMFA},
		{name: "mfa_always: nobody can tell", write: mode(PlaceMFAAlways), visit: says(Unanswered), want: Ask, rule: "anonymous_networks mfa_always", reason: AskMFA},
		{name: "mfa_always: passed", write: mode(PlaceMFAAlways), visit: func(v *Visit) { v.Anonymous = Yes; proved(v) }, want: Allow, rule: "anonymous_networks mfa_always"},
		{name: "deny: no", write: mode(PlaceDeny), want: Allow},
		{name: "deny: yes", write: mode(PlaceDeny), visit: says(Yes), want: Deny, rule: "anonymous_networks deny", reason: "anonymous_network"},
		{name: "deny: nobody can tell", write: mode(PlaceDeny), visit: says(Unanswered), want: Deny, rule: "anonymous_networks deny", reason: "anonymous_network_unknown"},
		{name: "deny: an answer that is none", write: mode(PlaceDeny), visit: says("perhaps"), want: Deny, rule: "anonymous_networks deny", reason: "anonymous_network_unknown"},
	})
}

func TestLocationsSection(t *testing.T) {
	of := func(otherwise PlaceAction, r ...LocationRule) Policy {
		return Policy{Locations: &LocationsSection{Rules: r, Otherwise: otherwise}}
	}
	rule := func(a PlaceAction, countries ...string) LocationRule {
		return LocationRule{Action: a, Countries: countries}
	}
	from := func(country string) func(*Visit) { return func(v *Visit) { v.Country = country } }
	europe := of(PlaceDeny, rule(PlaceAllow, "DE", "AT"), rule(PlaceMFAAlways, "FR", CountryUnknown))
	shut := of("", rule(PlaceDeny, "KP", "DE"), rule(PlaceAllow, "DE"))
	home := of(PlaceMFAAlways, rule(PlaceMFAOff, "DE"))
	home.MFA = &MFASection{Mode: MFAAlways}
	checkSection(t, "locations", []sectionCase{
		{name: "allow", write: europe, want: Allow},
		{name: "always", write: europe, visit: from("FR"), want: Ask, rule: "locations mfa_always FR unknown", reason: AskMFA},
		{name: "always: passed", write: europe, visit: func(v *Visit) { v.Country = "FR"; proved(v) }, want: Allow, rule: "locations mfa_always FR unknown"},
		{name: "a country that the file does not have", write: europe, visit: from(CountryUnknown), want: Ask, rule: "locations mfa_always FR unknown", reason: AskMFA},
		{name: "otherwise deny", write: europe, visit: from("US"), want: Deny, rule: "locations otherwise deny", reason: "location"},
		{name: "nothing could tell", write: europe, visit: from(""), want: Deny, rule: "locations otherwise deny", reason: "location_unknown"},
		{name: "the first rule that names it decides", write: shut, want: Deny, rule: "locations deny KP DE", reason: "location"},
		{name: "other countries, where nobody says", write: shut, visit: from("FR"), want: Allow},
		{name: "nothing could tell, where others may", write: shut, visit: from(""), want: Deny, rule: "locations otherwise allow", reason: "location_unknown"},
		{name: "off", write: home, want: Allow, rule: "locations mfa_off DE"},
		{name: "otherwise always", write: home, visit: from("AT"), want: Ask, rule: "locations otherwise mfa_always", reason: AskMFA},
		{name: "in another case it is another country", write: shut, visit: from("kp"), want: Allow},
	})
}

func TestSharedComputersSection(t *testing.T) {
	p := sectioned(t, Policy{SharedComputers: &SharedSection{Networks: networks("floor")}, MFA: &MFASection{Mode: MFAEvery, Every: sevenDays}})
	auto := sectioned(t, Policy{SharedComputers: &SharedSection{Networks: networks("floor")}, MFA: &MFASection{Mode: MFAEvery, Every: sevenDays}, Remembered: &RememberedSection{Mode: RememberAuto}})
	before := []Passed{{Proof: Proof{Factor: "totp", At: monday.Add(-day)}, Scope: "connect"}}
	for _, c := range []struct {
		name    string
		policy  Policy
		visit   func(*Visit)
		want    Verdict
		hotDesk bool
		keeps   bool
	}{
		{"elsewhere the device remembers", p, func(v *Visit) { v.Device = before }, Allow, false, true},
		{"on the floor it does not", p, func(v *Visit) { v.Device, v.Networks = before, []string{"floor"} }, Ask, true, false},
		{"nor where nobody knows", p, func(v *Visit) { v.Device, v.Networks, v.Client = before, nil, netip.Addr{} }, Ask, true, false},
		{"the session does all the same", p, func(v *Visit) { v.Session, v.Networks = before, []string{"floor"} }, Allow, true, false},
		{"and what was passed on this way", p, func(v *Visit) { v.Networks = []string{"floor"}; proved(v) }, Allow, true, false},
		{"without a question is still not there", auto, func(v *Visit) { v.Networks = []string{"floor"}; proved(v) }, Allow, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := usual()
			c.visit(&v)
			d := c.policy.Decide(v)
			if d.Verdict != c.want || d.HotDesk != c.hotDesk || (d.Keep > 0) != c.keeps || d.Remember {
				t.Errorf("%+v", d)
			}
		})
	}
}
