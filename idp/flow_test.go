package idp_test

import (
	"net/url"
	"slices"
	"testing"
	"time"
)

// Each sign-in that is begun is a row of the store, for whoever asks; a browser has eight at most, the newest.
func TestTheNinthFlowPushesOutTheFirst(t *testing.T) {
	h := newVenue(t)
	var marks []string
	for range 9 {
		h.visit("/")
		h.arrive(t)
		marks = append(marks, h.mark(t))
		h.clock.move(time.Second)
	}
	for i, mark := range slices.Backward(marks) { // the first at last: a page of one that is gone begins another
		h.visit("/login?f=" + url.QueryEscape(mark))
		if lives, want := h.mark(t) == mark, i > 0; lives != want {
			t.Errorf("flow %d of 9 lives: %v, want %v", i+1, lives, want)
		}
	}
}

// Where another sign-in takes the place of a session, the cookie of the one before opens nothing, be it a copy or not.
func TestTheSessionThatIsReplacedIsDead(t *testing.T) {
	for _, next := range []string{"alice", "bob"} {
		t.Run(next, func(t *testing.T) {
			h := policed(t, noMFA(), nil)
			h.visit("/")
			h.arrive(t)
			tab := h.now.body // a second one, left at the page of the name
			h.password(t, "alice", "/")
			h.wantPageOf(t, "/", "portal")
			h.save(nil, []string{"old"})

			h.clock.move(time.Minute)
			h.now.body = tab
			h.form("/login", "username", next, "password", "correct horse")
			h.arrive(t)
			h.wantPageOf(t, "/", "portal")

			h.use("thief")
			h.load(nil, []string{"old"})
			h.wantPageOf(t, "/", "login")
			open, err := h.store.UserSessions(t.Context(), "staff:alice")
			want := map[string]int{"alice": 1, "bob": 0}[next]
			if must(t, err); len(open) != want {
				t.Errorf("alice has %d sessions, want %d", len(open), want)
			}
		})
	}
}
