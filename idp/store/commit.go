package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// commitMost is how many rows go into one transaction: enough that the disk is not what waits, few
// enough that other writers get their turn.
const commitMost = 256

// auditRow is an event on its way into the database.
type auditRow struct {
	time                           int64
	person, name, app, ref, digest string
	event                          []byte
	done                           chan error // of capacity 1: the writer never waits for a caller
}

// companyTime is how long a row that is ready waits for those that are expected. Eight launches at once
// take that long to be signed on two cores, and one commit for all of them instead of one for each is a
// tenth of their processor time. A launch without company never waits.
const companyTime = 4 * time.Millisecond

// committer writes audit rows in groups. Where no other row is expected, the first one to arrive is
// written at once; those that arrive meanwhile are the next group. So a lone caller waits for one commit and
// for no timer, and many callers share one.
type committer struct {
	*pools
	insert   *sql.Stmt
	queue    chan *auditRow
	expected *atomic.Int64 // callers who have a row in the queue or in the group, or will have one soon
	done     sync.WaitGroup
}

func newCommitter(ctx context.Context, p *pools, expected *atomic.Int64) (*committer, error) {
	insert, err := p.writer.PrepareContext(ctx, p.bind(
		"INSERT INTO audit (time, person, name, app, ref, digest, event) VALUES (?, ?, ?, ?, ?, ?, ?)"))
	if err != nil {
		return nil, fmt.Errorf("preparing the audit writer: %w", err)
	}
	return &committer{pools: p, insert: insert, queue: make(chan *auditRow, commitMost), expected: expected}, nil
}

func (c *committer) start() { c.done.Go(c.run) }

// drain writes what is queued and stops. Nobody may add any more.
func (c *committer) drain() {
	close(c.queue)
	c.done.Wait()
}

// add returns once the row is durable, or with ctx's error where it is no longer waited for; then
// the row may be written or not.
func (c *committer) add(ctx context.Context, r *auditRow) error {
	r.done = make(chan error, 1)
	select {
	case c.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *committer) run() {
	group := make([]*auditRow, 0, commitMost)
	company := time.NewTimer(companyTime)
	defer company.Stop()
	for first := range c.queue {
		company.Reset(companyTime)
		group = c.gather(append(group[:0], first), company.C)
		c.commit(group)
	}
}

// gather adds the rows that are there, and those that are expected and come in time. Of a queue that is
// closed it returns what it has; the next read of the queue finds that out.
func (c *committer) gather(group []*auditRow, late <-chan time.Time) []*auditRow {
	for len(group) < commitMost {
		select {
		case r, ok := <-c.queue:
			if !ok {
				return group
			}
			group = append(group, r)
			continue
		default:
		}
		if int64(len(group)) >= c.expected.Load() {
			return group
		}
		select {
		case r, ok := <-c.queue:
			if !ok {
				return group
			}
			group = append(group, r)
		case <-late:
			return group
		}
	}
	return group
}

func (c *committer) commit(group []*auditRow) {
	err := c.insertAll(group)
	for i, r := range group {
		r.done <- err
		group[i] = nil
	}
}

func (c *committer) insertAll(group []*auditRow) (err error) {
	// Not to be cancelled: a context that can be costs the driver a goroutine for each row. Waiting
	// for another process is bounded by sqliteBusy.
	ctx := context.Background()
	if len(group) == 1 {
		// One statement is a transaction of its own, and spares the two around it.
		return insertRow(ctx, c.insert, group[0])
	}
	tx, err := c.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	insert := tx.StmtContext(ctx, c.insert)
	for _, r := range group {
		if err := insertRow(ctx, insert, r); err != nil {
			return errors.Join(err, ignoreDone(tx.Rollback()))
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

func insertRow(ctx context.Context, insert *sql.Stmt, r *auditRow) error {
	_, err := insert.ExecContext(ctx, r.time, r.person, r.name, r.app, r.ref, r.digest, string(r.event))
	return err
}
