package idp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// The service desk lifts what has locked a factor whose page is elsewhere, of which nothing is enrolled here: denials, and
// prompts that nobody answered.
func TestAwayLocksAreLifted(t *testing.T) {
	for _, locked := range []struct {
		by   string
		want string
		lock func(t *testing.T, h *venue, f *remote)
	}{
		{"denials", "duo 5/5 in 15m0s true; duo 5/10 in 24h0m0s false; duo 5/10 in 15m0s false", func(t *testing.T, h *venue, f *remote) {
			t.Helper()
			for range 5 {
				h.back(t, h.leaveFor(t, f, "salesforce"), "no")
			}
		}},
		{"prompts", "duo 10/10 in 15m0s true", func(t *testing.T, h *venue, f *remote) {
			t.Helper()
			for range 10 {
				h.leaveFor(t, f, "salesforce")
			}
		}},
	} {
		for _, lift := range []string{"unlock", "reset"} {
			h, f := newRemoteVenue(t, nil)
			h.password(t, "alice", "/")
			locked.lock(t, h, f)
			o, err := h.gateway.Overview(t.Context(), "alice", "root")
			must(t, err)
			if got := tried(o.Tries); got != locked.want {
				t.Errorf("%s: %s", locked.by, got)
			}
			if lift == "unlock" {
				_, err = h.gateway.Unlock(t.Context(), "alice", "duo", "root")
			} else {
				_, _, err = h.gateway.ResetMFA(t.Context(), "alice", "", "root")
			}
			must(t, err)
			h.use("after " + lift)
			h.password(t, "alice", "/")
			h.leaveFor(t, f, "salesforce")
		}
	}
}

// The help desk sees every lock that keeps out the person on the telephone, also of what is not enrolled here, and of the gate of
// a first enrollment, where the code that they give is typed.
func TestHelpDeskTellsOfLocksOfWhatIsNotEnrolled(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	c := baseConfig(t, h.store, h.clock.Now)
	c.Factors = append(c.Factors, f)
	c.Portal.Policy = "password"
	d := &living{countingSource: &countingSource{name: "people", users: map[string]string{"harry": "correct horse"}, limit: 9}}
	d.becomes(asBefore)
	c.Sources = append(c.Sources, inGroup{d, "Help"})
	c.HelpDesks = []idp.HelpDesk{{Groups: []idp.GroupRef{{Source: "people", Name: "Help"}}, For: []idp.GroupRef{{Source: "staff", Name: "Agents"}}}}
	var err error
	h.gateway, err = idp.New(c)
	must(t, err)
	for key, most := range map[string]int{"code:duo:staff:alice": 5, "code:invitation:staff:alice": 5} {
		for range most {
			_, err := h.store.Fail(t.Context(), key, h.clock.Now(), 15*time.Minute)
			must(t, err)
		}
	}
	h.password(t, "harry", "/apps/salesforce")
	h.back(t, f.attempt().State, "yes")
	h.wantPageOf(t, "/helpdesk", "helpdesk")
	h.form("/helpdesk", "kind", "find", "name", "alice")
	if h.now.answer.StatusCode != http.StatusOK {
		t.Fatal(h.words())
	}
	for _, says := range []string{"Duo was tried too often", "Too many wrong codes were typed before a first second step is set up"} {
		if !strings.Contains(h.words(), says) {
			t.Errorf("the page does not say %q: %s", says, h.words())
		}
	}
}
