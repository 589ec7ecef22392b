package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func testCredentials(t *testing.T, open opener) {
	t.Run("found by its id, if it is one person's", func(t *testing.T) {
		f := newFixture(t, open)
		ann := f.enrollment("corp:ann", "passkey", "1", time.Hour)
		bob := f.enrollment("corp:bob", "passkey", "2", time.Hour)
		for _, e := range []idp.Enrollment{ann, bob, f.enrollment("corp:bob", "totp", "1", time.Hour)} {
			f.ok(f.PutEnrollment(f.ctx, e))
		}
		f.restart()
		got, err := f.FindEnrollment(f.ctx, "passkey", "1")
		f.ok(err)
		if !reflect.DeepEqual(got, ann) {
			t.Errorf("got %+v, want %+v", got, ann)
		}
		_, err = f.FindEnrollment(f.ctx, "passkey", "3")
		f.is(err, idp.ErrNotFound)
		f.ok(f.PutEnrollment(f.ctx, f.enrollment("corp:bob", "passkey", "1", time.Hour)))
		_, err = f.FindEnrollment(f.ctx, "passkey", "1")
		f.is(err, idp.ErrAmbiguous)
	})
	t.Run("listed person by person", func(t *testing.T) {
		f := newFixture(t, open)
		bob := f.enrollment("corp:bob", "passkey", "1", time.Hour)
		young := f.enrollment("corp:ann", "passkey", "2", time.Hour)
		old := f.enrollment("corp:ann", "passkey", "3", 2*time.Hour)
		for _, e := range []idp.Enrollment{bob, young, old, f.enrollment("corp:cat", "totp", "1", time.Hour)} {
			f.ok(f.PutEnrollment(f.ctx, e))
		}
		got, err := f.FactorEnrollments(f.ctx, "passkey")
		f.ok(err)
		if want := []idp.Enrollment{old, young, bob}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	t.Run("a use and a name change nothing else, and bring nothing back", func(t *testing.T) {
		f := newFixture(t, open)
		e := f.enrollment("corp:ann", "passkey", "1", time.Hour)
		f.is(f.UseEnrollment(f.ctx, e), idp.ErrNotFound)
		f.is(f.RenameEnrollment(f.ctx, e.User, e.Factor, e.ID, "mine"), idp.ErrNotFound)
		f.ok(f.PutEnrollment(f.ctx, e))
		f.ok(f.RenameEnrollment(f.ctx, e.User, e.Factor, e.ID, "mine"))
		used := e
		used.Secret, used.Used, used.Step, used.Label = []byte("as it is now"), f.now(), 1, "not this"
		f.ok(f.UseEnrollment(f.ctx, used))
		earlier := used
		earlier.Used = f.now().Add(-time.Minute)
		f.ok(f.UseEnrollment(f.ctx, earlier))
		f.restart()
		want := e
		want.Label, want.Secret, want.Used = "mine", used.Secret, used.Used
		if got := f.enrollments(e.User, ""); !reflect.DeepEqual(got, []idp.Enrollment{want}) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		f.ok(f.DeleteEnrollment(f.ctx, e.User, e.Factor, e.ID))
		f.is(f.UseEnrollment(f.ctx, used), idp.ErrNotFound)
		if got := f.enrollments(e.User, ""); len(got) != 0 {
			t.Errorf("a removed one came back: %+v", got)
		}
	})
}
