package caddymodule

import (
	"database/sql"
	"path/filepath"
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
