package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// How often an open store looks after itself. A revocation or a promoted key of another process is
// seen within watchEvery.
const (
	watchEvery = 500 * time.Millisecond
	flushEvery = 10 * time.Second
	sweepEvery = 10 * time.Minute
)

// sweepMost is how many rows are deleted in one transaction: sign-ins wait no longer than for one.
const sweepMost = 1000

// keepHouse runs until ctx ends. What fails is logged and tried again at the next tick.
func (o *state) keepHouse(ctx context.Context) {
	watch, flush, sweep := time.NewTicker(watchEvery), time.NewTicker(flushEvery), time.NewTicker(sweepEvery)
	defer watch.Stop()
	defer flush.Stop()
	defer sweep.Stop()
	for {
		idp.GrowStack(1) // each collection of garbage takes what nobody used
		var err error
		select {
		case <-ctx.Done():
			return
		case <-watch.C:
			err = o.follow(ctx)
		case <-flush.C:
			err = o.flushTouches(ctx)
		case <-sweep.C:
			err = o.sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			o.Log.ErrorContext(ctx, "looking after the store", "error", err)
		}
	}
}

// follow takes over what another process wrote: a session revoked, a key promoted.
func (o *state) follow(ctx context.Context) error {
	changed, err := o.engine.changed(ctx, o.pools)
	if err != nil {
		// What cannot be known to be current is not answered from memory.
		o.cache.dropAll()
		return err
	}
	if !changed {
		return nil
	}
	o.cache.dropAll()
	return o.loadKeys(ctx)
}

// Sweep deletes what has expired: sessions, memos, devices, failures, audit events older than
// AuditKeep, and the rule texts that no event names any more. An open store sweeps every 10 minutes.
func (s *Store) Sweep(ctx context.Context) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	return o.sweep(ctx)
}

func (o *state) sweep(ctx context.Context) error {
	now, old := stamp(o.Now()), stamp(o.Now().Add(-time.Duration(o.keep.Load())))
	for _, d := range []struct {
		table, key, where string
		till              int64
	}{
		{"sessions", "id", "expires <> 0 AND expires <= ?", now},
		{"memos", "n", "expires <= ?", now},
		{"devices", "id", "expires <= ?", now},
		{"failures", "n", "till <= ?", now},
		{"audit", "id", "time < ?", old},
	} {
		query := fmt.Sprintf("DELETE FROM %s WHERE %s IN (SELECT %s FROM %s WHERE %s LIMIT %d) AND %s",
			d.table, d.key, d.key, d.table, d.where, sweepMost, d.where)
		if err := o.sweepTable(ctx, query, d.till, d.till); err != nil {
			return fmt.Errorf("sweeping %s: %w", d.table, err)
		}
	}
	if err := o.sweepTexts(ctx, old); err != nil {
		return fmt.Errorf("sweeping rule texts: %w", err)
	}
	return o.countMemos(ctx)
}

// sweepTable repeats a deletion until nothing is left of it.
func (o *state) sweepTable(ctx context.Context, query string, args ...any) error {
	for {
		var n int64
		err := o.write(ctx, func(c conn) (err error) {
			n, err = c.exec(ctx, query, args...)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// sweepTexts deletes the rule texts that nothing needs. A line that names a text is never written before
// this process, or another, has put the text: so a text that was not put again meanwhile has no new line.
func (o *state) sweepTexts(ctx context.Context, old int64) error {
	candidates, err := o.oldTexts(ctx, old)
	if err != nil {
		return err
	}
	for _, digest := range candidates {
		// Nothing indexes the lines by digest, and this reads them all where none is left: once, outside
		// of the transaction that others would wait for.
		var named bool
		if err := o.read().row(ctx, "SELECT EXISTS (SELECT 1 FROM audit WHERE digest = ?)", digest).Scan(&named); err != nil {
			return err
		}
		if named {
			continue
		}
		err := o.write(ctx, func(c conn) error {
			_, err := c.exec(ctx, "DELETE FROM rule_texts WHERE digest = ? AND at < ?", digest, old)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// oldTexts returns the digests of the texts that were last put before a time and are not in force here.
func (o *state) oldTexts(ctx context.Context, old int64) (digests []string, err error) {
	err = o.read().each(ctx, func(rows *sql.Rows) error {
		var digest string
		if err := rows.Scan(&digest); err != nil {
			return err
		}
		if _, inUse := o.texts.Load(digest); !inUse {
			digests = append(digests, digest)
		}
		return nil
	}, "SELECT digest FROM rule_texts WHERE at < ?", old)
	return digests, err
}
