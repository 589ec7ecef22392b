package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
)

//go:embed testdata/*.Caddyfile
var caddyfiles embed.FS

// binary is the Caddy under test; TestMain sets it.
var binary string

// UseBinary names the Caddy under test, for the TestMain of another package.
func UseBinary(path string) { binary = path }

// Caddy is the built binary with a configuration of its own, in a private directory.
type Caddy struct {
	t       testing.TB
	Dir     string
	Port    int // of every site
	Log     *Log
	values  map[string]any
	process *Process
}

// NewCaddy prepares a gateway from testdata/name.Caddyfile, a template that sees the values, Dir and Port.
// Nothing runs before Start.
func NewCaddy(t testing.TB, name string, values map[string]any) *Caddy {
	t.Helper()
	c := &Caddy{t: t, Dir: ShortDir(t, "caddy"), Port: FreePort(t), Log: NewLog(t, "caddy"), values: map[string]any{
		"HTTPPort": FreePort(t), "SPPort": FreePort(t),
	}}
	c.Configure(name, values)
	return c
}

// Configure writes the configuration, for Start or Reload to take up.
func (c *Caddy) Configure(name string, values map[string]any) {
	c.t.Helper()
	maps.Copy(c.values, values)
	c.values["Dir"], c.values["Port"] = c.Dir, c.Port
	tmpl, err := template.New("").Option("missingkey=error").ParseFS(caddyfiles, "testdata/"+name+".Caddyfile")
	if err != nil {
		c.t.Fatal(err)
	}
	var text bytes.Buffer
	if err := tmpl.ExecuteTemplate(&text, name+".Caddyfile", c.values); err != nil {
		c.t.Fatal(err)
	}
	WriteFile(c.t, c.config(), text.String())
}

func (c *Caddy) config() string { return filepath.Join(c.Dir, "Caddyfile") }

// LocalUser is a person of the source people, whose password is hashed as an admin would.
type LocalUser struct {
	Name, Email, Hash string
	Groups            []string
}

// NewLocalUser makes a person of the source people.
func NewLocalUser(t testing.TB, who *Person, groups ...string) LocalUser {
	t.Helper()
	hash := Run(t, nil, binary, "hash-password", "--algorithm", "argon2id", "--plaintext", who.Password)
	return LocalUser{Name: who.Name, Email: who.Name + "@example.test", Hash: strings.TrimSpace(hash), Groups: groups}
}

// Env is the environment that keeps Caddy's data in the private directory.
func (c *Caddy) Env() []string {
	return []string{"HOME=" + c.Dir, "XDG_DATA_HOME=" + filepath.Join(c.Dir, "data"), "XDG_CONFIG_HOME=" + filepath.Join(c.Dir, "config")}
}

// Start runs the binary and waits until the portal is ready.
func (c *Caddy) Start() {
	c.t.Helper()
	c.process = Start(c.t, c.Log, c.Env(), binary, "run", "--config", c.config(), "--adapter", "caddyfile")
	c.process.Await("the portal to be ready", func() error {
		if err := answers(c.Port); err != nil {
			return err
		}
		hc, err := c.client("")
		if err != nil {
			return err
		}
		defer hc.CloseIdleConnections()
		res, err := hc.Get(c.URL("sso.example.test", "/readyz"))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	})
}

// Stop ends it as an operator would.
func (c *Caddy) Stop() { c.process.Stop() }

// Kill ends it as a power cut would.
func (c *Caddy) Kill() { c.process.Kill() }

// PID is the process id.
func (c *Caddy) PID() int { return c.process.PID() }

// Command runs a subcommand of the binary against this configuration's directories.
func (c *Caddy) Command(args ...string) (string, error) { return Try(c.Env(), binary, args...) }

// Reload takes up what Configure wrote.
func (c *Caddy) Reload() error {
	out, err := c.Command("reload", "--config", c.config(), "--adapter", "caddyfile", "--address", "unix/"+filepath.Join(c.Dir, "admin.sock"), "--force")
	if err != nil {
		return fmt.Errorf("reload: %w: %s", err, out)
	}
	return nil
}

// URL is an address at one of the sites.
func (c *Caddy) URL(host, path string) string {
	return fmt.Sprintf("https://%s:%d%s", host, c.Port, path)
}

// Portal is an address of the portal.
func (c *Caddy) Portal(path string) string { return c.URL("sso.example.test", path) }

// RootCA is the file with the certificate of Caddy's own authority.
func (c *Caddy) RootCA() string {
	return filepath.Join(c.Dir, "data", "caddy", "pki", "authorities", "local", "root.crt")
}

// HTTP returns a plain client with a connection pool of its own, for those who need no cookies; see client.
func (c *Caddy) HTTP(from string) *http.Client {
	c.t.Helper()
	hc, err := c.client(from)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(hc.CloseIdleConnections)
	return hc
}

// Trusting is HTTP for those who ask before Caddy has made its authority.
func (c *Caddy) Trusting(from string) (*http.Client, error) { return c.client(from) }

// client is a plain HTTP client that trusts Caddy's authority and finds every host on the loopback address from,
// or on any when from is empty.
func (c *Caddy) client(from string) (*http.Client, error) {
	pem, err := os.ReadFile(c.RootCA())
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + c.RootCA())
	}
	d := &net.Dialer{}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}}, nil
}
