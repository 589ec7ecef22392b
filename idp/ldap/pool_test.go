package ldap

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// TestBackgroundKeepsNobodyWaiting is F-06: what nobody waits for has connections of its own, half as many.
func TestBackgroundKeepsNobodyWaiting(t *testing.T) {
	s := &Source{timeouts: Timeouts{Wait: time.Nanosecond}.withDefaults()}
	for most, half := range map[int]int{1: 1, 2: 1, 32: 16} {
		p := newPool(s, most, true, nil)
		for range half {
			p.low <- struct{}{}
		}
		err := p.use(background(t.Context()), func(*goldap.Conn) error { return nil })
		if !errors.Is(err, errBusy) {
			t.Errorf("of %d connections the background has more than %d: %v", most, half, err)
		}
		for i := range most {
			if err := p.enter(t.Context(), p.slots); err != nil {
				t.Errorf("sign-in %d of %d waits for the background: %v", i, most, err)
			}
		}
	}
	if inBackground(context.Background()) {
		t.Error("a sign-in is taken for background work")
	}
}

// TestACrowdAtAClosedDoor: when a server is found dead, those who wait for it learn so at once, and it is not asked by each
// of them in turn. Whoever comes later asks it again, and whoever got a connection elsewhere waits no longer.
func TestACrowdAtAClosedDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var dials int
		dead := errors.New("no route to host")
		p := newPool(&Source{}, 60, true, func(*server, context.Context) (*conn, error) {
			mu.Lock()
			dials++
			mu.Unlock()
			<-time.After(time.Second) // of the bubble, in which nothing really waits
			return nil, dead
		})
		sv, over := &server{}, make(chan struct{})
		began := time.Now()
		var all sync.WaitGroup
		for range 60 {
			all.Go(func() {
				if l := p.open(t.Context(), sv, over); !errors.Is(l.err, dead) {
					t.Error(l.err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); dials != mostDials || took != time.Second {
			t.Errorf("%d dials in %s", dials, took)
		}
		<-time.After(time.Minute)
		for range mostDials {
			all.Go(func() { p.open(t.Context(), sv, over) })
		}
		synctest.Wait()
		all.Go(func() {
			if l := p.open(t.Context(), sv, over); !errors.Is(l.err, errLeft) {
				t.Error(l.err)
			}
		})
		synctest.Wait()
		close(over)
		all.Wait()
		if dials != 2*mostDials {
			t.Errorf("%d dials after a while", dials)
		}
	})
}
