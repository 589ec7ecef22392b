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
