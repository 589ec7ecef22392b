package caddymodule

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// pools holds what configurations before and after a reload share.
var pools = caddy.NewUsagePool()

// drainTime is how long a store waits for the requests of a configuration that is gone.
const drainTime = 30 * time.Second

// shared is a store with what must live as long: counts of failures would start anew with each reload
// if the limiter did not.
type shared struct {
	Store
	limiter *idp.Limiter

	opening sync.Mutex
	opened  bool

	mu     sync.Mutex
	users  int
	closed bool          // Destruct was called
	idle   chan struct{} // closed when the last user leaves after that
	gone   sync.Once
}

// acquire returns the store of that identity, made if there is none, and a function that gives the
// reference back once. Caddy cancels a configuration while requests of it are still under way, so a
// reference is not enough to use the store: see use.
func acquire(identity string, construct func() (Store, error)) (*shared, func() error, error) {
	v, _, err := pools.LoadOrNew(identity, func() (caddy.Destructor, error) {
		s, err := construct()
		if err != nil {
			return nil, err
		}
		return &shared{Store: s, limiter: idp.NewLimiter(idp.Limits{}), idle: make(chan struct{})}, nil
	})
	if err != nil {
		return nil, nil, err
	}
	var once sync.Once
	release := func() (err error) {
		once.Do(func() { _, err = pools.Delete(identity) })
		return err
	}
	return v.(*shared), release, nil
}

// open opens the store, once for all configurations that share it.
func (s *shared) open(ctx context.Context) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.opened {
		return nil
	}
	if err := s.Store.Open(ctx); err != nil {
		return err
	}
	s.opened = true
	return nil
}

// serve is open for a configuration that answers requests. A store that can tells commands of other processes; one that fails to is
// closed again, because they would take it for one that nobody serves from.
func (s *shared) serve(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	if h, ok := s.Store.(interface {
		Hold(ctx context.Context) error
	}); ok {
		if err := h.Hold(ctx); err != nil {
			return errors.Join(err, s.shut())
		}
	}
	return nil
}

// errDraining says that the store belongs to a configuration that is gone.
var errDraining = errors.New("the store is being closed")

// use keeps the store open until leave is called.
func (s *shared) use() (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && s.users == 0 {
		return nil, errDraining
	}
	s.users++
	return s.leave, nil
}

func (s *shared) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 && s.closed {
		s.gone.Do(func() { close(s.idle) })
	}
}

// Destruct closes the store: at once where nobody uses it, else when the last request leaves, at the
// latest after 30 s. It does not hold the reload up for that.
func (s *shared) Destruct() error {
	s.mu.Lock()
	s.closed = true
	busy := s.users > 0
	s.mu.Unlock()
	if !busy {
		return s.shut()
	}
	go func() {
		wait := time.NewTimer(drainTime)
		defer wait.Stop()
		select {
		case <-s.idle:
		case <-wait.C:
		}
		if err := s.shut(); err != nil {
			caddy.Log().Named(appName).Sugar().Errorf("closing the store: %v", err)
		}
	}()
	return nil
}

func (s *shared) shut() error {
	s.opening.Lock() // not in the middle of Open
	defer s.opening.Unlock()
	if !s.opened {
		return nil
	}
	s.opened = false
	return s.Store.Close()
}
