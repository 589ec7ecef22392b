package caddymodule

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// lines counts the audit lines of a kind.
func lines(t *testing.T, store Store, kind string) (n int) {
	t.Helper()
	err := store.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool {
		if e.Kind == kind {
			n++
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A reload changes how long audit lines are kept, and nothing but the configuration in force does.
func TestAuditIsKeptAsTheConfigurationInForceSays(t *testing.T) {
	s := newSite(t)
	load := func(keep string) *App {
		s.load(s.caddyfile("audit {\nkeep " + keep + "\n}"))
		return active(t)
	}
	short := load("30d")
	long := load("400d")
	long.keepAudit()
	if err := long.store.Append(t.Context(), idp.Event{Time: time.Now().AddDate(0, 0, -40), Kind: idp.EventLogin}); err != nil {
		t.Fatal(err)
	}
	left := func() int {
		t.Helper()
		if err := long.store.Store.(interface {
			Sweep(ctx context.Context) error
		}).Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		return lines(t, long.store, idp.EventLogin)
	}
	short.keepAudit() // it is not in force any more
	if left() != 1 {
		t.Error("a configuration that was replaced has lines deleted")
	}
	load("30d").keepAudit()
	if left() != 0 {
		t.Error("a reload did not change how long lines are kept")
	}
}

// Our own start alone is not enough: an app that starts after it may fail.
func TestAStartAloneIsNotOnRecord(t *testing.T) {
	var f inForce
	n := 0
	f.reached(func() { n++ })
	if n != 0 {
		t.Error("one step of two is on record")
	}
	if f.reached(func() { n++ }); n != 1 {
		t.Errorf("both steps: %d lines", n)
	}
	if f.reached(func() { n++ }); n != 1 {
		t.Errorf("a third one: %d lines", n)
	}
}

// The audit log has a line of each configuration that came into force, and none of one that Caddy refused after our own start.
func TestOnlyWhatIsInForceIsOnRecord(t *testing.T) {
	s := newSite(t)
	good := s.caddyfile("")
	s.load(good)
	loads := func() int {
		t.Helper()
		return lines(t, active(t).store, idp.EventConfig)
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
