package caddymodule

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// A new binary in its place, and the Caddy of the old one still running: a command must not migrate the
// database under it.
func TestCommandsDoNotMigrateUnderAnOlderCaddy(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "db", "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "DELETE FROM goose_db_version WHERE version_id > 1"); err != nil {
		t.Fatal(err)
	}
	_, err = s.command(file, "metadata")
	wantFailure(t, err, "is of an older binary (schema 1", "restart it first")
}

// The Caddy of an older binary says beside the link that it serves, where the store is behind one.
func TestCommandsBesideAnOlderCaddyBehindALink(t *testing.T) {
	s := newSite(t)
	real, link := filepath.Join(s.dir, "db", "gatehouse.db"), filepath.Join(s.dir, "link.db")
	file := s.caddyfile("")
	linked := strings.Replace(file, "store sqlite "+real, "store sqlite "+link, 1)
	s.load(file)
	if err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}}}`), true); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", link+".served")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil { // which takes the lock
		t.Fatal(err)
	}
	_, err = s.command(linked, "user", "invite", "demo")
	wantFailure(t, err, "a Caddy serves from the store")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if out := s.mustCommand(linked, "user", "invite", "demo"); !strings.Contains(out, "people:demo") {
		t.Errorf("after it has ended: %s", out)
	}
}
