package store

import (
	"archive/tar"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

var sealBlob = Blob{"seal.key", []byte("the seal key")}

// backedUp returns a filled store and its backup.
func backedUp(t *testing.T) (s *Store, file string) {
	t.Helper()
	s = openMade(t)
	fill(t, s)
	file = filepath.Join(t.TempDir(), "gatehouse.backup")
	ok(t, s.Backup(t.Context(), file, sealBlob))
	return s, file
}

func TestBackupUnderLoadAndRestore(t *testing.T) {
	s := openMade(t)
	fill(t, s)
	ctx, stop := context.WithCancel(t.Context())
	var acked sync.Map
	var writers sync.WaitGroup
	started := make(chan struct{}, 4)
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				ref := fmt.Sprint(w, "-", i)
				if s.Append(context.WithoutCancel(ctx), idp.Event{Ref: ref, Time: s.cfg.Now()}) != nil {
					t.Error("append failed beside a backup")
				}
				acked.Store(ref, nil)
				if i == 20 {
					started <- struct{}{}
				}
			}
		})
	}
	for range 4 {
		<-started
	}
	want := map[string]bool{} // acknowledged before the backup began
	acked.Range(func(ref, _ any) bool { want[ref.(string)] = true; return true })
	file := filepath.Join(t.TempDir(), "sub", "gatehouse.backup")
	ok(t, s.Backup(t.Context(), file, sealBlob))
	stop()
	writers.Wait()

	info, err := os.Stat(file)
	ok(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v", info.Mode())
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	path := filepath.Join(t.TempDir(), "new", "x.db")
	var blobs []Blob
	m, err := Restore(t.Context(), file, path, RestoreOptions{Before: func(b []Blob) error { blobs = b; return nil }})
	ok(t, err)
	if !reflect.DeepEqual(blobs, []Blob{sealBlob}) || m.Schema != 5 || m.Created.IsZero() {
		t.Errorf("blobs %v, manifest %+v", blobs, m)
	}
	r := mustOpen(t, Config{Path: path})
	ok(t, r.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool { delete(want, e.Ref); return true }))
	if len(want) > 0 {
		t.Errorf("%d audit rows are missing: %v", len(want), want)
	}
	for _, get := range []func(*Store) any{
		func(s *Store) any { k, err := s.AllSAMLKeys(); ok(t, err); return k },
		func(s *Store) any { k, err := s.CookieKeys(); ok(t, err); return k },
	} {
		if !reflect.DeepEqual(get(s), get(r)) {
			t.Error("other keys after the restore")
		}
	}
}

// No code, session, memo or device is good after a restore that was not good without it.
func TestRestoredStoreLetsNothingBeUsedTwice(t *testing.T) {
	s, file := backedUp(t)
	ctx, now := t.Context(), time.Now()
	step := now.Unix() / 30
	future := idp.Enrollment{User: "corp:cat", Factor: "totp", ID: "1", Secret: []byte("x"), Step: step + 50}
	ok(t, s.PutEnrollment(ctx, future))
	ok(t, s.PutMemo(ctx, idp.Memo{Kind: idp.ChangedKind, ID: idp.Hash{7}, Expires: now.Add(time.Hour)}, 0))
	ok(t, s.PutMemo(ctx, idp.Memo{Kind: idp.NewsKind, ID: idp.Hash{8}, Owner: "corp:ann", Expires: now.Add(time.Hour)}, 0))
	ok(t, s.PutMemo(ctx, idp.Memo{Kind: idp.ToldKind, ID: idp.Hash{9}, Owner: "corp:ann", Expires: now.Add(time.Hour)}, 0))
	ok(t, s.PutEnrollment(ctx, idp.Enrollment{User: "corp:ann", Factor: idp.RecoveryFactor, ID: "a code that is used after the backup"}))
	ok(t, s.Backup(ctx, file)) // replaces the older one
	// After the backup the phone shows a code, and it is used; somebody saw it.
	ok(t, s.SpendStep(ctx, "corp:ann", "totp", "1", step, now))

	path := filepath.Join(t.TempDir(), "x.db")
	_, err := Restore(ctx, file, path, RestoreOptions{Now: func() time.Time { return now }})
	ok(t, err)
	r := mustOpen(t, Config{Path: path})
	is(t, r.SpendStep(ctx, "corp:ann", "totp", "1", step, now), idp.ErrSpent)
	is(t, r.SpendStep(ctx, "corp:ann", "totp", "1", step+1, now), idp.ErrSpent) // a phone that is ahead
	is(t, r.SpendStep(ctx, "corp:cat", "totp", "1", step+50, now), idp.ErrSpent)
	ok(t, r.SpendStep(ctx, "corp:ann", "totp", "1", step+2, now))
	_, err = r.Session(ctx, idp.Hash{1})
	is(t, err, idp.ErrNotFound)
	_, err = r.TakeMemo(ctx, "flow", idp.Hash{1}, now)
	is(t, err, idp.ErrNotFound)
	_, err = r.Memo(ctx, idp.ChangedKind, idp.Hash{7}, now)
	ok(t, err) // a gate that stood then stands now
	_, err = r.Memo(ctx, idp.NewsKind, idp.Hash{8}, now)
	ok(t, err) // what was to be told is told
	_, err = r.Memo(ctx, idp.ToldKind, idp.Hash{9}, now)
	ok(t, err) // and what was told can be looked up
	is(t, r.DeleteEnrollment(ctx, "corp:ann", idp.RecoveryFactor, "a code that is used after the backup"), idp.ErrNotFound)
	_, err = r.Device(ctx, idp.Hash{1}, "corp:ann", now)
	is(t, err, idp.ErrNotFound)
	list, err := r.UserEnrollments(ctx, "corp:ann", "")
	if ok(t, err); len(list) != 1 || string(list[0].Secret) != "canary-seed" {
		t.Errorf("factors: %v", list)
	}
}

// What counts signatures, or nothing, goes on from where it was: a passkey that seems to count backwards is taken for a copy,
// and is never taken again.
func TestRestoredPasskeysGoOnCounting(t *testing.T) {
	s, file := backedUp(t)
	ctx, now := t.Context(), time.Now()
	counts := map[string]int64{"counts": 7, "counts nothing": 0, "stopped": math.MaxInt64, "counts seconds": now.Unix()}
	for id, step := range counts {
		ok(t, s.PutEnrollment(ctx, idp.Enrollment{User: "corp:cat", Factor: "passkey", ID: id, Created: now.Add(-time.Hour), Step: step}))
	}
	ok(t, s.PutEnrollment(ctx, idp.Enrollment{User: "corp:cat", Factor: "app", ID: "set up just now", Created: now, Step: now.Unix()/30 - 1}))
	ok(t, s.Backup(ctx, file))
	path := filepath.Join(t.TempDir(), "x.db")
	_, err := Restore(ctx, file, path, RestoreOptions{Now: func() time.Time { return now }})
	ok(t, err)
	r := mustOpen(t, Config{Path: path})
	list, err := r.UserEnrollments(ctx, "corp:cat", "passkey")
	if ok(t, err); len(list) != len(counts) {
		t.Errorf("%+v", list)
	}
	for _, e := range list {
		if e.Step != counts[e.ID] {
			t.Errorf("%s: %d, was %d", e.ID, e.Step, counts[e.ID])
		}
	}
	is(t, r.SpendStep(ctx, "corp:cat", "app", "set up just now", now.Unix()/30, now), idp.ErrSpent)
}

func TestRestoreReplacesOnlyWhenTold(t *testing.T) {
	s, file := backedUp(t)
	ctx := t.Context()
	other := openMade(t)
	ok(t, other.Append(ctx, idp.Event{Ref: "other"}))
	path := other.cfg.Path
	_, err := Restore(ctx, file, path, RestoreOptions{})
	is(t, err, ErrExists)
	ok(t, other.Append(ctx, idp.Event{Ref: "untouched"}))
	// A log that its process left behind belongs to the old database.
	wal, err := os.ReadFile(path + "-wal")
	ok(t, err)
	ok(t, other.Close())
	ok(t, os.WriteFile(path+"-wal", wal, 0o600))
	refuse := errors.New("another seal key is in place")
	_, err = Restore(ctx, file, path, RestoreOptions{Overwrite: true, Before: func([]Blob) error { return refuse }})
	is(t, err, refuse)
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Error("a refused restore changed something")
	}
	_, err = Restore(ctx, file, path, RestoreOptions{Overwrite: true})
	ok(t, err)
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Error("the old database's log is beside the restored one")
	}
	r := mustOpen(t, Config{Path: path})
	var refs []string
	ok(t, r.Events(ctx, idp.EventQuery{}, func(e idp.Event) bool { refs = append(refs, e.Ref); return true }))
	if !reflect.DeepEqual(refs, []string{"filled"}) {
		t.Errorf("events %v", refs)
	}
	aside, err := filepath.Glob(path + ".replaced-*Z")
	if ok(t, err); len(aside) != 1 {
		t.Errorf("the old database is not kept: %v", aside)
	}
	ok(t, s.Ready())
}

// rewrite changes a backup: f returns the new content of a file, or nil to leave it out.
func rewrite(t *testing.T, file string, f func(name string, data []byte) []byte) string {
	t.Helper()
	in, err := os.Open(file)
	ok(t, err)
	defer in.Close()
	var out bytes.Buffer
	r, w := tar.NewReader(in), tar.NewWriter(&out)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ok(t, err)
		data, err := io.ReadAll(r)
		ok(t, err)
		if data = f(h.Name, data); data == nil {
			continue
		}
		ok(t, addBytes(w, h.Name, data, h.ModTime))
	}
	ok(t, w.Close())
	path := filepath.Join(t.TempDir(), "changed.backup")
	ok(t, os.WriteFile(path, out.Bytes(), 0o600))
	return path
}

func TestRestoreRefuses(t *testing.T) {
	_, file := backedUp(t)
	manifest := func(change func(*Manifest)) string {
		return rewrite(t, file, func(name string, data []byte) []byte {
			if name != manifestName {
				return data
			}
			var m Manifest
			ok(t, json.Unmarshal(data, &m))
			change(&m)
			data, err := json.Marshal(m)
			ok(t, err)
			return data
		})
	}
	text := filepath.Join(t.TempDir(), "text")
	ok(t, os.WriteFile(text, []byte(strings.Repeat("x", 2048)), 0o600))
	for name, c := range map[string]struct{ file, want string }{
		"no file":       {filepath.Join(t.TempDir(), "none"), "no such file"},
		"not a backup":  {text, "not a backup"},
		"newer schema":  {manifest(func(m *Manifest) { m.Schema = 99 }), "99"},
		"other format":  {manifest(func(m *Manifest) { m.Format = 9 }), "format 9"},
		"other engine":  {manifest(func(m *Manifest) { m.Engine = "postgres" }), "postgres"},
		"no database":   {manifest(func(m *Manifest) { m.Files = m.Files[1:] }), "no database"},
		"path as name":  {manifest(func(m *Manifest) { m.Files[1].Name = "../../seal.key" }), "where its manifest says"},
		"damaged bytes": {rewrite(t, file, func(name string, data []byte) []byte { data[len(data)/2] ^= 1; return data }), ""},
		"cut short": {rewrite(t, file, func(name string, data []byte) []byte {
			if name == databaseName {
				return nil
			}
			return data
		}), "where its manifest says"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "x.db")
		_, err := Restore(t.Context(), c.file, path, RestoreOptions{Before: func([]Blob) error { t.Errorf("%s: went on", name); return nil }})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", name, err, c.want)
		}
		if left, err := filepath.Glob(path + "*"); err != nil || len(left) > 1 { // the lock stays
			t.Errorf("%s: left behind %v, %v", name, left, err)
		}
	}
}

func TestBackupRefusesOddBlobs(t *testing.T) {
	s := openMade(t)
	file := filepath.Join(t.TempDir(), "b")
	for _, b := range []Blob{{Name: ""}, {Name: "../x"}, {Name: ".x"}, {Name: `a\b`}, {Name: databaseName}, {Name: "big", Data: make([]byte, blobMost+1)}} {
		if err := s.Backup(t.Context(), file, b); err == nil {
			t.Errorf("a blob named %q was taken", b.Name)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was written")
	}
}

// An older backup is migrated when the restored store is opened.
func TestRestoreOfOlderSchema(t *testing.T) {
	dir := t.TempDir()
	older := filepath.Join(dir, "older.db")
	olderStore(t, older)
	key, err := testKey(t.Context())
	ok(t, err)
	seal, err := newSealer(key, emptyReader{})
	ok(t, err)
	o := &state{Config: Config{Path: older, Now: time.Now}, seal: seal}
	part := filepath.Join(dir, "b")
	ok(t, copySQLite(t.Context(), older, older+".copy"))
	ok(t, o.pack(t.Context(), part, older+".copy", nil))
	path := filepath.Join(dir, "x.db")
	m, err := Restore(t.Context(), part, path, RestoreOptions{})
	if ok(t, err); m.Schema != 1 {
		t.Errorf("schema %d", m.Schema)
	}
	ok(t, mustOpen(t, Config{Path: path}).Append(t.Context(), idp.Event{}))
	raw(t, path, func(db *sql.DB) { ok(t, db.PingContext(t.Context())) })
}
