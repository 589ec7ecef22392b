package idp

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// memCounters counts in memory, for tests of what counts.
type memCounters struct {
	mu sync.Mutex
	at map[string][]time.Time
}

func (m *memCounters) Fail(_ context.Context, key string, at time.Time, window time.Duration) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at == nil {
		m.at = map[string][]time.Time{}
	}
	m.at[key] = append(m.at[key], at)
	return m.within(key, at, window), nil
}

func (m *memCounters) Failures(_ context.Context, key string, at time.Time, window time.Duration) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.within(key, at, window), nil
}

func (m *memCounters) within(key string, at time.Time, window time.Duration) int {
	n := 0
	for _, t := range m.at[key] {
		if at.Sub(t) < window {
			n++
		}
	}
	return n
}

func (m *memCounters) Clear(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.at, key)
	return nil
}

// at is a clock that stands still.
func at(moment time.Time) func() time.Time {
	return func() time.Time { return moment }
}

// C-22: guesses sent together cannot pass before the first of them is counted.
func TestC22ParallelGuessesAreCounted(t *testing.T) {
	l, c := NewLimiter(Limits{}), &memCounters{}
	b := budget{key: "alice", most: 5, window: 15 * time.Minute}
	var passed, running, peak atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			leave, err := l.enter(t.Context(), c, b, at(monday))
			if errors.Is(err, errLimited) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			for n := running.Add(1); ; {
				if p := peak.Load(); n <= p || peak.CompareAndSwap(p, n) {
					break
				}
			}
			passed.Add(1)
			running.Add(-1)
			if err := leave(true); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 5 || peak.Load() > 5 {
		t.Errorf("%d guesses were passed on, %d at once; want 5", passed.Load(), peak.Load())
	}
	if len(l.gates) != 0 {
		t.Errorf("%d gates are left", len(l.gates))
	}
}

// meddled counts as memCounters does, and has something happen once, after a count was read and before it is used.
type meddled struct {
	memCounters
	then func()
}

func (m *meddled) Failures(ctx context.Context, key string, at time.Time, window time.Duration) (int, error) {
	n, err := m.memCounters.Failures(ctx, key, at, window)
	if then := m.then; then != nil {
		m.then = nil
		then()
	}
	return n, err
}

// C-22: a count that was read before another guess failed is not believed after that.
func TestC22AFailureWhileCountingIsSeen(t *testing.T) {
	l, c := NewLimiter(Limits{}), &meddled{}
	b := budget{key: "alice", most: 1, window: 15 * time.Minute}
	leave, err := l.enter(t.Context(), c, b, at(monday))
	if err != nil {
		t.Fatal(err)
	}
	c.then = func() {
		if err := leave(true); err != nil {
			t.Error(err)
		}
	}
	if _, err := l.enter(t.Context(), c, b, at(monday)); !errors.Is(err, errLimited) {
		t.Errorf("a second guess: %v", err)
	}
}

// Only failures count: right sign-ins of one person are all served, however many come at once.
func TestRightSignInsAreAllServed(t *testing.T) {
	l, c := NewLimiter(Limits{}), &memCounters{}
	b := budget{key: "alice", most: 5, window: 15 * time.Minute}
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			leave, err := l.enter(t.Context(), c, b, at(monday))
			if err != nil {
				t.Error(err)
				return
			}
			if err := leave(false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if l.addresses.empty(netip.MustParseAddr("203.0.113.9"), monday) {
		t.Error("right sign-ins counted against the address")
	}
}

func TestFailuresAreForgottenWithTheWindow(t *testing.T) {
	l, c := NewLimiter(Limits{}), &memCounters{}
	b := budget{key: "alice", most: 1, window: 15 * time.Minute}
	leave, err := l.enter(t.Context(), c, b, at(monday))
	if err != nil {
		t.Fatal(err)
	}
	if err := leave(true); err != nil {
		t.Fatal(err)
	}
	if _, err := l.enter(t.Context(), c, b, at(monday.Add(14*time.Minute))); !errors.Is(err, errLimited) {
		t.Errorf("within the window: %v", err)
	}
	if _, err := l.enter(t.Context(), c, b, at(monday.Add(15*time.Minute))); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

func TestAddressLimit(t *testing.T) {
	l := NewLimiter(Limits{})
	office, home := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("198.51.100.1")
	for i := range 30 {
		if l.addresses.empty(office, monday) {
			t.Fatalf("limited after %d failures", i)
		}
		l.addresses.take(office, monday)
	}
	if !l.addresses.empty(office, monday) || !l.addresses.empty(netip.MustParseAddr("::ffff:203.0.113.9"), monday) {
		t.Error("30 failures in a minute must limit the address, however it is written")
	}
	if l.addresses.empty(home, monday) {
		t.Error("another address is limited")
	}
	if l.addresses.empty(office, monday.Add(time.Minute)) {
		t.Error("limited a minute later")
	}
}

func TestAddressLimitCountsSubscribersOfIPv6(t *testing.T) {
	l := NewLimiter(Limits{Address: 1})
	l.addresses.take(netip.MustParseAddr("2001:db8:1:2::1"), monday)
	if !l.addresses.empty(netip.MustParseAddr("2001:db8:1:2:ffff::9"), monday) {
		t.Error("another address of the same /64 is not limited")
	}
	if l.addresses.empty(netip.MustParseAddr("2001:db8:1:3::1"), monday) {
		t.Error("another /64 is limited")
	}
}

// C-70: one address begins so many sign-ins in a minute, and an office at the start of a shift never comes near.
func TestC70SignInsBegunByStrangersAreBounded(t *testing.T) {
	l := NewLimiter(Limits{})
	office := netip.MustParseAddr("203.0.113.9")
	for i := range startsPerMinute {
		if !l.mayStart(office, monday) {
			t.Fatalf("refused after %d", i)
		}
	}
	if l.mayStart(office, monday) {
		t.Error("no bound")
	}
	if !l.mayStart(netip.MustParseAddr("198.51.100.1"), monday) || !l.mayStart(netip.Addr{}, monday) {
		t.Error("another address, or one that is not known, is refused")
	}
	if !l.mayStart(office, monday.Add(time.Second)) {
		t.Error("refused a second later")
	}
}

// C-21: failures that follow each other within a window count as a whole, as a directory counts them, and no longer than
// that. Ours alone do so: what one domain controller counted need not be what another one did.
func TestC21ARowOfFailuresCountsAsAWhole(t *testing.T) {
	minute := func(n int) time.Time { return monday.Add(time.Duration(n) * time.Minute) }
	b := budget{key: "alice", most: 8, window: 30 * time.Minute, directory: true}
	c := &memCounters{}
	for i, want := range []int{1, 2, 3, 4, 5, 6} {
		if _, err := c.Fail(t.Context(), b.key, minute(29*i), b.remembered()); err != nil {
			t.Fatal(err)
		}
		if n, err := b.spent(t.Context(), c, minute(29*i+28)); n != want || err != nil {
			t.Errorf("after %d failures: %d, %v", i+1, n, err)
		}
	}
	if n, err := b.spent(t.Context(), c, minute(29*5+30)); n != 0 || err != nil {
		t.Errorf("a window after the last one: %d, %v", n, err)
	}
	b.directory = false
	if n, err := b.spent(t.Context(), c, minute(29*5+2)); n != 1 || err != nil {
		t.Errorf("where no directory counts: %d, %v", n, err)
	}
}

// C-22: what the directory counted is as old as the question: failures since then come on top.
func TestC22FailuresSinceTheDirectoryWasAsked(t *testing.T) {
	for _, x := range []struct{ counted, before, since, want int }{
		{0, 0, 0, 0}, {0, 3, 2, 5}, {3, 3, 0, 3}, {3, 1, 0, 3}, {3, 3, 2, 5}, {3, 0, 2, 5}, {1, 4, 1, 5},
	} {
		b := budget{key: "alice", most: 9, window: 30 * time.Minute, directory: true, counted: x.counted, asked: monday}
		c := &memCounters{}
		for i := range x.before {
			_, _ = c.Fail(t.Context(), b.key, monday.Add(time.Duration(i-10)*time.Second), b.window)
		}
		for i := range x.since {
			_, _ = c.Fail(t.Context(), b.key, monday.Add(time.Duration(i)*time.Second), b.window)
		}
		if n, err := b.spent(t.Context(), c, monday.Add(10*time.Second)); n != x.want || err != nil {
			t.Errorf("%+v: %d, %v", x, n, err)
		}
	}
}
