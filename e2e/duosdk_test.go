package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestDuoClientForNode: Duo's own client completes a sign-in with the stand-in, so that the stand-in speaks as Duo does.
// The client for Go does so in the tests of the factor.
func TestDuoClientForNode(t *testing.T) {
	t.Parallel()
	d := NewDuo(t)
	node := nodeJS(t)
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

// nodeJS is the system's Node.js, or where that is too old for what the tests run, the one that .ci/servers has brought. npm links
// it in no folder of programs before version 10.
func nodeJS(t *testing.T) string {
	own, err := filepath.Glob("../.ci/node/node_modules/node-linux-*/bin/node")
	if err != nil {
		t.Fatal(err)
	}
	if len(own) > 0 {
		return own[0]
	}
	return "node"
}
