package caddymodule

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"slices"
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
	if _, err := s.command(file, "audit", "--ref", "BBBB-2222", "--app", "other"); err == nil || !strings.Contains(err.Error(), "fits the other flags") {
		t.Errorf("a number whose line is another application's: %v", err)
	}
	if got := s.mustCommand(file, "audit", "--ref", "CCCC-3333"); strings.Contains(got, "\x1b") {
		t.Errorf("a typed name reaches the terminal:\n%q", got)
	}
}

// Text and CSV tell what JSON does: each member of a line, one that is new to it as well, is in the column of its name.
func TestAuditRowsAreWhole(t *testing.T) {
	apart := []string{"id", "visit", "launch"} // what orders the lines, what explain reads, and what has columns of its own
	var checked []string
	check := func(of reflect.Type, set func(reflect.Value) idp.Event) {
		for f := range of.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || slices.Contains(apart, name) {
				continue
			}
			checked = append(checked, name)
			one, want := reflect.New(of).Elem(), "x"
			switch v := one.FieldByIndex(f.Index); v.Interface().(type) {
			case string:
				v.SetString(want)
			case bool:
				want = "true"
				v.SetBool(true)
			case time.Time:
				want = "2026-11-27T09:00:00Z"
				v.Set(reflect.ValueOf(time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)))
			case netip.Addr:
				want = "192.0.2.7"
				v.Set(reflect.ValueOf(netip.MustParseAddr(want)))
			case []string:
				want = "x; y"
				v.Set(reflect.ValueOf([]string{"x", "y"}))
			default:
				t.Fatalf("%s is %T: how is it written?", name, v)
			}
			e, column := set(one), slices.Index(auditColumns, name)
			if row := auditRow(e); column < 0 || row[column] != want {
				t.Errorf("%s is in no column of its name: %q", name, row)
			}
			if empty := auditRow(idp.Event{}); column > 0 && empty[column] != "" {
				t.Errorf("%s is %q where a line does not say", name, empty[column])
			}
			if text := printed(t, e); name != "time" && !strings.Contains(text, want) {
				t.Errorf("%s is not in the text: %s", name, text)
			}
		}
	}
	check(reflect.TypeFor[idp.Event](), func(v reflect.Value) idp.Event { return v.Interface().(idp.Event) })
	check(reflect.TypeFor[idp.LaunchRecord](), func(v reflect.Value) idp.Event {
		l := v.Interface().(idp.LaunchRecord)
		return idp.Event{Launch: &l}
	})
	if len(checked) != len(auditColumns) || len(auditRow(idp.Event{})) != len(auditColumns) {
		t.Errorf("the columns are %q, the members %q", auditColumns, checked)
	}
}

// printed is a line as text.
func printed(t *testing.T, e idp.Event) string {
	t.Helper()
	var out strings.Builder
	emit, flush := auditPrinter(&out, false, false, false)
	if err := errors.Join(emit(auditLine{Event: e}), flush()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
