package idp

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// sectionCase is one visit to an application whose policy is one section over "mfa off".
type sectionCase struct {
	name  string
	write Policy // the section, and whatever it is tested beside
	visit func(v *Visit)

	want    Verdict
	rule    string // the rule that decided; empty: mfa off, the policy under the section
	reason  string
	warning string // part of the sentence that warns
}

// usual is a visit of which everything is known and that nothing is against.
func usual() Visit {
	return Visit{
		Now: monday, User: &User{Source: "corp", ID: "1", Name: "alice", Groups: []Group{{Names: []string{"Agents", "CN=Agents,DC=corp"}}}},
		App: "connect", SignedIn: monday.Add(-10 * time.Minute), Seen: monday.Add(-2 * time.Minute), Client: netip.MustParseAddr("198.51.100.7"),
		Facts: Facts{
			Networks: []string{"home"}, Anonymous: No, Country: "DE", Certificate: "CN=laptop-7", Met: []string{"intranet"},
			Agent: Agent{System: "windows", SystemVersion: "10.0.22631", Browser: "chrome", BrowserVersion: "140.0.1"},
		},
	}
}

// proved is a second factor that was passed on this way.
func proved(v *Visit) { v.Flow = []Proof{{Factor: "totp", At: v.Now}} }

func networks(names ...string) []Network {
	out := make([]Network, len(names))
	for i, n := range names {
		out[i] = Network{Name: n}
	}
	return out
}

// sectioned returns the policy of a case: what it writes, named "strict", over "mfa off" of the default.
func sectioned(t *testing.T, write Policy) Policy {
	t.Helper()
	write.Name = "strict"
	set, err := newPolicySet([]*Policy{{Name: "default", MFA: &MFASection{Mode: MFAOff}}, &write})
	if err != nil {
		t.Fatal(err)
	}
	p, err := set.named("strict")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// checkSection judges each case, and holds what every decision of a section owes: its name, the policy and the rule as the
// Caddyfile has it, and a sentence that says nothing of the rule.
func checkSection(t *testing.T, section string, cases []sectionCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, v := sectioned(t, c.write), usual()
			if c.visit != nil {
				c.visit(&v)
			}
			d := p.Decide(v)
			want := Decision{Section: section, Policy: "strict", Rule: c.rule}
			if c.rule == "" {
				want.Section, want.Policy, want.Rule = "mfa", "default", "mfa off"
			}
			if d.Verdict != c.want || d.Reason != c.reason || d.Section != want.Section || d.Policy != want.Policy || d.Rule != want.Rule {
				t.Errorf("%v (%s) by %s %q of %s, want %v (%s) by %s %q of %s",
					d.Verdict, d.Reason, d.Section, d.Rule, d.Policy, c.want, c.reason, want.Section, want.Rule, want.Policy)
			}
			if (d.Warning != "") != (c.warning != "") || !strings.Contains(d.Warning, c.warning) {
				t.Errorf("warns %q, want %q", d.Warning, c.warning)
			}
			if (d.Verdict == Deny) != (d.Public != "") {
				t.Errorf("%v says %q", d.Verdict, d.Public)
			}
			helpsNobody(t, d)
		})
	}
}

// helpsNobody: the sentence of a refusal holds no word of the rule, nor the name of the policy, that would tell an attacker
// what to change.
func helpsNobody(t *testing.T, d Decision) {
	t.Helper()
	if d.Public == "" {
		return
	}
	if !strings.HasSuffix(d.Public, ".") || strings.Contains(d.Public, d.Policy) && d.Policy != "" {
		t.Errorf("the sentence is %q", d.Public)
	}
	_, arguments, _ := strings.Cut(d.Rule, " ")
	for word := range strings.FieldsSeq(strings.NewReplacer(`"`, " ", "/", " ").Replace(arguments)) {
		for said := range strings.FieldsFuncSeq(d.Public, func(r rune) bool { return strings.ContainsRune(" .,:'", r) }) {
			if strings.EqualFold(word, said) && word != "from" {
				t.Errorf("the sentence %q tells of %q, by rule %q", d.Public, word, d.Rule)
			}
		}
	}
}

// A decision that nothing can be made of is a refusal, whatever is missing.
func TestWhatIsIncompleteIsDenied(t *testing.T) {
	for name, change := range map[string]func(*Policy, *Visit){
		"nobody":          func(_ *Policy, v *Visit) { v.User = nil },
		"no mfa section":  func(p *Policy, _ *Visit) { p.MFA = nil },
		"an unknown mode": func(p *Policy, _ *Visit) { p.MFA = &MFASection{Mode: "sometimes"} },
		"no time":         func(_ *Policy, v *Visit) { v.Now = time.Time{} },
		"a rule without its text": func(p *Policy, v *Visit) {
			p.Networks = &NetworksSection{Rules: []NetworkRule{{Action: NetworkOffInside, Networks: networks("home")}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, v := sectioned(t, Policy{MFA: &MFASection{Mode: MFAOff}}), usual()
			change(&p, &v)
			if d := p.Decide(v); d.Verdict != Deny || d.Reason != "incomplete" || d.Public == "" {
				t.Errorf("%+v", d)
			}
		})
	}
}

// What a policy is asked to say of itself reads as the Caddyfile that wrote it.
func TestSectionsPrintTheCaddyfile(t *testing.T) {
	p := sectioned(t, full())
	for _, line := range []string{
		`authentication enforce # strict`, `new_user enroll # strict`, `mfa every 7d shared # strict`, `remembered_devices ask # strict`,
		`factors totp duo # strict`, `outage duo use passkey # strict`, `outage totp allow "corp/Agents" # strict`, `outage sms deny # strict`,
		`groups "corp/Agents" "corp/Night shift" # strict`, `enroll_first from office # strict`, `enroll_after_change with_code # strict`,
		`networks blocked guests # strict`, `networks mfa_off_inside office # strict`, `anonymous_networks mfa_always # strict`,
		`locations deny KP # strict`, `locations otherwise mfa_always # strict`, `trusted_endpoints mfa_always_without # strict`,
		`operating_systems minimum windows 10.0.22000 from 2026-04-01 # strict`, `browsers allow_only chrome firefox # strict`,
		`require intranet # strict`, `require managed # strict`, `shared_computers floor # strict`, `session idle 30m # strict`, `session absolute 8h # strict`,
		`hours mon tue 07:00-19:00 Europe/Berlin # strict`, `network guests []`, `network office []`, `network floor []`,
	} {
		if !strings.Contains(p.Text(), line+"\n") {
			t.Errorf("no %q in\n%s", line, p.Text())
		}
	}
}

// full is a policy that writes each section once.
func full() Policy {
	return Policy{
		Authentication:    &AuthenticationSection{Mode: AuthenticationEnforce},
		NewUser:           &NewUserSection{Mode: NewUserEnroll},
		MFA:               &MFASection{Mode: MFAEvery, Every: sevenDays, Shared: true},
		Remembered:        &RememberedSection{Mode: RememberAsk},
		Factors:           &FactorsSection{Names: []string{"totp", "duo"}},
		Passwordless:      &PasswordlessSection{Names: []string{"passkey"}},
		Rescue:            &RescueSection{Mode: RescueBypass},
		Prompt:            &PromptSection{Mode: PromptTraditional},
		Backup:            &BackupSection{Mode: BackupRequire},
		Outage:            &OutageSection{Rules: []OutageRule{{Factor: "duo", Use: []string{"passkey"}}, {Factor: "totp", Allow: []GroupRef{{"corp", "Agents"}}}, {Factor: "sms", Deny: true}}},
		Groups:            &GroupsSection{Allow: []GroupRef{{"corp", "Agents"}, {"corp", "Night shift"}}},
		EnrollFirst:       &EnrollFirstSection{Mode: EnrollFrom, Networks: networks("office")},
		EnrollAfterChange: &EnrollAfterChangeSection{EnrollFirstSection{Mode: EnrollWithCode}},
		Networks:          &NetworksSection{Rules: []NetworkRule{{Action: NetworkBlocked, Networks: networks("guests")}, {Action: NetworkOffInside, Networks: networks("office")}}},
		Anonymous:         &AnonymousSection{Mode: PlaceMFAAlways},
		Locations:         &LocationsSection{Rules: []LocationRule{{Action: PlaceDeny, Countries: []string{"KP"}}}, Otherwise: PlaceMFAAlways},
		Endpoints:         &EndpointsSection{Mode: EndpointsMFAAlways},
		Systems:           &AgentSection{Of: SystemsSectionName, Rules: []AgentRule{{Action: AgentMinimum, Names: []string{"windows"}, Version: "10.0.22000", From: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}}},
		Browsers:          &AgentSection{Of: BrowsersSectionName, Rules: []AgentRule{{Action: AgentAllowOnly, Names: []string{"chrome", "firefox"}}}},
		Require:           &RequireSection{Conditions: []string{"intranet", "managed"}},
		SharedComputers:   &SharedSection{Networks: networks("floor")},
		Session:           &SessionSection{Idle: 30 * time.Minute, Absolute: 8 * time.Hour},
		Hours:             &HoursSection{Zone: "Europe/Berlin", Rules: []HoursRule{{Days: []time.Weekday{time.Monday, time.Tuesday}, From: 7 * 60, To: 19 * 60}}},
	}
}
