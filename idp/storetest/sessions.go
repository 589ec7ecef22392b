package storetest

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func (f *fixture) session(name, user string) *idp.Session {
	return &idp.Session{
		ID: id(name),
		User: idp.User{
			Source: "corp", ID: user, Name: user + "@example.com", DN: "CN=" + user, Email: user + "@example.com",
			FirstName: "A", LastName: "B", DisplayName: "A B",
			Groups:     []idp.Group{{Names: []string{"Agents", "CN=Agents"}}, {Names: []string{"Staff"}}},
			Attributes: map[string][]string{"department": {"One", "Two"}},
			BreakGlass: true,
		},
		Form: "form of " + name, SignedIn: f.now(), Expires: f.now().Add(12 * time.Hour), Seen: f.now(),
		Proofs: []idp.Passed{
			{Proof: idp.Proof{Factor: idp.PasswordFactor, At: f.now()}},
			{Proof: idp.Proof{Factor: "totp", Credential: "1", ACR: "urn:x", At: f.now(), UserVerified: true, Hardware: true}, Scope: "connect"},
		},
		Browser: id("browser of " + name), NoDevice: true, MustChange: "password_expired", Outage: "duo",
		Client: netip.MustParseAddr("2001:db8::1"), UserAgent: "Mozilla/5.0",
	}
}

func testSessions(t *testing.T, open opener) {
	t.Run("comes back as it was put, also after a restart", func(t *testing.T) {
		f := newFixture(t, open)
		want := f.session("a", "ann")
		f.ok(f.PutSession(f.ctx, want))
		for range 2 {
			for range 2 { // read, and read from memory
				got, err := f.Session(f.ctx, want.ID)
				f.ok(err)
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("got  %+v\nwant %+v", got, want)
				}
			}
			f.restart()
		}
	})
	t.Run("a zero session comes back too", func(t *testing.T) {
		f := newFixture(t, open)
		want := &idp.Session{ID: id("zero")}
		f.ok(f.PutSession(f.ctx, want))
		got, err := f.Session(f.ctx, want.ID)
		f.ok(err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
	t.Run("a change of the caller's copy changes nothing", func(t *testing.T) {
		f := newFixture(t, open)
		s := f.session("a", "ann")
		f.ok(f.PutSession(f.ctx, s))
		s.Proofs[1].Scope = idp.SharedScope
		s.User.Groups[0].Names[0] = "Admins"
		got, err := f.Session(f.ctx, s.ID)
		f.ok(err)
		if got.Proofs[1].Scope != "connect" || got.User.Groups[0].Names[0] != "Agents" {
			t.Error("the store shares memory with its caller")
		}
	})
	t.Run("put replaces", func(t *testing.T) {
		f := newFixture(t, open)
		s := f.session("a", "ann")
		f.ok(f.PutSession(f.ctx, s))
		_, err := f.Session(f.ctx, s.ID)
		f.ok(err)
		s2 := f.session("a", "ann")
		s2.Proofs = nil
		f.ok(f.PutSession(f.ctx, s2))
		got, err := f.Session(f.ctx, s.ID)
		f.ok(err)
		if !reflect.DeepEqual(got, s2) {
			t.Errorf("got %+v, want %+v", got, s2)
		}
	})
	t.Run("unknown and ended are not found", func(t *testing.T) {
		f := newFixture(t, open)
		_, err := f.Session(f.ctx, id("nobody"))
		f.is(err, idp.ErrNotFound)
		f.ok(f.DeleteSession(f.ctx, id("nobody")))
		s := f.session("a", "ann")
		f.ok(f.PutSession(f.ctx, s))
		_, err = f.Session(f.ctx, s.ID)
		f.ok(err)
		f.ok(f.DeleteSession(f.ctx, s.ID))
		_, err = f.Session(f.ctx, s.ID)
		f.is(err, idp.ErrNotFound)
		f.restart()
		_, err = f.Session(f.ctx, s.ID)
		f.is(err, idp.ErrNotFound)
	})
	t.Run("only a live one is replaced", func(t *testing.T) {
		f := newFixture(t, open)
		was, now := f.session("a", "ann"), f.session("b", "ann")
		f.is(f.ReplaceSession(f.ctx, was.ID, now), idp.ErrNotFound)
		_, err := f.Session(f.ctx, now.ID)
		f.is(err, idp.ErrNotFound)
		f.ok(f.PutSession(f.ctx, was))
		f.ok(f.ReplaceSession(f.ctx, was.ID, now))
		_, err = f.Session(f.ctx, was.ID)
		f.is(err, idp.ErrNotFound)
		now.Form = "another"
		f.ok(f.ReplaceSession(f.ctx, now.ID, now))
		f.restart()
		got, err := f.Session(f.ctx, now.ID)
		f.ok(err)
		if got.Form != "another" {
			t.Errorf("form %q", got.Form)
		}
		f.ok(f.DeleteSession(f.ctx, now.ID))
		f.is(f.ReplaceSession(f.ctx, now.ID, now), idp.ErrNotFound)
		f.restart()
		_, err = f.Session(f.ctx, now.ID)
		f.is(err, idp.ErrNotFound)
	})
	t.Run("absolute expiry", testSessionExpiry(open))
	t.Run("seen", testSessionSeen(open))
	t.Run("of a user", testUserSessions(open))
	t.Run("no read brings an ended session back", testSessionRace(open))
}

func testSessionExpiry(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		s, forever := f.session("a", "ann"), f.session("b", "ann")
		forever.Expires = time.Time{}
		f.ok(f.PutSession(f.ctx, s))
		f.ok(f.PutSession(f.ctx, forever))
		f.clock.Advance(12*time.Hour - time.Nanosecond)
		_, err := f.Session(f.ctx, s.ID)
		f.ok(err)
		f.clock.Advance(time.Nanosecond)
		_, err = f.Session(f.ctx, s.ID) // from memory
		f.is(err, idp.ErrNotFound)
		list, err := f.UserSessions(f.ctx, "corp:ann")
		f.ok(err)
		if len(list) != 1 || list[0].ID != forever.ID {
			t.Errorf("live sessions: %v", list)
		}
		f.sweep()
		f.restart()
		f.clock.Advance(-time.Hour) // swept is gone, whatever the clock says
		_, err = f.Session(f.ctx, s.ID)
		f.is(err, idp.ErrNotFound)
		_, err = f.Session(f.ctx, forever.ID)
		f.ok(err)
	}
}

func testSessionSeen(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		s := f.session("a", "ann")
		f.ok(f.PutSession(f.ctx, s))
		seen := func(want time.Time) {
			t.Helper()
			got, err := f.Session(f.ctx, s.ID)
			f.ok(err)
			if !got.Seen.Equal(want) {
				t.Errorf("seen %v, want %v", got.Seen, want)
			}
			list, err := f.UserSessions(f.ctx, "corp:ann")
			f.ok(err)
			if len(list) != 1 || !list[0].Seen.Equal(want) {
				t.Errorf("listed as seen %v, want %v", list[0].Seen, want)
			}
		}
		start := f.now()
		before, err := f.Session(f.ctx, s.ID)
		f.ok(err)
		f.ok(f.TouchSession(f.ctx, s.ID, start.Add(5*time.Minute+300*time.Millisecond)))
		seen(start.Add(5 * time.Minute))
		if !before.Seen.Equal(start) {
			t.Error("a touch changed a session that a caller holds")
		}
		f.ok(f.TouchSession(f.ctx, s.ID, start.Add(time.Minute))) // an older request ends later
		seen(start.Add(5 * time.Minute))
		f.restart()
		seen(start.Add(5 * time.Minute))
		f.ok(f.TouchSession(f.ctx, s.ID, start.Add(7*time.Minute))) // not in memory
		seen(start.Add(7 * time.Minute))

		f.ok(f.TouchSession(f.ctx, id("nobody"), start))
		f.ok(f.DeleteSession(f.ctx, s.ID))
		f.ok(f.TouchSession(f.ctx, s.ID, start.Add(9*time.Minute)))
		f.restart()
		_, err = f.Session(f.ctx, s.ID)
		f.is(err, idp.ErrNotFound) // a touch revives nothing
	}
}

func testUserSessions(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		for i := range 4 {
			s := f.session(fmt.Sprint(i), "ann")
			s.SignedIn = f.now().Add(time.Duration(i) * time.Second)
			f.ok(f.PutSession(f.ctx, s))
			_, err := f.Session(f.ctx, s.ID)
			f.ok(err)
		}
		bob := f.session("bob", "bob")
		f.ok(f.PutSession(f.ctx, bob))
		list, err := f.UserSessions(f.ctx, "corp:ann")
		f.ok(err)
		if len(list) != 4 {
			t.Fatalf("%d sessions, want 4", len(list))
		}
		for i, s := range list {
			if s.ID != id(fmt.Sprint(3-i)) {
				t.Errorf("session %d is not the newest left", i)
			}
		}
		n, err := f.DeleteUserSessions(f.ctx, "corp:ann", id("2"))
		f.ok(err)
		if n != 3 {
			t.Errorf("ended %d, want 3", n)
		}
		for i := range 4 {
			_, err := f.Session(f.ctx, id(fmt.Sprint(i)))
			if i == 2 {
				f.ok(err)
				continue
			}
			f.is(err, idp.ErrNotFound)
		}
		n, err = f.DeleteUserSessions(f.ctx, "corp:ann", idp.Hash{})
		f.ok(err)
		if n != 1 {
			t.Errorf("ended %d, want 1", n)
		}
		_, err = f.Session(f.ctx, bob.ID)
		f.ok(err)
	}
}

// testSessionRace reads sessions while they are ended: whatever the order, an answer that begins
// after the end finds nothing.
func testSessionRace(open opener) func(*testing.T) {
	return func(t *testing.T) {
		f := newFixture(t, open)
		for round := range 20 {
			s := f.session(fmt.Sprint(round), "ann")
			f.ok(f.PutSession(f.ctx, s))
			for _, err := range at100(func(i int) error {
				switch i {
				case 50:
					return f.DeleteSession(f.ctx, s.ID)
				case 60:
					return f.TouchSession(f.ctx, s.ID, f.now().Add(time.Hour))
				}
				_, _ = f.Session(f.ctx, s.ID)
				return nil
			}) {
				f.ok(err)
			}
			_, err := f.Session(f.ctx, s.ID)
			f.is(err, idp.ErrNotFound)
		}
	}
}
