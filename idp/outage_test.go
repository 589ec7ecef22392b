package idp

import (
	"testing"
	"time"
)

// stricken is a policy that takes Duo and has a plan for the day on which Duo does not answer.
func stricken(rules ...OutageRule) Policy {
	return Policy{
		MFA: &MFASection{Mode: MFAEvery, Every: sevenDays}, Factors: &FactorsSection{Names: []string{"duo"}}, Outage: &OutageSection{Rules: rules},
	}
}

func holds(enrolled, unreachable []string) func(*Visit) {
	return func(v *Visit) { v.Holding = &Holding{Enrolled: enrolled, Unreachable: unreachable} }
}

func TestOutageSection(t *testing.T) {
	use := stricken(OutageRule{Factor: "duo", Use: []string{"totp", "passkey"}})
	deny := stricken(OutageRule{Factor: "duo", Deny: true})
	allow := stricken(OutageRule{Factor: "duo", Allow: []GroupRef{{"corp", "Supervisors"}, {"corp", "AGENTS"}}})
	bosses := stricken(OutageRule{Factor: "duo", Allow: []GroupRef{{"corp", "Supervisors"}, {"partners", "Agents"}}})
	down, up := holds(nil, []string{"duo"}), holds([]string{"duo"}, nil)
	stoodIn := func(factor string) func(*Visit) {
		return func(v *Visit) { down(v); v.Flow = []Proof{{Factor: factor, At: v.Now}} }
	}
	checkSection(t, "outage", []sectionCase{
		{name: "use", write: use, visit: down, want: Ask, rule: "outage duo use totp passkey", reason: AskMFA},
		{name: "use: shown", write: use, visit: stoodIn("totp"), want: Allow, rule: "outage duo use totp passkey"},
		{name: "use: another than the plan says", write: use, visit: stoodIn("sms"), want: Ask, rule: "outage duo use totp passkey", reason: AskMFA},
		{name: "use: the password does not stand in", write: use, visit: stoodIn(PasswordFactor), want: Ask, rule: "outage duo use totp passkey", reason: AskMFA},
		{name: "deny", write: deny, visit: down, want: Deny, rule: "outage duo deny", reason: "outage"},
		{name: "allow: of the group", write: allow, visit: down, want: Allow, rule: `outage duo allow "corp/Supervisors" "corp/AGENTS"`},
		{name: "allow: of none", write: bosses, visit: down, want: Deny, rule: `outage duo allow "corp/Supervisors" "partners/Agents"`, reason: "outage"},
	})
	const weekly = "mfa every 7d"
	for _, plan := range []Policy{use, deny, allow, bosses} {
		checkSection(t, "mfa", []sectionCase{
			{name: "nobody has asked the factors", write: plan, want: Ask, rule: weekly, reason: AskMFA},
			{name: "it answers", write: plan, visit: up, want: Ask, rule: weekly, reason: AskMFA},
			{name: "it answers, and another one was shown", write: plan, visit: func(v *Visit) { up(v); proved(v) }, want: Ask, rule: weekly, reason: AskMFA},
			{name: "it is not theirs", write: plan, visit: holds(nil, nil), want: Ask, rule: weekly, reason: AskMFA},
			{name: "another one is down", write: plan, visit: holds(nil, []string{"sms"}), want: Ask, rule: weekly, reason: AskMFA},
			{name: "passed before", write: plan, visit: func(v *Visit) {
				down(v)
				v.Session = []Passed{{Proof: Proof{Factor: "duo", At: v.Now.Add(-day)}, Scope: "connect"}}
			}, want: Allow, rule: weekly},
		})
	}
	both := stricken(OutageRule{Factor: "duo", Deny: true})
	both.Factors.Names = append(both.Factors.Names, "passkey")
	checkSection(t, "mfa", []sectionCase{
		{name: "one that answers does", write: both, visit: holds([]string{"passkey"}, []string{"duo"}), want: Ask, rule: weekly, reason: AskMFA},
	})
}

// Nothing is remembered of an outage: neither for later, nor on the device, nor for the time when the factor answers again.
func TestAnOutageIsNotRemembered(t *testing.T) {
	down := holds(nil, []string{"duo"})
	shown := []Passed{{Proof: Proof{Factor: "totp", At: monday}, Scope: "connect"}}
	use := sectioned(t, stricken(OutageRule{Factor: "duo", Use: []string{"totp"}}))
	allow := sectioned(t, stricken(OutageRule{Factor: "duo", Allow: []GroupRef{{"corp", "Agents"}}}))
	auto := stricken(OutageRule{Factor: "duo", Use: []string{"totp"}})
	auto.Remembered = &RememberedSection{Mode: RememberAuto}
	for name, p := range map[string]Policy{"use": use, "allow": allow, "auto": sectioned(t, auto)} {
		for _, flow := range [][]Proof{nil, {shown[0].Proof}} {
			v := usual()
			down(&v)
			v.Flow = flow
			if d := p.Decide(v); d.Keep != 0 || d.Remember || d.Verdict == Deny {
				t.Errorf("%s: %+v", name, d)
			}
		}
	}
	for name, v := range map[string]Visit{
		"in the session":         {Session: shown},
		"on the device":          {Device: shown},
		"the factor answers now": {Flow: bare(shown), Session: shown, Device: shown, Holding: &Holding{Enrolled: []string{"duo"}}},
		"on the device, down":    {Device: shown, Holding: &Holding{Unreachable: []string{"duo"}}},
		"in the session, down":   {Session: shown, Holding: &Holding{Unreachable: []string{"duo"}}},
	} {
		u := usual()
		v.Now, v.User, v.App = u.Now, u.User, u.App
		if d := use.Decide(v); d.Verdict != Ask {
			t.Errorf("%s: %+v", name, d)
		}
	}
	// Somebody who shows both has passed the one that counts.
	v := usual()
	down(&v)
	v.Flow = []Proof{shown[0].Proof, {Factor: "duo", At: monday}}
	if d := use.Decide(v); d.Verdict != Allow || d.Keep != sevenDays || d.Section != "mfa" {
		t.Errorf("%+v", d)
	}
}

// The portal's own page is asked about again after the sign-in, when nothing is on its way any more: what stood in counts
// for the session, until the factor answers.
func TestThePortalOpensInAnOutage(t *testing.T) {
	for _, mode := range []*MFASection{{Mode: MFAAlways}, {Mode: MFAEvery, Every: sevenDays}, {Mode: MFAEvery, Every: sevenDays, Shared: true}} {
		p := stricken(OutageRule{Factor: "duo", Use: []string{"totp"}})
		p.MFA = mode
		p = sectioned(t, p)
		v := usual()
		v.App, v.Session = "", []Passed{{Proof: Proof{Factor: "totp", At: monday.Add(-time.Minute)}, Scope: p.scope("")}}
		v.Holding = &Holding{Unreachable: []string{"duo"}}
		if d := p.Decide(v); d.Verdict != Allow || d.Keep != 0 || d.Section != "outage" || d.Rule != "outage duo use totp" {
			t.Errorf("%s: %+v", mode, d)
		}
		v.Holding = &Holding{Enrolled: []string{"duo"}}
		if d := p.Decide(v); d.Verdict != Ask || d.Section != "mfa" {
			t.Errorf("%s, when it answers: %+v", mode, d)
		}
		v.Holding, v.Session, v.Device = &Holding{Unreachable: []string{"duo"}}, nil, v.Session
		if d := p.Decide(v); d.Verdict != Ask {
			t.Errorf("%s, on the device: %+v", mode, d)
		}
	}
}

// "mfa every" may be shorter than a session. A section that asks at every sign-in must not be the longer one.
func TestAlwaysIsNeverLessThanEvery(t *testing.T) {
	every := Policy{MFA: &MFASection{Mode: MFAEvery, Every: time.Hour}}
	raised := every
	raised.Networks = &NetworksSection{Rules: []NetworkRule{{Action: NetworkAlwaysOutside, Networks: networks("office")}}}
	v := usual()
	v.App, v.Session = "", []Passed{{Proof: Proof{Factor: "totp", At: monday.Add(-2 * time.Hour)}}}
	weaker, stronger := sectioned(t, every), sectioned(t, raised)
	if d := weaker.Decide(v); d.Verdict != Ask {
		t.Fatalf("%+v", d)
	}
	if d := stronger.Decide(v); d.Verdict != Ask || d.Section != "networks" {
		t.Errorf("%+v", d)
	}
	v.Session[0].At = monday.Add(-59 * time.Minute)
	if d := stronger.Decide(v); d.Verdict != Allow {
		t.Errorf("the portal's sign-in is the session: %+v", d)
	}
}

func TestOutageThatCannotBeMeant(t *testing.T) {
	for _, rules := range [][]OutageRule{
		nil,
		{{Factor: "duo"}},
		{{Factor: "duo", Deny: true, Use: []string{"totp"}}},
		{{Factor: "duo", Use: []string{"duo"}}},
		{{Factor: "duo", Deny: true}, {Factor: "duo", Use: []string{"totp"}}},
		{{Factor: "duo", Deny: true, Allow: []GroupRef{{"corp", "Agents"}}}},
	} {
		if err := (&OutageSection{Rules: rules}).check(); err == nil {
			t.Errorf("%+v", rules)
		}
	}
}
