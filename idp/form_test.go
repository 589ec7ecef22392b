package idp_test

import (
	"net/http"
	"strings"
	"testing"
)

// A form counts when all of it is there and all of it can be read, whether or not its length was told.
func TestBrokenFormsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		length int64
		kind   string
		want   int
	}{
		"cut off":                  {"username=alice", 400, "application/x-www-form-urlencoded", http.StatusBadRequest},
		"a bad escape":             {"username=%zz", 12, "application/x-www-form-urlencoded", http.StatusBadRequest},
		"the same, unknown length": {"username=%zz", -1, "application/x-www-form-urlencoded", http.StatusBadRequest},
		"a bad parameter":          {"username=alice", 14, "application/x-www-form-urlencoded; charset", http.StatusBadRequest},
		"endless":                  {strings.Repeat("a", 65<<10), -1, "application/x-www-form-urlencoded", http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			h := newVenue(t, nil)
			h.visit("/")
			h.arrive(t)
			r := h.request(http.MethodPost, "/login", strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.kind)
			r.ContentLength = c.length
			if h.do(r); h.now.answer.StatusCode != c.want {
				t.Errorf("status %d, want %d", h.now.answer.StatusCode, c.want)
			}
		})
	}
}
