package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/pressly/goose/v3"
)

// engine is what differs between kinds of databases.
type engine interface {
	// connect opens the pools; the database is made if it is not there.
	connect(ctx context.Context) (*pools, error)
	// lock holds off every other process that opens the same database, until release.
	lock(ctx context.Context) (release func() error, err error)
	// sealed reports whether there is a database with something sealed in it. It makes none.
	sealed(ctx context.Context) (bool, error)
	// hold tells every other process that a server runs on the database, until release.
	hold(ctx context.Context) (release func() error, err error)
	// preserve keeps a copy of the database before it is migrated to the version.
	preserve(ctx context.Context, version int64) error
	// changed reports whether somebody else wrote since the last call.
	changed(ctx context.Context, p *pools) (bool, error)
}

// dialect is how an engine's SQL differs.
type dialect struct {
	migrations string // directory of its migrations
	goose      goose.Dialect
	bind       func(query string) string // from ? to the engine's placeholders
}

// pools are the connections to one open database. All writes of a process go through one
// connection, so that they queue in order instead of failing as busy.
type pools struct {
	dialect
	writer *sql.DB
	reader *sql.DB
}

func (p *pools) close() error { return errors.Join(p.reader.Close(), p.writer.Close()) }

// read is the connections for queries outside a transaction.
func (p *pools) read() conn { return conn{p.reader, p.bind} }

// write runs f in one transaction and returns once it is durable. An error of f undoes it and is
// returned as it is.
func (p *pools) write(ctx context.Context, f func(c conn) error) error {
	tx, err := p.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	if err := f(conn{tx, p.bind}); err != nil {
		if rerr := ignoreDone(tx.Rollback()); rerr != nil {
			return errors.Join(err, rerr)
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// ignoreDone drops the error of ending a transaction that the database has ended by itself.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// conn is a pool or a transaction that takes ? for placeholders.
type conn struct {
	db interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	bind func(string) string
}

// exec returns how many rows were changed.
func (c conn) exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := c.db.ExecContext(ctx, c.bind(query), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (c conn) row(ctx context.Context, query string, args ...any) *sql.Row {
	return c.db.QueryRowContext(ctx, c.bind(query), args...)
}

// each calls scan for every row of the query.
func (c conn) each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) (err error) {
	rows, err := c.db.QueryContext(ctx, c.bind(query), args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// The first and last moments that fit a column: the years 1678 and 2262.
var (
	firstMoment = time.Unix(0, math.MinInt64)
	lastMoment  = time.Unix(0, math.MaxInt64)
)

// stamp is a time as a column holds it: nanoseconds since 1970, 0 for the zero time.
func stamp(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Before(firstMoment):
		return math.MinInt64
	case t.After(lastMoment):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// moment is the time that stamp wrote.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
