package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestRestoreIsRefusedWhileTheStoreIsOpen(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile(connectBlock)
	s.load(file)
	s.furnish(s.openedStore())
	_, served := s.get("/saml/metadata")
	s.mustCommand(file, "token", "make", "desk")
	backup := filepath.Join(s.dir, "backup.tar")
	if got := s.mustCommand(file, "backup", backup); !strings.Contains(got, "whoever has it can sign") {
		t.Errorf("backup: %s", got)
	}
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v, %v", info.Mode(), err)
	}

	_, err := s.command(file, "restore", backup, "--overwrite")
	wantRefusal(t, err, "gatehouse.db open", "stop Caddy first")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err = s.command(file, "restore", backup)
	wantRefusal(t, err, "--overwrite replaces it")
	s.mustCommand(file, "restore", backup, "--overwrite")

	if got := s.mustCommand(file, "metadata"); got != served {
		t.Error("the restored gateway has other keys")
	}
	// It may have been revoked since the backup.
	if got := s.mustCommand(file, "token", "list"); !strings.Contains(got, "there is no token") {
		t.Errorf("a restore brings tokens back: %s", got)
	}
	s.load(file)
	left, err := s.openedStore().UserEnrollments(t.Context(), "people:demo", "")
	if err != nil || len(left) != 2 || string(left[1].Secret) != "the-seed" && string(left[0].Secret) != "the-seed" {
		t.Errorf("enrollments: %d, %v", len(left), err)
	}
	if open, err := s.openedStore().UserSessions(t.Context(), "people:demo"); err != nil || len(open) != 0 {
		t.Errorf("sessions: %d, %v", len(open), err)
	}
	if got := s.mustCommand(file, "audit", "--from", "1h"); !strings.Contains(got, `reason="restore"`) {
		t.Errorf("audit:\n%s", got)
	}
}

func TestRestoreChangesNothingWhereTheKeyDoesNotFit(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("seal_key " + s.secret("seal", sealText(t)))
	s.load(file)
	backup := filepath.Join(s.dir, "backup.tar")
	if got := s.mustCommand(file, "backup", backup); !strings.Contains(got, "without the seal key") {
		t.Errorf("backup: %s", got)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	before := s.mustCommand(file, "metadata")
	for name, c := range map[string]struct{ file, want string }{
		"another key": {s.caddyfile("seal_key " + s.secret("other", sealText(t))), "seal key does not fit"},
		"no key":      {s.caddyfile(""), "does not carry its seal key"},
	} {
		_, err := s.command(c.file, "restore", backup, "--overwrite")
		wantFailure(t, err, "nothing was changed", c.want)
		if s.mustCommand(file, "metadata") != before {
			t.Errorf("%s: the store has changed", name)
		}
	}
	if err := os.WriteFile(backup, []byte("no backup"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.command(file, "restore", backup, "--overwrite")
	wantFailure(t, err, "nothing was changed", "not a backup")
	entries, err := os.ReadDir(filepath.Join(s.dir, "db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "restore-") {
			t.Errorf("the trial has left %s", e.Name())
		}
	}
}

// A link that leads nowhere is told of by whatever would make a database there, or take it for one that never was.
func TestCommandsOnALinkThatLeadsNowhere(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	backup := filepath.Join(s.dir, "backup.tar")
	s.mustCommand(file, "backup", backup)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(s.dir, "db", "gatehouse.db")
	if err := os.Remove(database); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(s.dir, "volume", "gatehouse.db"), database); err != nil {
		t.Fatal(err)
	}
	const want = "gatehouse.db, which is not there"
	for _, args := range [][]string{{"user", "show", "demo"}, {"audit"}, {"restore", backup}, {"restore", backup, "--overwrite"}} {
		_, err := s.command(file, args...)
		wantFailure(t, err, database+" is a link to ", want)
	}
	wantError(t, caddy.Load(s.json(file), true), database+" is a link to ", want)
}
