package idp

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"
)

// tenPolicies is a guard as the audit keeps it: an application's policy and nine for its groups, of fifty rules each.
func tenPolicies(tb testing.TB) *Guard {
	tb.Helper()
	doc, err := os.ReadFile("testdata/guard/ten_policies_of_fifty_rules.json")
	if err != nil {
		tb.Fatal(err)
	}
	g, err := ReadGuard(string(doc))
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// member is on the way to the application, and every section lets them pass: their team is the last that has a policy.
func member(team int) Visit {
	u := &User{Source: "corp", ID: "1", Name: "alice"}
	for _, g := range []string{"Domain Users", "Everybody", "VPN", "Mail", "Printers 4th floor", "Wiki", "Canteen", fmt.Sprint("Team ", team)} {
		u.Groups = append(u.Groups, Group{Names: []string{g, "CN=" + g + ",OU=Groups,DC=corp,DC=example,DC=com"}})
	}
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	return Visit{
		Now: now, User: u, App: "connect", SignedIn: now.Add(-time.Hour), Seen: now.Add(-time.Minute), Client: netip.MustParseAddr("203.0.113.9"),
		Device: []Passed{{Proof: Proof{Factor: "duo", At: now.Add(-24 * time.Hour)}, Scope: SharedScope}},
		Facts: Facts{
			Networks: []string{"office"}, Anonymous: No, Country: "DE", Certificate: "CN=laptop-7", Met: []string{"intranet", "managed", "not-printer"},
			Agent: Agent{System: "windows", SystemVersion: "10.99.22631", Browser: "chrome", BrowserVersion: "140.0"},
		},
	}
}

// A guard that was kept is read by whatever comes later, and a launch that is let pass allocates nothing.
func TestTenPoliciesOfFiftyRules(t *testing.T) {
	g := tenPolicies(t)
	policies := 0
	for p := range g.policies() {
		rules := 0
		for _, s := range p.sections() {
			rules += len(s.lines())
		}
		if policies++; rules != 50 {
			t.Errorf("%s has %d rules", p.Name, rules)
		}
	}
	if policies != 10 {
		t.Errorf("%d policies", policies)
	}
	for team := range 11 {
		want := "app"
		if team >= 1 && team <= 9 {
			want = fmt.Sprint("team-", team)
		}
		v := member(team)
		if d := g.Decide(v); d.Verdict != Allow || d.Policy != want || d.Rule != "mfa every 7d shared" || d.Keep != sevenDays {
			t.Errorf("team %d: %+v", team, d)
		}
		if n := testing.AllocsPerRun(100, func() { g.Decide(v) }); n != 0 {
			t.Errorf("team %d: %v allocations", team, n)
		}
	}
}

// BenchmarkDecide is a decision that lets pass, by the last of ten policies of fifty rules.
func BenchmarkDecide(b *testing.B) {
	g, v := tenPolicies(b), member(9)
	b.ReportAllocs()
	for b.Loop() {
		if g.Decide(v).Verdict != Allow {
			b.Fatal("not allowed")
		}
	}
}
