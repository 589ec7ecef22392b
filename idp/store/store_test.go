package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// testKey is a seal key for tests.
func testKey(context.Context) ([]byte, error) { return bytes.Repeat([]byte{7}, sealKeyLen), nil }

func otherKey(context.Context) ([]byte, error) { return bytes.Repeat([]byte{8}, sealKeyLen), nil }

func TestConformance(t *testing.T) {
	dirs := map[string]string{}
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) idp.Store {
		if dirs[t.Name()] == "" {
			dirs[t.Name()] = t.TempDir()
			if t.Name() != "TestConformance/Keys" {
				made(t, dirs[t.Name()])
			}
		}
		return mustOpen(t, Config{Path: filepath.Join(dirs[t.Name()], "x.db"), Now: clock.Now})
	})
}

// emptyStore is a database after its first start. Making RSA keys takes most of a second, so tests
// that are about something else begin with a copy.
var emptyStore = sync.OnceValues(func() (_ []byte, err error) {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "x.db")
	s, err := New(Config{Path: path, SealKey: testKey})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.Open(context.Background()), s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// made puts a database that has keys into a directory and returns its path.
func made(t testing.TB, dir string) string {
	t.Helper()
	data, err := emptyStore()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openMade returns an open store on a database that has keys.
func openMade(t testing.TB) *Store {
	t.Helper()
	return mustOpen(t, Config{Path: made(t, t.TempDir())})
}

func mustOpen(t testing.TB, cfg Config) *Store {
	t.Helper()
	s := mustNew(t, cfg)
	ok(t, s.Open(t.Context()))
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func mustNew(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.SealKey == nil {
		cfg.SealKey = testKey
	}
	s, err := New(cfg)
	ok(t, err)
	return s
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"no path":        {Config{SealKey: testKey}, "path"},
		"no seal key":    {Config{Path: "x"}, "seal key"},
		"unknown engine": {Config{Engine: "mysql", Path: "x", SealKey: testKey}, "known: sqlite"},
		"negative limit": {Config{Path: "x", SealKey: testKey, MaxMemos: -1}, "negative"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

// A configuration is built to be validated too: nothing may be read or written before Open.
func TestNewTouchesNothing(t *testing.T) {
	dir := t.TempDir()
	s := mustNew(t, Config{Path: filepath.Join(dir, "sub", "x.db"), SealKey: func(context.Context) ([]byte, error) {
		t.Error("the seal key was asked for")
		return nil, nil
	}})
	for name, err := range storetest.Calls(t.Context(), s) {
		if !errors.Is(err, idp.ErrNotReady) {
			t.Errorf("%s before Open: %v", name, err)
		}
	}
	is(t, s.Ready(), idp.ErrNotReady)
	ok(t, s.Close())
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("%v in the directory (%v)", list, err)
	}
}

func TestOpenCanBeTriedAgain(t *testing.T) {
	noKey := errors.New("no key today")
	key := func(context.Context) ([]byte, error) { return nil, noKey }
	path := filepath.Join(t.TempDir(), "x.db")
	s := mustNew(t, Config{Path: path, SealKey: func(ctx context.Context) ([]byte, error) { return key(ctx) }})
	is(t, s.Open(t.Context()), noKey)
	is(t, s.Ready(), noKey)
	is(t, s.Sweep(t.Context()), idp.ErrNotReady)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("a database was made without a key")
	}
	key = func(context.Context) ([]byte, error) { return make([]byte, 16), nil }
	if err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "16 bytes") {
		t.Errorf("a short seal key: %v", err)
	}
	key = testKey
	ok(t, s.Open(t.Context()))
	ok(t, s.Ready())
	ok(t, s.Open(t.Context())) // open already
	ok(t, s.Close())
	ok(t, s.Close())
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gatehouse")
	ok(t, os.Mkdir(dir, 0o700))
	path := made(t, dir)
	ok(t, os.Chmod(path, 0o644)) // an older hand was careless
	s := mustOpen(t, Config{Path: path})
	ok(t, s.Append(t.Context(), idp.Event{}))
	list, err := os.ReadDir(dir)
	ok(t, err)
	if len(list) < 3 {
		t.Errorf("only %d files: no log to look at", len(list))
	}
	for _, f := range list {
		info, err := f.Info()
		ok(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
	}
	made := mustNew(t, Config{Path: filepath.Join(dir, "new", "x.db")})
	ok(t, ownFile(made.cfg.Path))
	info, err := os.Stat(filepath.Join(dir, "new"))
	ok(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v", info.Mode())
	}
}

// With less than FULL the last commits may be gone after a loss of power: a code would be good a second time, and an audit
// line that was promised would be missing.
func TestCommitsAreDurable(t *testing.T) {
	s := openMade(t)
	var synchronous int
	var journal string
	db := s.state.Load().writer
	ok(t, db.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&synchronous))
	ok(t, db.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&journal))
	if synchronous != 2 || journal != "wal" {
		t.Errorf("synchronous is %d, journal mode %q, want 2 (FULL) and wal", synchronous, journal)
	}
}

func TestPathsWithAnyCharacter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20&e=ü")
	ok(t, os.Mkdir(dir, 0o700))
	s := mustOpen(t, Config{Path: made(t, dir)})
	ok(t, s.Append(t.Context(), idp.Event{Ref: "1"}))
	list, err := os.ReadDir(filepath.Dir(dir))
	ok(t, err)
	if len(list) != 1 {
		t.Errorf("files outside the directory: %v", list)
	}
}

// F-08: a full disk is an error to whoever writes, spoils nothing, and is over when there is room.
func TestFullDisk(t *testing.T) {
	s := openMade(t)
	ctx := t.Context()
	ok(t, s.Append(ctx, idp.Event{Ref: "before"}))
	full := func(pages int) {
		_, err := s.state.Load().writer.ExecContext(ctx, "PRAGMA max_page_count = "+map[int]string{1: "1", 0: "1000000"}[pages])
		ok(t, err)
	}
	full(1)
	big := strings.Repeat("x", 1<<20)
	if err := s.Append(ctx, idp.Event{Ref: "lost", Detail: big}); err == nil {
		t.Error("an audit row was acknowledged on a full disk")
	}
	if err := s.PutMemo(ctx, idp.Memo{Kind: "flow", Data: []byte(big), Expires: s.cfg.Now().Add(1e12)}, 0); err == nil {
		t.Error("a memo was acknowledged on a full disk")
	}
	full(0)
	ok(t, s.Append(ctx, idp.Event{Ref: "after", Detail: big}))
	var refs []string
	ok(t, s.Events(ctx, idp.EventQuery{}, func(e idp.Event) bool { refs = append(refs, e.Ref); return true }))
	if strings.Join(refs, " ") != "before after" {
		t.Errorf("events: %v", refs)
	}
}
