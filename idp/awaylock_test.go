package idp_test

import "testing"

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
			o, err := h.gateway.Overview(t.Context(), "alice")
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
