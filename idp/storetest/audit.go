package storetest

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// events returns the refs of what a query fits.
func (f *fixture) refs(q idp.EventQuery) []string {
	f.T.Helper()
	var refs []string
	f.ok(f.Events(f.ctx, q, func(e idp.Event) bool {
		refs = append(refs, e.Ref)
		return true
	}))
	return refs
}

func testAudit(t *testing.T, open opener) {
	t.Run("comes back as it was written", func(t *testing.T) {
		f := newFixture(t, open)
		want := idp.Event{
			ID: 4711, Time: f.now().Add(123 * time.Nanosecond), Kind: idp.EventLaunch, Result: idp.Success, Reason: "r", Detail: "d\n<&>",
			Ref: "ref", User: "corp:ann", Name: "Ann", Source: "corp", App: "connect", Factor: "totp",
			Client: netip.MustParseAddr("203.0.113.7"), Agent: "Mozilla/5.0", Policy: "weekly", Rule: "mfa every 7d",
			Digest: "abc", CrossSite: true, BreakGlass: true,
		}
		f.ok(f.Append(f.ctx, want))
		f.ok(f.Append(f.ctx, idp.Event{Time: f.now().Add(time.Second)}))
		f.restart()
		var got []idp.Event
		f.ok(f.Events(f.ctx, idp.EventQuery{}, func(e idp.Event) bool {
			got = append(got, e)
			return true
		}))
		if len(got) != 2 || got[0].ID == 0 || got[1].ID <= got[0].ID {
			t.Fatalf("got %+v", got)
		}
		want.ID = got[0].ID // the store's to give
		if !reflect.DeepEqual(got[0], want) {
			t.Errorf("got  %+v\nwant %+v", got[0], want)
		}
	})
	t.Run("queries", testAuditQueries(open))
	t.Run("oldest first over many pages, until yield has enough", func(t *testing.T) {
		f := newFixture(t, open)
		const n = 1234
		for _, err := range at100(func(w int) error {
			for i := w; i < n; i += 100 {
				if err := f.Append(f.ctx, idp.Event{Ref: fmt.Sprint(i), Time: f.now().Add(time.Duration(i/3) * time.Second)}); err != nil {
					return err
				}
			}
			return nil
		}) {
			f.ok(err)
		}
		seen := map[string]bool{}
		var last time.Time
		f.ok(f.Events(f.ctx, idp.EventQuery{}, func(e idp.Event) bool {
			if e.Time.Before(last) || seen[e.Ref] {
				t.Errorf("event %s out of order or twice", e.Ref)
			}
			last, seen[e.Ref] = e.Time, true
			return true
		}))
		if len(seen) != n {
			t.Errorf("%d events, want %d", len(seen), n)
		}
		calls := 0
		f.ok(f.Events(f.ctx, idp.EventQuery{}, func(idp.Event) bool {
			calls++
			return calls < 700
		}))
		if calls != 700 {
			t.Errorf("yield was called %d times after it had enough at 700", calls)
		}
	})
	t.Run("yield may use the store", func(t *testing.T) {
		f := newFixture(t, open)
		f.ok(f.PutRuleText(f.ctx, "abc", "policy"))
		f.ok(f.Append(f.ctx, idp.Event{Time: f.now(), Digest: "abc"}))
		f.ok(f.Events(f.ctx, idp.EventQuery{}, func(e idp.Event) bool {
			text, err := f.RuleText(f.ctx, e.Digest)
			f.ok(err)
			return text == "policy" && f.Append(f.ctx, idp.Event{Time: f.now().Add(-time.Hour)}) == nil
		}))
	})
	t.Run("rule texts live as long as lines name them", testRuleTexts(open))
}

func testAuditQueries(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		day := func(n int) time.Time { return f.now().Add(time.Duration(n) * 24 * time.Hour) }
		for _, e := range []idp.Event{
			{Ref: "1", Time: day(1), User: "corp:ann", Name: "ann", App: "connect"},
			{Ref: "2", Time: day(2), User: "corp:bob", Name: "bob", App: "connect"},
			{Ref: "3", Time: day(3), Name: "Ann@Example.com"},
			{Ref: "4", Time: day(4), User: "corp:ann", Name: "ann@example.com", App: "salesforce"},
			{Ref: "4", Time: day(4), User: "corp:ann", App: "connect"},
		} {
			f.ok(f.Append(f.ctx, e))
		}
		for name, c := range map[string]struct {
			q    idp.EventQuery
			want []string
		}{
			"everything":               {idp.EventQuery{}, []string{"1", "2", "3", "4", "4"}},
			"from is inclusive":        {idp.EventQuery{From: day(3)}, []string{"3", "4", "4"}},
			"to is exclusive":          {idp.EventQuery{To: day(3)}, []string{"1", "2"}},
			"from and to":              {idp.EventQuery{From: day(2), To: day(4)}, []string{"2", "3"}},
			"user key":                 {idp.EventQuery{Users: []string{"corp:ann"}}, []string{"1", "4", "4"}},
			"user key is exact":        {idp.EventQuery{Users: []string{"CORP:ANN"}}, nil},
			"typed name, any case":     {idp.EventQuery{Users: []string{"aNN@example.com"}}, []string{"3", "4"}},
			"a key and a name":         {idp.EventQuery{Users: []string{"corp:ann", "ann@example.com"}}, []string{"1", "3", "4", "4"}},
			"several, and the rest":    {idp.EventQuery{Users: []string{"corp:ann", "corp:bob"}, App: "connect", To: day(4)}, []string{"1", "2"}},
			"application":              {idp.EventQuery{App: "connect"}, []string{"1", "2", "4"}},
			"reference":                {idp.EventQuery{Ref: "4"}, []string{"4", "4"}},
			"all at once":              {idp.EventQuery{From: day(2), To: day(9), Users: []string{"corp:ann"}, App: "connect", Ref: "4"}, []string{"4"}},
			"nothing":                  {idp.EventQuery{Ref: "5"}, nil},
			"hostile text":             {idp.EventQuery{Users: []string{"' OR 1=1 --"}}, nil},
			"years no column can hold": {idp.EventQuery{From: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, []string{"1", "2", "3", "4", "4"}},
		} {
			if got := f.refs(c.q); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: got %v, want %v", name, got, c.want)
			}
		}
	}
}

func testRuleTexts(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		_, err := f.RuleText(f.ctx, "abc")
		f.is(err, idp.ErrNotFound)
		f.ok(f.PutRuleText(f.ctx, "abc", "policy one"))
		f.ok(f.PutRuleText(f.ctx, "abc", "policy one"))
		f.ok(f.PutRuleText(f.ctx, "def", "policy two"))
		f.ok(f.Append(f.ctx, idp.Event{Ref: "old", Time: f.now(), Digest: "abc"}))
		text, err := f.RuleText(f.ctx, "abc")
		f.ok(err)
		if text != "policy one" {
			t.Errorf("got %q", text)
		}
		f.restart() // the new process puts what is in force
		f.clock.Advance(300 * 24 * time.Hour)
		f.ok(f.Append(f.ctx, idp.Event{Ref: "young", Time: f.now(), Digest: "abc"}))
		f.clock.Advance(200 * 24 * time.Hour)
		f.sweep()
		if got := f.refs(idp.EventQuery{}); !reflect.DeepEqual(got, []string{"young"}) {
			t.Errorf("after 500 days: %v", got)
		}
		_, err = f.RuleText(f.ctx, "abc")
		f.ok(err)
		_, err = f.RuleText(f.ctx, "def")
		f.is(err, idp.ErrNotFound)
		f.ok(f.PutRuleText(f.ctx, "ghi", "in force"))
		f.clock.Advance(500 * 24 * time.Hour)
		f.sweep()
		_, err = f.RuleText(f.ctx, "abc")
		f.is(err, idp.ErrNotFound)
		_, err = f.RuleText(f.ctx, "ghi") // this process may still name it
		f.ok(err)
	}
}
