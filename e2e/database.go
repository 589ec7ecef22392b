package e2e

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/store"
)

// Database opens the gateway's database while the gateway is stopped.
func (c *Caddy) Database() *store.Store {
	c.t.Helper()
	dir := filepath.Join(c.Dir, "data", "caddy", "gatehouse")
	s, err := store.New(store.Config{Path: filepath.Join(dir, "gatehouse.db"), SealKey: func(context.Context) ([]byte, error) {
		text, err := os.ReadFile(filepath.Join(dir, "seal.key"))
		if err != nil {
			return nil, err
		}
		return base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	}})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := s.Open(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	return s
}

// AgeDevices makes what a person's devices remember older, since the binary's clock cannot be turned. The
// gateway has to be stopped.
func (c *Caddy) AgeDevices(t testing.TB, userKey string, by time.Duration) {
	t.Helper()
	s := c.Database()
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := t.Context()
	devices, err := s.UserDevices(ctx, userKey, time.Now())
	if err != nil || len(devices) == 0 {
		t.Fatalf("%d devices of %s: %v", len(devices), userKey, err)
	}
	for _, d := range devices {
		older := *d
		older.Proofs = append([]idp.Passed(nil), d.Proofs...)
		for i := range older.Proofs {
			older.Proofs[i].At = older.Proofs[i].At.Add(-by)
		}
		if err := s.PutDevice(ctx, &older); err != nil {
			t.Fatal(err)
		}
	}
}
