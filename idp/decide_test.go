package idp

import (
	"net/netip"
	"testing"
	"time"
)

const sevenDays = 7 * 24 * time.Hour

var monday = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// policies returns the headline's two policies: every login for Salesforce, once in seven days for Amazon Connect.
func headline(t *testing.T) (salesforce, connect Policy) {
	t.Helper()
	set, err := newPolicySet([]*Policy{
		{Name: "default", MFA: &MFASection{Mode: MFAAlways}, Factors: &FactorsSection{Names: []string{"totp"}}},
		{Name: "weekly", MFA: &MFASection{Mode: MFAEvery, Every: sevenDays, Shared: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	weekly, err := set.named("weekly")
	if err != nil {
		t.Fatal(err)
	}
	return set.global, weekly
}

func TestDecide(t *testing.T) {
	salesforce, connect := headline(t)
	alice := &User{Source: "corp", ID: "1"}
	totp := func(at time.Time) Proof { return Proof{Factor: "totp", At: at} }
	shared := func(at time.Time) []Passed { return []Passed{{Proof: totp(at), Scope: SharedScope}} }
	password := []Passed{{Proof: Proof{Factor: PasswordFactor, At: monday}}}
	tests := []struct {
		name   string
		policy Policy
		visit  Visit
		want   Verdict
	}{
		{"salesforce asks at the first sign-in", salesforce, Visit{App: "salesforce", Session: password}, Ask},
		{"salesforce lets pass what was proved on this way", salesforce, Visit{App: "salesforce", Flow: []Proof{totp(monday)}}, Allow},
		{"salesforce asks again one second later", salesforce, Visit{App: "salesforce", Now: monday.Add(time.Second), Session: []Passed{{Proof: totp(monday), Scope: "salesforce"}}}, Ask},
		{"salesforce does not take connect's proof", salesforce, Visit{App: "salesforce", Session: shared(monday), Device: shared(monday)}, Ask},
		{"connect asks at the first sign-in", connect, Visit{App: "connect", Session: password}, Ask},
		{"connect remembers one second later", connect, Visit{App: "connect", Now: monday.Add(time.Second), Device: shared(monday)}, Allow},
		{"connect remembers six days", connect, Visit{App: "connect", Now: monday.Add(6 * 24 * time.Hour), Device: shared(monday)}, Allow},
		{"connect remembers to the last second", connect, Visit{App: "connect", Now: monday.Add(sevenDays - time.Second), Device: shared(monday)}, Allow},
		{"connect asks after seven days", connect, Visit{App: "connect", Now: monday.Add(sevenDays), Device: shared(monday)}, Ask},
		{"connect asks after seven days and a second", connect, Visit{App: "connect", Now: monday.Add(sevenDays + time.Second), Device: shared(monday)}, Ask},
		{"connect takes the portal's shared proof", connect, Visit{App: "connect", Session: shared(monday)}, Allow},
		{"connect takes what was proved to the portal in this session", connect, Visit{App: "connect", Session: []Passed{{Proof: totp(monday), Scope: ""}}}, Allow},
		{"connect does not take salesforce's proof of another session", connect, Visit{App: "connect", Device: []Passed{{Proof: totp(monday), Scope: "salesforce"}}}, Ask},
		{"a proof from the future counts for nothing", connect, Visit{App: "connect", Device: shared(monday.Add(time.Hour))}, Ask},
		{"a password is not a second factor", connect, Visit{App: "connect", Session: []Passed{{Proof: Proof{Factor: PasswordFactor, At: monday}, Scope: SharedScope}}}, Ask},
		{"a factor that the policy does not list is none", connect, Visit{App: "connect", Flow: []Proof{{Factor: "sms", At: monday}}}, Ask},
		{"the portal's sign-in is the session", salesforce, Visit{App: "", Session: []Passed{{Proof: totp(monday), Scope: ""}}}, Allow},
		{"nobody is denied", connect, Visit{App: "connect"}, Deny},
		{"an empty policy denies", Policy{}, Visit{App: "connect"}, Deny},
		{"an unknown mode denies", Policy{MFA: &MFASection{Mode: "sometimes"}}, Visit{App: "connect"}, Deny},
		{"mfa off asks for nothing", Policy{MFA: &MFASection{Mode: MFAOff}}, Visit{App: "connect"}, Allow},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.visit.Now.IsZero() {
				tt.visit.Now = monday
			}
			if tt.name != "nobody is denied" {
				tt.visit.User = alice
			}
			if got := tt.policy.Decide(tt.visit); got.Verdict != tt.want {
				t.Errorf("got %v by %q (%s), want %v", got.Verdict, got.Rule, got.Reason, tt.want)
			}
		})
	}
}

func TestDecideNamesTheRule(t *testing.T) {
	_, connect := headline(t)
	d := connect.Decide(Visit{Now: monday, User: &User{Source: "corp", ID: "1"}, App: "connect"})
	if d.Policy != "weekly" || d.Rule != "mfa every 7d shared" || d.Keep != sevenDays || len(d.Digest) != 16 {
		t.Errorf("got %+v", d)
	}
	if len(d.Factors) != 1 || d.Factors[0] != "totp" {
		t.Errorf("factors are inherited from the global policy; got %v", d.Factors)
	}
}

func TestDecideGroups(t *testing.T) {
	set, err := newPolicySet([]*Policy{{Name: "agents", MFA: &MFASection{Mode: MFAOff}, Groups: &GroupsSection{Allow: []GroupRef{{"corp", "Agents"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := set.named("agents")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		user User
		want Verdict
	}{
		{"a member", User{Source: "corp", Groups: []Group{{Names: []string{"Agents", "CN=Agents,DC=corp"}}}}, Allow},
		{"in another case", User{Source: "corp", Groups: []Group{{Names: []string{"AGENTS"}}}}, Allow},
		{"the same name from another source", User{Source: "emergency", Groups: []Group{{Names: []string{"Agents"}}}}, Deny},
		{"no member", User{Source: "corp", Groups: []Group{{Names: []string{"Agents2"}}}}, Deny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := p.Decide(Visit{Now: monday, User: &tt.user, App: "connect"})
			if d.Verdict != tt.want {
				t.Errorf("got %v, want %v", d.Verdict, tt.want)
			}
			if d.Verdict == Deny && (d.Public == "" || d.Rule != `groups "corp/Agents"`) {
				t.Errorf("a denial says why: %+v", d)
			}
		})
	}
}

func TestNetworkContains(t *testing.T) {
	office := Network{Name: "office", Ranges: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}}
	for address, want := range map[string]bool{
		"203.0.113.9": true, "::ffff:203.0.113.9": true, "203.0.114.1": false, "2001:db8::1%eth0": true, "::1": false,
	} {
		if got := office.Contains(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
	}
	if office.Contains(netip.Addr{}) {
		t.Error("an unknown address must be in no network")
	}
}

func TestPolicyText(t *testing.T) {
	_, connect := headline(t)
	want := "policy weekly\nnew_user enroll # built-in\nmfa every 7d shared # weekly\nremembered_devices ask # built-in\nfactors totp # default\nenroll_first anywhere # built-in\nenroll_after_change with_code # built-in\n"
	if got := connect.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
