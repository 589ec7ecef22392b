package ldap_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// TestACrowdAtTheDoor: sixty people who come together make a server shake four hands at once, and no more; who waits is
// served on what is given back.
func TestACrowdAtTheDoor(t *testing.T) {
	const people, atOnce = 60, 4
	n := &network{}
	s := open(t, corp(), 1, func(c *ldap.Config) {
		patient(c)
		c.Dial, c.Searches, c.Binds = n.dial, people, people
	})
	gate, come := make(chan struct{}), make(chan struct{}, 2*people)
	n.rule(s.dcs[0], func(context.Context) error {
		come <- struct{}{}
		<-gate
		return nil
	})
	var all sync.WaitGroup
	for range people {
		all.Go(func() { s.signIn(t) })
	}
	for range atOnce {
		<-come
	}
	for range 100 {
		runtime.Gosched()
	}
	if n := n.dialsTo(s.dcs[0]); n != atOnce {
		t.Errorf("%d connections are being opened, want %d", n, atOnce)
	}
	close(gate)
	all.Wait()
	if n := n.dialsTo(s.dcs[0]); n > 2*people-atOnce {
		t.Errorf("%d connections for %d people: nobody was served on one that was given back", n, people)
	}
}
