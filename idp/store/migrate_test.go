package store

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// raw runs statements on a database file that no store has open.
func raw(t *testing.T, path string, f func(db *sql.DB)) {
	t.Helper()
	db, err := openSQLite(path, 1, nil)
	ok(t, err)
	f(db)
	ok(t, db.Close())
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := made(t, t.TempDir())
	raw(t, path, func(db *sql.DB) {
		_, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
		ok(t, err)
	})
	before, err := os.ReadFile(path)
	ok(t, err)
	s := mustNew(t, Config{Path: path})
	err = s.Open(t.Context())
	is(t, err, ErrNewerSchema)
	is(t, s.Ready(), ErrNewerSchema)
	for _, want := range []string{"schema 99", "up to 5", "README, Upgrades"} { // restore does not take the copy
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	after, err := os.ReadFile(path)
	ok(t, err)
	if string(before) != string(after) {
		t.Error("the database was changed")
	}
	is(t, s.Append(t.Context(), idp.Event{}), idp.ErrNotReady)
}

// olderStore makes a database as the first schema left it.
func olderStore(t *testing.T, path string) {
	t.Helper()
	ctx := context.Background()
	e := &sqliteEngine{path: path}
	p, err := e.connect(ctx)
	ok(t, err)
	m, err := newProvider(p)
	ok(t, err)
	_, err = m.UpTo(ctx, 1)
	ok(t, err)
	_, err = p.writer.ExecContext(ctx, "INSERT INTO failures (key, at, till) VALUES ('old', 1, 2)")
	ok(t, err)
	ok(t, p.close())
}

func TestOlderSchemaIsCopiedAndMigrated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	olderStore(t, path)
	// What an interrupted copy left must not be in the way.
	ok(t, os.WriteFile(path+".before-5.part", []byte("half"), 0o600))
	s := mustOpen(t, Config{Path: path})
	ok(t, s.Append(t.Context(), idp.Event{Ref: "new"}))
	copied := path + ".before-5"
	info, err := os.Stat(copied)
	ok(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the copy has mode %v", info.Mode())
	}
	if version, err := schemaOf(t.Context(), copied); err != nil || version != 1 {
		t.Errorf("the copy has schema %d, %v", version, err)
	}
	raw(t, copied, func(db *sql.DB) {
		var key string
		ok(t, db.QueryRowContext(t.Context(), "SELECT key FROM failures").Scan(&key))
		if key != "old" {
			t.Errorf("the copy holds %q", key)
		}
	})
	var n int
	ok(t, s.state.Load().read().row(t.Context(), "SELECT count(*) FROM failures").Scan(&n))
	if n != 1 {
		t.Errorf("%d rows came along", n)
	}
	ok(t, s.Close())
	ok(t, os.Remove(copied))
	mustOpen(t, Config{Path: path})
	if _, err := os.Stat(copied); err == nil {
		t.Error("a copy was made although nothing was migrated")
	}
}

func TestNoCopyNoMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	olderStore(t, path)
	ok(t, os.MkdirAll(filepath.Join(path+".before-5", "in the way"), 0o700))
	if err := mustNew(t, Config{Path: path}).Open(t.Context()); err == nil {
		t.Error("migrated without a copy")
	}
	if version, err := schemaOf(t.Context(), path); err != nil || version != 1 {
		t.Errorf("schema %d, %v", version, err)
	}
}

func TestFirstStartMakesNoCopy(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, Config{Path: filepath.Join(dir, "x.db")})
	if list, err := filepath.Glob(filepath.Join(dir, "*before*")); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestNotADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	ok(t, os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600))
	if err := mustNew(t, Config{Path: path}).Open(t.Context()); err == nil {
		t.Error("opened")
	}
}
