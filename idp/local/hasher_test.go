package local

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// gated is a hasher whose hashes wait for the test and count themselves.
type gated struct {
	*Hasher
	open chan struct{} // each value lets one hash end
	done atomic.Int64

	mu        sync.Mutex
	now, peak load // what runs, and the most of each that ever ran
}

// load is what hashes take of the machine together.
type load struct{ hashes, lanes, mib int }

func (g *gated) run(p params, sign int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now.hashes += sign
	g.now.lanes += sign * int(p.lanes)
	g.now.mib += sign * int(p.memory>>10)
	g.peak = load{max(g.peak.hashes, g.now.hashes), max(g.peak.lanes, g.now.lanes), max(g.peak.mib, g.now.mib)}
}

func newGated(b Bounds) *gated {
	g := &gated{Hasher: NewHasher(b), open: make(chan struct{})}
	g.derive = func(_, _ []byte, p params) []byte {
		g.run(p, 1)
		<-g.open
		g.run(p, -1)
		g.done.Add(1)
		return make([]byte, p.key)
	}
	g.collect, g.giveUp = func() {}, func() {}
	return g
}

func isBusy(err error) bool {
	var e *idp.Error
	return errors.As(err, &e) && e.Status == http.StatusServiceUnavailable && e.Reason == "busy" && e.Public != ""
}

func TestC69HashingIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name string
		cost params
		peak load
	}{
		{"one slot each", params{memory: 46 << 10, time: 1, lanes: 1, key: 32}, load{hashes: 4, lanes: 4, mib: 184}},
		{"two lanes are two cores", params{memory: 64 << 10, time: 3, lanes: 2, key: 32}, load{hashes: 2, lanes: 4, mib: 128}},
		{"a whole slot", params{memory: 64 << 10, time: 1, lanes: 1, key: 32}, load{hashes: 4, lanes: 4, mib: 256}},
		{"memory above a slot", params{memory: 100 << 10, time: 1, lanes: 1, key: 32}, load{hashes: 2, lanes: 2, mib: 200}},
		{"three slots leave one free", params{memory: 150 << 10, time: 1, lanes: 1, key: 32}, load{hashes: 1, lanes: 1, mib: 150}},
		{"larger than all slots runs alone", params{memory: 512 << 10, time: 1, lanes: 16, key: 32}, load{hashes: 1, lanes: 16, mib: 512}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGated(Bounds{Parallel: 4})
				var wg sync.WaitGroup
				for range 50 {
					wg.Go(func() {
						if _, err := g.matches(t.Context(), hash{params: tt.cost}, "password"); err != nil {
							t.Error(err)
						}
					})
				}
				for range 50 {
					synctest.Wait()
					g.open <- struct{}{}
				}
				wg.Wait()
				if g.peak != tt.peak || g.done.Load() != 50 {
					t.Errorf("%+v ran at once and %d hashes were done, want %+v and 50", g.peak, g.done.Load(), tt.peak)
				}
			})
		})
	}
}

func TestC69FullQueueAnswersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated(Bounds{Parallel: 1, Queue: 2})
		want := hash{params: cheap}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := g.matches(t.Context(), want, "password"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		begin := time.Now()
		if _, err := g.matches(t.Context(), want, "password"); !isBusy(err) || !errors.Is(err, errQueueFull) {
			t.Errorf("error %v, want busy", err)
		}
		if d := time.Since(begin); d != 0 {
			t.Errorf("the refusal took %s", d)
		}
		for range 3 {
			g.open <- struct{}{}
		}
		wg.Wait()
		go func() { g.open <- struct{}{} }()
		if _, err := g.matches(t.Context(), want, "password"); err != nil {
			t.Errorf("after the queue is empty: %v", err)
		}
	})
}

func TestHasherWaitsNoLongerThanTold(t *testing.T) {
	for _, tt := range []struct {
		name     string
		wait     time.Duration
		deadline time.Duration
		want     time.Duration
	}{
		{"default", 0, time.Hour, 15 * time.Second},
		{"its own", 3 * time.Second, time.Hour, 3 * time.Second},
		{"the request's", 3 * time.Second, time.Second, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGated(Bounds{Parallel: 1, Wait: tt.wait})
				var wg sync.WaitGroup
				wg.Go(func() { _, _ = g.matches(t.Context(), hash{params: cheap}, "password") })
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), tt.deadline)
				defer cancel()
				begin := time.Now()
				_, err := g.matches(ctx, hash{params: cheap}, "password")
				if !isBusy(err) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, want busy", err)
				}
				if d := time.Since(begin); d != tt.want {
					t.Errorf("waited %s, want %s", d, tt.want)
				}
				g.open <- struct{}{}
				wg.Wait()
				if g.done.Load() != 1 {
					t.Errorf("%d hashes were made, want 1", g.done.Load())
				}
			})
		})
	}
}

func TestHasherCollectsWhatHashesLeave(t *testing.T) {
	h := NewHasher(Bounds{Parallel: 4})
	var kib, worst int64
	h.derive = func(_, _ []byte, p params) []byte {
		kib += int64(p.memory)
		worst = max(worst, kib)
		return nil
	}
	h.collect = func() { kib = 0 }
	for range 100 {
		if _, err := h.matches(t.Context(), hash{params: params{memory: 46 << 10, time: 1, lanes: 1, key: 32}}, "p"); err != nil {
			t.Fatal(err)
		}
	}
	if most := int64(2*slot + 46<<10); worst == 0 || worst > most {
		t.Errorf("%d KiB were left before a collection, want at most %d", worst, most)
	}
}

func TestHasherGivesMemoryBackWhenQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(Bounds{Parallel: 4})
		var given atomic.Int64
		h.derive = func(_, _ []byte, p params) []byte { return nil }
		h.collect, h.giveUp = func() {}, func() { given.Add(1) }
		hashOnce := func(memory uint32) {
			if _, err := h.matches(t.Context(), hash{params: params{memory: memory, time: 1, lanes: 1, key: 32}}, "p"); err != nil {
				t.Fatal(err)
			}
		}
		after := func(d time.Duration, want int64) {
			t.Helper()
			<-time.After(d)
			synctest.Wait()
			if given.Load() != want {
				t.Errorf("memory was given back %d times, want %d", given.Load(), want)
			}
		}
		hashOnce(46 << 10)
		after(9*time.Second, 0)
		hashOnce(46 << 10)
		after(9*time.Second, 0)
		after(2*time.Second, 1)
		after(time.Hour, 1)
		hashOnce(65 << 10)
		after(0, 2)
		after(11*time.Second, 3)
	})
}
