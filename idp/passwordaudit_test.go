package idp_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// fullStore takes no audit line about a password after so many.
type fullStore struct {
	idp.Store
	left int
}

func (s *fullStore) Append(ctx context.Context, e idp.Event) error {
	if e.Kind != idp.EventPassword {
		return s.Store.Append(ctx, e)
	}
	if s.left--; s.left < 0 {
		return errors.New("database or disk is full")
	}
	return s.Store.Append(ctx, e)
}

// atTheChange returns a venue in which anna, whose password was given to her, is at the page of the change, signed in twice.
func atTheChange(t *testing.T, left int) (*venue, *domain) {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	d := &domain{now: c.Now, accounts: map[string]*account{"anna": {passwords: []string{"Summer-2025"}, state: "must_change"}}}
	v := venueOf(t, &fullStore{Store: storetest.NewMemory(c.Now), left: left}, c)
	cfg := baseConfig(t, v.store, c.Now)
	cfg.Sources = append([]idp.Source{d}, cfg.Sources...)
	var err error
	v.gateway, err = idp.New(cfg)
	must(t, err)
	v.try(t, "anna", "Summer-2025")
	v.arrive(t)
	v.use("first")
	v.visit("/")
	v.arrive(t)
	v.form("/login", "username", "anna", "password", "Summer-2025")
	v.arrive(t)
	return v, d
}

// passwordLines are the audit lines about changes: result and reason, and their reference numbers.
func (h *venue) passwordLines(t *testing.T) (said, refs []string) {
	t.Helper()
	must(t, h.store.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool {
		if e.Kind == idp.EventPassword {
			said, refs = append(said, e.Result+" "+e.Reason), append(refs, e.Ref)
		}
		return true
	}))
	return said, refs
}

// Nothing is changed without a line that says that it was begun, and what came of it has the same reference number.
func TestAPasswordIsNotChangedWithoutItsLine(t *testing.T) {
	for _, x := range []struct {
		says    string
		left    int
		changed bool
		said    []string
		status  int
		page    string
	}{
		{"there is room", 9, true, []string{"begun must_change", "success must_change"}, http.StatusSeeOther, ""},
		{"the outcome cannot be written", 1, true, []string{"begun must_change"}, http.StatusServiceUnavailable, "Your password is changed"},
		{"nothing can be written", 0, false, nil, http.StatusServiceUnavailable, "cannot keep its records"},
	} {
		t.Run(x.says, func(t *testing.T) {
			v, d := atTheChange(t, x.left)
			a := v.form("/password", "old", "Summer-2025", "new", "Winter-2026", "again", "Winter-2026")
			if a.StatusCode != x.status || !strings.Contains(v.now.body, x.page) {
				t.Errorf("%d %s", a.StatusCode, v.words())
			}
			if d.right("anna", "Winter-2026") != x.changed || d.changes > len(x.said) {
				t.Errorf("changed: %v, after %d changes", !x.changed, d.changes)
			}
			said, refs := v.passwordLines(t)
			if !slices.Equal(said, x.said) || len(slices.Compact(slices.Clone(refs))) > 1 {
				t.Errorf("audit: %v %v", said, refs)
			}
			left, err := v.store.UserSessions(t.Context(), "corp:anna")
			must(t, err)
			want := 2
			if x.changed {
				want = 1
			}
			if len(left) != want {
				t.Errorf("%d sessions are left, want %d", len(left), want)
			}
		})
	}
}

// A change that fails says so under the number of its beginning; one that was not passed on was not begun.
func TestAChangeThatFailsHasItsLines(t *testing.T) {
	v, _ := atTheChange(t, 99)
	for _, replacement := range []string{"short", "Weak-123"} {
		v.form("/password", "old", "Summer-2025", "new", replacement, "again", replacement)
	}
	strangers := 5 - 2
	for range strangers + 1 {
		v.form("/password", "old", "forgotten", "new", "Winter-2026", "again", "Winter-2026")
	}
	said, refs := v.passwordLines(t)
	want := []string{"begun must_change", "failure too_short", "begun must_change", "failure complexity"}
	for range strangers {
		want = append(want, "begun must_change", "failure bad_credentials")
	}
	if !slices.Equal(said, want) {
		t.Errorf("audit: %v", said)
	}
	for i := 0; i+1 < len(refs); i += 2 {
		if refs[i] != refs[i+1] || i > 0 && refs[i] == refs[i-1] {
			t.Errorf("references: %v", refs)
		}
	}
}
