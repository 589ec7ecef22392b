package caddymodule

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// fakeStore counts what is done to it.
type fakeStore struct {
	idp.Store
	opens, closes atomic.Int32
	err           error
	closed        chan struct{}
}

func (f *fakeStore) Open(context.Context) error {
	f.opens.Add(1)
	return f.err
}

func (f *fakeStore) Close() error {
	f.closes.Add(1)
	close(f.closed)
	return nil
}

// heldStore is a fakeStore that tells other processes that it is served, or fails to.
type heldStore struct {
	fakeStore
	held error
}

func (h *heldStore) Hold(context.Context) error { return h.held }

func pooled(t *testing.T, f *fakeStore) (*shared, func() error) {
	t.Helper()
	f.closed = make(chan struct{})
	s, release, err := acquire(t.Name(), func() (Store, error) { return f, nil })
	if err != nil {
		t.Fatal(err)
	}
	return s, release
}

func TestStoreIsSharedAndOpenedOnce(t *testing.T) {
	f := new(fakeStore)
	a, releaseA := pooled(t, f)
	b, releaseB, err := acquire(t.Name(), func() (Store, error) { return nil, errors.New("a second store") })
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Fatal("two stores of one identity")
	}
	for _, s := range []*shared{a, b} {
		if err := s.open(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.opens.Load(); n != 1 {
		t.Errorf("opened %d times", n)
	}
	// A reference is given back once, however often Cleanup runs.
	for range 3 {
		if err := releaseA(); err != nil {
			t.Fatal(err)
		}
	}
	if f.closes.Load() != 0 {
		t.Error("closed while the other configuration holds it")
	}
	if err := releaseB(); err != nil {
		t.Fatal(err)
	}
	if n := f.closes.Load(); n != 1 {
		t.Errorf("closed %d times", n)
	}
}

func TestStoreWaitsForItsRequests(t *testing.T) {
	f := new(fakeStore)
	s, release := pooled(t, f)
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, err := s.use()
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if f.closes.Load() != 0 {
		t.Fatal("closed under a request")
	}
	// A request of the same configuration that comes while another is under way still succeeds.
	second, err := s.use()
	if err != nil {
		t.Fatal(err)
	}
	first()
	if f.closes.Load() != 0 {
		t.Fatal("closed under the second request")
	}
	second()
	<-f.closed
	if _, err := s.use(); !errors.Is(err, errDraining) {
		t.Errorf("after the end: %v", err)
	}
}

func TestStoreThatNeverOpenedIsNotClosed(t *testing.T) {
	f := &fakeStore{err: errors.New("no")}
	s, release := pooled(t, f)
	for range 2 {
		if err := s.open(t.Context()); err == nil {
			t.Fatal("opened")
		}
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if f.opens.Load() != 2 || f.closes.Load() != 0 {
		t.Errorf("opens %d, closes %d", f.opens.Load(), f.closes.Load())
	}
}

// A store that commands would take for one that nobody serves from does not serve: the log, and a load that failed, say so.
func TestStoreThatCannotBeHeldIsClosed(t *testing.T) {
	f := &heldStore{held: errors.New("read-only file system")}
	f.closed = make(chan struct{})
	s, release, err := acquire(t.Name(), func() (Store, error) { return f, nil })
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, s.serve(t.Context()), "read-only file system")
	if n := f.closes.Load(); n != 1 {
		t.Errorf("closed %d times, want once", n)
	}
	f.held, f.closed = nil, make(chan struct{})
	if err := s.serve(t.Context()); err != nil || f.opens.Load() != 2 {
		t.Errorf("once it can be held: %v, opened %d times", err, f.opens.Load())
	}
	if err := release(); err != nil || f.closes.Load() != 2 {
		t.Errorf("%v, closed %d times", err, f.closes.Load())
	}
}

func TestFailedConstructionLeavesThePoolEmpty(t *testing.T) {
	_, _, err := acquire(t.Name(), func() (Store, error) { return nil, errors.New("no such engine") })
	wantError(t, err, "no such engine")
	if n := poolSize(); n != 0 {
		t.Errorf("%d in the pool", n)
	}
}
