package storetest

import (
	"sync"
	"testing"
	"time"
)

func testCounters(t *testing.T, open opener) {
	const window = 15 * time.Minute
	count := func(f *fixture, key string, want int) {
		f.T.Helper()
		n, err := f.Failures(f.ctx, key, f.now(), window)
		f.ok(err)
		if n != want {
			f.T.Errorf("%d failures of %s, want %d", n, key, want)
		}
	}
	fail := func(f *fixture, key string, want int) {
		f.T.Helper()
		n, err := f.Fail(f.ctx, key, f.now(), window)
		f.ok(err)
		if n != want {
			f.T.Errorf("failure of %s is number %d, want %d", key, n, want)
		}
	}
	t.Run("counts within the window", func(t *testing.T) {
		f := newFixture(t, open)
		count(f, "ann", 0)
		fail(f, "ann", 1)
		fail(f, "ann", 2) // at the same moment
		f.clock.Advance(5 * time.Minute)
		fail(f, "ann", 3)
		fail(f, "bob", 1)
		f.clock.Advance(10*time.Minute - time.Nanosecond)
		count(f, "ann", 3)
		f.clock.Advance(time.Nanosecond)
		count(f, "ann", 1)
		fail(f, "ann", 2)
		count(f, "bob", 1)
	})
	t.Run("survives a restart and a sweep", func(t *testing.T) {
		f := newFixture(t, open)
		fail(f, "ann", 1)
		fail(f, "ann", 2)
		f.restart()
		f.sweep()
		count(f, "ann", 2)
		n, err := f.Fail(f.ctx, "slow", f.now(), 48*time.Hour)
		f.ok(err)
		if n != 1 {
			t.Error(n)
		}
		f.clock.Advance(47 * time.Hour)
		f.sweep()
		n, err = f.Failures(f.ctx, "slow", f.now(), 48*time.Hour)
		f.ok(err)
		if n != 1 {
			t.Error("swept within its window")
		}
	})
	t.Run("a clock set back forgives nothing", func(t *testing.T) {
		f := newFixture(t, open)
		fail(f, "ann", 1)
		f.clock.Advance(-5 * time.Minute)
		count(f, "ann", 1)
		fail(f, "ann", 2)
	})
	t.Run("clear forgets one key", func(t *testing.T) {
		f := newFixture(t, open)
		fail(f, "ann", 1)
		fail(f, "bob", 1)
		f.ok(f.Clear(f.ctx, "ann"))
		f.ok(f.Clear(f.ctx, "nobody"))
		count(f, "ann", 0)
		count(f, "bob", 1)
	})
	t.Run("a hundred at once get a hundred numbers", func(t *testing.T) {
		f := newFixture(t, open)
		var mu sync.Mutex
		seen := map[int]int{}
		for _, err := range at100(func(int) error {
			n, err := f.Fail(f.ctx, "ann", f.now(), window)
			mu.Lock()
			defer mu.Unlock()
			seen[n]++
			return err
		}) {
			f.ok(err)
		}
		for n := 1; n <= 100; n++ {
			if seen[n] != 1 {
				t.Errorf("number %d was given %d times", n, seen[n])
			}
		}
	})
}
