package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const connectBlock = `application connect amazon_connect {
	instance arn:aws:connect:us-east-1:123456789012:instance/12345678-90ab-cdef-1234-567890abcdef
	provider_name Gatehouse
	role ConnectAgent Agents
}
application handbook link https://handbook.example.com`

// command runs caddy gatehouse with the configuration in a file, beside the Caddy of this process.
func (s *site) command(caddyfile string, args ...string) (string, error) {
	s.t.Helper()
	file := filepath.Join(s.dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(caddyfile), 0o600); err != nil {
		s.t.Fatal(err)
	}
	root := &cobra.Command{Use: appName}
	addCommands(root)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append(args, "--config", file, "--adapter", "caddyfile"))
	err := root.Execute()
	return out.String(), err
}

// mustCommand is command where there is nothing to refuse.
func (s *site) mustCommand(caddyfile string, args ...string) string {
	s.t.Helper()
	out, err := s.command(caddyfile, args...)
	if err != nil {
		s.t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return out
}

func TestCommandsBesideARunningCaddy(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile(connectBlock)
	s.load(file)

	_, served := s.get("/saml/metadata")
	if got := s.mustCommand(file, "metadata"); got != served {
		t.Errorf("metadata differs from what is served:\n%s\n%s", got, served)
	}
	out := filepath.Join(s.dir, "metadata.xml")
	s.mustCommand(file, "metadata", "--output", out)
	if written, err := os.ReadFile(out); err != nil || string(written) != served {
		t.Errorf("--output: %v\n%s", err, written)
	}
	for _, format := range []string{"cli", "cloudformation", "terraform"} {
		if got := s.mustCommand(file, "aws", "connect", "--format", format); !strings.Contains(got, "ConnectAgent") {
			t.Errorf("aws %s:\n%s", format, got)
		}
	}
	if _, err := s.command(file, "aws", "handbook"); err == nil {
		t.Error("aws for a link")
	}

	var found []idp.Finding
	if err := json.Unmarshal([]byte(s.mustCommand(file, "check", "--json")), &found); err != nil || len(found) < 5 {
		t.Errorf("check: %d findings, %v", len(found), err)
	}
	if got := s.mustCommand(file, "audit", "--csv"); !strings.Contains(got, "config,success") {
		t.Errorf("audit:\n%s", got)
	}
	if got := s.mustCommand(file, "user", "invite", "DEMO@example.com"); !strings.Contains(got, "people:demo") {
		t.Errorf("invite:\n%s", got)
	}
	_, err := s.command(file, "user", "invite", "nobody")
	wantError(t, err, idp.ErrNoUser.Error())
	if n := poolSize(); n != 1 {
		t.Errorf("%d stores in the pool", n)
	}
}

func TestRollover(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile(connectBlock)
	s.load(file)
	list := func() (keys []keyLine) {
		if err := json.Unmarshal([]byte(s.mustCommand(file, "keys", "list", "--json")), &keys); err != nil {
			t.Fatal(err)
		}
		return keys
	}
	before := list()
	if len(before) != 2 || before[0].State != "active" || before[1].State != "next" {
		t.Fatalf("keys: %+v", before)
	}
	next := before[1].ID
	_, err := s.command(file, "keys", "promote", next)
	wantError(t, err, "not marked as uploaded to connect", "keys uploaded "+next)
	_, err = s.command(file, "keys", "uploaded", next, "handbook")
	wantError(t, err, "no SAML application", "connect")
	s.mustCommand(file, "keys", "uploaded", next, "connect")
	if got := s.mustCommand(file, "keys", "promote", next, "--json"); !sameJSON(t, got, map[string]any{"key": next, "step": "promoted"}) {
		t.Errorf("promote: %s", got)
	}
	if now := list(); now[0].ID != next {
		t.Errorf("after promote: %+v", now)
	}
	_, err = s.command(file, "keys", "retire", next)
	wantError(t, err, "promote another first")
	if got := s.mustCommand(file, "audit"); !strings.Contains(got, "key "+next+" promoted") {
		t.Errorf("the audit log does not tell:\n%s", got)
	}
}

func TestBackupAndRestore(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile(connectBlock)
	s.load(file)
	_, served := s.get("/saml/metadata")
	backup := filepath.Join(s.dir, "backup.tar")
	s.mustCommand(file, "backup", backup)

	// On an empty machine: neither the database nor Caddy's storage.
	other := newSite(t)
	fresh := strings.ReplaceAll(file, s.dir, other.dir)
	_, err := other.command(fresh, "metadata")
	wantError(t, err, errNoStore.Error())
	other.mustCommand(fresh, "restore", backup)
	if got := other.mustCommand(fresh, "metadata"); got != served {
		t.Error("the restored gateway has other keys")
	}
	_, err = other.command(fresh, "restore", backup)
	wantError(t, err, "--overwrite")
	// Another seal key there is not overwritten.
	if err := os.WriteFile(filepath.Join(other.dir, "storage", "gatehouse", "seal.key"), []byte(sealText(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = other.command(fresh, "restore", backup, "--overwrite")
	wantError(t, err, "another seal key")
}

func TestCheckFindsAPortalThatNobodyServes(t *testing.T) {
	s := newSite(t)
	file, _, _ := strings.Cut(s.caddyfile(""), "\n\nhttp://")
	out, err := s.command(file, "check")
	if !errors.Is(err, errFinding) || !strings.Contains(out, "no site of this file serves localhost") || !strings.Contains(out, "never run") {
		t.Errorf("%v\n%s", err, out)
	}
	if entries, _ := os.ReadDir(filepath.Join(s.dir, "db")); len(entries) > 0 {
		t.Error("check has made a database")
	}
}

func TestCheckFindsThePortalOnAnotherPort(t *testing.T) {
	s := newSite(t)
	site := fmt.Sprintf("http://localhost:%d {", s.port)
	found, _ := s.findings(strings.Replace(s.caddyfile(""), site, fmt.Sprintf("http://localhost:%d {", s.port-1), 1))
	if f := pick(found, "portal", fmt.Sprintf("not on port %d", s.port)); f == nil || f.Level != idp.LevelWarning {
		t.Errorf("%+v", found)
	}
}

func TestCommandsThatCannotRun(t *testing.T) {
	s := newSite(t)
	for name, args := range map[string][]string{
		"no argument": {"aws"}, "too many": {"check", "x"}, "unknown flag": {"check", "--colour"},
		"bad day": {"audit", "--from", "yesterday"}, "two formats": {"audit", "--csv", "--json"},
	} {
		if out, err := s.command(s.caddyfile(""), args...); err == nil || errors.Is(err, errFinding) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	_, err := s.command("localhost\nrespond ok\n", "check")
	wantError(t, err, "no gatehouse option")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
}

func TestCSVIsNoFormula(t *testing.T) {
	row := auditRow(idp.Event{Name: `=HYPERLINK("http://evil")`, Detail: "@SUM(1)", Reason: "fine"})
	for _, cell := range row {
		if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
			t.Errorf("a spreadsheet would run %q", cell)
		}
	}
}
