package idp_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// The audit line has the cause, whatever the person is offered in the place of the factor.
func TestALineSaysWhyAFactorDoesNotAnswer(t *testing.T) {
	for _, mode := range []idp.RescueMode{idp.RescueAny, idp.RescueOff} {
		for _, planned := range []bool{false, true} {
			h, f := newRemoteVenue(t, func(c *idp.Config) {
				c.Policies[0].Rescue = &idp.RescueSection{Mode: mode}
				c.Policies[0].Factors = &idp.FactorsSection{Names: []string{"duo"}}
				if planned {
					c.Policies[0].Outage = &idp.OutageSection{Rules: []idp.OutageRule{{Factor: "duo", Deny: true}}}
				}
			})
			f.down.Store(true)
			h.password(t, "alice", "/apps/salesforce")
			var last idp.Event
			must(t, h.store.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool { last = e; return true }))
			if !strings.Contains(last.Detail, errHangs.Error()) || !strings.Contains(h.now.body, last.Ref) {
				t.Errorf("codes %s, planned %v: %+v: %s", mode, planned, last, h.words())
			}
		}
	}
}
