package idp

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"
)

// many is how many visits each property is tried with, of which so many go by one policy: policies are dear to make.
const (
	many  = 20_000
	ofOne = 8
)

// chance makes policies and visits of few words, so that they meet often.
type chance struct{ *rand.Rand }

// newChance prints its seed where the test fails; GATEHOUSE_SEED takes it again.
func newChance(t *testing.T) chance {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("GATEHOUSE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("GATEHOUSE_SEED=%d", seed)
	return seeded(seed)
}

func seeded(seed uint64) chance { return chance{rand.New(rand.NewPCG(seed, 0))} }

// once in n.
func (c chance) once(n int) bool { return c.IntN(n) == 0 }

func pick[T any](c chance, from ...T) T { return from[c.IntN(len(from))] }

// some returns one or more, in their order.
func some[T any](c chance, from ...T) []T {
	var out []T
	for _, x := range from {
		if c.once(2) {
			out = append(out, x)
		}
	}
	if out == nil {
		out = []T{pick(c, from...)}
	}
	return out
}

// maybe returns nil in half of all cases.
func maybe[T any](c chance, make func() T) *T {
	if c.once(2) {
		return nil
	}
	x := make()
	return &x
}

func (c chance) networks() []Network {
	return networks(some(c, "office", "guests", "floor", "home")...)
}

func (c chance) groups() []GroupRef {
	return some(c, GroupRef{"corp", "Agents"}, GroupRef{"corp", "Supervisors"}, GroupRef{"partners", "Agents"})
}

func (c chance) factors() []string { return some(c, "totp", "duo", "passkey") }

func (c chance) countries() []string { return some(c, "DE", "FR", "KP", CountryUnknown) }

func (c chance) span() time.Duration {
	return pick(c, 20*time.Minute, time.Hour, 8*time.Hour, sevenDays)
}

// policy returns one as an administrator may write it, complete and checked.
func (c chance) policy() Policy {
	return sure(c.written("strict").signed().Over(BuiltIn()).sealed())
}

// sure is for what was made so that it cannot fail.
func sure[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

// written returns a policy with some of the sections.
func (c chance) written(name string) Policy {
	return Policy{
		Name: name,
		Authentication: maybe(c, func() AuthenticationSection {
			return AuthenticationSection{Mode: pick(c, AuthenticationEnforce, AuthenticationEnforce, AuthenticationEnforce, AuthenticationBypass, AuthenticationDeny)}
		}),
		NewUser: maybe(c, func() NewUserSection {
			return NewUserSection{Mode: pick(c, NewUserEnroll, NewUserAllow, NewUserDeny)}
		}),
		MFA: maybe(c, func() MFASection {
			m := MFASection{Mode: pick(c, MFAOff, MFAEvery, MFAAlways)}
			if m.Mode == MFAEvery {
				m.Every, m.Shared = c.span(), c.once(2)
			}
			return m
		}),
		Passwordless: maybe(c, func() PasswordlessSection {
			return PasswordlessSection{Names: pick(c, nil, []string{"passkey"}, []string{"passkey", "duo"})}
		}),
		Rescue: maybe(c, func() RescueSection { return RescueSection{Mode: pick(c, RescueAny, RescueBypass, RescueOff)} }),
		Prompt: maybe(c, func() PromptSection { return PromptSection{Mode: pick(c, PromptUniversal, PromptTraditional)} }),
		Backup: maybe(c, func() BackupSection { return BackupSection{Mode: pick(c, BackupRequire, BackupSuggest, BackupOff)} }),
		Remembered: maybe(c, func() RememberedSection {
			return RememberedSection{Mode: pick(c, RememberOff, RememberAsk, RememberAuto)}
		}),
		Factors:     maybe(c, func() FactorsSection { return FactorsSection{Names: c.factors()} }),
		Outage:      maybe(c, c.outage),
		Groups:      maybe(c, func() GroupsSection { return GroupsSection{Allow: c.groups()} }),
		EnrollFirst: maybe(c, func() EnrollFirstSection { return EnrollFirstSection{Mode: EnrollFrom, Networks: c.networks()} }),
		Networks: maybe(c, func() NetworksSection {
			var s NetworksSection
			for range 1 + c.IntN(3) {
				s.Rules = append(s.Rules, c.networkRule(NetworkActions...))
			}
			return s
		}),
		Anonymous: maybe(c, func() AnonymousSection {
			return AnonymousSection{Mode: pick(c, PlaceAllow, PlaceMFAAlways, PlaceDeny)}
		}),
		Locations: maybe(c, c.locations),
		Endpoints: maybe(c, func() EndpointsSection {
			return EndpointsSection{Mode: pick(c, EndpointsAllowAll, EndpointsMFAAlways, EndpointsRequire)}
		}),
		Systems:         maybe(c, func() AgentSection { return c.agents(SystemsSectionName) }),
		Browsers:        maybe(c, func() AgentSection { return c.agents(BrowsersSectionName) }),
		Require:         maybe(c, func() RequireSection { return RequireSection{Conditions: some(c, "intranet", "managed")} }),
		SharedComputers: maybe(c, func() SharedSection { return SharedSection{Networks: c.networks()} }),
		Session: maybe(c, func() SessionSection {
			return pick(c, SessionSection{Idle: c.span()}, SessionSection{Absolute: c.span()}, SessionSection{Idle: c.span(), Absolute: c.span()})
		}),
		Hours: maybe(c, func() HoursSection {
			s := HoursSection{Zone: pick(c, "UTC", "Europe/Berlin", "America/Los_Angeles")}
			for range 1 + c.IntN(2) {
				s.Rules = append(s.Rules, c.hoursRule())
			}
			return s
		}),
	}
}

func (c chance) outage() OutageSection {
	var s OutageSection
	for _, factor := range c.factors() {
		r := OutageRule{Factor: factor}
		switch c.IntN(3) {
		case 0:
			r.Deny = true
		case 1:
			r.Allow = c.groups()
		default:
			r.Use = []string{pick(c, "sms", "codes")}
		}
		s.Rules = append(s.Rules, r)
	}
	return s
}

func (c chance) networkRule(actions ...NetworkAction) NetworkRule {
	return NetworkRule{Action: pick(c, actions...), Networks: c.networks()}
}

func (c chance) locations() LocationsSection {
	s := LocationsSection{Otherwise: pick(c, "", PlaceAllow, PlaceMFAAlways, PlaceMFAOff, PlaceDeny)}
	for range 1 + c.IntN(2) {
		s.Rules = append(s.Rules, LocationRule{Action: pick(c, PlaceAllow, PlaceMFAAlways, PlaceMFAOff, PlaceDeny), Countries: c.countries()})
	}
	return s
}

// agents allows more often than not: else hardly any visit would pass.
func (c chance) agents(of string) AgentSection {
	s := AgentSection{Of: of}
	for range 1 + c.IntN(2) {
		s.Rules = append(s.Rules, c.agentRule(AgentAllowOnly, AgentBlock, AgentMinimum, AgentWarn))
	}
	return s
}

func (c chance) agentRule(actions ...AgentAction) AgentRule {
	r := AgentRule{Action: pick(c, actions...), Names: []string{pick(c, "windows", "chrome", "other")}}
	if r.Action == AgentAllowOnly {
		r.Names = append(r.Names, "chrome", "windows")
	}
	if r.Action == AgentMinimum {
		r.Version = pick(c, "9.1", "10", "10.0.3")
	}
	if r.Action != AgentWarn && c.once(2) {
		r.From = monday.Add(time.Duration(c.IntN(5)-2) * day)
	}
	return r
}

func (c chance) hoursRule() HoursRule {
	return HoursRule{
		Days: some(c, time.Sunday, time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday),
		From: c.IntN(24 * 60), To: 1 + c.IntN(24*60),
	}
}

// visit returns one of which most is known.
func (c chance) visit() Visit {
	now := monday.Add(time.Duration(c.IntN(3*24*60)) * time.Minute)
	ago := func() time.Time {
		return now.Add(-pick(c, 0, time.Minute, 30*time.Minute, 2*time.Hour, 9*time.Hour, 8*day, -time.Hour))
	}
	v := Visit{
		Now: now, User: &User{Source: pick(c, "corp", "corp", "partners"), ID: "1", Name: "alice", Email: "alice@example.com"}, App: pick(c, "", "connect", "salesforce"),
		SignedIn: ago(), Seen: ago(), Client: netip.MustParseAddr(pick(c, "198.51.100.7", "2001:db8::7")),
		Facts: Facts{
			Anonymous: pick(c, No, No, Yes), Country: pick(c, "DE", "FR", "KP", "US", CountryUnknown), Certificate: pick(c, "", "CN=laptop-7"),
			Agent: Agent{System: pick(c, "windows", "other"), SystemVersion: pick(c, "9", "10.0.9", "11"), Browser: pick(c, "chrome", "other"), BrowserVersion: pick(c, "9", "10.0.9", "11")},
		},
	}
	if c.once(2) {
		v.Networks = some(c, "office", "guests", "floor", "home")
	}
	if !c.once(4) {
		v.Met = some(c, "intranet", "managed")
	}
	for _, g := range some(c, "Agents", "Supervisors", "Smokers") {
		v.User.Groups = append(v.User.Groups, Group{Names: []string{g, "CN=" + g + ",DC=corp"}})
	}
	passed := func() Passed {
		return Passed{Proof: Proof{Factor: pick(c, "totp", "totp", "duo", "passkey", RecoveryFactor, BypassFactor, "sms", PasswordFactor), At: ago()}, Scope: pick(c, v.App, "salesforce", SharedScope)}
	}
	for range c.IntN(3) {
		v.Session = append(v.Session, passed())
	}
	if c.once(2) {
		v.Device = append(v.Device, passed())
	}
	if c.once(3) {
		v.Flow = append(v.Flow, passed().Proof)
	}
	if c.once(20) {
		v.MustChange = "password_expired"
	}
	if c.once(2) {
		v.Holding = c.holding()
	}
	return v
}

func (c chance) holding() *Holding {
	h := &Holding{}
	for _, factor := range []string{"totp", "duo", "passkey"} {
		switch c.IntN(4) {
		case 0:
			h.Enrolled = append(h.Enrolled, factor)
		case 1:
			h.Unreachable = append(h.Unreachable, factor)
		}
	}
	return h
}
