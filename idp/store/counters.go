package store

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

var _ idp.Counters = (*Store)(nil)

// failuresKept is how long a failure is kept at least, so that a longer window still finds it.
const failuresKept = 24 * time.Hour

// A failure of the window is one after its start. There is no end to it: with two clocks, or one
// that was set back, a failure "in the future" counts, because forgetting it would give an attacker
// more attempts.
const countFailures = "SELECT count(*) FROM failures WHERE key = ? AND at > ?"

// Fail adds a failure and returns how many there are now.
func (s *Store) Fail(ctx context.Context, key string, when time.Time, window time.Duration) (n int, err error) {
	o, err := s.enter()
	if err != nil {
		return 0, err
	}
	defer s.leave()
	err = o.write(ctx, func(c conn) error {
		_, err := c.exec(ctx, "INSERT INTO failures (key, at, till) VALUES (?, ?, ?)",
			key, stamp(when), stamp(when.Add(max(window, failuresKept))))
		if err != nil {
			return err
		}
		return c.row(ctx, countFailures, key, stamp(when.Add(-window))).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("counting a failure: %w", err)
	}
	return n, nil
}

// Failures returns how many failures lie within the window before at.
func (s *Store) Failures(ctx context.Context, key string, when time.Time, window time.Duration) (n int, err error) {
	o, err := s.enter()
	if err != nil {
		return 0, err
	}
	defer s.leave()
	if err := o.read().row(ctx, countFailures, key, stamp(when.Add(-window))).Scan(&n); err != nil {
		return 0, fmt.Errorf("reading failures: %w", err)
	}
	return n, nil
}

// Clear forgets a key's failures.
func (s *Store) Clear(ctx context.Context, key string) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	err = o.write(ctx, func(c conn) error {
		_, err := c.exec(ctx, "DELETE FROM failures WHERE key = ?", key)
		return err
	})
	if err != nil {
		return fmt.Errorf("clearing failures: %w", err)
	}
	return nil
}
