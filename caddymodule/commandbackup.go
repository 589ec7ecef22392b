package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/store"
)

// sealBlob is the name of the seal key in a backup.
const sealBlob = "seal.key"

// backer is a store that can copy itself.
type backer interface {
	Backup(ctx context.Context, file string, blobs ...store.Blob) error
}

func backupCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "backup FILE",
		Short: "Writes a copy of the store, while everything goes on",
		Long: `Writes a consistent copy of the store, for its owner only. Where the seal key is in Caddy's storage it
goes into the file, which is then all that it takes to sign as this gateway: guard it as such. A
seal_key of the configuration does not; keep it apart.

Works whether Caddy is running or not.`,
		Example: "  caddy gatehouse backup /var/backups/gatehouse.tar",
		RunE: run(1, func(cmd *cobra.Command, args []string) error {
			return withApp(cmd, func(ctx context.Context, l *loaded) error {
				b, ok := l.store.Store.(backer)
				if !ok {
					return errors.New("this store is backed up by its own tools")
				}
				var blobs []store.Blob
				if !l.sealGiven {
					key, err := l.ctx.Storage().Load(ctx, sealStorageKey)
					if err != nil {
						return fmt.Errorf("reading %s in Caddy's storage: %w", sealStorageKey, err)
					}
					blobs = append(blobs, store.Blob{Name: sealBlob, Data: key})
				}
				if err := b.Backup(ctx, args[0], blobs...); err != nil {
					return err
				}
				holds := "the store, without the seal key (" + l.SealKey + "): keep that apart"
				if !l.sealGiven {
					holds = "the store and the seal key: whoever has it can sign as this gateway"
				}
				words := fmt.Sprintf("written to %s, for its owner only: %s", args[0], holds)
				if err := report(cmd, words, map[string]any{"file": args[0], "seal_key": !l.sealGiven}); err != nil {
					return err
				}
				return l.record(ctx, idp.EventAdmin, "backup", "backup written to "+args[0])
			})
		}),
	})
}

func restoreCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "restore FILE",
		Short: "Makes the store of a backup the gateway's own",
		Long: `Makes the store of a backup the gateway's own: the same signing keys, the same enrollments. Nobody is
signed in afterwards, no device is remembered, no recovery code is left, and no code counts a second time.
The backup is tried first, with the seal key that it will meet; nothing is changed where that fails.

Works with Caddy stopped only, and is refused while Caddy has the store open. Run it as the user that
Caddy runs as. A store that is there already is replaced only with --overwrite, and kept beside.`,
		Example: "  caddy gatehouse restore /var/backups/gatehouse.tar",
		RunE:    run(1, restore),
	})
	cmd.Flags().Bool("overwrite", false, "replace the store that is there")
	return cmd
}

func restore(cmd *cobra.Command, args []string) (err error) {
	overwrite, err := cmd.Flags().GetBool("overwrite")
	if err != nil {
		return err
	}
	l, err := loadApp(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Cleanup()) }()
	engine, ok := l.engine.(*SQLiteStore)
	if !ok {
		return errors.New("this store is restored by its own tools")
	}
	path, err := engine.file()
	if err != nil {
		return err
	}
	ctx, cancel := deadline(cmd)
	defer cancel()
	if err := mayReplace(ctx, path, overwrite); err != nil {
		return err
	}
	if err := l.tryBackup(ctx, args[0], path); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	m, err := store.Restore(ctx, args[0], path, store.RestoreOptions{
		Overwrite: overwrite,
		Before:    func(blobs []store.Blob) error { return l.restoreSeal(ctx, blobs) },
	})
	if err != nil {
		return err
	}
	words := fmt.Sprintf("restored to %s what was backed up at %s; everybody signs in once more, and makes new recovery codes", path, moment(m.Created))
	if err := report(cmd, words, map[string]any{"file": path, "created": m.Created}); err != nil {
		return err
	}
	if err := l.store.open(ctx); err != nil {
		return fmt.Errorf("opening what was restored: %w", err)
	}
	return l.record(ctx, idp.EventAdmin, "restore", "restored what was backed up at "+m.Created.Format(time.RFC3339)+" from "+args[0])
}

// mayReplace refuses where a store would be lost: a Caddy that has it open would go on writing to a file
// that is no longer there.
func mayReplace(ctx context.Context, path string, overwrite bool) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if err := checkOwner(info, path, os.Geteuid(), os.Args); err != nil {
		return err
	}
	if !overwrite {
		return &refusal{fmt.Errorf("%s: %w; --overwrite replaces it and keeps it beside", path, store.ErrExists)}
	}
	used, err := store.InUse(ctx, path)
	if err == nil && used {
		err = &refusal{fmt.Errorf("a process has %s open: stop Caddy first", path)}
	}
	return err
}

// tryBackup restores the backup beside its place and opens it with the key that it will meet there.
func (l *loaded) tryBackup(ctx context.Context, file, path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), "restore-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	trial := filepath.Join(dir, "trial.db")
	var key []byte
	_, err = store.Restore(ctx, file, trial, store.RestoreOptions{Before: func(blobs []store.Blob) (err error) {
		key, err = l.sealFor(blobs)
		return err
	}})
	if err != nil {
		return err
	}
	s, err := store.New(store.Config{
		Path: trial, SealKey: func(context.Context) ([]byte, error) { return key, nil }, Places: "the backup " + file,
	})
	if err != nil {
		return err
	}
	return errors.Join(s.Open(ctx), s.Close())
}

// sealFor returns the key that a backup will be opened with.
func (l *loaded) sealFor(blobs []store.Blob) ([]byte, error) {
	if l.sealGiven {
		secret, err := resolveSecret("seal_key", l.SealKey)
		if err != nil {
			return nil, err
		}
		return decodeSeal(secret)
	}
	for _, b := range blobs {
		if b.Name == sealBlob {
			return decodeSeal(idp.NewSecret(string(trimLine(b.Data))))
		}
	}
	return nil, errSealLacks
}

// errSealLacks says that nothing here opens the backup.
var errSealLacks = errors.New("the backup does not carry its seal key: it was made with the option seal_key, which the configuration now lacks")

// restoreSeal puts the seal key of a backup into Caddy's storage, unless another one is there: that one
// may seal something else, and nothing could be read without it.
func (l *loaded) restoreSeal(ctx context.Context, blobs []store.Blob) error {
	for _, b := range blobs {
		if b.Name != sealBlob {
			continue
		}
		if l.sealGiven {
			return nil // tryBackup has opened it with that one
		}
		storage := l.ctx.Storage()
		have, err := storage.Load(ctx, sealStorageKey)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return storage.Store(ctx, sealStorageKey, b.Data)
		case err != nil:
			return fmt.Errorf("reading %s in Caddy's storage: %w", sealStorageKey, err)
		case !bytes.Equal(trimLine(have), trimLine(b.Data)):
			return fmt.Errorf("another seal key is in Caddy's storage (%v, %s); move it away first", storage, sealStorageKey)
		}
		return nil
	}
	if !l.sealGiven {
		return errSealLacks
	}
	return nil
}
