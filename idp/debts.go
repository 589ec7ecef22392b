package idp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// debts are failures that the store could not count. While there are any, no attempt is let in: a store that reads and
// does not write would let guesses go on for ever. They are in memory, and are lost with the process; but the form that
// brings a password spends its flow first, so that a store which writes nothing at all has none passed on.
type debts struct {
	paying singleflight.Group // one pays for all

	mu   sync.Mutex
	owed []debt
}

type debt struct {
	key        string
	at         time.Time
	remembered time.Duration
}

// errUncounted says that a failure could not be counted.
var errUncounted = errors.New("a failure cannot be counted")

// count has the store count a failure, or owes it.
func (d *debts) count(ctx context.Context, c Counters, what debt) error {
	_, err := c.Fail(ctx, what.key, what.at, what.remembered)
	if err == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.owed = append(d.owed, what)
	return fmt.Errorf("%w: %w", errUncounted, err)
}

// first returns what is owed for longest.
func (d *debts) first() (debt, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.owed) == 0 {
		return debt{}, false
	}
	return d.owed[0], true
}

// pay has the store count what is owed.
func (d *debts) pay(ctx context.Context, c Counters) error {
	if _, owes := d.first(); !owes {
		return nil
	}
	_, err, _ := d.paying.Do("", func() (any, error) { return nil, d.payAll(context.WithoutCancel(ctx), c) })
	return err
}

func (d *debts) payAll(ctx context.Context, c Counters) error {
	for {
		what, owes := d.first()
		if !owes {
			return nil
		}
		if _, err := c.Fail(ctx, what.key, what.at, what.remembered); err != nil {
			return fmt.Errorf("%w: %w", errUncounted, err)
		}
		d.mu.Lock()
		d.owed = d.owed[1:]
		d.mu.Unlock()
	}
}
