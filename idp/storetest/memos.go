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
