package caddymodule

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func TestPortalAnswersAsSoonAsItIsLoaded(t *testing.T) {
	s := newSite(t)
	s.load(s.caddyfile(""))
	for path, want := range map[string]int{"/login": 200, "/healthz": 200, "/readyz": 200, "/nosuchpage": 404} {
		if got, body := s.get(path); got != want {
			t.Errorf("GET %s: %d, want %d\n%.300s", path, got, want, body)
		}
	}
	info, err := os.Stat(filepath.Join(s.dir, "db", "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the database has mode %v", info.Mode())
	}
}

func TestForeignHostIsMisdirected(t *testing.T) {
	s := newSite(t)
	s.load(strings.Replace(s.caddyfile(""), "\nhttp://localhost:", "\nhttp://:", 1))
	if got, _ := s.do("/login", "evil.example"); got != http.StatusMisdirectedRequest {
		t.Errorf("a foreign host: %d, want 421", got)
	}
	if got, _ := s.do("/healthz", "10.0.0.7"); got != http.StatusOK {
		t.Errorf("health by address: %d, want 200", got)
	}
}

func TestEarlyDataIsRefused(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "https://sso.example.com/login", nil)
	r.TLS = &tls.ConnectionState{HandshakeComplete: false}
	err := new(Portal).ServeHTTP(httptest.NewRecorder(), r, nil)
	wantError(t, err, "425")
	r.TLS.HandshakeComplete = true
	if err := refuseEarlyData(r); err != nil {
		t.Errorf("after the handshake: %v", err)
	}
}

func TestValidateTouchesNothing(t *testing.T) {
	s := newSite(t)
	var cfg caddy.Config
	if err := json.Unmarshal(s.json(s.caddyfile("")), &cfg); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&cfg); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("validating has left %s", e.Name())
	}
	if n := poolSize(); n != 0 {
		t.Errorf("validating has left %d stores in the pool", n)
	}
}

func TestFailedReloadLeavesTheOldConfigurationServing(t *testing.T) {
	s := newSite(t)
	s.load(s.caddyfile(""))
	seal := s.secret("seal", sealText(t))
	for name, broken := range map[string]struct{ more, want string }{
		"missing secret":   {"seal_key {file./nonexistent/seal}", "missing, unreadable or empty"},
		"empty secret":     {"seal_key " + s.secret("empty", "\n"), "missing, unreadable or empty"},
		"short seal key":   {"seal_key " + s.secret("short", "abc"), "32 bytes"},
		"another seal key": {"seal_key " + seal, "seal key does not fit"},
		"missing icon":     {"application a link https://a.example {\nicon /nonexistent.svg\n}", "nonexistent.svg"},
	} {
		t.Run(name, func(t *testing.T) {
			err := caddy.Load(s.json(s.caddyfile(broken.more)), true)
			wantError(t, err, broken.want)
			if got, _ := s.get("/login"); got != http.StatusOK {
				t.Errorf("the old configuration answers %d", got)
			}
			if got, _ := s.get("/readyz"); got != http.StatusOK {
				t.Errorf("the old store: %d", got)
			}
			if n := poolSize(); n != 1 {
				t.Errorf("%d stores in the pool, want 1", n)
			}
		})
	}
}

func TestWrongSealKeyNamesBothPlaces(t *testing.T) {
	s := newSite(t)
	s.load(s.caddyfile(""))
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	err := caddy.Load(s.json(s.caddyfile("seal_key "+s.secret("seal", sealText(t)))), true)
	wantError(t, err, "seal key does not fit", filepath.Join(s.dir, "seal"), filepath.Join(s.dir, "db", "gatehouse.db"))
}

func TestPortalInTheWrongSiteIsAnError(t *testing.T) {
	s := newSite(t)
	file := strings.Replace(s.caddyfile(""), "\nhttp://localhost:", "\nhttp://other.localhost:", 1)
	wantError(t, caddy.Load(s.json(file), true), "gatehouse_portal is not in the site of the portal's host")
}

func TestDemoPasswordIsForLocalhostOnly(t *testing.T) {
	s := newSite(t)
	file := strings.Replace(s.caddyfile(""), "portal http://localhost:", "portal https://sso.example.com:", 1)
	err := caddy.Load(s.json(file), true)
	wantError(t, err, "demo password", hashCommand)
	if strings.Contains(err.Error(), DemoHash) {
		t.Error("the error repeats the hash")
	}
	file = strings.Replace(file, DemoHash, s.secret("hash", DemoHash+"\n"), 1)
	wantError(t, caddy.Load(s.json(file), true), "demo password")
}

func TestHundredReloads(t *testing.T) {
	s := newSite(t)
	s.load(s.caddyfile(""))
	first := settled()
	store := active(t).store
	for i := range 100 {
		// Every second configuration is another one, so that nothing is kept by accident.
		s.load(s.caddyfile([]string{"", "application a link https://a.example\naudit {\nkeep 30d\n}"}[i%2]))
		if active(t).store != store {
			t.Fatalf("reload %d has another store, that refused the requests in between", i)
		}
		if got, body := s.get("/login"); got != http.StatusOK {
			t.Fatalf("reload %d: %d\n%.300s", i, got, body)
		}
	}
	if n := poolSize(); n != 1 {
		t.Errorf("%d stores in the pool, want 1", n)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		last := settled()
		if last <= first+3 {
			return
		}
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", last, first, buf[:runtime.Stack(buf, true)])
		}
	}
}

// settled counts goroutines after idle connections are gone.
func settled() int {
	http.DefaultClient.CloseIdleConnections()
	runtime.GC()
	return runtime.NumGoroutine()
}
