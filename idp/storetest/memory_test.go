package storetest

import (
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func TestMemory(t *testing.T) {
	stores := map[string]*Memory{}
	Run(t, func(t *testing.T, clock *Clock) idp.Store {
		if m := stores[t.Name()]; m != nil {
			m.Reopen()
			return m
		}
		m := NewMemory(clock.Now)
		stores[t.Name()] = m
		return m
	})
}
