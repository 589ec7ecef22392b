package idp

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"
)

// stricter says, section by section, what makes a policy stricter for a visit. Each changes a copy and reports whether
// there was anything to make stricter.
var stricter = map[string]func(c chance, p *Policy, v *Visit) bool{
	// Bypass lets more in than enforce, which is what no section says; deny lets nobody in.
	"authentication": func(c chance, p *Policy, _ *Visit) bool {
		if p.Authentication != nil && p.Authentication.Mode == AuthenticationDeny {
			return false
		}
		p.Authentication = &AuthenticationSection{Mode: pick(c, AuthenticationEnforce, AuthenticationDeny)}
		return true
	},
	"new_user": func(c chance, p *Policy, _ *Visit) bool {
		return raise(c, p.NewUser.Mode, []NewUserMode{NewUserAllow, NewUserEnroll, NewUserDeny}, func(m NewUserMode) { p.NewUser = &NewUserSection{Mode: m} })
	},
	// A shorter time is stricter than a longer one, any time than off, and always than any time. To the portal, whose sign-in
	// is the session, always is not: it is as long as the session.
	"mfa": func(c chance, p *Policy, v *Visit) bool {
		was := *p.MFA
		now := was
		switch {
		case was.Mode == MFAAlways:
			return false
		case was.Mode == MFAEvery && (v.App == "" || c.once(2)):
			now.Every /= 2
		case c.once(2):
			now = MFASection{Mode: MFAAlways}
		default:
			if now.Mode, now.Every = MFAEvery, c.span(); was.Mode == MFAEvery {
				now.Every = min(now.Every, was.Every)
			}
		}
		p.MFA = &now
		return true
	},
	"passwordless": func(_ chance, p *Policy, _ *Visit) bool {
		switch {
		case p.Passwordless == nil:
			p.Passwordless = &PasswordlessSection{Names: []string{"passkey"}}
		case len(p.Passwordless.Names) == 0:
			return false
		default:
			p.Passwordless = &PasswordlessSection{}
		}
		return true
	},
	"rescue_codes": func(c chance, p *Policy, _ *Visit) bool {
		mode := RescueAny
		if p.Rescue != nil {
			mode = p.Rescue.Mode
		}
		return raise(c, mode, []RescueMode{RescueAny, RescueBypass, RescueOff}, func(m RescueMode) { p.Rescue = &RescueSection{Mode: m} })
	},
	"remembered_devices": func(c chance, p *Policy, _ *Visit) bool {
		return raise(c, p.Remembered.mode(), []RememberMode{RememberAuto, RememberAsk, RememberOff}, func(m RememberMode) { p.Remembered = &RememberedSection{Mode: m} })
	},
	// Fewer factors are stricter, unless there is a plan for the outage of one of those that are left.
	"factors": func(c chance, p *Policy, _ *Visit) bool {
		if p.Outage != nil {
			return false
		}
		from := []string{"totp", "duo", "passkey"}
		if p.Factors != nil {
			from = p.Factors.Names
		}
		p.Factors = &FactorsSection{Names: some(c, from...)}
		return true
	},
	// A plan that denies is stricter than any, if it comes first; and none is stricter than one that does not deny.
	"outage": func(c chance, p *Policy, _ *Visit) bool {
		if p.Outage != nil && c.once(2) && !slices.ContainsFunc(p.Outage.Rules, func(r OutageRule) bool { return r.Deny }) {
			p.Outage = nil
			return true
		}
		first := OutageRule{Factor: pick(c, "totp", "duo", "passkey"), Deny: true}
		s := &OutageSection{Rules: []OutageRule{first}}
		if p.Outage != nil {
			s.Rules = append(s.Rules, slices.DeleteFunc(slices.Clone(p.Outage.Rules), func(r OutageRule) bool { return r.Factor == first.Factor })...)
		}
		p.Outage = s
		return true
	},
	"groups": func(c chance, p *Policy, _ *Visit) bool {
		if p.Groups == nil {
			p.Groups = &GroupsSection{Allow: c.groups()}
		} else {
			p.Groups = &GroupsSection{Allow: some(c, p.Groups.Allow...)}
		}
		return true
	},
	// One more rule, unless it turns the factor off; or one less that does.
	"networks": func(c chance, p *Policy, _ *Visit) bool {
		s := &NetworksSection{}
		if p.Networks != nil {
			s.Rules = slices.Clone(p.Networks.Rules)
		}
		if off := slices.IndexFunc(s.Rules, func(r NetworkRule) bool { return r.Action == NetworkOffInside }); off >= 0 && len(s.Rules) > 1 && c.once(2) {
			s.Rules = slices.Delete(s.Rules, off, off+1)
		} else {
			s.Rules = slices.Insert(s.Rules, c.IntN(len(s.Rules)+1), c.networkRule(NetworkBlocked, NetworkDenyOutside, NetworkAlwaysOutside, NetworkAlwaysInside))
		}
		p.Networks = s
		return true
	},
	"anonymous_networks": func(c chance, p *Policy, _ *Visit) bool {
		was := PlaceAllow
		if p.Anonymous != nil {
			was = p.Anonymous.Mode
		}
		return raise(c, was, []PlaceAction{PlaceAllow, PlaceMFAAlways, PlaceDeny}, func(a PlaceAction) { p.Anonymous = &AnonymousSection{Mode: a} })
	},
	// What one rule, or what is left over, leads to.
	"locations": func(c chance, p *Policy, _ *Visit) bool {
		order := []PlaceAction{PlaceMFAOff, PlaceAllow, PlaceMFAAlways, PlaceDeny}
		s := &LocationsSection{}
		if p.Locations != nil {
			s.Rules, s.Otherwise = slices.Clone(p.Locations.Rules), p.Locations.Otherwise
		}
		if i := c.IntN(len(s.Rules) + 1); i < len(s.Rules) {
			p.Locations = s
			return raise(c, s.Rules[i].Action, order, func(a PlaceAction) { s.Rules[i].Action = a })
		}
		if s.Otherwise == "" {
			s.Otherwise = PlaceAllow
		}
		p.Locations = s
		return raise(c, s.Otherwise, order, func(a PlaceAction) { s.Otherwise = a })
	},
	"trusted_endpoints": func(c chance, p *Policy, _ *Visit) bool {
		was := EndpointsAllowAll
		if p.Endpoints != nil {
			was = p.Endpoints.Mode
		}
		return raise(c, was, []EndpointMode{EndpointsAllowAll, EndpointsMFAAlways, EndpointsRequire}, func(m EndpointMode) { p.Endpoints = &EndpointsSection{Mode: m} })
	},
	"operating_systems": func(c chance, p *Policy, _ *Visit) bool { return stricterAgents(c, &p.Systems, SystemsSectionName) },
	"browsers":          func(c chance, p *Policy, _ *Visit) bool { return stricterAgents(c, &p.Browsers, BrowsersSectionName) },
	"require": func(c chance, p *Policy, _ *Visit) bool {
		s := &RequireSection{Conditions: some(c, "intranet", "managed", "other")}
		if p.Require != nil {
			s.Conditions = append(s.Conditions, p.Require.Conditions...)
		}
		p.Require = s
		return true
	},
	"shared_computers": func(c chance, p *Policy, _ *Visit) bool {
		s := &SharedSection{Networks: c.networks()}
		if p.SharedComputers != nil {
			s.Networks = append(s.Networks, p.SharedComputers.Networks...)
		}
		p.SharedComputers = s
		return true
	},
	"session": func(c chance, p *Policy, _ *Visit) bool {
		s := &SessionSection{Idle: c.span(), Absolute: c.span()}
		if p.Session != nil {
			s.Idle, s.Absolute = shorter(s.Idle, p.Session.Idle), shorter(s.Absolute, p.Session.Absolute)
		}
		p.Session = s
		return true
	},
	"hours": func(c chance, p *Policy, _ *Visit) bool {
		if p.Hours == nil {
			p.Hours = &HoursSection{Zone: "UTC", Rules: []HoursRule{c.hoursRule()}}
			return true
		}
		p.Hours = &HoursSection{Zone: p.Hours.Zone, Rules: some(c, p.Hours.Rules...)}
		return true
	},
}

// raise takes a word that stands later in the order.
func raise[T comparable](c chance, was T, order []T, take func(T)) bool {
	left := order[slices.Index(order, was)+1:]
	if len(left) == 0 {
		return false
	}
	take(pick(c, left...))
	return true
}

func shorter(a, b time.Duration) time.Duration {
	if b == 0 {
		return a
	}
	return min(a, b)
}

// stricterAgents adds a rule that refuses, or takes the grace from one.
func stricterAgents(c chance, p **AgentSection, of string) bool {
	s := &AgentSection{Of: of}
	if *p != nil {
		s.Rules = slices.Clone((*p).Rules)
	}
	if i := slices.IndexFunc(s.Rules, func(r AgentRule) bool { return !r.From.IsZero() }); i >= 0 && c.once(2) {
		s.Rules[i].From = time.Time{}
	} else {
		s.Rules = slices.Insert(s.Rules, c.IntN(len(s.Rules)+1), c.agentRule(AgentAllowOnly, AgentBlock, AgentMinimum))
	}
	*p = s
	return true
}

// matters makes it likely that a section has something to say.
var matters = map[string]func(c chance, p *Policy, v *Visit){
	"outage": func(_ chance, p *Policy, v *Visit) {
		// Whoever the visit is of may come in while the factor cannot be asked.
		of := &User{Source: "corp", Groups: []Group{{Names: []string{"Agents"}}}}
		p.MFA, p.Factors, p.Groups = &MFASection{Mode: MFAAlways}, nil, nil
		p.Outage = &OutageSection{Rules: []OutageRule{{Factor: "duo", Allow: []GroupRef{{Source: "corp", Name: "Agents"}}}}}
		v.User, v.Holding = of, &Holding{Unreachable: []string{"duo"}}
	},
	"new_user": func(_ chance, p *Policy, v *Visit) {
		p.NewUser, v.Holding = &NewUserSection{Mode: NewUserAllow}, &Holding{}
	},
	"passwordless": func(c chance, p *Policy, v *Visit) {
		p.Passwordless, p.MFA = nil, &MFASection{Mode: MFAEvery, Every: sevenDays, Shared: true}
		v.Session = []Passed{{Proof: Proof{Factor: pick(c, "passkey", "duo"), At: v.Now}, Scope: SharedScope}}
	},
	"rescue_codes": func(c chance, p *Policy, v *Visit) {
		p.Rescue, p.MFA = &RescueSection{Mode: RescueAny}, &MFASection{Mode: MFAAlways}
		v.Flow = []Proof{{Factor: pick(c, RecoveryFactor, BypassFactor), At: v.Now}}
	},
	"remembered_devices": remembers,
	"shared_computers":   remembers,
}

func remembers(_ chance, p *Policy, v *Visit) {
	p.Remembered, p.MFA = &RememberedSection{Mode: RememberAuto}, &MFASection{Mode: MFAEvery, Every: sevenDays}
	v.Device = []Passed{{Proof: Proof{Factor: "totp", At: v.Now}, Scope: v.App}}
}

// notDecided are the sections that no decision reads: they guard enrollment, or say how something is asked.
var notDecided = []string{"prompt", "backup_factor", "enroll_first", "enroll_after_change"}

// Whatever a stricter policy allows, the one before allowed too: adding a stricter section never turns a refusal, or a
// question, into a welcome.
func TestC53AStricterSectionNeverAllows(t *testing.T) {
	for _, f := range sectionFields(t) {
		name := f.Tag.Get("json")[:len(f.Tag.Get("json"))-len(",omitempty")]
		if stricter[name] == nil && !slices.Contains(notDecided, name) {
			t.Errorf("what makes %s stricter?", name)
		}
	}
	c := newChance(t)
	for _, name := range slices.Sorted(maps.Keys(stricter)) {
		change, tried, shut := stricter[name], 0, 0
		for tried < many/len(stricter)*2 {
			p, v := c.policy(), c.visit()
			if !c.once(4) {
				// With few sections more visits pass, and what is stricter shows.
				p = c.sparse(p)
			}
			if f := matters[name]; f != nil {
				f(c, &p, &v)
				p = sure(p.sealed())
			}
			tighter := p
			if !change(c, &tighter, &v) {
				continue
			}
			tighter = sure(tighter.sealed())
			for range ofOne {
				was, now := p.Decide(v), tighter.Decide(v)
				if now.Verdict == Allow && was.Verdict != Allow {
					t.Fatalf("%s: %v by %q, but when stricter %v by %q\n%s\nstricter:\n%s\nvisit %+v", name, was.Verdict, was.Rule, now.Verdict, now.Rule, p.Text(), tighter.Text(), v)
				}
				if was.Verdict == Allow && now.Verdict != Allow {
					shut++
				}
				tried++
				app := v.App
				v = c.visit()
				v.App = app // what is stricter may depend on it
			}
		}
		if shut < 5 {
			t.Errorf("%s: of %d tries %d shut anybody out: too few to mean something", name, tried, shut)
		}
	}
}

// sparse leaves one section in four or so, and most often "mfa every".
func (c chance) sparse(p Policy) Policy {
	for f := range reflect.TypeFor[Policy]().Fields() {
		if f.Type.Implements(reflect.TypeFor[section]()) && !c.once(4) {
			reflect.ValueOf(&p).Elem().FieldByIndex(f.Index).SetZero()
		}
	}
	if p.MFA == nil && !c.once(3) {
		p.MFA = &MFASection{Mode: MFAEvery, Every: sevenDays, Shared: c.once(2)}
	}
	return sure(p.Over(BuiltIn()).sealed())
}
