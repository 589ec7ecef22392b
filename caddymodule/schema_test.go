package caddymodule

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestNewerSchemaFailsTheLoad(t *testing.T) {
	s := newSite(t)
	s.load(s.caddyfile(""))
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "db", "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (90001, 1)")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, caddy.Load(s.json(s.caddyfile("")), true), "newer than this binary", "90001")
}
