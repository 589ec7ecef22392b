package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// C-59: a ciphertext is worth nothing in another row, column or table, nor changed, nor under another key.
func TestSealedValueStaysInItsPlace(t *testing.T) {
	key, _ := testKey(t.Context())
	s, err := newSealer(key, emptyReader{})
	ok(t, err)
	home := place{"enrollments", "sealed", []string{"ann", "totp", "1"}}
	sealed, err := s.seal(home, []byte("seed"))
	ok(t, err)
	if plain, err := s.open(home, sealed); err != nil || string(plain) != "seed" {
		t.Fatalf("got %q, %v", plain, err)
	}
	if bytes.Contains(sealed, []byte("seed")) {
		t.Error("the seed is readable")
	}
	for name, p := range map[string]place{
		"another row":        {"enrollments", "sealed", []string{"bob", "totp", "1"}},
		"another column":     {"enrollments", "label", home.row},
		"another table":      {"memos", "sealed", home.row},
		"parts run together": {"enrollments", "sealed", []string{"anntotp", "", "1"}},
		"parts moved":        {"enrollments", "sealed", []string{"ann", "totp1"}},
	} {
		if _, err := s.open(p, sealed); !errors.Is(err, errTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.open(home, bad); err == nil {
			t.Errorf("byte %d changed, and nobody saw", i)
		}
	}
	for n := range sealed {
		if _, err := s.open(home, sealed[:n]); err == nil {
			t.Errorf("cut to %d bytes, and nobody saw", n)
		}
	}
	key, _ = otherKey(t.Context())
	other, err := newSealer(key, emptyReader{})
	ok(t, err)
	_, err = other.open(home, sealed)
	is(t, err, ErrSealKey)
}

// emptyReader gives zeros for randomness.
type emptyReader struct{}

func (emptyReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestNoRandomnessIsAnError(t *testing.T) {
	key, _ := testKey(t.Context())
	s, err := newSealer(key, strings.NewReader("short"))
	ok(t, err)
	if _, err := s.seal(at("memos", "x"), nil); err == nil {
		t.Error("sealed with a nonce that is not random")
	}
}

func TestWrongSealKeyNamesBothPlaces(t *testing.T) {
	path := made(t, t.TempDir())
	s := mustNew(t, Config{Path: path, SealKey: otherKey, Places: "seal key from /etc/seal, database /srv/x.db"})
	err := s.Open(t.Context())
	is(t, err, ErrSealKey)
	is(t, s.Ready(), ErrSealKey)
	for _, want := range []string{"/etc/seal", "/srv/x.db"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	_, err = s.SAMLKeys()
	is(t, err, idp.ErrNotReady)
	ok(t, mustOpen(t, Config{Path: path}).Ready()) // nothing was spoilt
}

// A key is made for a database that holds nothing sealed, whatever an interrupted first start has left, and for no other.
func TestSealKeyIsMadeForANewDatabaseOnly(t *testing.T) {
	noKey := func(context.Context) ([]byte, error) { return nil, fs.ErrNotExist }
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.db")
	ok(t, os.WriteFile(empty, nil, 0o600))
	bare := filepath.Join(dir, "bare.db")
	olderStore(t, bare)
	for name, path := range map[string]string{"no file": filepath.Join(dir, "new.db"), "empty file": empty, "tables without rows": bare} {
		t.Run(name, func(t *testing.T) {
			is(t, mustNew(t, Config{Path: path, SealKey: noKey}).Open(t.Context()), ErrSealLost)
			mustOpen(t, Config{Path: path, SealKey: noKey, MakeSealKey: testKey})
		})
	}
	path := made(t, dir)
	invent := func(context.Context) ([]byte, error) {
		t.Error("a key was made for a database that has one")
		return testKey(t.Context())
	}
	lost := mustNew(t, Config{Path: path, SealKey: noKey, MakeSealKey: invent, Places: "seal key from /etc/seal, database /srv/x.db"})
	err := lost.Open(t.Context())
	is(t, err, ErrSealLost)
	if !strings.Contains(err.Error(), "/etc/seal, database /srv/x.db") {
		t.Errorf("the error names no places: %v", err)
	}
	raw(t, path, func(db *sql.DB) {
		_, err := db.ExecContext(t.Context(), "DELETE FROM seal")
		ok(t, err)
	})
	is(t, lost.Open(t.Context()), ErrSealLost) // keys without the canary are a damage
	ok(t, mustOpen(t, Config{Path: made(t, t.TempDir()), MakeSealKey: invent}).Ready())
}

// Two processes start for the first time: the second one finds no key, waits for the first, and takes the one that it made.
func TestSealKeyOfTheOneBefore(t *testing.T) {
	path, asked := made(t, t.TempDir()), 0
	late := func(ctx context.Context) ([]byte, error) {
		if asked++; asked == 1 {
			return nil, fs.ErrNotExist
		}
		return testKey(ctx)
	}
	ok(t, mustOpen(t, Config{Path: path, SealKey: late, MakeSealKey: func(context.Context) ([]byte, error) {
		t.Error("a second key was made")
		return testKey(t.Context())
	}}).Ready())
}

func TestLostCanaryIsNoFirstStart(t *testing.T) {
	s := openMade(t)
	_, err := s.state.Load().writer.ExecContext(t.Context(), "DELETE FROM seal")
	ok(t, err)
	ok(t, s.Close())
	if err := mustNew(t, Config{Path: s.cfg.Path, SealKey: otherKey}).Open(t.Context()); err == nil {
		t.Error("a database with keys took another seal key")
	}
}

// fill puts one of everything into a store; each text of canaries must stay unreadable.
func fill(t testing.TB, s *Store) (canaries []string) {
	ctx, now := t.Context(), s.cfg.Now()
	ok(t, s.PutSession(ctx, &idp.Session{
		ID: idp.Hash{1}, User: idp.User{Source: "corp", ID: "ann"}, Form: "canary-form", SignedIn: now, Expires: now.Add(time.Hour),
	}))
	ok(t, s.PutMemo(ctx, idp.Memo{Kind: "flow", ID: idp.Hash{1}, Expires: now.Add(time.Hour), Data: []byte("canary-memo")}, 0))
	ok(t, s.PutEnrollment(ctx, idp.Enrollment{User: "corp:ann", Factor: "totp", ID: "1", Secret: []byte("canary-seed"), Step: 5}))
	ok(t, s.PutEnrollment(ctx, idp.Enrollment{User: "corp:bob", Factor: "totp", ID: "1", Secret: []byte("canary-bobs"), Step: 5}))
	ok(t, s.PutDevice(ctx, &idp.Device{ID: idp.Hash{1}, User: "corp:ann", Label: "canary-device", Expires: now.Add(time.Hour)}))
	ok(t, s.Append(ctx, idp.Event{Time: now, Ref: "filled"}))
	keys, err := s.CookieKeys()
	ok(t, err)
	return []string{"canary-form", "canary-memo", "canary-seed", "canary-bobs", "canary-device", string(keys[0]), "PRIVATE KEY"}
}

// C-11: what a thief of the database files reads opens nothing.
func TestFilesHoldNoSecret(t *testing.T) {
	s := openMade(t)
	canaries := fill(t, s)
	keys, err := s.SAMLKeys()
	ok(t, err)
	for _, k := range keys {
		canaries = append(canaries, string(privateBytes(t, k.Signer)))
	}
	for _, file := range sqliteFiles(s.cfg.Path) {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		ok(t, err)
		for _, c := range canaries {
			if bytes.Contains(data, []byte(c)) {
				t.Errorf("%s holds %.20q", file, c)
			}
		}
	}
}

// C-59, C-60: rows that were swapped or damaged sign nobody in, and the others go on.
func TestTamperedRows(t *testing.T) {
	s := openMade(t)
	fill(t, s)
	ctx, now := t.Context(), s.cfg.Now()
	change := func(query string, args ...any) {
		t.Helper()
		_, err := s.state.Load().writer.ExecContext(ctx, query, args...)
		ok(t, err)
	}
	change(`UPDATE enrollments SET sealed = (SELECT sealed FROM enrollments WHERE person = 'corp:ann') WHERE person = 'corp:bob'`)
	_, err := s.UserEnrollments(ctx, "corp:bob", "totp")
	is(t, err, errTampered) // an error, not "has no factor"
	list, err := s.UserEnrollments(ctx, "corp:ann", "totp")
	if ok(t, err); len(list) != 1 || string(list[0].Secret) != "canary-seed" {
		t.Errorf("the other one: %v", list)
	}

	ok(t, s.PutSession(ctx, &idp.Session{ID: idp.Hash{2}, User: idp.User{Source: "corp", ID: "ann"}}))
	change("UPDATE sessions SET sealed = (SELECT sealed FROM sessions WHERE id = ?) WHERE id = ?", rowID(2), rowID(1))
	_, err = s.Session(ctx, idp.Hash{1})
	is(t, err, errTampered)
	sessions, err := s.UserSessions(ctx, "corp:ann")
	if ok(t, err); len(sessions) != 1 || sessions[0].ID != (idp.Hash{2}) {
		t.Errorf("sessions: %v", sessions)
	}
	change("UPDATE sessions SET person = 'corp:eve' WHERE id = ?", rowID(2))
	_, err = s.readSession(ctx, idp.Hash{2}, 0)
	is(t, err, errTampered)

	change("UPDATE memos SET kind = 'invite'")
	_, err = s.TakeMemo(ctx, "invite", idp.Hash{1}, now)
	is(t, err, errTampered)
	_, err = s.TakeMemo(ctx, "invite", idp.Hash{1}, now)
	is(t, err, idp.ErrNotFound)

	for _, n := range []byte{3, 4} {
		ok(t, s.PutMemo(ctx, idp.Memo{Kind: "news", ID: idp.Hash{n}, Owner: "corp:ann", Expires: now.Add(time.Hour)}, 0))
	}
	change("UPDATE memos SET sealed = (SELECT sealed FROM memos WHERE id = ?) WHERE id = ?", rowID(4), rowID(3))
	memos, err := s.OwnedMemos(ctx, "news", "corp:ann", now)
	if ok(t, err); len(memos) != 1 || memos[0].ID != (idp.Hash{4}) {
		t.Errorf("memos: %v", memos)
	}

	change("UPDATE devices SET person = 'corp:bob'")
	_, err = s.Device(ctx, idp.Hash{1}, "corp:bob", now)
	is(t, err, errTampered)
	devices, err := s.UserDevices(ctx, "corp:bob", now)
	if ok(t, err); len(devices) != 0 {
		t.Errorf("devices: %v", devices)
	}
	ok(t, s.Append(context.WithoutCancel(ctx), idp.Event{}))
}

func rowID(b byte) []byte { return append([]byte{b}, make([]byte, 31)...) }

// A certificate that was swapped would make our metadata name an attacker's key.
func TestSwappedCertificate(t *testing.T) {
	s := openMade(t)
	_, err := s.state.Load().writer.ExecContext(t.Context(),
		"UPDATE saml_keys SET certificate = (SELECT certificate FROM saml_keys WHERE state = 'next')")
	ok(t, err)
	ok(t, s.Close())
	is(t, mustNew(t, s.cfg).Open(t.Context()), errTampered)
}
