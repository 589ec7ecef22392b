package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// newProvider returns goose's view of the schema. It uses none of goose's globals.
func newProvider(p *pools) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, p.migrations)
	if err != nil {
		return nil, err
	}
	m, err := goose.NewProvider(p.goose, p.writer, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	return m, nil
}

// migrate brings the schema up to this binary's. It never goes down: a schema that is newer holds
// things that this binary would lose or, worse, not check.
func migrate(ctx context.Context, e engine, p *pools) error {
	// Most starts have nothing to migrate, and do not read the migrations: goose takes buffers of 4 MiB for that.
	newest, err := newestSchema(p.migrations)
	if err != nil {
		return err
	}
	if have, err := versionOf(ctx, p.writer); err == nil && have == newest {
		return nil
	}
	m, err := newProvider(p)
	if err != nil {
		return err
	}
	have, want, err := m.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("reading the schema version: %w", err)
	}
	switch {
	case have > want:
		return fmt.Errorf("%w: the database has schema %d, this binary knows up to %d; run the newer binary, or put back the copy made before the migration (README, Upgrades)",
			ErrNewerSchema, have, want)
	case have == want:
		return nil
	case have > 0:
		if err := e.preserve(ctx, want); err != nil {
			return fmt.Errorf("keeping a copy before migrating from schema %d to %d: %w", have, want, err)
		}
	}
	if _, err := m.Up(ctx); err != nil {
		return fmt.Errorf("migrating from schema %d to %d: %w", have, want, err)
	}
	return nil
}

// newestSchema is the version that this binary migrates to.
func newestSchema(dir string) (int64, error) {
	files, err := fs.Glob(migrations, dir+"/*.sql")
	if err != nil || len(files) == 0 {
		return 0, errors.Join(errors.New("no migrations"), err)
	}
	return goose.NumericComponent(path.Base(files[len(files)-1]))
}
