package caddymodule

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/store"
)

// sealStorageKey is where Caddy's storage keeps the seal key that we made.
const sealStorageKey = "gatehouse/seal.key"

// sealLock names the lock under which it is made. Several processes may share the storage.
const sealLock = "gatehouse_seal_key"

// sealBytes is the length of the key: AES-256.
const sealBytes = 32

// decodeSeal reads a seal key: the base64 of 32 bytes (what `openssl rand -base64 32` prints), or the
// 32 bytes themselves.
func decodeSeal(s idp.Secret) ([]byte, error) {
	text := s.Reveal()
	if key, err := base64.StdEncoding.DecodeString(text); err == nil && len(key) == sealBytes {
		return key, nil
	}
	if len(text) == sealBytes {
		return []byte(text), nil
	}
	return nil, errors.New("seal_key: it must be the base64 of 32 bytes, as `openssl rand -base64 32` prints, or 32 bytes")
}

// sealPlace says where the key is that we made.
func sealPlace(storage certmagic.Storage) string {
	return fmt.Sprintf("%s in Caddy's storage (%v)", sealStorageKey, storage)
}

// sealThere refuses where the seal key of an existing database is gone. Commands make none: it is made before the database is.
func (l *loaded) sealThere(ctx context.Context, database string) error {
	if l.sealGiven {
		return nil
	}
	storage := l.ctx.Storage()
	_, err := loadSeal(ctx, storage)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", store.ErrSealLost, places(sealPlace(storage), database))
	}
	return err
}

// places tells where the two are that belong together.
func places(seal, database string) string { return "seal key from " + seal + ", database " + database }

// loadOrMakeSeal returns the seal key in Caddy's storage and makes one where there is none. It loads,
// locks, loads again, stores, and uses what it then loads: without the lock each of several
// processes would hold a key of its own, and some storages lock at their best effort only.
func loadOrMakeSeal(ctx context.Context, storage certmagic.Storage) ([]byte, error) {
	key, err := loadSeal(ctx, storage)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := lockSeal(ctx, storage); err != nil {
		return nil, fmt.Errorf("locking %s in Caddy's storage: %w", sealStorageKey, err)
	}
	defer storage.Unlock(context.WithoutCancel(ctx), sealLock) //nolint:errcheck // the lock goes stale by itself
	key, err = loadSeal(ctx, storage)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	fresh := make([]byte, sealBytes)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("making the seal key: %w", err)
	}
	if err := storage.Store(ctx, sealStorageKey, []byte(base64.StdEncoding.EncodeToString(fresh)+"\n")); err != nil {
		return nil, fmt.Errorf("keeping the seal key in Caddy's storage: %w", err)
	}
	return loadSeal(ctx, storage)
}

func loadSeal(ctx context.Context, storage certmagic.Storage) ([]byte, error) {
	text, err := storage.Load(ctx, sealStorageKey)
	if err != nil {
		return nil, fmt.Errorf("reading %s in Caddy's storage: %w", sealStorageKey, err)
	}
	key, err := base64.StdEncoding.DecodeString(string(trimLine(text)))
	if err != nil || len(key) != sealBytes {
		return nil, fmt.Errorf("%s in Caddy's storage (%v) is damaged; put it back from a backup", sealStorageKey, storage)
	}
	return key, nil
}

// lockSeal takes the lock. Some storages answer that it is taken where others wait.
func lockSeal(ctx context.Context, storage certmagic.Storage) error {
	const tries = 10
	for i := 1; ; i++ {
		err := storage.Lock(ctx, sealLock)
		if err == nil || i == tries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func trimLine(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}
