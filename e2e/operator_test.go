package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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
	h.byToken()
	h.Kill() // which leaves the file of the lock, and no lock
	if out := h.mustCommand("user", "unlock", "alice"); !strings.Contains(out, "nothing is locked here") {
		t.Errorf("with no Caddy: %s", out)
	}
}

const nobody = 65534

// byToken is the way of a service desk that owns neither database nor Caddyfile, and may use the socket.
func (h *house) byToken() {
	h.t.Helper()
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(h.mustCommand("token", "make", "desk", "--json")), &made); err != nil {
		h.t.Fatal(err)
	}
	socket, copied := filepath.Join(h.Dir, "admin.sock"), filepath.Join(h.Dir, "caddy")
	program, err := os.ReadFile(binary) // which may be where nobody else comes
	if err != nil {
		h.t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(copied, program, 0o755), os.Chmod(h.Dir, 0o711), os.Chmod(socket, 0o666)); err != nil {
		h.t.Fatal(err)
	}
	show := func(token string) (string, error) {
		cmd := exec.Command(copied, "gatehouse", "user", "show", "alice", "--address", "unix/"+socket)
		cmd.Env = []string{"HOME=/nonexistent", "GATEHOUSE_TOKEN=" + token}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := show(made.Token); err != nil || !strings.Contains(out, "totp: Authenticator app") {
		h.t.Errorf("by token: %v: %s", err, out)
	}
	h.mustCommand("token", "revoke", "desk")
	if out, err := show(made.Token); err == nil || !strings.Contains(out, "operator token is not good") {
		h.t.Errorf("by a token that was revoked: %v: %s", err, out)
	}
	if strings.Contains(h.Log.String(), made.Token) {
		h.t.Error("the log holds the token")
	}
}
