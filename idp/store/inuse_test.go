package store

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// askedPath tells the test binary, run again as a child, of which database to say whether it is used and served.
const askedPath = "STORE_TEST_ASKED"

// TestAsked is what the child does.
func TestAsked(t *testing.T) {
	path := os.Getenv(askedPath)
	if path == "" {
		return
	}
	used, err := InUse(t.Context(), path)
	ok(t, err)
	served, err := Served(t.Context(), path)
	ok(t, err)
	fmt.Printf("used %v, served %v\n", used, served)
}

// askElsewhere asks in another process: locks of the own one are known to the library without the system.
func askElsewhere(t *testing.T, path string) string {
	t.Helper()
	exe, err := os.Executable()
	ok(t, err)
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestAsked$")
	cmd.Env = append(os.Environ(), askedPath+"="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	said, _, _ := strings.Cut(string(out), "\n")
	return said
}

func TestInUseAndServed(t *testing.T) {
	s := mustNew(t, Config{Path: made(t, t.TempDir())})
	path := s.cfg.Path
	check := func(when, want string) {
		t.Helper()
		if got := askElsewhere(t, path); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
		used, err := InUse(t.Context(), path)
		ok(t, err)
		served, err := Served(t.Context(), path)
		ok(t, err)
		if got := fmt.Sprintf("used %v, served %v", used, served); got != want {
			t.Errorf("%s, in this process: %s, want %s", when, got, want)
		}
	}
	if err := s.Hold(t.Context()); err == nil {
		t.Error("a store that is not open is held")
	}
	check("before it is open", "used false, served false")
	ok(t, s.Open(t.Context()))
	check("while a command has it open", "used true, served false")
	ok(t, s.Hold(t.Context()))
	ok(t, s.Hold(t.Context()))
	check("while a server has it open", "used true, served true")
	other := mustOpen(t, Config{Path: path})
	ok(t, other.Hold(t.Context()))
	check("with a second store of the process", "used true, served true")
	ok(t, s.Close())
	check("of two the first was closed", "used true, served true")
	ok(t, other.Close())
	check("after both were closed", "used false, served false")
	ok(t, s.Open(t.Context()))
	check("when it is open again", "used true, served false")
	ok(t, s.Close())
	path = filepath.Join(t.TempDir(), "none.db")
	check("where there is none", "used false, served false")
}

func TestSchemaOfAnOpenStore(t *testing.T) {
	s := openMade(t)
	have, newest, err := Schema(t.Context(), s.cfg.Path)
	ok(t, err)
	if have != newest || have == 0 {
		t.Errorf("schema %d of %d, want the newest", have, newest)
	}
}
