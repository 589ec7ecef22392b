package store

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// testKey is a seal key for tests.
func testKey(context.Context) ([]byte, error) { return bytes.Repeat([]byte{7}, 32), nil }

func TestConformance(t *testing.T) {
	dirs := map[string]string{}
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) idp.Store {
		if dirs[t.Name()] == "" {
			dirs[t.Name()] = t.TempDir()
		}
		return mustOpen(t, Config{Path: filepath.Join(dirs[t.Name()], "x.db"), Now: clock.Now})
	})
}

func mustOpen(t testing.TB, cfg Config) *Store {
	t.Helper()
	s := mustNew(t, cfg)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mustNew(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.SealKey == nil {
		cfg.SealKey = testKey
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
