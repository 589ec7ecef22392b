package caddymodule

import (
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp/local"
)

// TestExampleAdapts keeps Caddyfile.example working, formatted, and true to what it says of the password.
func TestExampleAdapts(t *testing.T) {
	raw, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GATEHOUSE_RUN", t.TempDir())
	if got := adapt(t, string(raw)); strings.HasPrefix(got, "error") {
		t.Error(got)
	}
	if formatted := string(caddyfile.Format(raw)); formatted != string(raw) {
		t.Errorf("caddy fmt would change it:\n%s", formatted)
	}
	if !strings.Contains(string(raw), DemoHash) {
		t.Error("its hash is not DemoHash, so that it would be taken on any host")
	}
	s, err := local.New(local.Config{Name: "people", Users: []local.User{{Name: "demo", Hash: DemoHash}}, Hasher: hasher()})
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.Find(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Authenticate(t.Context(), u, "try-gatehouse"); err != nil {
		t.Errorf("the password in the file is not that of the hash: %v", err)
	}
}
