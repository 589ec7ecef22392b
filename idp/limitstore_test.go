package idp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// frozenStore is a store that reads, and while it is frozen counts no failure.
type frozenStore struct {
	idp.Store
	mu     sync.Mutex
	frozen bool
}

func (s *frozenStore) freeze(frozen bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = frozen
}

func (s *frozenStore) Fail(ctx context.Context, key string, at time.Time, window time.Duration) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen {
		return 0, errors.New("attempt to write a readonly database")
	}
	return s.Store.Fail(ctx, key, at, window)
}

// newFrozen returns a venue with a directory that locks at a threshold and tells nobody what it counts.
func newFrozen(t *testing.T, threshold int, names ...string) (*venue, *lockingSource, *frozenStore) {
	t.Helper()
	_, d := withLocking(t, threshold, names...)
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	s := &frozenStore{Store: storetest.NewMemory(c.Now)}
	v := venueOf(t, s, c)
	cfg := baseConfig(t, s, c.Now)
	cfg.Sources, cfg.Applications, cfg.Policies = []idp.Source{aliasedSource{d, "corp"}}, nil, cfg.Policies[:2]
	var err error
	v.gateway, err = idp.New(cfg)
	must(t, err)
	d.now = c.Now
	return v, d, s
}

// C-22: what cannot be counted is not passed on. Guesses that a store which only reads does not count are owed to it, and
// nobody's password goes anywhere until they are paid.
func TestC22WhatCannotBeCountedIsNotPassedOn(t *testing.T) {
	v, d, s := newFrozen(t, 7, "bob")
	s.freeze(true)
	for i := range 10 {
		for _, name := range []string{"alice", "bob", "nosuch"} {
			if status, _ := v.try(t, name, fmt.Sprint("guess", i)); status != http.StatusServiceUnavailable {
				t.Errorf("%s, guess %d: %d", name, i, status)
			}
		}
		v.clock.move(time.Second)
	}
	if n := d.accounts["alice"].binds + d.accounts["bob"].binds; n != 1 {
		t.Errorf("%d passwords were passed on uncounted, want the one that showed it", n)
	}
	s.freeze(false)
	for i := range 10 {
		v.try(t, "alice", fmt.Sprint("later", i))
		v.clock.move(time.Second)
	}
	d.wantMost(t, "alice", 5) // the first one among them
	if status, _ := v.try(t, "bob", "right"); status != http.StatusSeeOther {
		t.Errorf("bob, once failures are counted again: %d", status)
	}
}

// C-22: nor are more than the budget when they come all at once.
func TestC22ABurstAtAStoreThatOnlyReads(t *testing.T) {
	for _, threshold := range []int{3, 5, 10} {
		v, d, s := newFrozen(t, threshold)
		forms := v.armed(t, 100, func(int) string { return "alice" })
		s.freeze(true)
		var done sync.WaitGroup
		for _, r := range forms {
			done.Go(func() { v.gateway.ServeHTTP(httptest.NewRecorder(), r) })
		}
		done.Wait()
		if n := d.accounts["alice"].binds; n > threshold-2 {
			t.Errorf("a directory that locks at %d was shown %d passwords", threshold, n)
		}
	}
}
