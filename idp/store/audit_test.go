package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// refs are the lines of a query, by their reference numbers.
func refs(t *testing.T, s *Store, q idp.EventQuery) string {
	t.Helper()
	var found []string
	ok(t, s.Events(t.Context(), q, func(e idp.Event) bool {
		found = append(found, e.Ref+e.Time.UTC().Format("/15:04"))
		return true
	}))
	return strings.Join(found, " ")
}

func TestEventsOfOneNumber(t *testing.T) {
	s := openMade(t)
	at := time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)
	for i, ref := range []string{"A", "B", "A", "C", "A"} {
		ok(t, s.Append(t.Context(), idp.Event{Ref: ref, Time: at.Add(time.Duration(i) * time.Hour)}))
	}
	ok(t, s.Append(t.Context(), idp.Event{Ref: "A", Time: at.Add(240 * time.Hour)})) // the number was drawn a second time
	for want, q := range map[string]idp.EventQuery{
		"A/09:00":                 {Ref: "A"},
		"A/09:00 A/11:00 A/13:00": {Ref: "A", To: at.Add(200 * time.Hour)},
		"C/12:00":                 {Ref: "C"},
		"A/11:00 A/13:00":         {Ref: "A", From: at.Add(time.Hour), To: at.Add(5 * time.Hour)},
		"A/09:00 A/11:00":         {Ref: "A", To: at.Add(3 * time.Hour)},
		"":                        {Ref: "D"},
	} {
		if got := refs(t, s, q); got != want {
			t.Errorf("%+v: %s, want %s", q, got, want)
		}
	}
	o, err := s.enter()
	ok(t, err)
	defer s.leave()
	for query, want := range map[string]string{
		"SELECT max(time) FROM audit WHERE 1 = 1 AND ref = 'A'":                                                    "COVERING INDEX audit_time",
		"SELECT max(time) FROM audit WHERE 1 = 1 AND time >= 1 AND time < 9 AND ref = 'A'":                         "COVERING INDEX audit_time (time>? AND time<?)",
		"SELECT id, time, event FROM audit WHERE time >= 1 AND time < 9 AND ref = 'A' ORDER BY time, id LIMIT 500": "INDEX audit_time (time>? AND time<?)",
	} {
		var id, parent, unused int
		var plan string
		ok(t, o.read().row(t.Context(), "EXPLAIN QUERY PLAN "+query).Scan(&id, &parent, &unused, &plan))
		if !strings.Contains(plan, want) {
			t.Errorf("%s: %s", query, plan)
		}
	}
}

// Every size of a group is written whole, and in the order in which it came.
func TestGroupsOfEverySize(t *testing.T) {
	s := openMade(t)
	o, err := s.enter()
	ok(t, err)
	defer s.leave()
	c, err := newCommitter(t.Context(), o.pools, o.expected)
	ok(t, err)
	for _, size := range []int{1, 2, rowsMost - 1, rowsMost, rowsMost + 1, 2 * rowsMost, 2*rowsMost + 3, commitMost} {
		app, group := fmt.Sprint(size), []*auditRow(nil)
		var want []string
		for i := range size {
			ref := fmt.Sprintf("%s-%d", app, i)
			group = append(group, &auditRow{time: int64(i), app: app, ref: ref, event: fmt.Appendf(nil, `{"ref":%q}`, ref)})
			want = append(want, ref+"/00:00")
		}
		ok(t, c.insertAll(group))
		if got := refs(t, s, idp.EventQuery{App: app}); got != strings.Join(want, " ") {
			t.Errorf("of %d rows there are: %s", size, got)
		}
	}
	// What cannot be written leaves nothing of its group.
	ok(t, o.write(t.Context(), func(q conn) error {
		_, err := q.exec(context.Background(), "CREATE TRIGGER no BEFORE INSERT ON audit WHEN NEW.ref = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END")
		return err
	}))
	for _, size := range []int{2, rowsMost + 2} {
		group := []*auditRow(nil)
		for range size - 1 {
			group = append(group, &auditRow{app: "none", ref: "good", event: []byte("{}")})
		}
		if err := c.insertAll(append(group, &auditRow{app: "none", ref: "bad", event: []byte("{}")})); err == nil {
			t.Errorf("a group of %d with a row that cannot be written is taken", size)
		}
		if got := refs(t, s, idp.EventQuery{App: "none"}); got != "" {
			t.Errorf("of a group of %d that failed there is %s", size, got)
		}
	}
}
