package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func (f *fixture) enrollment(user, factor, name string, age time.Duration) idp.Enrollment {
	return idp.Enrollment{
		User: user, Factor: factor, ID: name, Label: "phone " + name, Secret: []byte("seed of " + user + name),
		Created: f.now().Add(-age), Used: f.now().Add(-age / 2), Step: 100,
	}
}

func (f *fixture) enrollments(user, factor string) []idp.Enrollment {
	f.T.Helper()
	list, err := f.UserEnrollments(f.ctx, user, factor)
	f.ok(err)
	return list
}

func testEnrollments(t *testing.T, open opener) {
	t.Run("listed as they were put, oldest first", func(t *testing.T) {
		f := newFixture(t, open)
		young := f.enrollment("corp:ann", "totp", "1", time.Hour)
		old := f.enrollment("corp:ann", "totp", "2", 2*time.Hour)
		key := f.enrollment("corp:ann", "passkey", "1", 90*time.Minute)
		bob := f.enrollment("corp:bob", "totp", "1", time.Hour)
		bob.Used = time.Time{}
		for _, e := range []idp.Enrollment{young, old, key, bob} {
			f.ok(f.PutEnrollment(f.ctx, e))
		}
		f.restart()
		for _, c := range []struct {
			user, factor string
			want         []idp.Enrollment
		}{
			{"corp:ann", "", []idp.Enrollment{old, key, young}},
			{"corp:ann", "totp", []idp.Enrollment{old, young}},
			{"corp:ann", "duo", nil},
			{"corp:bob", "", []idp.Enrollment{bob}},
			{"corp:nobody", "", nil},
		} {
			if got := f.enrollments(c.user, c.factor); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s %s: got %+v\nwant %+v", c.user, c.factor, got, c.want)
			}
		}
	})
	t.Run("put replaces, but a step never goes back", func(t *testing.T) {
		f := newFixture(t, open)
		e := f.enrollment("corp:ann", "totp", "1", time.Hour)
		f.ok(f.PutEnrollment(f.ctx, e))
		f.ok(f.SpendStep(f.ctx, e.User, e.Factor, e.ID, 200, f.now()))
		renamed := e
		renamed.Label, renamed.Secret = "new phone", []byte("another")
		f.ok(f.PutEnrollment(f.ctx, renamed))
		renamed.Step, renamed.Used = 200, f.now()
		if got := f.enrollments(e.User, ""); !reflect.DeepEqual(got, []idp.Enrollment{renamed}) {
			t.Errorf("got %+v, want %+v", got, renamed)
		}
	})
	t.Run("each step once, rising", func(t *testing.T) {
		f := newFixture(t, open)
		e := f.enrollment("corp:ann", "totp", "1", time.Hour)
		f.ok(f.PutEnrollment(f.ctx, e))
		spend := func(step int64) error { return f.SpendStep(f.ctx, e.User, e.Factor, e.ID, step, f.now()) }
		f.is(spend(100), idp.ErrSpent)
		f.ok(spend(101))
		f.is(spend(101), idp.ErrSpent)
		f.is(spend(99), idp.ErrSpent)
		f.restart()
		f.is(spend(101), idp.ErrSpent)
		f.ok(spend(103))
		f.is(spend(102), idp.ErrSpent)
		got := f.enrollments(e.User, "")[0]
		if got.Step != 103 || !got.Used.Equal(f.now()) {
			t.Errorf("step %d, used %v", got.Step, got.Used)
		}
		f.is(f.SpendStep(f.ctx, "corp:bob", "totp", "1", 999, f.now()), idp.ErrNotFound)
		f.is(f.SpendStep(f.ctx, e.User, "totp", "2", 999, f.now()), idp.ErrNotFound)
	})
	t.Run("of a hundred with one step one succeeds", func(t *testing.T) {
		f := newFixture(t, open)
		e := f.enrollment("corp:ann", "totp", "1", time.Hour)
		f.ok(f.PutEnrollment(f.ctx, e))
		for round := range int64(5) {
			f.once(at100(func(int) error {
				return f.SpendStep(f.ctx, e.User, e.Factor, e.ID, 1000+round, f.now())
			}), idp.ErrSpent)
		}
	})
	t.Run("of a hundred sets one is left, whole", func(t *testing.T) {
		f := newFixture(t, open)
		f.ok(f.PutEnrollment(f.ctx, f.enrollment("corp:ann", "recovery", "old", time.Hour)))
		others := []idp.Enrollment{f.enrollment("corp:ann", "totp", "1", time.Hour), f.enrollment("corp:bob", "recovery", "1", time.Hour)}
		for _, e := range others {
			f.ok(f.PutEnrollment(f.ctx, e))
		}
		for _, err := range at100(func(i int) error {
			set := make([]idp.Enrollment, 10)
			for n := range set {
				set[n] = f.enrollment("corp:ann", "recovery", fmt.Sprintf("%d-%d", i, n), time.Hour)
				set[n].Label = strconv.Itoa(i)
			}
			return f.ReplaceEnrollments(f.ctx, "corp:ann", "recovery", set)
		}) {
			f.ok(err)
		}
		got := f.enrollments("corp:ann", "recovery")
		if len(got) != 10 || slices.ContainsFunc(got, func(e idp.Enrollment) bool { return e.Label != got[0].Label }) {
			t.Errorf("there are %d: %+v", len(got), got)
		}
		if err := f.ReplaceEnrollments(f.ctx, "corp:ann", "recovery", others); err == nil {
			t.Error("somebody else's are taken")
		}
		f.ok(f.ReplaceEnrollments(f.ctx, "corp:ann", "recovery", nil))
		f.restart()
		if got := f.enrollments("corp:ann", "recovery"); len(got) != 0 {
			t.Errorf("there are %+v", got)
		}
		for _, e := range others {
			if got := f.enrollments(e.User, e.Factor); len(got) != 1 {
				t.Errorf("of %s for %s there are %+v", e.User, e.Factor, got)
			}
		}
	})
	t.Run("deleted is gone", func(t *testing.T) {
		f := newFixture(t, open)
		e := f.enrollment("corp:ann", "totp", "1", time.Hour)
		f.ok(f.PutEnrollment(f.ctx, e))
		f.ok(f.DeleteEnrollment(f.ctx, e.User, e.Factor, e.ID))
		f.is(f.DeleteEnrollment(f.ctx, e.User, e.Factor, e.ID), idp.ErrNotFound)
		f.restart()
		if got := f.enrollments(e.User, ""); len(got) != 0 {
			t.Errorf("still there: %+v", got)
		}
	})
	t.Run("nothing sweeps an enrollment", func(t *testing.T) {
		f := newFixture(t, open)
		e := f.enrollment("corp:ann", "totp", "1", time.Hour)
		f.ok(f.PutEnrollment(f.ctx, e))
		f.clock.Advance(20 * 365 * 24 * time.Hour)
		f.sweep()
		if got := f.enrollments(e.User, ""); len(got) != 1 {
			t.Error("an enrollment was swept")
		}
	})
}
