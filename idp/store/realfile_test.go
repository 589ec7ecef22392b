package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A store that is reached by a link is one store with that which the link leads to: whoever comes by the one meets the locks of
// whoever came by the other.
func TestAStoreBehindALink(t *testing.T) {
	file := made(t, t.TempDir())
	link := filepath.Join(t.TempDir(), "link.db")
	ok(t, os.Symlink(file, link))
	s := mustNew(t, Config{Path: link})
	ok(t, s.Open(t.Context()))
	defer func() { ok(t, s.Close()) }()
	ok(t, s.Hold(t.Context()))
	for _, path := range []string{file, link} {
		if got := askElsewhere(t, path); got != "used true, served true" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if beside, err := os.ReadDir(filepath.Dir(link)); err != nil || len(beside) != 1 {
		t.Errorf("beside the link there is %v (%v)", beside, err)
	}
}

// A server of the version before has its locks beside the link: it is found there, and waited for.
func TestAServerThatCameByALinkBefore(t *testing.T) {
	file := made(t, t.TempDir())
	link := filepath.Join(t.TempDir(), "link.db")
	ok(t, os.Symlink(file, link))
	check := func(when, want string) {
		t.Helper()
		if got := askElsewhere(t, link); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	release, err := holdAt(t.Context(), servedBy(link))
	ok(t, err)
	check("while it serves", "used false, served true")
	ok(t, release())
	check("after it has ended", "used false, served false")

	lock, err := lockAt(t.Context(), link+".lock") // which leaves the file, as that server did
	ok(t, err)
	ok(t, lock())
	locked := func(when string, want bool) {
		t.Helper()
		for _, path := range []string{file + ".lock", link + ".lock"} {
			if got, err := isLocked(t.Context(), path); got != want || err != nil {
				t.Errorf("%s: %s is locked: %v (%v), want %v", when, path, got, err, want)
			}
		}
	}
	lock, err = (&sqliteEngine{path: link}).lock(t.Context())
	ok(t, err)
	locked("while a store is opened", true)
	ok(t, lock())
	locked("after that", false)
	_, backup := backedUp(t)
	_, err = Restore(t.Context(), backup, link, RestoreOptions{Overwrite: true, Before: func([]Blob) error {
		locked("while one is restored", true)
		return nil
	}})
	ok(t, err)
	locked("after that too", false)
}

// A link that leads nowhere, as to a volume that is not mounted, is no new store, nor one that nobody serves from.
func TestALinkThatLeadsNowhere(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "volume", "gatehouse.db")
	link := filepath.Join(t.TempDir(), "gatehouse.db")
	ok(t, os.Symlink(gone, link))
	s := mustNew(t, Config{Path: link})
	_, served := Served(t.Context(), link)
	_, restored := Restore(t.Context(), "backup.tar", link, RestoreOptions{Overwrite: true})
	for what, err := range map[string]error{"opening": s.Open(t.Context()), "asking for servers": served, "restoring": restored} {
		if err == nil || !strings.Contains(err.Error(), link+" is a link to "+gone+", which is not there") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if beside, err := os.ReadDir(filepath.Dir(link)); err != nil || len(beside) != 1 {
		t.Errorf("beside the link there is %v (%v)", beside, err)
	}
}
