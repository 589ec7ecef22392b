package idp_test

import (
	"net/url"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Who cannot show a second step reads a reference number to the service desk: the decision behind it comes out as it was.
func TestDecisionsBeforeARescueAreMadeAgain(t *testing.T) {
	for _, mode := range []idp.RescueMode{idp.RescueAny, idp.RescueOff} {
		h, f := newRemoteVenue(t, func(c *idp.Config) {
			for _, p := range c.Policies {
				if p.Name == "default" {
					p.Rescue = &idp.RescueSection{Mode: mode}
					p.Factors = &idp.FactorsSection{Names: []string{"duo"}}
				}
			}
		})
		h.password(t, "alice", "/")
		h.leaveFor(t, f, "salesforce")
		h.visit("/rescue?f=" + url.QueryEscape(f.attempt().Flow))
		if h.page() != "rescue" {
			t.Fatalf("%q: %s", h.page(), h.words())
		}
		f.down.Store(true)
		h.visit("/apps/salesforce")
		h.arrive(t)
		if mode == idp.RescueAny {
			h.comeByCode(t, "salesforce")
		}
		n := 0
		must(t, h.store.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool {
			if e.Visit == nil {
				return true
			}
			n++
			r, err := idp.Replay(t.Context(), h.store, e)
			if err != nil || !r.Agrees {
				t.Errorf("codes %s: %s %s %s: %v, %s", mode, e.Kind, e.Result, e.Reason, err, r.Differ)
			}
			return true
		}))
		if n < 4 {
			t.Errorf("codes %s: %d decisions", mode, n)
		}
	}
}
