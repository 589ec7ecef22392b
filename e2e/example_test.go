package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExample: Caddyfile.example as `make run` starts it, on another port: the printed person signs in,
// enrolls, launches, and the stand-in says that AWS would accept.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	// What `make run` prints is read from the head of the file.
	said := func(what string) string {
		_, after, ok := strings.Cut(string(text), "#   "+what+":")
		if !ok {
			t.Fatalf("the example does not say its %s", what)
		}
		return strings.Fields(after)[0]
	}
	who := &Person{Name: said("User"), Password: said("Password"), Own: true}
	c := &Caddy{t: t, Dir: ShortDir(t, "example"), Port: FreePort(t), Log: NewLog(t, "example")}
	at := func(host, path string) string { return fmt.Sprintf("https://%s:%d%s", host, c.Port, path) }
	if portal := said("Portal"); portal != "https://localhost:8443" {
		t.Fatalf("the portal is said to be at %s", portal)
	}
	WriteFile(t, c.config(), strings.ReplaceAll(string(text), ":8443", fmt.Sprintf(":%d", c.Port)))

	env := append(c.Env(), "GATEHOUSE_RUN="+filepath.Join(c.Dir, "data"))
	c.process = Start(t, c.Log, env, binary, "run", "--config", c.config(), "--adapter", "caddyfile")
	c.process.Await("the example to be ready", func() error {
		hc, err := c.client("")
		if err != nil {
			return err
		}
		defer hc.CloseIdleConnections()
		res, err := hc.Get(at("localhost", "/readyz"))
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			err = errors.New(res.Status) // it listens before its store is open
		}
		return errors.Join(err, res.Body.Close())
	})

	b := OpenBrowser(t, c.NewProfile())
	b.Open(at("localhost", "/"))
	b.Walk(who, "the portal", func(kind, _ string) bool { return kind == "portal" })
	b.Shoot("example-portal")
	b.Launch("connect", who, at("console.localhost", ""))
	b.WaitText("AWS would accept")
	b.WaitText("practice")
	b.Shoot("example-verdict")

	// The link is handed over; the wiki asks at every sign-in, also of somebody who just launched Connect.
	b.Open(at("localhost", "/apps/wiki"))
	b.WaitKind("mfa")
}
