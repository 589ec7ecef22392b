package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"modernc.org/sqlite"
)

// sqliteBusyCode is SQLITE_BUSY; extended codes carry more in their upper bytes (sqlite.org/rescode.html).
const sqliteBusyCode = 5

// InUse reports whether some process has the SQLite database at path open. A database that is not there
// is not in use. It asks for SQLite's exclusive lock, which every open connection to a database in WAL
// mode holds off, and gives it back.
func InUse(ctx context.Context, path string) (bool, error) { return isLocked(ctx, path) }

// Served reports whether a server runs on the SQLite database at path; see [Store.Hold]. Commands that have it open do not count.
func Served(ctx context.Context, path string) (bool, error) {
	file, err := RealFile(path)
	if err != nil {
		return false, err
	}
	return isLocked(ctx, servedBy(file))
}

// isLocked reports whether somebody holds a lock on a database. One that is not there is not locked.
func isLocked(ctx context.Context, path string) (used bool, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { //nolint:gosec // G703: the path is the admin's
		return false, nil
	}
	db, err := openSQLite(path, 1, nil, "_busy_timeout", "200")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := db.Conn(ctx)
	if err != nil {
		return false, fmt.Errorf("opening %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return locked(ctx, c)
}

func locked(ctx context.Context, c *sql.Conn) (bool, error) {
	if _, err := c.ExecContext(ctx, "PRAGMA locking_mode = EXCLUSIVE"); err != nil {
		return false, err
	}
	_, err := c.ExecContext(ctx, "BEGIN EXCLUSIVE; ROLLBACK")
	var why *sqlite.Error
	if errors.As(err, &why) && why.Code()&0xff == sqliteBusyCode {
		return true, nil
	}
	return false, err
}

// Schema returns the schema version of the SQLite database at path, and the one that this binary would
// bring it to. It changes nothing.
func Schema(ctx context.Context, path string) (have, newest int64, err error) {
	if newest, err = newestSchema("migrations/sqlite"); err != nil {
		return 0, 0, err
	}
	have, err = schemaOf(ctx, path)
	return have, newest, err
}
