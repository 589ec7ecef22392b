package caddymodule

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// sameJSON reports whether text is one JSON object with these members and no others.
func sameJSON(t *testing.T, text string, want map[string]any) bool {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return maps.Equal(got, want)
}

// What commands write, and that they wrote it, programs can read as well.
func TestWritingCommandsTellPrograms(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile(connectBlock)
	s.load(file)
	s.furnish(s.openedStore())
	_, served := s.get("/saml/metadata")
	if got := s.mustCommand(file, "metadata", "--json"); !sameJSON(t, got, map[string]any{"document": served}) {
		t.Errorf("metadata: %s", got)
	}
	written := filepath.Join(s.dir, "connect.sh")
	got := s.mustCommand(file, "aws", "connect", "--json", "--output", written)
	info, err := os.Stat(written)
	if err != nil || !sameJSON(t, got, map[string]any{"file": written, "bytes": float64(info.Size())}) {
		t.Errorf("aws: %v: %s", err, got)
	}
	backup := filepath.Join(s.dir, "backup.tar")
	if got := s.mustCommand(file, "backup", backup, "--json"); !sameJSON(t, got, map[string]any{"file": backup, "seal_key": true}) {
		t.Errorf("backup: %s", got)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	var restored struct{ File, Created string }
	if err := json.Unmarshal([]byte(s.mustCommand(file, "restore", backup, "--overwrite", "--json")), &restored); err != nil || restored.File == "" || restored.Created == "" {
		t.Errorf("restore: %v: %+v", err, restored)
	}
}
