package e2e

import (
	"os"
	"strings"
	"testing"
)

// TestDuoClientForNode: Duo's own client completes a sign-in with the stand-in, so that the stand-in speaks as Duo does.
// The client for Go does so in the tests of the factor.
func TestDuoClientForNode(t *testing.T) {
	t.Parallel()
	d := NewDuo(t)
	node := "node"
	const own = "../.ci/node/node_modules/.bin/node" // .ci/servers puts it there where the system's is too old
	if _, err := os.Stat(own); err == nil {
		node = own
	}
	signIn := func(secret, verdict string) (string, error) {
		return Try([]string{"NODE_EXTRA_CA_CERTS=" + d.CA}, node, "../.ci/duo/signin.js", DuoClientID, secret, d.Host, "https://sso.example.test/duo/callback", verdict)
	}
	if out, err := signIn(d.Secret, "approve"); err != nil || strings.TrimSpace(out) != `{"user":"ann","result":"allow"}` {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := signIn(d.Secret, "refuse"); err != nil || !strings.Contains(out, `"result":"deny"`) {
		t.Errorf("a denial, which Duo's client leaves to its caller: %v: %s", err, out)
	}
	if out, err := signIn(strings.Repeat("x", 40), "approve"); err == nil || !strings.Contains(out, "invalid_client") {
		t.Errorf("another secret: %v: %s", err, out)
	}
}
