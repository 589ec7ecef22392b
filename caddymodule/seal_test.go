package caddymodule

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func TestSealKeyIsMadeOnce(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	const nodes = 4
	keys := make([][]byte, nodes)
	errs := make([]error, nodes)
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() { keys[i], errs[i] = loadOrMakeSeal(t.Context(), storage) })
	}
	wg.Wait()
	for i := range nodes {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if !bytes.Equal(keys[i], keys[0]) || len(keys[i]) != sealBytes {
			t.Errorf("node %d holds a key of its own", i)
		}
	}
	info, err := os.Stat(filepath.Join(storage.Path, "gatehouse", "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v", info.Mode())
	}
}

func TestDamagedSealKeyIsNotReplaced(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	if err := storage.Store(t.Context(), sealStorageKey, []byte("canary")); err != nil {
		t.Fatal(err)
	}
	_, err := loadOrMakeSeal(t.Context(), storage)
	wantError(t, err, "damaged", sealStorageKey)
	if strings.Contains(err.Error(), "canary") {
		t.Error("the error repeats the key")
	}
}

// A key that was made anew would hide that the old one is missing, and be in the way of a restore.
func TestMissingSealKeyIsNotReplaced(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	backup := filepath.Join(s.dir, "backup.tar")
	s.mustCommand(file, "backup", backup)
	before := s.mustCommand(file, "metadata")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(s.dir, "storage", "gatehouse", "seal.key")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	want := []string{"the seal key is missing", sealStorageKey, filepath.Join(s.dir, "storage"), filepath.Join(s.dir, "db", "gatehouse.db")}
	wantError(t, caddy.Load(s.json(file), true), want...)
	_, err := s.command(file, "audit")
	wantFailure(t, err, want...)
	out, err := s.command(file, "check")
	if !errors.Is(err, errFinding) || !strings.Contains(out, want[0]) {
		t.Errorf("check: %v\n%s", err, out)
	}
	if _, err := os.Stat(key); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a key was made: %v", err)
	}
	s.mustCommand(file, "restore", backup, "--overwrite")
	if s.mustCommand(file, "metadata") != before {
		t.Error("the restored gateway has other keys")
	}
	s.load(file)
}

func TestSealKeyForms(t *testing.T) {
	text := sealText(t)
	raw := strings.Repeat("k", sealBytes)
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"base64": {text, true}, "32 bytes": {raw, true}, "31 bytes": {raw[1:], false},
		"base64 of 24 bytes": {text[:32], true}, "longer": {text + text, false}, "empty": {"", false},
	} {
		key, err := decodeSeal(idp.NewSecret(c.text))
		if (err == nil) != c.ok || c.ok && len(key) != sealBytes {
			t.Errorf("%s: %d bytes, %v", name, len(key), err)
		}
		if err != nil && c.text != "" && strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: the error repeats the key", name)
		}
	}
}
