//go:build unix

package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A command that root runs must not leave files of root beside a database of somebody else.
func TestCommandsRunAsTheOwnerOfTheDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	self := os.Geteuid()
	if err := checkOwner(info, path, self, nil); err != nil {
		t.Errorf("as the owner: %v", err)
	}
	err = checkOwner(info, path, self+1, []string{"caddy", "gatehouse", "user", "revoke", "Jo O'Neil; reboot", "--json"})
	if err == nil || !strings.Contains(err.Error(), path+" belongs to ") || !strings.Contains(err.Error(), ` caddy gatehouse user revoke 'Jo O'\''Neil; reboot' --json`) {
		t.Errorf("as somebody else: %v", err)
	}
	if err != nil && !strings.Contains(err.Error(), "sudo -H -u ") {
		t.Errorf("it does not say how: %v", err)
	}
}
