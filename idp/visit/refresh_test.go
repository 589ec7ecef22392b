package visit_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/visit"
)

var probe = netip.MustParseAddr("203.0.113.7")

// TestNetworksRefresh: a list is renewed when its file is, and outlives a file that is broken or gone.
func TestNetworksRefresh(t *testing.T) {
	path := written(t, "list.txt", []byte("203.0.113.0/24\n"))
	n, err := visit.OpenNetworks(path)
	if err != nil {
		t.Fatal(err)
	}
	var last error
	expect := func(what string, wantChanged bool, wantErr string, wantIn bool) {
		t.Helper()
		changed, err := n.Refresh()
		if changed != wantChanged || (wantErr == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%s: changed %v, %v", what, changed, err)
		}
		if got := n.Contains(probe); got != wantIn {
			t.Errorf("%s: contains %v", what, got)
		}
		last = err
	}
	expect("the same file", false, "", true)
	replace(t, path, []byte("198.51.100.0/24\n"))
	expect("another file", true, "", false)
	replace(t, path, []byte("203.0.113.0/24\n"))
	expect("and back", true, "", true)
	replace(t, path, []byte("broken\n"))
	expect("a broken file", false, `list.txt:1: "broken"`, true)
	first := last
	expect("the same broken file", false, `list.txt:1: "broken"`, true)
	if !errors.Is(last, first) {
		t.Error("the same fault is another error")
	}
	replace(t, path, nil)
	expect("an empty file", false, "holds no range", true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("no file", false, "one address or range a line", true)
	if !errors.Is(last, fs.ErrNotExist) {
		t.Error(last)
	}
	expect("still no file", false, "one address or range a line", true)
	replace(t, path, []byte("198.51.100.0/24\n"))
	expect("mended", true, "", false)

	// Written in place and as long as before: the time tells.
	if err := os.WriteFile(path, []byte("203.0.113.0/24 \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	expect("written in place", true, "", true)
}

// TestVersion: a version is that of the content, not of the file.
func TestVersion(t *testing.T) {
	path := written(t, "list.txt", []byte("203.0.113.0/24\n"))
	n, err := visit.OpenNetworks(path)
	if err != nil {
		t.Fatal(err)
	}
	first := n.Version()
	after := func(content string) string {
		t.Helper()
		replace(t, path, []byte(content))
		_, _ = n.Refresh() // a broken one leaves the last in use
		return n.Version()
	}
	if len(first) != 16 || after("203.0.113.0/24\n") != first || after("broken\n") != first {
		t.Errorf("%q is another one for the same content", first)
	}
	if v := after("203.0.113.0/24 # the office\n"); v == first || after("203.0.113.0/24\n") != first {
		t.Errorf("%q is that of another content", v)
	}
}

// TestNetworksRefreshOtherFile: with size and time the same, another file is still another.
func TestNetworksRefreshOtherFile(t *testing.T) {
	path := written(t, "list.txt", []byte("203.0.113.0/24\n"))
	n, err := visit.OpenNetworks(path)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	// Held open, so that the file system cannot give its number to the next.
	held, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	replace(t, path, []byte("203.0.112.0/24\n"))
	if err := os.Chtimes(path, old.ModTime(), old.ModTime()); err != nil {
		t.Fatal(err)
	}
	if changed, err := n.Refresh(); !changed || err != nil || n.Contains(probe) {
		t.Errorf("changed %v, %v", changed, err)
	}
}

func TestCountriesRefresh(t *testing.T) {
	path := written(t, "c.mmdb", database(t, "x", map[string]record{"203.0.113.0/24": inCountry("DE")}))
	c := openCountries(t, path)
	for _, step := range []struct {
		content []byte
		changed bool
		err     string
		country string
	}{
		{database(t, "x", map[string]record{"203.0.113.0/24": inCountry("FR")}), true, "", "FR"},
		{[]byte("cut short"), false, "not in MaxMind's format", "FR"},
		{database(t, "x", map[string]record{"203.0.113.0/24": inCountry("NL")}), true, "", "NL"},
	} {
		replace(t, path, step.content)
		changed, err := c.Refresh()
		if changed != step.changed || (step.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("want %s: changed %v, %v", step.country, changed, err)
		}
		if got := c.Country(probe); got != step.country {
			t.Errorf("%s, want %s", got, step.country)
		}
	}
}

// TestRefreshTogether asks while files are renewed, for the race detector: each answer is of the old file or the new.
func TestRefreshTogether(t *testing.T) {
	list := written(t, "list.txt", []byte("203.0.113.0/24\n"))
	base := written(t, "c.mmdb", database(t, "x", map[string]record{"203.0.113.0/24": inCountry("DE")}))
	n, err := visit.OpenNetworks(list)
	if err != nil {
		t.Fatal(err)
	}
	c := openCountries(t, base)
	other := database(t, "x", map[string]record{"203.0.113.0/24": inCountry("FR")})

	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if !n.Contains(probe) {
					t.Error("between two lists there was none")
				}
				if code := c.Country(probe); code != "DE" && code != "FR" {
					t.Errorf("country %q", code)
				}
				// A second one must wait, not tear.
				if _, err := n.Refresh(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		replace(t, list, []byte("203.0.113.0/25\n"))
		replace(t, base, other)
		if _, err := c.Refresh(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	readers.Wait()
}
