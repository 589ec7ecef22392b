package caddymodule

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Store is a store as the app runs it.
type Store interface {
	idp.Store
	// Open makes the store ready: it connects, migrates and makes missing keys. It is called once, and
	// again only if it failed. Until it returns, the other methods answer idp.ErrNotReady.
	Open(ctx context.Context) error
	// Close ends what Open began. Nothing is lost by a process that ends without it.
	Close() error
}

// StoreModule is what a guest module in gatehouse.stores implements.
type StoreModule interface {
	// Store returns what tells the store from others of the process (an absolute path, a resolved
	// address), and how to make it. Neither does I/O: both run for `caddy validate` as well. Two
	// configurations with the same identity share one store over a reload.
	Store(env StoreEnv) (identity string, construct func() (Store, error), err error)
}

// StoreEnv is what a store is built with.
type StoreEnv struct {
	// Keep is how long audit lines are kept; 0 leaves it to the store. A store that has the method KeepAudit(time.Duration) is told of another
	// time when a reload brings one.
	Keep time.Duration
	// Seal returns the key that seals secrets at rest, 32 bytes. It may reach for Caddy's storage, so
	// it is for Open. fs.ErrNotExist says that there is none.
	Seal func(context.Context) ([]byte, error)
	// MakeSeal makes the key and keeps it in Caddy's storage, for a store that holds nothing sealed yet. It is nil where the
	// configuration names the key.
	MakeSeal func(context.Context) ([]byte, error)
	// SealFrom says where the key comes from, for the error about a wrong one.
	SealFrom string
	// SealGiven reports whether the configuration names the key.
	SealGiven bool
	// Log is named after the app.
	Log *slog.Logger
}

// parseStore reads
//
//	store <engine> [<args...>] {
//		…
//	}
func parseStore(d *caddyfile.Dispenser) (json.RawMessage, error) {
	if !d.NextArg() {
		return nil, d.Errf("store takes: store ENGINE { … }; engines: %s", kinds(StoreNamespace))
	}
	engine, guest, err := parseGuest(d, "store", StoreNamespace)
	if err != nil {
		return nil, err
	}
	return guestJSON(d, guest, "engine", engine)
}
