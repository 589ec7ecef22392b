package storetest

import (
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func testPeople(t *testing.T, open opener) {
	t.Run("an update reaches every session of the person and no other", testUpdateUser(open))
	t.Run("an update brings no ended session back", testUpdateEnded(open))
	t.Run("an older look does not undo a newer one", func(t *testing.T) {
		f := newFixture(t, open)
		s := f.session("a", "ann")
		f.ok(f.PutSession(f.ctx, s))
		n, err := f.UpdateUser(f.ctx, idp.User{Source: "corp", ID: "ann", Name: "old"}, f.now().Add(-time.Second))
		f.ok(err)
		got, err := f.Session(f.ctx, s.ID)
		f.ok(err)
		if n != 0 || !reflect.DeepEqual(got, s) {
			t.Errorf("%d changed: %+v", n, got)
		}
	})
	t.Run("what is kept is counted by source", func(t *testing.T) {
		f := newFixture(t, open)
		f.furnish("corp", "ann")
		f.furnish("corp", "a:colon")
		f.furnish("corp2", "bob")
		f.furnish("c_rp", "carol")
		got, err := f.KeptBySource(f.ctx)
		f.ok(err)
		one := idp.Kept{Enrollments: 1, Devices: 1, Sessions: 1}
		if want := map[string]idp.Kept{"corp": {Enrollments: 2, Devices: 2, Sessions: 2}, "corp2": one, "c_rp": one}; !maps.Equal(got, want) {
			t.Errorf("kept: %v, want %v", got, want)
		}
	})
	t.Run("who has enrolled what is listed page by page", testHolders(open))
	t.Run("a source is moved, and moved back", testMoveSource(open))
	t.Run("a source is not moved over another", func(t *testing.T) {
		f := newFixture(t, open)
		f.furnish("old", "ann")
		f.furnish("old", "bob")
		f.furnish("new", "ann")
		_, err := f.MoveSource(f.ctx, "old", "new")
		f.is(err, idp.ErrTaken)
		_, err = f.MoveSource(f.ctx, "old", "old")
		f.is(err, idp.ErrTaken)
		got, err := f.KeptBySource(f.ctx)
		f.ok(err)
		one := idp.Kept{Enrollments: 1, Devices: 1, Sessions: 1}
		if want := map[string]idp.Kept{"old": {Enrollments: 2, Devices: 2, Sessions: 2}, "new": one}; !maps.Equal(got, want) {
			t.Errorf("a refusal has moved something: %v", got)
		}
	})
}

func testHolders(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		f.furnish("corp", "bob")
		f.furnish("corp", "ann")
		f.furnish("staff", "ann")
		f.ok(f.PutEnrollment(f.ctx, f.enrollment("corp:ann", "passkey", "1", time.Hour)))
		f.ok(f.PutEnrollment(f.ctx, f.enrollment("corp:ann", "passkey", "2", time.Hour)))
		f.restart()
		ann := idp.Holder{User: "corp:ann", Enrolled: map[string]int{"passkey": 2, "totp": 1}}
		bob := idp.Holder{User: "corp:bob", Enrolled: map[string]int{"totp": 1}}
		other := idp.Holder{User: "staff:ann", Enrolled: map[string]int{"totp": 1}}
		for _, c := range []struct {
			after string
			most  int
			want  []idp.Holder
		}{
			{"", 10, []idp.Holder{ann, bob, other}},
			{"", 2, []idp.Holder{ann, bob}},
			{"corp:bob", 2, []idp.Holder{other}},
			{"staff:ann", 2, nil},
			{"corp:anna", 1, []idp.Holder{bob}},
		} {
			got, err := f.Holders(f.ctx, c.after, c.most)
			f.ok(err)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("after %q, %d: %+v, want %+v", c.after, c.most, got, c.want)
			}
		}
	}
}

// furnish gives a person one of everything.
func (f *fixture) furnish(source, user string) {
	f.T.Helper()
	name := source + user
	s := f.session(name, user)
	s.User.Source = source
	f.ok(f.PutSession(f.ctx, s))
	f.ok(f.PutEnrollment(f.ctx, idp.Enrollment{User: source + ":" + user, Factor: "totp", ID: "1", Secret: []byte("seed of " + name), Created: f.now(), Step: 7}))
	f.ok(f.PutDevice(f.ctx, &idp.Device{
		ID: id(name), Browser: id("browser of " + name), User: source + ":" + user, Label: "Firefox", Created: f.now(), Seen: f.now(), Expires: f.now().Add(time.Hour),
	}))
	f.ok(f.PutMemo(f.ctx, idp.Memo{Kind: "news", ID: id("news of " + name), Owner: source + ":" + user, Expires: f.now().Add(time.Hour), Data: []byte("told to " + name)}, 0))
}

func testUpdateUser(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		for _, s := range []*idp.Session{f.session("1", "ann"), f.session("2", "ann"), f.session("3", "bob")} {
			s.User.BreakGlass = s.ID == id("2")
			f.ok(f.PutSession(f.ctx, s))
			_, err := f.Session(f.ctx, s.ID) // into memory, where a store has one
			f.ok(err)
		}
		f.clock.Advance(5 * time.Minute)
		now := idp.User{Source: "corp", ID: "ann", Name: "ann.new@example.com", Groups: []idp.Group{{Names: []string{"Supervisors"}}}}
		n, err := f.UpdateUser(f.ctx, now, f.now())
		f.ok(err)
		if n != 2 {
			t.Errorf("%d sessions changed, want 2", n)
		}
		for range 2 {
			for _, name := range []string{"1", "2"} {
				got, err := f.Session(f.ctx, id(name))
				f.ok(err)
				want := f.session(name, "ann")
				want.SignedIn, want.Seen, want.Expires = f.now().Add(-5*time.Minute), f.now().Add(-5*time.Minute), f.now().Add(12*time.Hour-5*time.Minute)
				for i := range want.Proofs {
					want.Proofs[i].At = want.SignedIn
				}
				want.User, want.Refreshed = now, f.now()
				want.User.BreakGlass = name == "2"
				if !reflect.DeepEqual(got, want) {
					t.Errorf("session %s:\ngot  %+v\nwant %+v", name, got, want)
				}
			}
			other, err := f.Session(f.ctx, id("3"))
			f.ok(err)
			if other.User.Name != "bob@example.com" || !other.Refreshed.IsZero() {
				t.Errorf("somebody else's session has changed: %+v", other)
			}
			f.restart()
		}
	}
}

func testUpdateEnded(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		u := f.session("0", "ann").User
		for range 10 {
			s := f.session("0", "ann")
			f.ok(f.PutSession(f.ctx, s))
			errs := at100(func(i int) error {
				if i == 50 {
					return f.DeleteSession(f.ctx, s.ID)
				}
				_, err := f.UpdateUser(f.ctx, u, f.now().Add(time.Duration(i)))
				return err
			})
			for _, err := range errs {
				f.ok(err)
			}
			_, err := f.Session(f.ctx, s.ID)
			f.is(err, idp.ErrNotFound)
		}
		expired := f.session("1", "ann")
		f.ok(f.PutSession(f.ctx, expired))
		f.clock.Advance(13 * time.Hour)
		n, err := f.UpdateUser(f.ctx, u, f.now())
		f.ok(err)
		if n != 0 {
			t.Errorf("%d expired sessions changed", n)
		}
	}
}

func testMoveSource(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		f.furnish("old", "ann")
		f.furnish("old", "x:old:y") // the name in the middle of an id is no source
		f.furnish("older", "bob")
		f.furnish("new", "carol")
		for _, way := range [][2]string{{"old", "new"}, {"new", "old"}} {
			before, err := f.KeptBySource(f.ctx)
			f.ok(err)
			moved, err := f.MoveSource(f.ctx, way[0], way[1])
			f.ok(err)
			if moved != before[way[0]] {
				t.Errorf("moved %+v of %+v", moved, before[way[0]])
			}
			f.restart()
			for _, user := range []string{"ann", "x:old:y"} {
				f.moved(way[1], user, "old"+user)
				if left, err := f.UserEnrollments(f.ctx, way[0]+":"+user, ""); err != nil || len(left) != 0 {
					t.Errorf("%d enrollments stayed behind (%v)", len(left), err)
				}
			}
			f.moved("older", "bob", "olderbob")
		}
	}
}

// moved holds what a person has against what furnish gave them under a name.
func (f *fixture) moved(source, user, name string) {
	f.T.Helper()
	key := source + ":" + user
	e, err := f.UserEnrollments(f.ctx, key, "totp")
	f.ok(err)
	if len(e) != 1 || string(e[0].Secret) != "seed of "+name || e[0].Step != 7 || e[0].User != key {
		f.T.Errorf("enrollments of %s: %+v", key, e)
	}
	f.is(f.SpendStep(f.ctx, key, "totp", "1", 7, f.now()), idp.ErrSpent)
	d, err := f.UserDevices(f.ctx, key, f.now())
	f.ok(err)
	if len(d) != 1 || d[0].Browser != id("browser of "+name) || d[0].Label != "Firefox" || d[0].User != key {
		f.T.Errorf("devices of %s: %+v", key, d)
	}
	m, err := f.OwnedMemos(f.ctx, "news", key, f.now())
	f.ok(err)
	if len(m) != 1 || string(m[0].Data) != "told to "+name {
		f.T.Errorf("memos of %s: %+v", key, m)
	}
	s, err := f.UserSessions(f.ctx, key)
	f.ok(err)
	if len(s) != 1 || s[0].ID != id(name) || s[0].User.Key() != key || s[0].Form != "form of "+name {
		f.T.Errorf("sessions of %s: %+v", key, s)
	}
}
