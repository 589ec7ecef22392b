package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOperator: what an administrator does by command takes hold in the Caddy that runs, and is done as the user to whom
// the database belongs.
func TestOperator(t *testing.T) {
	h := openHouse(t)
	client := h.Client()
	client.SignIn(h.Caddy, h.agent)
	said := h.mustCommand("user", "show", "alice")
	if !strings.Contains(said, "totp: Authenticator app") || strings.Contains(said, h.agent.key.Secret()) {
		t.Errorf("show: %s", said)
	}
	if said := h.mustCommand("user", "revoke", "alice"); !strings.Contains(said, "1 sessions ended, 1 devices forgotten") || !strings.Contains(said, "12h") {
		t.Errorf("revoke: %s", said)
	}
	began := time.Now()
	Await(t, "the end of the session", func() error {
		if p := client.Get(h.Portal("/")); p.Kind != "login" {
			return fmt.Errorf("still at %s", p)
		}
		return nil
	})
	took := time.Since(began)
	t.Logf("a cached session ended %s after the command", took)
	if took > 2*time.Second { // half a second, and what the machine takes under load
		t.Errorf("it took %s", took)
	}

	database := filepath.Join(h.Dir, "data", "caddy", "gatehouse", "gatehouse.db")
	const nobody = 65534
	if err := os.Chown(database, nobody, -1); err != nil {
		t.Fatal(err)
	}
	out, err := h.Command("gatehouse", "user", "show", "alice", "--config", h.config())
	if err == nil || !strings.Contains(out, database+" belongs to nobody") || !strings.Contains(out, "sudo -H -u nobody ") || !strings.Contains(out, " gatehouse user show alice --config ") {
		t.Errorf("as another user: %v: %s", err, out)
	}
	if err := os.Chown(database, os.Geteuid(), -1); err != nil {
		t.Fatal(err)
	}
	h.mustCommand("user", "unlock", "alice")
}
