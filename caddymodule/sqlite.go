package caddymodule

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp/store"
)

func init() {
	caddy.RegisterModule(new(SQLiteStore))
}

// SQLiteStore keeps all state in one file. It is the default.
type SQLiteStore struct {
	// Path of the file. Its directory is made, for the owner only. Placeholders are replaced. Default:
	// gatehouse/gatehouse.db in Caddy's data directory.
	Path string `json:"path,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*SQLiteStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  StoreNamespace + ".sqlite",
		New: func() caddy.Module { return new(SQLiteStore) },
	}
}

// file returns the absolute path.
func (s *SQLiteStore) file() (string, error) {
	if s.Path == "" {
		return filepath.Abs(filepath.Join(caddy.AppDataDir(), appName, "gatehouse.db"))
	}
	path, err := caddy.NewReplacer().ReplaceOrErr(s.Path, true, true)
	if err != nil {
		return "", fmt.Errorf("path: %w", err)
	}
	if strings.HasSuffix(path, "/") {
		return "", errors.New("path: it is the file, not its directory")
	}
	return filepath.Abs(path)
}

// Store implements [StoreModule].
func (s *SQLiteStore) Store(env StoreEnv) (string, func() (Store, error), error) {
	path, err := s.file()
	if err != nil {
		return "", nil, err
	}
	construct := func() (Store, error) {
		return store.New(store.Config{
			Engine: "sqlite", Path: path, SealKey: env.Seal, MakeSealKey: env.MakeSeal, AuditKeep: env.Keep, Log: env.Log,
			Places: places(env.SealFrom, path),
		})
	}
	return path, construct, nil
}

// UnmarshalCaddyfile reads
//
//	sqlite [<path>]
func (s *SQLiteStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the engine
	switch args := d.RemainingArgs(); {
	case len(args) > 1 || len(args) == 1 && args[0] == "":
		return d.Errf("store sqlite takes: store sqlite [FILE]")
	case len(args) == 1:
		s.Path = args[0]
	}
	b := newBlock(d, "store sqlite")
	b.next()
	return b.err
}

var (
	_ StoreModule           = (*SQLiteStore)(nil)
	_ caddyfile.Unmarshaler = (*SQLiteStore)(nil)
	_ Store                 = (*store.Store)(nil)
)
