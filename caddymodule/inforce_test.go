package caddymodule

import (
	"net"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// The audit log has a line of each configuration that came into force, and none of one that Caddy refused after our own start.
func TestOnlyWhatIsInForceIsOnRecord(t *testing.T) {
	s := newSite(t)
	good := s.caddyfile("")
	s.load(good)
	loads := func() (n int) {
		t.Helper()
		err := active(t).store.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool {
			if e.Kind == idp.EventConfig {
				n++
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := loads(); n != 1 {
		t.Fatalf("%d lines of one load", n)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, bad := range map[string]string{
		"a port that is taken": good + "\nhttps://" + strings.Replace(taken.Addr().String(), "127.0.0.1", "localhost", 1) + " {\nbind 127.0.0.1\nrespond ok\n}\n",
		"another site":         strings.Replace(good, "gatehouse_portal", "respond ok", 1) + "\nhttps://other.example.test {\nbind 127.0.0.1\ngatehouse_portal\n}\n",
	} {
		text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(bad), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := caddy.Load(text, true); err == nil {
			t.Fatalf("%s: the configuration was taken", name)
		}
		if n := loads(); n != 1 {
			t.Errorf("%s: a configuration that never was in force is on record: %d lines", name, n)
		}
	}
	s.load(strings.Replace(good, "portal https", "# again\nportal https", 1))
	if n := loads(); n != 2 {
		t.Errorf("%d lines of two loads", n)
	}
}
