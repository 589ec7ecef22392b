package caddymodule

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func TestAuditFilters(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	store, now := s.openedStore(), time.Now()
	for _, e := range []idp.Event{
		{Time: now.Add(-48 * time.Hour), Kind: idp.EventLogin, Result: idp.Success, User: "people:demo", Name: "demo", Ref: "AAAA-1111"},
		{Time: now.Add(-time.Hour), Kind: idp.EventLaunch, Result: idp.Success, User: "people:demo", Name: "demo", App: "connect", Ref: "BBBB-2222", Digest: "d1", Launch: &idp.LaunchRecord{Role: "arn:aws:iam::1:role/A", SessionName: "demo@example.com"}},
		{Time: now.Add(-time.Hour), Kind: idp.EventLogin, Result: idp.Failure, By: "helpdesk: Helen@example.com (people:helen)", Name: "=cmd()\x1b[2J", Ref: "CCCC-3333"},
	} {
		if err := store.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.PutRuleText(t.Context(), "d1", "policy weekly\nmfa every 7d shared # weekly\n"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string // reference numbers, in order
	}{
		"by user":        {[]string{"--user", "people:demo"}, "AAAA-1111 BBBB-2222"},
		"by typed name":  {[]string{"--user", "DEMO"}, "AAAA-1111 BBBB-2222"},
		"by a helper":    {[]string{"--by", "helen@EXAMPLE.com"}, "CCCC-3333"},
		"by application": {[]string{"--app", "connect"}, "BBBB-2222"},
		"by reference":   {[]string{"--ref", "cccc-3333"}, "CCCC-3333"},
		"by age":         {[]string{"--from", "7d", "--to", "24h"}, "AAAA-1111"},
		"by moment":      {[]string{"--to", now.Add(-47 * time.Hour).Format(time.RFC3339)}, "AAAA-1111"},
		"by day":         {[]string{"--to", "2020-01-01"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for line := range strings.Lines(s.mustCommand(file, append([]string{"audit", "--json"}, c.args...)...)) {
				var e idp.Event
				if err := json.Unmarshal([]byte(line), &e); err != nil || e.ID == 0 || e.Kind == "" {
					t.Fatalf("%v: %s", err, line)
				}
				got = append(got, e.Ref)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}

	rows, err := csv.NewReader(strings.NewReader(s.mustCommand(file, "audit", "--csv", "--rule-text", "--from", "2h", "--app", "connect"))).ReadAll()
	if err != nil || len(rows) != 2 || !strings.Contains(rows[1][len(rows[1])-1], "mfa every 7d shared") || rows[0][0] != "time" {
		t.Errorf("csv: %v, %q", err, rows)
	}
	if got := s.mustCommand(file, "audit", "--ref", "BBBB-2222", "--rule-text"); !strings.Contains(got, "    mfa every 7d shared # weekly\n") || !strings.Contains(got, `role="arn:aws:iam::1:role/A"`) {
		t.Errorf("rule text:\n%s", got)
	}
	// A number that leads nowhere is said to, and where else to look; a question without a number may have no answer.
	if out, err := s.command(file, "audit", "--ref", "zzzz-9999"); err == nil || !strings.Contains(err.Error(), "no line of ZZZZ-9999") || !strings.Contains(err.Error(), "Caddy's log") {
		t.Errorf("an unknown number: %v\n%s", err, out)
	}
	if got := s.mustCommand(file, "audit", "--ref", "CCCC-3333"); strings.Contains(got, "\x1b") {
		t.Errorf("a typed name reaches the terminal:\n%q", got)
	}
}
