// Package store keeps every state of the gateway in an SQL database: SQLite today, with the seams
// at which another engine joins. What is secret is sealed before it is written; see sealer.
//
// A store is built without touching anything and opened later, because a configuration is also
// built to be validated only. Until it is open every method answers [idp.ErrNotReady].
package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

var _ idp.Store = (*Store)(nil)

// Errors of opening a store. They are what Ready returns afterwards.
var (
	// ErrSealKey says that the database was sealed with another key than the one given.
	ErrSealKey = errors.New("the seal key does not fit the database")
	// ErrSealLost says that there is no seal key for a database that was sealed with one.
	ErrSealLost = errors.New("the seal key is missing: put it back where it was, or restore a backup")
	// ErrNewerSchema says that a newer gateway has migrated the database.
	ErrNewerSchema = errors.New("the database schema is newer than this binary")
)

// Config is what a store is built from.
type Config struct {
	// Engine is the kind of database: "sqlite", which is the default.
	Engine string
	// Path is the SQLite file. Its directory is made if need be, both for the owner only.
	// A file named Path.lock beside it keeps two processes from opening at the same moment, and a server holds Path.served.
	Path string
	// SealKey returns the 32 bytes that seal secrets at rest. It is called by Open only.
	SealKey func(ctx context.Context) ([]byte, error)
	// MakeSealKey makes the key that SealKey has not found (fs.ErrNotExist). It is called by Open only, and not where a
	// database is sealed already: nothing could be read with a new key, which would hide that the old one is missing.
	// Default: none is made.
	MakeSealKey func(ctx context.Context) ([]byte, error)
	// Places says in words where the seal key and the database come from, for the error of a
	// key that does not fit: "seal key from /etc/seal, database /var/lib/x.db".
	Places string
	// AuditKeep is how long audit events are kept; default 400 days. See [Store.KeepAudit].
	AuditKeep time.Duration
	// CacheSessions bounds the sessions that are held in memory; default 100,000.
	CacheSessions int
	// MaxMemos bounds the memos that are bound to browsers, all together; default 200,000.
	MaxMemos int

	Log  *slog.Logger     // default: discards
	Now  func() time.Time // default time.Now
	Rand io.Reader        // default crypto/rand
}

// Store is an [idp.Store] on an SQL database. It is safe for concurrent use.
type Store struct {
	cfg    Config
	engine engine

	opening sync.Mutex   // one Open, Hold or Close at a time
	life    sync.RWMutex // read-held by every method under way, so that Close can wait for them
	state   atomic.Pointer[state]
	failed  atomic.Pointer[error] // why the last Open failed

	expected   atomic.Int64 // audit rows on their way
	keep       atomic.Int64 // nanoseconds that audit events are kept
	unexpected func()
}

// state is an open store.
type state struct {
	Config
	engine engine
	*pools
	seal    *sealer
	keys    atomic.Pointer[keyring]
	reload  sync.Mutex // one reader of the keys at a time
	cache   *cache
	touched *touches
	audit   *committer
	// expected is how many audit rows are on their way; see Expect.
	expected *atomic.Int64
	keep     *atomic.Int64
	texts    sync.Map     // digests of rule texts that this process may still name
	memos    atomic.Int64 // how many memos there are, roughly

	release func() error // gives back what Hold took

	stop context.CancelFunc
	done sync.WaitGroup
}

// New checks the configuration. It reads and writes nothing.
func New(cfg Config) (*Store, error) {
	if cfg.Engine == "" {
		cfg.Engine = "sqlite"
	}
	if cfg.Engine != "sqlite" {
		return nil, fmt.Errorf("store: unknown engine %q; known: sqlite", cfg.Engine)
	}
	if cfg.Path == "" {
		return nil, errors.New("store: sqlite needs the path of a file")
	}
	if cfg.SealKey == nil {
		return nil, errors.New("store: a seal key is required")
	}
	if cfg.AuditKeep < 0 || cfg.CacheSessions < 0 || cfg.MaxMemos < 0 {
		return nil, errors.New("store: limits must not be negative")
	}
	if cfg.CacheSessions == 0 {
		cfg.CacheSessions = 100_000
	}
	if cfg.MaxMemos == 0 {
		cfg.MaxMemos = 200_000
	}
	if cfg.Places == "" {
		cfg.Places = "seal key from the configuration, database " + cfg.Path
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	s := &Store{cfg: cfg, engine: &sqliteEngine{path: cfg.Path}}
	s.unexpected = func() { s.expected.Add(-1) }
	s.KeepAudit(cfg.AuditKeep)
	return s, nil
}

// KeepAudit says how long audit events are kept from now on; 0 is the default of [Config].AuditKeep.
func (s *Store) KeepAudit(d time.Duration) {
	if d == 0 {
		d = 400 * 24 * time.Hour
	}
	s.keep.Store(int64(d))
}

// Open opens the database, migrates it, and loads the keys or makes them. After an error it may be
// called again. ctx bounds the opening only.
func (s *Store) Open(ctx context.Context) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.state.Load() != nil {
		return nil
	}
	idp.GrowStack(2) // what the migrations take, 16 to 32 KiB
	o, err := s.openState(ctx)
	if err != nil {
		err = fmt.Errorf("store: %w", err)
		s.failed.Store(&err)
		return err
	}
	s.failed.Store(nil)
	s.state.Store(o)
	return nil
}

func (s *Store) openState(ctx context.Context) (_ *state, err error) {
	key, err := s.cfg.SealKey(ctx)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, fmt.Errorf("reading the seal key: %w", err)
	}
	release, err := s.engine.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if missing {
		// Whoever held the lock before may have made it.
		if key, err = s.cfg.SealKey(ctx); errors.Is(err, fs.ErrNotExist) {
			key, err = s.makeSealKey(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	seal, err := newSealer(key, s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	p, err := s.engine.connect(ctx)
	if err != nil {
		return nil, err
	}
	o := &state{Config: s.cfg, engine: s.engine, pools: p, seal: seal, expected: &s.expected, keep: &s.keep}
	if err := o.prepare(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	o.start()
	return o, nil
}

// prepare brings the database to where the methods may assume everything.
func (o *state) prepare(ctx context.Context) error {
	if err := migrate(ctx, o.engine, o.pools); err != nil {
		return err
	}
	if err := o.checkCanary(ctx); err != nil {
		return err
	}
	if err := o.makeKeys(ctx); err != nil {
		return err
	}
	if err := o.loadKeys(ctx); err != nil {
		return err
	}
	if err := o.countMemos(ctx); err != nil {
		return err
	}
	if _, err := o.engine.changed(ctx, o.pools); err != nil {
		return err
	}
	o.cache = newCache(o.CacheSessions)
	o.touched = newTouches(o.CacheSessions)
	c, err := newCommitter(ctx, o.pools, o.expected)
	o.audit = c
	return err
}

// start runs what an open store does on its own.
func (o *state) start() {
	ctx, stop := context.WithCancel(context.Background())
	o.stop = stop
	o.audit.start()
	o.done.Go(func() { o.keepHouse(ctx) })
}

// Hold tells other processes, until the store is closed, that a server runs on it and not a command; see [Served]. The store
// must be open.
func (s *Store) Hold(ctx context.Context) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	o := s.state.Load()
	if o == nil {
		return idp.ErrNotReady
	}
	if o.release != nil {
		return nil
	}
	release, err := s.engine.hold(ctx)
	if err != nil {
		return fmt.Errorf("store: marking it as served: %w", err)
	}
	o.release = release
	return nil
}

// Close waits for the methods that are under way, drains the audit writer, writes what is still
// unwritten, and closes the database. Closing a store that is not open does nothing.
func (s *Store) Close() error {
	s.opening.Lock()
	defer s.opening.Unlock()
	o := s.state.Swap(nil)
	if o == nil {
		return nil
	}
	s.life.Lock() // whoever entered before has left; whoever comes now finds no state
	defer s.life.Unlock()
	o.stop()
	o.done.Wait()
	o.audit.drain()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := errors.Join(o.flushTouches(ctx), o.pools.close())
	if o.release != nil {
		err = errors.Join(err, o.release())
	}
	if err != nil {
		return fmt.Errorf("store: closing: %w", err)
	}
	return nil
}

// Ready returns nil once the store is open, the error of the last Open after it failed, and
// [idp.ErrNotReady] before.
func (s *Store) Ready() error {
	if s.state.Load() != nil {
		return nil
	}
	if why := s.failed.Load(); why != nil {
		return *why
	}
	return idp.ErrNotReady
}

// enter returns the open store; leave must follow unless it fails.
func (s *Store) enter() (*state, error) {
	s.life.RLock()
	o := s.state.Load()
	if o == nil {
		s.life.RUnlock()
		return nil, idp.ErrNotReady
	}
	return o, nil
}

func (s *Store) leave() { s.life.RUnlock() }
