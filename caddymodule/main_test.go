package caddymodule

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// TestMain gives the process a home of its own: Caddy writes there.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "gatehouse")
	if err != nil {
		panic(err)
	}
	for k, v := range map[string]string{
		"HOME": home, "XDG_DATA_HOME": filepath.Join(home, "data"), "XDG_CONFIG_HOME": filepath.Join(home, "config"),
	} {
		if err := os.Setenv(k, v); err != nil {
			panic(err)
		}
	}
	caddy.ConfigAutosavePath = filepath.Join(home, "autosave.json") // Caddy has read the environment already
	code := m.Run()
	if err := os.RemoveAll(home); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// site is a Caddy in this process with a portal on a free port. Caddy has one configuration for the
// process, so tests that load one do not run in parallel.
type site struct {
	t      *testing.T
	dir    string // database, storage and secrets
	port   int
	origin string
}

// newSite takes a free port and stops what the test loaded.
func newSite(t *testing.T) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		if n := poolSize(); n != 0 {
			t.Errorf("%d stores are left in the pool", n)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	// Not t.TempDir: Caddy's cleaning of its storage may outlive the test.
	dir, err := os.MkdirTemp(os.Getenv("HOME"), "site")
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, dir: dir, port: port, origin: fmt.Sprintf("http://localhost:%d", port)}
}

func poolSize() (n int) {
	pools.Range(func(_, _ any) bool { n++; return true })
	return n
}

// secret writes a file and returns the placeholder for it.
func (s *site) secret(name, text string) string {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return "{file." + file + "}"
}

// caddyfile is a whole configuration; more goes into the gatehouse block.
func (s *site) caddyfile(more string) string {
	return s.caddyfileWith("", more)
}

func (s *site) caddyfileWith(global, more string) string {
	return fmt.Sprintf(`{
	admin unix/%[1]s/admin.sock|0600
	persist_config off
	storage file_system %[1]s/storage
	auto_https off
	%[4]s
	gatehouse {
		portal http://localhost:%[2]d
		store sqlite %[1]s/db/gatehouse.db
		source people local {
			user demo %[5]s {
				email demo@example.com
				groups Agents
			}
		}
		factor totp
		%[3]s
	}
}

http://localhost:%[2]d {
	bind 127.0.0.1
	gatehouse_portal
}
`, s.dir, s.port, more, global, DemoHash)
}

// json adapts a Caddyfile.
func (s *site) json(caddyfile string) []byte {
	s.t.Helper()
	body, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return body
}

// load makes the configuration the one in force.
func (s *site) load(caddyfile string) {
	s.t.Helper()
	if err := caddy.Load(s.json(caddyfile), true); err != nil {
		s.t.Fatal(err)
	}
}

// get returns status and body.
func (s *site) get(path string) (int, string) {
	s.t.Helper()
	return s.do(path, "")
}

func (s *site) do(path, host string) (int, string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.origin+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	res, err := http.DefaultClient.Do(r)
	for try := 1; err != nil && try < 5 && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)); try++ {
		// On Linux a reload of Caddy resets what waits in the accept queue of the socket it closes (EOF or reset); that
		// is Caddy's own and no answer of ours.
		res, err = http.DefaultClient.Do(r)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// sealText is a seal key as the option takes it.
func sealText(t *testing.T) string {
	t.Helper()
	key := make([]byte, sealBytes)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(key)
}

// wantError fails unless err holds all the parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one about %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error lacks %q:\n%v", p, err)
		}
	}
}
