package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

// sqliteEngine keeps everything in one file. WAL lets readers go on beside the writer, and
// synchronous=FULL makes a commit durable against loss of power, not only of the process.
type sqliteEngine struct {
	path    string
	writers atomic.Int64 // connections that were opened for writing
	seen    sqliteChange
}

// sqliteChange is what data_version said, and on which connection: the number has no meaning on another.
type sqliteChange struct{ writer, version int64 }

// sqliteBusy is how long a statement waits for a writer of another process.
const sqliteBusy = 10 * time.Second

// sqliteName is the data source name of a file; options are SQLite's own, as key and value in turn.
func sqliteName(path string, options ...string) string {
	q := url.Values{"_busy_timeout": {fmt.Sprint(sqliteBusy.Milliseconds())}}
	for i := 0; i+1 < len(options); i += 2 {
		q.Set(options[i], options[i+1])
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a Windows volume
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}
	return u.String()
}

// countingConnector counts the connections that it opens.
type countingConnector struct {
	driver.Connector
	opened *atomic.Int64
}

// Connect opens a connection.
func (c countingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	c.opened.Add(1)
	return c.Connector.Connect(ctx)
}

func openSQLite(path string, conns int, opened *atomic.Int64, options ...string) (*sql.DB, error) {
	c, err := sqlite.NewConnector(sqliteName(path, options...))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	if opened != nil {
		c = countingConnector{c, opened}
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// ownFile makes the file for its owner only, or takes others' rights away. SQLite gives the files
// that it adds (-wal, -shm) the rights of this one. One that is there is not opened: to close any descriptor of a file drops
// every lock that the process has on it (POSIX fcntl), those of a store that is open as well, and the next command of another
// process would take itself for the last user and delete the log.
func ownFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the admin's
	if errors.Is(err, fs.ErrExist) {
		return os.Chmod(path, 0o600)
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

func (e *sqliteEngine) connect(ctx context.Context) (*pools, error) {
	path, err := RealFile(e.path)
	if err != nil {
		return nil, err
	}
	if err := ownFile(path); err != nil {
		return nil, err
	}
	w, err := openSQLite(path, 1, &e.writers,
		"_journal_mode", "WAL", "_synchronous", "FULL", "_foreign_keys", "on", "_txlock", "immediate")
	if err != nil {
		return nil, err
	}
	r, err := openSQLite(path, 2*runtime.GOMAXPROCS(0)+2, nil, "_query_only", "on")
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	r.SetConnMaxIdleTime(5 * time.Minute) // each holds a page cache
	p := &pools{
		dialect: dialect{
			migrations: "migrations/sqlite",
			goose:      goose.DialectSQLite3,
			bind:       func(query string) string { return query },
		},
		writer: w,
		reader: r,
	}
	if err := w.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), p.close())
	}
	return p, nil
}

// lock takes the exclusive lock of a database of its own, which the system lets go of when the
// process dies. It works wherever SQLite does.
func (e *sqliteEngine) lock(ctx context.Context) (func() error, error) {
	path, err := RealFile(e.path)
	if err != nil {
		return nil, err
	}
	path += ".lock"
	if err := ownFile(path); err != nil {
		return nil, err
	}
	db, err := openSQLite(path, 1, nil, "_txlock", "exclusive", "_busy_timeout", "60000")
	if err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for another process to open the store: %w", err), db.Close())
	}
	return func() error { return errors.Join(ignoreDone(tx.Rollback()), db.Close()) }, nil
}

func (e *sqliteEngine) sealed(ctx context.Context) (_ bool, err error) {
	path, err := RealFile(e.path)
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	db, err := openSQLite(path, 1, nil)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// An interrupted first start leaves a file without tables, or tables without rows.
	var n int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name IN ('seal', 'saml_keys')").Scan(&n); err != nil || n < 2 {
		return false, err
	}
	err = db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM seal) + (SELECT count(*) FROM saml_keys)").Scan(&n)
	return n > 0, err
}

// servedBy is the database of its own on which servers hold a shared lock, which the system lets go of when the process dies.
// It is not the one of lock: that is taken by whoever opens, commands too.
func servedBy(path string) string { return path + ".served" }

func (e *sqliteEngine) hold(ctx context.Context) (func() error, error) {
	path, err := RealFile(e.path)
	if err != nil {
		return nil, err
	}
	path = servedBy(path)
	if err := ownFile(path); err != nil {
		return nil, err
	}
	// Without a page cache, which would be there for as long as the server runs.
	db, err := openSQLite(path, 1, nil, "_pragma", "cache_size(1)")
	if err != nil {
		return nil, err
	}
	// Without the transaction's context: the lock outlives the opening.
	tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	release := func() error { return errors.Join(ignoreDone(tx.Rollback()), db.Close()) }
	var n int // a transaction of SQLite locks nothing before it reads
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil {
		return nil, errors.Join(err, release())
	}
	return release, nil
}

func (e *sqliteEngine) preserve(ctx context.Context, version int64) error {
	path, err := RealFile(e.path)
	if err != nil {
		return err
	}
	return copySQLite(ctx, path, fmt.Sprintf("%s.before-%d", path, version))
}

func (e *sqliteEngine) changed(ctx context.Context, p *pools) (bool, error) {
	var now sqliteChange
	// data_version moves when any other connection commits; all our own commits are on this one.
	if err := p.writer.QueryRowContext(ctx, "PRAGMA data_version").Scan(&now.version); err != nil {
		return false, fmt.Errorf("asking for changes: %w", err)
	}
	now.writer = e.writers.Load()
	was := e.seen
	e.seen = now
	return was != now, nil
}

// copySQLite writes a consistent copy of a database in use, whole or not at all.
func copySQLite(ctx context.Context, from, to string) (err error) {
	part := to + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := ownFile(part); err != nil { // VACUUM INTO fills an empty file and keeps its rights
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	db, err := openSQLite(from, 1, nil)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", part)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return settle(part, to)
}

// settle makes a finished file durable under its name.
func settle(part, to string) error {
	f, err := os.OpenFile(part, os.O_RDWR, 0) //nolint:gosec // made by the caller
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	_ = dir.Sync() // some systems cannot sync a directory; the rename is atomic all the same
	return dir.Close()
}
