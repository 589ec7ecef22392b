package ldap

import (
	"context"
	"errors"
	"testing"
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
