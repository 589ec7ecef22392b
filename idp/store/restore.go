package store

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// ErrExists says that a restore would replace a database.
var ErrExists = errors.New("there is a database already")

// stepLength is the time step of one-time codes (RFC 6238 §4.1, the default that apps support).
const stepLength = 30 * time.Second

// RestoreOptions says how a backup is restored.
type RestoreOptions struct {
	// Overwrite lets a database be replaced. The old one is kept beside, as PATH.replaced-TIME. The
	// gateway that uses it must not be running.
	Overwrite bool
	// Before is told of the blobs after the backup was found whole and before anything is written;
	// its error ends the restore. This is where the seal key is put back, or found to differ.
	Before func(blobs []Blob) error
	Now    func() time.Time // default time.Now
}

// Restore brings the database of a backup to path. What must not come back to life stays out: there
// are no sessions, no memos (an invitation may have been used since) but the marks of changed passwords and what people have to
// be told, no remembered devices (one may have been revoked since) and no recovery codes (one may have been used since) in it,
// and every one-time code up to now counts as used. Everybody signs in once more. A schema newer than this binary's is ErrNewerSchema, an existing database ErrExists.
func Restore(ctx context.Context, file, path string, opt RestoreOptions) (*Manifest, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	path, err := RealFile(path)
	if err != nil {
		return nil, fmt.Errorf("restoring %s: %w", file, err)
	}
	if _, err := os.Lstat(path); !opt.Overwrite && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("restoring to %s: %w", path, ErrExists), err)
	}
	release, err := (&sqliteEngine{path: path}).lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("restoring %s: %w", file, err)
	}
	part := path + ".part"
	m, err := restore(ctx, file, path, part, opt)
	err = errors.Join(err, removeSQLite(part), release()) // what is left of a failure; nothing after a success
	if err != nil {
		return nil, fmt.Errorf("restoring %s: %w", file, err)
	}
	return m, nil
}

func restore(ctx context.Context, file, path, part string, opt RestoreOptions) (*Manifest, error) {
	if err := ownFile(part); err != nil {
		return nil, err
	}
	m, blobs, err := unpack(file, part)
	if err != nil {
		return nil, err
	}
	want, err := newestSchema("migrations/sqlite")
	if err != nil {
		return nil, err
	}
	if m.Schema > want {
		return nil, fmt.Errorf("%w: the backup has schema %d, this binary knows up to %d", ErrNewerSchema, m.Schema, want)
	}
	if err := neutralize(ctx, part, opt.Now()); err != nil {
		return nil, err
	}
	if opt.Before != nil {
		if err := opt.Before(blobs); err != nil {
			return nil, err
		}
	}
	if err := setAside(path, opt.Now()); err != nil {
		return nil, err
	}
	return m, settle(part, path)
}

// neutralize takes out of a restored database what could be used a second time.
func neutralize(ctx context.Context, path string, now time.Time) (err error) {
	db, err := openSQLite(path, 1, nil, "_journal_mode", "DELETE", "_synchronous", "FULL")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var sound string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&sound); err != nil {
		return fmt.Errorf("checking the database: %w", err)
	}
	if sound != "ok" {
		return fmt.Errorf("checking the database: %s", sound)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, query := range []string{
		"DELETE FROM sessions",
		"DELETE FROM memos WHERE kind NOT IN ('" + idp.ChangedKind + "', '" + idp.NewsKind + "', '" + idp.ToldKind + "')",
		"DELETE FROM devices",
		"DELETE FROM enrollments WHERE factor = '" + idp.RecoveryFactor + "'",
	} {
		if _, err := tx.ExecContext(ctx, query); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	// A code of the next step may have been accepted already: drivers allow for one step of skew. One-time codes have been of
	// steps of time since they were set up. What is below is the count of a passkey, which would be taken for a copy if it
	// seemed to count backwards; a count of before the backup takes nothing that was used since.
	step := now.Unix()/int64(stepLength/time.Second) + 1
	if _, err := tx.ExecContext(ctx, "UPDATE enrollments SET step = ? WHERE step < ? AND step >= created / ? - 2", step, step, int64(stepLength)); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// sqliteFiles are the files that one SQLite database may consist of. A log that is left beside
// another database would be played into it.
func sqliteFiles(path string) []string {
	return []string{path, path + "-wal", path + "-shm", path + "-journal"}
}

func removeSQLite(path string) error {
	var errs []error
	for _, f := range sqliteFiles(path) {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// setAside renames an old database, its log included.
func setAside(path string, now time.Time) error {
	aside := path + ".replaced-" + now.UTC().Format("20060102T150405Z")
	to := sqliteFiles(aside)
	for i, f := range sqliteFiles(path) {
		if err := os.Rename(f, to[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// unpack writes the database of a backup to a file and returns the rest, all checked against the
// manifest. Names of the archive are only compared, never used as paths.
func unpack(file, db string) (_ *Manifest, blobs []Blob, err error) {
	in, err := os.Open(file) //nolint:gosec // the path is the admin's
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	r := tar.NewReader(in)
	m, err := readManifest(r)
	if err != nil {
		return nil, nil, err
	}
	for _, want := range m.Files {
		h, err := r.Next()
		if err != nil {
			return nil, nil, fmt.Errorf("the backup ends before %s: %w", want.Name, err)
		}
		if h.Name != want.Name || h.Size != want.Size {
			return nil, nil, fmt.Errorf("the backup holds %s where its manifest says %s", h.Name, want.Name)
		}
		sum := sha256.New()
		if want.Name == databaseName {
			err = writeOut(db, io.TeeReader(r, sum))
		} else {
			var data []byte
			data, err = io.ReadAll(io.TeeReader(io.LimitReader(r, blobMost), sum))
			blobs = append(blobs, Blob{want.Name, data})
		}
		if err != nil {
			return nil, nil, fmt.Errorf("unpacking %s: %w", want.Name, err)
		}
		if hex.EncodeToString(sum.Sum(nil)) != want.SHA256 {
			return nil, nil, fmt.Errorf("%s of the backup is damaged", want.Name)
		}
	}
	return m, blobs, nil
}

func readManifest(r *tar.Reader) (*Manifest, error) {
	h, err := r.Next()
	if err != nil || h.Name != manifestName {
		return nil, errors.Join(errors.New("this is not a backup of a gateway"), err)
	}
	var m Manifest
	if err := json.NewDecoder(io.LimitReader(r, blobMost)).Decode(&m); err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	if m.Format != backupFormat || m.Engine != "sqlite" {
		return nil, fmt.Errorf("the backup is of format %d, engine %q; this binary reads format %d, sqlite", m.Format, m.Engine, backupFormat)
	}
	if !slices.ContainsFunc(m.Files, func(f ManifestFile) bool { return f.Name == databaseName }) {
		return nil, errors.New("the backup holds no database")
	}
	return &m, nil
}

func writeOut(path string, from io.Reader) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // made by Restore
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Close())
}
