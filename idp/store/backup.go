package store

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Names inside a backup, which is a tar file: the manifest first, then the database, then what the
// caller gave.
const (
	manifestName = "manifest.json"
	databaseName = "store.sqlite"
)

// backupFormat is the version of the archive's own layout.
const backupFormat = 1

// blobMost bounds what a caller may add to a backup, and what is believed when reading one.
const blobMost = 1 << 20

// Manifest says what a backup holds.
type Manifest struct {
	Format  int            `json:"format"`
	Engine  string         `json:"engine"`
	Schema  int64          `json:"schema"`
	Created time.Time      `json:"created"`
	Files   []ManifestFile `json:"files"`
}

// ManifestFile is one file of a backup. The sum finds damage; it does not prove who wrote the file.
type ManifestFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Blob is something that a backup holds beside the database: the seal key, where it lives in Caddy's
// storage. Name is a plain file name.
type Blob struct {
	Name string
	Data []byte
}

// Backup writes a consistent copy of the database and the blobs to a file, for the owner only, while
// everything goes on. An older file of that name is replaced once the new one is whole. With the seal
// key among the blobs the file is all that is needed to sign as this gateway: guard it as such.
func (s *Store) Backup(ctx context.Context, file string, blobs ...Blob) (err error) {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	if err := checkBlobs(blobs); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	db := file + ".db"
	part := file + ".part"
	defer func() {
		for _, f := range []string{db, part} {
			if rerr := os.Remove(f); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
			}
		}
	}()
	if err := copySQLite(ctx, o.Path, db); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	if err := o.pack(ctx, part, db, blobs); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	return settle(part, file)
}

func checkBlobs(blobs []Blob) error {
	seen := []string{manifestName, databaseName}
	for _, b := range blobs {
		if b.Name == "" || strings.HasPrefix(b.Name, ".") || strings.ContainsAny(b.Name, `/\`) || slices.Contains(seen, b.Name) {
			return fmt.Errorf("%q is no name for a file of a backup", b.Name)
		}
		if len(b.Data) > blobMost {
			return fmt.Errorf("%s has more than %d bytes", b.Name, blobMost)
		}
		seen = append(seen, b.Name)
	}
	return nil
}

// pack writes the archive.
func (o *state) pack(ctx context.Context, file, db string, blobs []Blob) (err error) {
	m := Manifest{Format: backupFormat, Engine: "sqlite", Created: o.Now().UTC()}
	if m.Schema, err = schemaOf(ctx, db); err != nil {
		return err
	}
	f, err := describe(db)
	if err != nil {
		return err
	}
	m.Files = append(m.Files, f)
	for _, b := range blobs {
		sum := sha256.Sum256(b.Data)
		m.Files = append(m.Files, ManifestFile{b.Name, int64(len(b.Data)), hex.EncodeToString(sum[:])})
	}
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	if err := ownFile(file); err != nil {
		return err
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // the path is the admin's
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	if err := addBytes(w, manifestName, text, m.Created); err != nil {
		return err
	}
	if err := addFile(w, f, db, m.Created); err != nil {
		return err
	}
	for _, b := range blobs {
		if err := addBytes(w, b.Name, b.Data, m.Created); err != nil {
			return err
		}
	}
	return w.Close()
}

func header(name string, size int64, at time.Time) *tar.Header {
	return &tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: at.Truncate(time.Second), Typeflag: tar.TypeReg}
}

func addBytes(w *tar.Writer, name string, data []byte, at time.Time) error {
	if err := w.WriteHeader(header(name, int64(len(data)), at)); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

func addFile(w *tar.Writer, f ManifestFile, path string, at time.Time) (err error) {
	in, err := os.Open(path) //nolint:gosec // made by Backup
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := w.WriteHeader(header(f.Name, f.Size, at)); err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}

// describe is the manifest's line of the database copy.
func describe(path string) (m ManifestFile, err error) {
	in, err := os.Open(filepath.Clean(path))
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	h := sha256.New()
	n, err := io.Copy(h, in)
	return ManifestFile{databaseName, n, hex.EncodeToString(h.Sum(nil))}, err
}

// schemaOf returns the schema version of a database file.
func schemaOf(ctx context.Context, path string) (version int64, err error) {
	db, err := openSQLite(path, 1, nil, "_query_only", "on")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return versionOf(ctx, db)
}

// versionOf returns the schema version of an open database. One without a schema is an error.
func versionOf(ctx context.Context, db *sql.DB) (version int64, err error) {
	if err := db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&version); err != nil {
		return 0, fmt.Errorf("reading the schema version: %w", err)
	}
	return version, nil
}
