package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

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
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Writes a copy of the store, while everything goes on",
		Long: `Writes a consistent copy of the store, for its owner only. Where the seal key is in Caddy's storage it
goes into the file, which is then all that it takes to sign as this gateway: guard it as such. A
seal_key of the configuration does not; keep it apart.

Works whether Caddy is running or not.`,
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
				fmt.Fprintln(cmd.OutOrStdout(), "written to", args[0])
				return l.record(ctx, idp.EventKeys, "backup written to "+args[0])
			})
		}),
	}
}

func restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Makes the store of a backup the gateway's own",
		Long: `Makes the store of a backup the gateway's own: the same signing keys, the same enrollments. Nobody is
signed in afterwards, no device is remembered, and no code counts a second time.

For a gateway that is not running: stop Caddy first. Run it as the user that Caddy runs as. A store that
is there already is replaced only with --overwrite, and kept beside.`,
		RunE: run(1, restore),
	}
	cmd.Flags().Bool("overwrite", false, "replace the store that is there")
	return cmd
}

func restore(cmd *cobra.Command, args []string) error {
	overwrite, err := cmd.Flags().GetBool("overwrite")
	if err != nil {
		return err
	}
	l, err := loadApp(cmd)
	if err != nil {
		return err
	}
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
	m, err := store.Restore(ctx, args[0], path, store.RestoreOptions{
		Overwrite: overwrite,
		Before:    func(blobs []store.Blob) error { return l.restoreSeal(ctx, blobs) },
	})
	if errors.Is(err, store.ErrExists) {
		err = &refusal{fmt.Errorf("%w; --overwrite replaces it", err)}
	}
	if err != nil {
		return errors.Join(err, l.Cleanup())
	}
	fmt.Fprintf(cmd.OutOrStdout(), "restored to %s what was backed up at %s\n", path, m.Created)
	return l.Cleanup()
}

// restoreSeal puts the seal key of a backup into Caddy's storage, unless another one is there: that one
// may seal something else, and nothing could be read without it.
func (l *loaded) restoreSeal(ctx context.Context, blobs []store.Blob) error {
	for _, b := range blobs {
		if b.Name != sealBlob {
			continue
		}
		if l.sealGiven {
			return errors.New("the backup carries its seal key, and the configuration names another by seal_key: restore without that option, or with the file that the backup was made with")
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
		return errors.New("the backup does not carry its seal key: it was made with the option seal_key, which the configuration now lacks")
	}
	return nil
}
