package bench

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// BenchmarkDecision: what the policies cost each launch. The person's group is the last of nine that have a policy of their own
// for the application, and every one of its fifty rules is asked.
func BenchmarkDecision(b *testing.B) {
	doc, err := os.ReadFile("../../idp/testdata/guard/ten_policies_of_fifty_rules.json")
	if err != nil {
		b.Fatal(err)
	}
	g, err := idp.ReadGuard(string(doc))
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	u := agent(1)
	u.Source, u.Groups = "corp", nil
	for _, name := range []string{"Domain Users", "Everybody", "VPN", "Mail", "Printers 4th floor", "Wiki", "Canteen", "Team 9"} {
		u.Groups = append(u.Groups, idp.Group{Names: []string{name, fmt.Sprintf("CN=%s,OU=Groups,DC=corp,DC=example,DC=com", name)}})
	}
	v := idp.Visit{
		Now: now, User: u, App: "connect", SignedIn: now.Add(-time.Hour), Seen: now.Add(-time.Minute), Client: netip.MustParseAddr("203.0.113.9"),
		Device: []idp.Passed{{Proof: idp.Proof{Factor: "duo", At: now.Add(-24 * time.Hour)}, Scope: idp.SharedScope}},
		Facts: idp.Facts{
			Networks: []string{"office"}, Anonymous: idp.No, Country: "DE", Certificate: "CN=laptop-7", Met: []string{"intranet", "managed", "not-printer"},
			Agent: idp.Agent{System: "windows", SystemVersion: "10.99.22631", Browser: "chrome", BrowserVersion: "140.0"},
		},
	}
	decide := func() {
		if d := g.Decide(v); d.Verdict != idp.Allow || d.Policy != "team-9" {
			b.Fatalf("%+v", d)
		}
	}
	const rounds, each = 101, 1000
	var all times
	for range rounds {
		all = append(all, took(func() {
			for range each {
				decide()
			}
		}))
	}
	report(b, "decide_ns", float64(all.median().Nanoseconds())/each, "ns", goal{most: 2000},
		"N=%d times %d decisions that let pass, median; 10 policies of 50 rules; 99th percentile %.0f ns", rounds, each, float64(all.at(0.99).Nanoseconds())/each)
	allocs := testing.AllocsPerRun(each, decide)
	verdict := "goal 0: met"
	if allocs > 0 {
		verdict = "goal 0: MISSED"
	}
	report(b, "decide_allocs", allocs, "allocs", goal{}, "the same; %s", verdict)
}
