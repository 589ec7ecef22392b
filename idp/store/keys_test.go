package store

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func privateBytes(t testing.TB, s crypto.Signer) []byte {
	t.Helper()
	key := s.(*rsa.PrivateKey)
	if len(key.Primes) == 0 {
		t.Fatal("no primes")
	}
	return key.Primes[0].Bytes()
}

// states returns "active next…" of all keys, and their ids.
func states(t *testing.T, s *Store) (ids []string, st []idp.KeyState) {
	t.Helper()
	all, err := s.AllSAMLKeys()
	ok(t, err)
	for _, k := range all {
		ids, st = append(ids, k.ID), append(st, k.State)
	}
	return ids, st
}

// Two nodes or processes that meet an empty database make one set of keys between them.
func TestTwoFirstStartsMakeTheSameKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	stores := make([]*Store, 2)
	errs := make(chan error)
	for i := range stores {
		stores[i] = mustNew(t, Config{Path: path})
		go func() { errs <- stores[i].Open(t.Context()) }()
	}
	for range stores {
		ok(t, <-errs)
	}
	defer func() { ok(t, errors.Join(stores[0].Close(), stores[1].Close())) }()
	a, _ := states(t, stores[0])
	b, _ := states(t, stores[1])
	if len(a) != 2 || !slices.Equal(a, b) {
		t.Errorf("keys %v and %v", a, b)
	}
	ca, err := stores[0].CookieKeys()
	ok(t, err)
	cb, err := stores[1].CookieKeys()
	ok(t, err)
	if len(ca) != 1 || !bytes.Equal(ca[0], cb[0]) {
		t.Error("two sets of cookie keys")
	}
}

// The same without the lock of the opening: the transaction alone must do.
func TestKeysAreMadeOnce(t *testing.T) {
	s := mustOpen(t, Config{Path: filepath.Join(t.TempDir(), "x.db")})
	o, ctx := s.state.Load(), t.Context()
	before, _ := states(t, s)
	errs := make(chan error)
	_, err := o.writer.ExecContext(ctx, "DELETE FROM saml_keys")
	ok(t, err)
	_, err = o.writer.ExecContext(ctx, "DELETE FROM cookie_keys")
	ok(t, err)
	for range 2 {
		go func() { errs <- o.makeKeys(ctx) }()
	}
	ok(t, errors.Join(<-errs, <-errs))
	ok(t, o.loadKeys(ctx))
	after, st := states(t, s)
	if !slices.Equal(st, []idp.KeyState{idp.KeyActive, idp.KeyNext}) || slices.Equal(before, after) {
		t.Errorf("keys %v, states %v", after, st)
	}
}

func TestCertificate(t *testing.T) {
	keys, err := openMade(t).SAMLKeys()
	ok(t, err)
	cert, err := x509.ParseCertificate(keys[0].Certificate)
	ok(t, err)
	if cert.IsCA || cert.KeyUsage != x509.KeyUsageDigitalSignature || cert.SerialNumber.Sign() <= 0 ||
		cert.SignatureAlgorithm != x509.SHA256WithRSA || cert.NotAfter.Sub(cert.NotBefore) < 10*365*24*time.Hour {
		t.Errorf("certificate: %+v", cert)
	}
}

func TestRollover(t *testing.T) {
	s := openMade(t)
	ctx := t.Context()
	first, _ := states(t, s)
	active, next := first[0], first[1]

	var refused *NotUploadedError
	ok(t, s.MarkUploaded(ctx, next, "connect"))
	ok(t, s.MarkUploaded(ctx, next, "connect"))
	if err := s.PromoteKey(ctx, next, "connect", "salesforce"); !errors.As(err, &refused) || !slices.Equal(refused.Apps, []string{"salesforce"}) {
		t.Fatalf("promoted although an application does not know the key: %v", err)
	}
	if ids, _ := states(t, s); ids[0] != active {
		t.Error("the active key changed all the same")
	}
	missing, err := s.NotUploaded(ctx, next, []string{"salesforce", "connect"})
	if ok(t, err); !slices.Equal(missing, []string{"salesforce"}) {
		t.Errorf("not uploaded: %v", missing)
	}
	ok(t, s.MarkUploaded(ctx, next, "salesforce"))
	if ids, err := s.Uploaded(ctx, "salesforce"); err != nil || !slices.Equal(ids, []string{next}) {
		t.Errorf("uploaded: %v, %v", ids, err)
	}

	is(t, s.RetireKey(ctx, active), ErrKeyState)
	ok(t, s.PromoteKey(ctx, next, "connect", "salesforce"))
	ok(t, s.PromoteKey(ctx, next)) // it is the active one
	ids, st := states(t, s)
	if !slices.Equal(ids, []string{next, active}) || !slices.Equal(st, []idp.KeyState{idp.KeyActive, idp.KeyNext}) {
		t.Fatalf("after promoting: %v %v", ids, st)
	}

	ok(t, s.RetireKey(ctx, active))
	ids, st = states(t, s)
	if !slices.Equal(st, []idp.KeyState{idp.KeyActive, idp.KeyNext, idp.KeyRetired}) || ids[0] != next || ids[2] != active {
		t.Fatalf("after retiring: %v %v", ids, st)
	}
	all, err := s.AllSAMLKeys()
	ok(t, err)
	if all[2].Signer != nil {
		t.Error("a retired private key is still there")
	}
	live, err := s.SAMLKeys()
	ok(t, err)
	if len(live) != 2 || live[1].ID == active {
		t.Errorf("published: %v", live)
	}
	is(t, s.RetireKey(ctx, active), idp.ErrNotFound)
	is(t, s.PromoteKey(ctx, active), ErrKeyState)
	is(t, s.MarkUploaded(ctx, active, "connect"), idp.ErrNotFound)
	for _, err := range []error{s.RetireKey(ctx, "x"), s.PromoteKey(ctx, "x"), s.MarkUploaded(ctx, "x", "connect")} {
		is(t, err, idp.ErrNotFound)
	}
	ok(t, s.Close())
	again := mustOpen(t, s.cfg)
	if after, _ := states(t, again); !slices.Equal(after, ids) {
		t.Errorf("after a restart: %v, want %v", after, ids)
	}
}

// What a command does in another process reaches the running gateway: revoked sessions, promoted keys.
func TestFollowsAnotherProcess(t *testing.T) {
	running := openMade(t)
	command := mustOpen(t, running.cfg)
	ctx := t.Context()
	s := &idp.Session{ID: idp.Hash{1}, User: idp.User{Source: "corp", ID: "ann"}}
	ok(t, running.PutSession(ctx, s))
	_, err := running.Session(ctx, s.ID)
	ok(t, err)
	ids, _ := states(t, running)
	_, err = command.DeleteUserSessions(ctx, "corp:ann", idp.Hash{})
	ok(t, err)
	ok(t, command.PromoteKey(ctx, ids[1]))
	deadline := time.Now().Add(10 * time.Second) // C-15 wants a second; a slow machine is no failure
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := running.Session(ctx, s.ID)
		now, _ := states(t, running)
		if errors.Is(err, idp.ErrNotFound) && now[0] == ids[1] {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still signed in (%v) or the old key (%v)", err, now)
		}
		<-tick.C
	}
}

// Our own writes must not throw the cache away.
func TestOwnWritesAreNoChange(t *testing.T) {
	s := openMade(t)
	o, ctx := s.state.Load(), t.Context()
	fill(t, s)
	e := &sqliteEngine{path: s.cfg.Path} // the store's own is busy
	_, err := e.changed(ctx, o.pools)
	ok(t, err)
	for range 3 {
		fill(t, s)
		if changed, err := e.changed(ctx, o.pools); err != nil || changed {
			t.Errorf("changed: %v, %v", changed, err)
		}
	}
	e.writers.Add(1) // a connection was replaced: its number says nothing
	if changed, err := e.changed(ctx, o.pools); err != nil || !changed {
		t.Errorf("a new connection: %v, %v", changed, err)
	}
}
