package storetest

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func (f *fixture) memo(name string) idp.Memo {
	return idp.Memo{
		Kind: "flow", ID: id(name), Browser: id("browser"), Owner: "corp:ann",
		Expires: f.now().Add(15 * time.Minute), Data: []byte("data of " + name),
	}
}

func testMemos(t *testing.T, open opener) {
	t.Run("comes back as it was put until it is taken", func(t *testing.T) {
		f := newFixture(t, open)
		want := f.memo("a")
		f.ok(f.PutMemo(f.ctx, want, 0))
		f.restart()
		for range 2 {
			got, err := f.Memo(f.ctx, "flow", want.ID, f.now())
			f.ok(err)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("got %+v, want %+v", got, want)
			}
		}
		got, err := f.TakeMemo(f.ctx, "flow", want.ID, f.now())
		f.ok(err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		for range 2 {
			_, err = f.TakeMemo(f.ctx, "flow", want.ID, f.now())
			f.is(err, idp.ErrNotFound)
			_, err = f.Memo(f.ctx, "flow", want.ID, f.now())
			f.is(err, idp.ErrNotFound)
			f.restart() // spent survives a restart
		}
	})
	t.Run("kinds are apart", func(t *testing.T) {
		f := newFixture(t, open)
		f.ok(f.PutMemo(f.ctx, f.memo("a"), 0))
		_, err := f.TakeMemo(f.ctx, "invite", id("a"), f.now())
		f.is(err, idp.ErrNotFound)
		_, err = f.TakeMemo(f.ctx, "flow", id("a"), f.now())
		f.ok(err)
	})
	t.Run("put replaces", func(t *testing.T) {
		f := newFixture(t, open)
		m := f.memo("a")
		f.ok(f.PutMemo(f.ctx, m, 0))
		m.Data, m.Owner = []byte("new"), "corp:bob"
		f.ok(f.PutMemo(f.ctx, m, 0))
		got, err := f.TakeMemo(f.ctx, "flow", m.ID, f.now())
		f.ok(err)
		if !bytes.Equal(got.Data, m.Data) || got.Owner != m.Owner {
			t.Errorf("got %+v", got)
		}
		_, err = f.TakeMemo(f.ctx, "flow", m.ID, f.now())
		f.is(err, idp.ErrNotFound)
	})
	t.Run("expired is not found", func(t *testing.T) {
		f := newFixture(t, open)
		m := f.memo("a")
		f.ok(f.PutMemo(f.ctx, m, 0))
		_, err := f.Memo(f.ctx, "flow", m.ID, m.Expires.Add(-time.Nanosecond))
		f.ok(err)
		_, err = f.Memo(f.ctx, "flow", m.ID, m.Expires)
		f.is(err, idp.ErrNotFound)
		_, err = f.TakeMemo(f.ctx, "flow", m.ID, m.Expires)
		f.is(err, idp.ErrNotFound)
		f.clock.Advance(15 * time.Minute)
		f.sweep()
		_, err = f.TakeMemo(f.ctx, "flow", m.ID, m.Expires.Add(-time.Minute))
		f.is(err, idp.ErrNotFound)
	})
	t.Run("at most so many of one kind and browser", testMemoCap(open))
	t.Run("a person's own are listed", testOwnedMemos(open))
	t.Run("of a hundred takers one gets it", func(t *testing.T) {
		f := newFixture(t, open)
		for round := range 5 {
			m := f.memo(fmt.Sprint(round))
			f.ok(f.PutMemo(f.ctx, m, 0))
			f.once(at100(func(int) error {
				_, err := f.TakeMemo(f.ctx, "flow", m.ID, f.now())
				return err
			}), idp.ErrNotFound)
		}
	})
}

func testOwnedMemos(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		put := func(name, kind, owner string, browser idp.Hash, life time.Duration) idp.Memo {
			m := f.memo(name)
			m.Kind, m.Owner, m.Browser, m.Expires = kind, owner, browser, f.now().Add(life)
			f.ok(f.PutMemo(f.ctx, m, 0))
			return m
		}
		none := idp.Hash{}
		want := []idp.Memo{put("z", "news", "corp:ann", none, time.Hour), put("a", "news", "corp:ann", none, time.Minute)}
		put("b", "news", "corp:bob", none, time.Hour)
		put("c", "invite", "corp:ann", none, time.Hour)
		put("d", "news", "corp:ann", id("browser"), time.Hour)
		f.restart()
		same := func(want []idp.Memo, now time.Time) {
			t.Helper()
			got, err := f.OwnedMemos(f.ctx, "news", "corp:ann", now)
			f.ok(err)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		same(want, f.now())
		same(want[:1], want[1].Expires)
		_, err := f.TakeMemo(f.ctx, "news", want[0].ID, f.now())
		f.ok(err)
		same(want[1:], f.now())
		for _, err := range at100(func(i int) error {
			m := f.memo(fmt.Sprint("beside", i))
			m.Kind, m.Browser = "news", none
			return f.PutMemo(f.ctx, m, 0)
		}) {
			f.ok(err)
		}
		all, err := f.OwnedMemos(f.ctx, "news", "corp:ann", f.now())
		f.ok(err)
		if len(all) != 101 {
			t.Errorf("%d memos are left of those that were put at once", len(all))
		}
	}
}

func testMemoCap(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		other := f.memo("other")
		other.Browser = id("another browser")
		invite := f.memo("invite")
		invite.Kind = "invite"
		f.ok(f.PutMemo(f.ctx, other, 3))
		f.ok(f.PutMemo(f.ctx, invite, 3))
		for i := range 5 {
			f.ok(f.PutMemo(f.ctx, f.memo(fmt.Sprint(i)), 3))
		}
		for i := range 5 {
			_, err := f.Memo(f.ctx, "flow", id(fmt.Sprint(i)), f.now())
			if i < 2 {
				f.is(err, idp.ErrNotFound)
				continue
			}
			f.ok(err)
		}
		_, err := f.Memo(f.ctx, "flow", other.ID, f.now())
		f.ok(err)
		_, err = f.Memo(f.ctx, "invite", invite.ID, f.now())
		f.ok(err)
		f.ok(f.PutMemo(f.ctx, f.memo("2"), 3)) // put again, it is the newest
		f.ok(f.PutMemo(f.ctx, f.memo("5"), 3))
		_, err = f.Memo(f.ctx, "flow", id("3"), f.now())
		f.is(err, idp.ErrNotFound)
		_, err = f.Memo(f.ctx, "flow", id("2"), f.now())
		f.ok(err)
		for i := range 20 {
			f.ok(f.PutMemo(f.ctx, f.memo(fmt.Sprint("free", i)), 0))
		}
		_, err = f.Memo(f.ctx, "flow", id("free0"), f.now())
		f.ok(err)
	}
}
