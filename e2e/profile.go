package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// Profile is what a browser keeps on disk. A second browser with the same profile is the same
// device a day later; a new profile is a new device.
type Profile struct {
	home string // of NSS, where Chromium looks for authorities on Linux
	data string
	// portal is the port of this machine where the portal is found, instead of the one of its address.
	portal int
}

// NewProfile makes an empty profile that trusts Caddy's own authority. It is trusted, and not certificate
// errors ignored, because a page with an ignored error is treated differently.
func (c *Caddy) NewProfile() Profile {
	c.t.Helper()
	p := Profile{home: c.t.TempDir(), data: c.t.TempDir()}
	db := filepath.Join(p.home, ".pki", "nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		c.t.Fatal(err)
	}
	Run(c.t, nil, "certutil", "-d", "sql:"+db, "-N", "--empty-password")
	p.Trust(c.t, "caddy", c.RootCA())
	return p
}

// Trust lets the profile trust one more authority, whose certificate is in a file.
func (p Profile) Trust(t testing.TB, name, ca string) {
	t.Helper()
	Run(t, nil, "certutil", "-d", "sql:"+filepath.Join(p.home, ".pki", "nssdb"), "-A", "-t", "C,,", "-n", name, "-i", ca)
}
