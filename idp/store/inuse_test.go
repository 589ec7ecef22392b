package store

import (
	"path/filepath"
	"testing"
)

func TestInUse(t *testing.T) {
	s := openMade(t)
	path := s.cfg.Path
	check := func(when string, want bool) {
		t.Helper()
		got, err := InUse(t.Context(), path)
		ok(t, err)
		if got != want {
			t.Errorf("%s: in use %v, want %v", when, got, want)
		}
	}
	check("while it is open", true)
	ok(t, s.Close())
	check("after it was closed", false)
	check("asked twice", false)
	ok(t, s.Open(t.Context()))
	check("when it is open again", true)
	path = filepath.Join(t.TempDir(), "none.db")
	check("where there is none", false)
}

func TestSchemaOfAnOpenStore(t *testing.T) {
	s := openMade(t)
	have, newest, err := Schema(t.Context(), s.cfg.Path)
	ok(t, err)
	if have != newest || have == 0 {
		t.Errorf("schema %d of %d, want the newest", have, newest)
	}
}
