package idp

import (
	"testing"
	"time"
)

func TestMFASection(t *testing.T) {
	mode := func(m MFAMode, every time.Duration, shared bool) Policy {
		return Policy{MFA: &MFASection{Mode: m, Every: every, Shared: shared}, Factors: &FactorsSection{Names: []string{"totp", "duo"}}}
	}
	passed := func(factor, scope string, age time.Duration) []Passed {
		return []Passed{{Proof: Proof{Factor: factor, At: monday.Add(-age)}, Scope: scope}}
	}
	always, weekly, shared := mode(MFAAlways, 0, false), mode(MFAEvery, sevenDays, false), mode(MFAEvery, sevenDays, true)
	portal := func(v *Visit) { v.App = "" }
	checkSection(t, "mfa", []sectionCase{
		{name: "off", write: mode(MFAOff, 0, false), want: Allow, rule: "mfa off"},
		{name: "always: nothing", write: always, want: Ask, rule: "mfa always", reason: AskMFA},
		{name: "always: on this way", write: always, visit: proved, want: Allow, rule: "mfa always"},
		{name: "always: in this session", write: always, visit: func(v *Visit) { v.Session = passed("totp", "connect", 0) }, want: Ask, rule: "mfa always", reason: AskMFA},
		{name: "always: the portal's sign-in is the session", write: always, visit: func(v *Visit) { portal(v); v.Session = passed("totp", "", time.Hour) }, want: Allow, rule: "mfa always"},
		{name: "always: the portal does not take the device's", write: always, visit: func(v *Visit) { portal(v); v.Device = passed("totp", "", 0) }, want: Ask, rule: "mfa always", reason: AskMFA},
		{name: "always: the password is none", write: always, visit: func(v *Visit) { v.Flow = []Proof{{Factor: PasswordFactor, At: monday}} }, want: Ask, rule: "mfa always", reason: AskMFA},
		{name: "always: one that is not listed", write: always, visit: func(v *Visit) { v.Flow = []Proof{{Factor: "sms", At: monday}} }, want: Ask, rule: "mfa always", reason: AskMFA},
		{name: "every: on this device", write: weekly, visit: func(v *Visit) { v.Device = passed("duo", "connect", 6*day) }, want: Allow, rule: "mfa every 7d"},
		{name: "every: for another application", write: weekly, visit: func(v *Visit) { v.Device = passed("duo", "salesforce", 0) }, want: Ask, rule: "mfa every 7d", reason: AskMFA},
		{name: "every: too long ago", write: weekly, visit: func(v *Visit) { v.Session = passed("duo", "connect", sevenDays) }, want: Ask, rule: "mfa every 7d", reason: AskMFA},
		{name: "every: a proof that is to come", write: weekly, visit: func(v *Visit) { v.Session = passed("duo", "connect", -2*time.Minute) }, want: Ask, rule: "mfa every 7d", reason: AskMFA},
		{name: "every: one that is not listed", write: weekly, visit: func(v *Visit) { v.Session = passed("sms", "connect", 0) }, want: Ask, rule: "mfa every 7d", reason: AskMFA},
		{name: "shared: for another that shares", write: shared, visit: func(v *Visit) { v.Device = passed("duo", SharedScope, day) }, want: Allow, rule: "mfa every 7d shared"},
		{name: "shared: in this session, for whatever", write: shared, visit: func(v *Visit) { v.Session = passed("duo", "salesforce", day) }, want: Allow, rule: "mfa every 7d shared"},
		{name: "shared: on this device, for one that does not share", write: shared, visit: func(v *Visit) { v.Device = passed("duo", "salesforce", 0) }, want: Ask, rule: "mfa every 7d shared", reason: AskMFA},
	})
}

func TestAuthenticationSection(t *testing.T) {
	mode := func(m AuthenticationMode, beside Policy) Policy {
		beside.Authentication = &AuthenticationSection{Mode: m}
		return beside
	}
	asks := Policy{MFA: &MFASection{Mode: MFAAlways}, Networks: &NetworksSection{Rules: []NetworkRule{{Action: NetworkAlwaysOutside, Networks: networks("office")}}}}
	shut := Policy{Endpoints: &EndpointsSection{Mode: EndpointsRequire}}
	checkSection(t, "authentication", []sectionCase{
		{name: "enforce leaves it to the others", write: mode(AuthenticationEnforce, Policy{}), want: Allow},
		{name: "bypass outweighs whatever asks", write: mode(AuthenticationBypass, asks), want: Allow, rule: "authentication bypass"},
		{name: "deny", write: mode(AuthenticationDeny, Policy{}), want: Deny, rule: "authentication deny", reason: "denied"},
		{name: "deny, whatever was passed", write: mode(AuthenticationDeny, asks), visit: proved, want: Deny, rule: "authentication deny", reason: "denied"},
		{name: "deny comes before any other refusal", write: mode(AuthenticationDeny, shut), visit: func(v *Visit) { v.Certificate = "" }, want: Deny, rule: "authentication deny", reason: "denied"},
	})
	checkSection(t, "trusted_endpoints", []sectionCase{
		{name: "bypass denies what is denied", write: mode(AuthenticationBypass, shut), visit: func(v *Visit) { v.Certificate = "" }, want: Deny, rule: "trusted_endpoints require", reason: "endpoint"},
	})
	checkSection(t, "networks", []sectionCase{
		{name: "enforce asks what is asked", write: mode(AuthenticationEnforce, asks), want: Ask, rule: "networks mfa_always_outside office", reason: AskMFA},
	})
	checkSection(t, "session", []sectionCase{{
		name: "bypass asks for the password again", write: mode(AuthenticationBypass, Policy{Session: &SessionSection{Absolute: time.Hour}}),
		visit: func(v *Visit) { v.SignedIn = v.Now.Add(-time.Hour) }, want: Ask, rule: "session absolute 1h", reason: AskSession,
	}})
	// A policy that nobody checked, with a word that is none.
	v := usual()
	if d := (&Policy{MFA: &MFASection{Mode: MFAOff}, Authentication: &AuthenticationSection{Mode: "ignore"}}).Decide(v); d.Verdict != Deny {
		t.Errorf("%+v", d)
	}
}

func TestGroupsSection(t *testing.T) {
	p := Policy{Groups: &GroupsSection{Allow: []GroupRef{{"corp", "Supervisors"}, {"corp", "Agents"}}}}
	const rule = `groups "corp/Supervisors" "corp/Agents"`
	in := func(source string, names ...string) func(*Visit) {
		return func(v *Visit) {
			v.User = &User{Source: source, ID: "1"}
			for _, n := range names {
				v.User.Groups = append(v.User.Groups, Group{Names: []string{n}})
			}
		}
	}
	checkSection(t, "groups", []sectionCase{
		{name: "a member of one", write: p, want: Allow},
		{name: "case does not count", write: p, visit: in("corp", "AGENTS"), want: Allow},
		{name: "a letter that folds alike is another one", write: p, visit: in("corp", "Agent\u017f"), want: Deny, rule: rule, reason: "group"},
		{name: "of none", write: p, visit: in("corp"), want: Deny, rule: rule, reason: "group"},
		{name: "the same name in another source", write: p, visit: in("partners", "Agents"), want: Deny, rule: rule, reason: "group"},
		{name: "a name that begins alike", write: p, visit: in("corp", "Agents "), want: Deny, rule: rule, reason: "group"},
	})
}

func TestNewUserSection(t *testing.T) {
	mode := func(m NewUserMode) Policy {
		return Policy{NewUser: &NewUserSection{Mode: m}, MFA: &MFASection{Mode: MFAEvery, Every: sevenDays}, Factors: &FactorsSection{Names: []string{"totp"}}}
	}
	has := func(enrolled, unreachable []string) func(*Visit) {
		return func(v *Visit) { v.Holding = &Holding{Enrolled: enrolled, Unreachable: unreachable} }
	}
	none := has(nil, nil)
	checkSection(t, "new_user", []sectionCase{
		{name: "deny: none", write: mode(NewUserDeny), visit: none, want: Deny, rule: "new_user deny", reason: "new_user"},
		{name: "allow: none", write: mode(NewUserAllow), visit: none, want: Allow, rule: "new_user allow"},
	})
	checkSection(t, "mfa", []sectionCase{
		{name: "enroll: none", write: mode(NewUserEnroll), visit: none, want: Ask, rule: "mfa every 7d", reason: AskMFA},
		{name: "allow: one", write: mode(NewUserAllow), visit: has([]string{"totp"}, nil), want: Ask, rule: "mfa every 7d", reason: AskMFA},
		{name: "allow: one that the policy does not take is not none", write: mode(NewUserAllow), visit: has([]string{"sms"}, nil), want: Ask, rule: "mfa every 7d", reason: AskMFA},
		{name: "allow: one that cannot be asked may be theirs", write: mode(NewUserAllow), visit: has(nil, []string{"sms"}), want: Ask, rule: "mfa every 7d", reason: AskMFA},
		{name: "allow: nobody has asked", write: mode(NewUserAllow), want: Ask, rule: "mfa every 7d", reason: AskMFA},
		{name: "deny: nobody has asked", write: mode(NewUserDeny), want: Ask, rule: "mfa every 7d", reason: AskMFA},
		{name: "deny: passed", write: mode(NewUserDeny), visit: func(v *Visit) { none(v); proved(v) }, want: Allow, rule: "mfa every 7d"},
	})
	v := usual()
	none(&v)
	p := sectioned(t, mode(NewUserAllow))
	if d := p.Decide(v); d.Keep != 0 || d.Remember {
		t.Errorf("a password alone is remembered: %+v", d)
	}
	if p := sectioned(t, Policy{NewUser: &NewUserSection{Mode: NewUserDeny}}); p.Decide(v).Verdict != Allow {
		t.Error("nobody needs a factor where none is asked")
	}
}

func TestRememberedSection(t *testing.T) {
	of := func(m RememberMode) Policy {
		return sectioned(t, Policy{Remembered: &RememberedSection{Mode: m}, MFA: &MFASection{Mode: MFAEvery, Every: sevenDays}})
	}
	before := []Passed{{Proof: Proof{Factor: "totp", At: monday.Add(-day)}, Scope: "connect"}}
	v := usual()
	v.Device = before
	inSession := usual()
	inSession.Session = before
	onTheWay := usual()
	proved(&onTheWay)
	for _, c := range []struct {
		mode   RememberMode
		device Verdict
		keep   time.Duration
		auto   bool
	}{{RememberOff, Ask, 0, false}, {RememberAsk, Allow, sevenDays, false}, {RememberAuto, Allow, sevenDays, true}} {
		p := of(c.mode)
		if d := p.Decide(v); d.Verdict != c.device || d.Keep != c.keep || d.Remember != c.auto {
			t.Errorf("%s: %+v", c.mode, d)
		}
		for _, v := range []Visit{inSession, onTheWay} {
			if d := p.Decide(v); d.Verdict != Allow || d.Keep != c.keep || d.Remember != c.auto || d.Rule != "mfa every 7d" {
				t.Errorf("%s: %+v", c.mode, d)
			}
		}
	}
	always := sectioned(t, Policy{Remembered: &RememberedSection{Mode: RememberAuto}, MFA: &MFASection{Mode: MFAAlways}})
	if d := always.Decide(onTheWay); d.Verdict != Allow || d.Keep != 0 || d.Remember {
		t.Errorf("where each sign-in asks there is nothing to remember: %+v", d)
	}
}

func TestFactorsSection(t *testing.T) {
	p := sectioned(t, Policy{MFA: &MFASection{Mode: MFAAlways}, Factors: &FactorsSection{Names: []string{"passkey", "totp"}}})
	d := p.Decide(usual())
	if d.Verdict != Ask || len(d.Factors) != 2 || d.Factors[0] != "passkey" {
		t.Errorf("%+v", d)
	}
	d.Factors[0] = "changed"
	if p.Factors.Names[0] != "passkey" {
		t.Error("whoever reads a decision can change the policy")
	}
	any := sectioned(t, Policy{MFA: &MFASection{Mode: MFAAlways}})
	if d := any.Decide(usual()); d.Verdict != Ask || d.Factors != nil {
		t.Errorf("%+v", d)
	}
}
