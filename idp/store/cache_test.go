package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func numbered(n int) idp.Hash {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func held(c *cache) (n int) {
	for i := range c.shards {
		n += len(c.shards[i].index)
	}
	return n
}

func TestCacheIsBounded(t *testing.T) {
	const bound = 320
	c := newCache(bound)
	for i := range 10_000 {
		id := numbered(i)
		_, drops := c.get(id)
		c.fill(&idp.Session{ID: id}, drops)
		if i%3 == 0 {
			c.drop(numbered(i / 2))
		}
	}
	if n := held(c); n > bound || n < bound/2 {
		t.Errorf("%d sessions are held, bound %d", n, bound)
	}
	for i := range c.shards {
		h := &c.shards[i]
		for id, at := range h.index {
			if h.slots[at].session.ID != id {
				t.Fatal("the index points to another session")
			}
		}
		if len(h.slots) != len(h.index)+len(h.free) {
			t.Errorf("%d slots for %d sessions and %d free", len(h.slots), len(h.index), len(h.free))
		}
	}
	c.dropAll()
	if held(c) != 0 {
		t.Error("something is left")
	}
}

func TestCacheKeepsWhatIsUsed(t *testing.T) {
	c := newCache(cacheShards * 8)
	hot := numbered(0)
	c.fill(&idp.Session{ID: hot}, 0)
	for i := 1; i < 5000; i++ {
		if s, _ := c.get(hot); s == nil {
			t.Fatalf("the session in use was thrown out after %d others", i)
		}
		_, drops := c.get(numbered(i))
		c.fill(&idp.Session{ID: numbered(i)}, drops)
	}
}

// A reader that was slow must not bring back what was ended while it read.
func TestLateFillIsRefused(t *testing.T) {
	for name, end := range map[string]func(*cache, idp.Hash){
		"drop":    (*cache).drop,
		"dropAll": func(c *cache, _ idp.Hash) { c.dropAll() },
	} {
		c := newCache(100)
		id := numbered(1)
		_, drops := c.get(id)
		end(c, id)
		c.fill(&idp.Session{ID: id}, drops)
		if s, _ := c.get(id); s != nil {
			t.Errorf("%s: an ended session is back", name)
		}
	}
}

// A cached session is ended by its expiry, and a statement that failed half-way leaves nothing cached.
func TestFailedDeletionIsNotCached(t *testing.T) {
	s := openMade(t)
	sess := &idp.Session{ID: idp.Hash{1}, User: idp.User{Source: "corp", ID: "ann"}}
	ok(t, s.PutSession(t.Context(), sess))
	_, err := s.Session(t.Context(), sess.ID)
	ok(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{
		s.PutSession(ctx, sess), s.DeleteSession(ctx, sess.ID), s.Append(ctx, idp.Event{}),
		s.PutMemo(ctx, idp.Memo{}, 0), s.PutDevice(ctx, &idp.Device{}), s.Sweep(ctx), s.PromoteKey(ctx, "x"),
	} {
		if err == nil {
			t.Error("a cancelled call succeeded")
		}
	}
	if held(s.state.Load().cache) != 0 {
		t.Error("still in memory after a deletion that may have happened")
	}
}

func TestTouchesAreWrittenBehind(t *testing.T) {
	s := openMade(t)
	o, ctx := s.state.Load(), t.Context()
	now := time.Now().UTC().Truncate(time.Minute)
	sess := &idp.Session{ID: idp.Hash{1}, User: idp.User{Source: "corp", ID: "ann"}, Seen: now}
	ok(t, s.PutSession(ctx, sess))
	stored := func() time.Time {
		var seen int64
		ok(t, o.read().row(ctx, "SELECT seen FROM sessions").Scan(&seen))
		return moment(seen)
	}
	ok(t, s.TouchSession(ctx, sess.ID, now.Add(2*time.Minute)))
	if !stored().Equal(now) {
		t.Error("a touch was written at once")
	}
	ok(t, o.flushTouches(ctx))
	if !stored().Equal(now.Add(2 * time.Minute)) {
		t.Errorf("stored as seen at %v", stored())
	}
	if len(o.touched.seen) != 0 {
		t.Error("what was written is kept")
	}
	small := newTouches(3)
	for i := range 10 {
		small.add(numbered(i), now)
	}
	small.add(numbered(0), now.Add(time.Minute))
	if len(small.seen) != 3 || !small.at(numbered(0)).Equal(now.Add(time.Minute)) {
		t.Errorf("%d touches are kept, bound 3", len(small.seen))
	}
}

// C-70: anybody can start sign-ins, so all of them together are bounded, and a flood of them
// leaves invitations alone.
func TestMemosAreBounded(t *testing.T) {
	const bound = 128
	s := mustOpen(t, Config{Path: made(t, t.TempDir()), MaxMemos: bound})
	ctx, later := t.Context(), time.Now().Add(time.Hour)
	ok(t, s.PutMemo(ctx, idp.Memo{Kind: "invite", ID: idp.Hash{1}, Expires: later}, 0))
	for i := range 4 * bound {
		ok(t, s.PutMemo(ctx, idp.Memo{Kind: "flow", ID: numbered(i), Browser: numbered(i), Expires: later}, 8))
		var n int
		ok(t, s.state.Load().read().row(ctx, "SELECT count(*) FROM memos WHERE kind = 'flow'").Scan(&n))
		if n > bound {
			t.Fatalf("%d memos, bound %d", n, bound)
		}
	}
	_, err := s.Memo(ctx, "flow", numbered(4*bound-1), time.Now())
	ok(t, err)
	_, err = s.Memo(ctx, "invite", idp.Hash{1}, time.Now())
	ok(t, err)
	// Nor does the flood keep one from being put, nor one push out others.
	for i := range 2 * bound {
		ok(t, s.PutMemo(ctx, idp.Memo{Kind: "changed", ID: numbered(i), Expires: later}, 0))
	}
	for i := range 2 * bound {
		_, err := s.Memo(ctx, "changed", numbered(i), time.Now())
		ok(t, err)
	}
	_, err = s.Memo(ctx, "invite", idp.Hash{1}, time.Now())
	ok(t, err)
	ok(t, s.PutMemo(ctx, idp.Memo{Kind: "flow", ID: idp.Hash{9}, Browser: idp.Hash{9}, Expires: later}, 8))
}

func TestSweepDeletesInPortions(t *testing.T) {
	now := time.Now()
	s := mustOpen(t, Config{Path: made(t, t.TempDir()), Now: func() time.Time { return now }})
	o, ctx := s.state.Load(), t.Context()
	ok(t, o.write(ctx, func(c conn) error {
		for i := range 2*sweepMost + 7 {
			_, err := c.exec(ctx, "INSERT INTO failures (key, at, till) VALUES (?, 0, ?)", fmt.Sprint(i), stamp(now))
			if err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := s.Fail(ctx, "young", now, time.Minute)
	ok(t, err)
	ok(t, s.Sweep(ctx))
	var n int
	if ok(t, o.read().row(ctx, "SELECT count(*) FROM failures").Scan(&n)); n != 1 {
		t.Errorf("%d rows are left, want the young one", n)
	}
}

// A reload may bring another time, and the store goes on.
func TestAuditIsKeptAsLongAsTheNewestConfigurationSays(t *testing.T) {
	now := time.Now()
	s, ctx := mustOpen(t, Config{Path: made(t, t.TempDir()), Now: func() time.Time { return now }, AuditKeep: 48 * time.Hour}), t.Context()
	for _, age := range []time.Duration{time.Hour, 25 * time.Hour, 100 * 24 * time.Hour} {
		ok(t, s.Append(ctx, idp.Event{Time: now.Add(-age), Kind: idp.EventLogin}))
	}
	for _, c := range []struct {
		keep time.Duration
		want int
	}{{0, 3}, {48 * time.Hour, 2}, {24 * time.Hour, 1}} {
		s.KeepAudit(c.keep)
		ok(t, s.Sweep(ctx))
		n := 0
		ok(t, s.Events(ctx, idp.EventQuery{}, func(idp.Event) bool { n++; return true }))
		if n != c.want {
			t.Errorf("keeping %v leaves %d lines, want %d", c.keep, n, c.want)
		}
	}
}
