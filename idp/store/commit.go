package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// commitMost is how many rows go into one transaction: enough that the disk is not what waits, few
// enough that other writers get their turn.
const commitMost = 256

// rowsMost is how many rows one statement inserts: as many as launches go on at once on a few cores.
const rowsMost = 16

// auditRow is an event on its way into the database.
type auditRow struct {
	time                           int64
	person, name, app, ref, digest string
	event                          []byte
	done                           chan error // of capacity 1: the writer never waits for a caller
}

// companyTime is how long a row that is ready waits at most for those that will come. Eight launches at once
// take a little less to be signed on two cores, and one commit for all of them instead of one for each is a
// tenth of their processor time.
const companyTime = 6 * time.Millisecond

// committer writes audit rows in groups. Where no other row is expected, the first one to arrive is
// written at once; those that arrive meanwhile are the next group. In a crowd the next rows are often on their
// way before anybody can expect them, their requests not even read, so a group waits until it is three quarters of
// the last one. So a lone caller waits for one commit, and for a timer only once, after a crowd has left; and many callers share one.
type committer struct {
	*pools
	inserts  [rowsMost + 1]*sql.Stmt // by how many rows they insert; made when they are first needed
	queue    chan *auditRow
	expected *atomic.Int64 // callers who have a row in the queue or in the group, or will have one soon
	last     int           // rows in the last group
	done     sync.WaitGroup
}

func newCommitter(ctx context.Context, p *pools, expected *atomic.Int64) (*committer, error) {
	c := &committer{pools: p, queue: make(chan *auditRow, commitMost), expected: expected}
	_, err := c.insert(ctx, 1)
	return c, err
}

// insert returns the statement that inserts so many rows.
func (c *committer) insert(ctx context.Context, rows int) (*sql.Stmt, error) {
	if c.inserts[rows] != nil {
		return c.inserts[rows], nil
	}
	values := strings.Repeat(", (?, ?, ?, ?, ?, ?, ?)", rows)[2:]
	stmt, err := c.writer.PrepareContext(ctx, c.bind("INSERT INTO audit (time, person, name, app, ref, digest, event) VALUES "+values))
	if err != nil {
		return nil, fmt.Errorf("preparing the audit writer: %w", err)
	}
	c.inserts[rows] = stmt
	return stmt, nil
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
		c.last = len(group)
		c.commit(group)
	}
}

// gather adds the rows that are there, and those that are expected or likely and come in time. Of a queue that is
// closed it returns what it has; the next read of the queue finds that out.
func (c *committer) gather(group []*auditRow, late <-chan time.Time) []*auditRow {
	likely := int64(c.last * 3 / 4)
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
		if int64(len(group)) >= max(likely, c.expected.Load()) {
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
	idp.GrowStack(1) // each collection of garbage takes what nobody used
	err := c.insertAll(group)
	for i, r := range group {
		r.done <- err
		group[i] = nil
	}
}

func (c *committer) insertAll(group []*auditRow) error {
	// Not to be cancelled: a context that can be costs the driver a goroutine for each row. Waiting
	// for another process is bounded by sqliteBusy.
	ctx := context.Background()
	last := (len(group)-1)%rowsMost + 1
	insert, err := c.insert(ctx, last)
	if err != nil {
		return err
	}
	if len(group) == last {
		// One statement is a transaction of its own, and spares the two around it.
		return insertRows(ctx, insert, group)
	}
	if _, err := c.insert(ctx, rowsMost); err != nil {
		return err
	}
	tx, err := c.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	for part := range slices.Chunk(group, rowsMost) {
		if err := insertRows(ctx, tx.StmtContext(ctx, c.inserts[len(part)]), part); err != nil {
			return errors.Join(err, ignoreDone(tx.Rollback()))
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

func insertRows(ctx context.Context, insert *sql.Stmt, rows []*auditRow) error {
	args := make([]any, 0, 7*len(rows))
	for _, r := range rows {
		args = append(args, r.time, r.person, r.name, r.app, r.ref, r.digest, string(r.event))
	}
	_, err := insert.ExecContext(ctx, args...)
	return err
}
