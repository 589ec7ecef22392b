package local

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// counting is a hasher that remembers the cost of each hash that was made.
type counting struct {
	*Hasher
	mu   sync.Mutex
	made []params
}

func newCounting() *counting {
	c := &counting{Hasher: NewHasher(Bounds{Parallel: 2})}
	c.derive = func(password, salt []byte, p params) []byte {
		c.mu.Lock()
		c.made = append(c.made, p)
		c.mu.Unlock()
		return argon2id(password, salt, p)
	}
	return c
}

// taken returns what was made since the last call.
func (c *counting) taken() []params {
	c.mu.Lock()
	defer c.mu.Unlock()
	made := c.made
	c.made = nil
	return made
}

func newSource(t *testing.T, h *Hasher, users ...User) *Source {
	t.Helper()
	s, err := New(Config{Name: "staff", Hasher: h, Users: users})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func annAndBen() []User {
	return []User{
		{
			Name: "Ann", Hash: hashOf("correct horse", cheap), Email: "Ann.Lee@Example.com",
			FirstName: "Ann", LastName: "Lee", DisplayName: "Ann Lee", Groups: []string{"Agents", "Supervisors"},
		},
		{Name: "ben", Hash: hashOf("battery staple", cheap), Email: "ben@example.com"},
	}
}

func TestFind(t *testing.T) {
	s := newSource(t, newCounting().Hasher, append(annAndBen(),
		User{Name: "ben@example.com", Hash: hashOf("x", cheap)},
		User{Name: "cleo@example.com", Hash: hashOf("x", cheap), Email: "Cleo@example.com"},
		User{Name: "Straße", Hash: hashOf("x", cheap)},
	)...)
	for _, tt := range []struct {
		typed, id string
		err       error
	}{
		{"Ann", "ann", nil},
		{"ann", "ann", nil},
		{"ANN", "ann", nil},
		{"ANN.LEE@example.COM", "ann", nil},
		{"ben", "ben", nil},
		{"ben@example.com", "", idp.ErrAmbiguous},
		{"CLEO@example.com", "cleo@example.com", nil},
		{"STRAßE", "straße", nil},
		{"strasse", "", idp.ErrNoUser},
		{"аnn", "", idp.ErrNoUser}, // Cyrillic а
		{"ann ", "", idp.ErrNoUser},
		{" ann", "", idp.ErrNoUser},
		{"ann\x00", "", idp.ErrNoUser},
		{"", "", idp.ErrNoUser},
		{"dora", "", idp.ErrNoUser},
		{"\xff", "", idp.ErrNoUser},
		{strings.Repeat("a", 1<<20), "", idp.ErrNoUser},
	} {
		u, err := s.Find(t.Context(), tt.typed)
		if !errors.Is(err, tt.err) {
			t.Errorf("%.30q: error %v, want %v", tt.typed, err, tt.err)
			continue
		}
		if err == nil && (u.ID != tt.id || u.Key() != "staff:"+tt.id) {
			t.Errorf("%.30q: id %q, want %q", tt.typed, u.ID, tt.id)
		}
	}
}

func TestFindReturnsACopy(t *testing.T) {
	s := newSource(t, newCounting().Hasher, annAndBen()...)
	u, err := s.Find(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	if u.Name != "Ann" || u.Email != "Ann.Lee@Example.com" || u.FirstName != "Ann" || u.LastName != "Lee" || u.DisplayName != "Ann Lee" {
		t.Errorf("user %+v", u)
	}
	if !u.In(idp.GroupRef{Source: "staff", Name: "supervisors"}) || u.In(idp.GroupRef{Source: "corp", Name: "Supervisors"}) || len(u.Groups) != 2 {
		t.Errorf("groups %+v", u.Groups)
	}
	u.Groups[0].Names[0] = "Admins"
	again, err := s.Find(t.Context(), "ann")
	if err != nil || again.Groups[0].Names[0] != "Agents" {
		t.Errorf("the caller's change came back: %+v, %v", again.Groups, err)
	}
}

func TestAuthenticate(t *testing.T) {
	c := newCounting()
	composed, decomposed := "p\u00e4ssword \U0001f511", "pa\u0308ssword \U0001f511"
	long := strings.Repeat("é", 512)
	s := newSource(t, c.Hasher,
		User{Name: "ann", Hash: hashOf("correct horse", cheap)},
		User{Name: "uni", Hash: hashOf(composed, cheap)},
		User{Name: "spaces", Hash: hashOf("  two  spaces \t", cheap)},
		User{Name: "long", Hash: hashOf(long, cheap)},
		User{Name: "toolong", Hash: hashOf(long+"x", cheap)},
		User{Name: "nul", Hash: hashOf("a\x00b", cheap)},
		User{Name: "empty", Hash: hashOf("", cheap)},
	)
	for _, tt := range []struct {
		user, password string
		right          bool
		hashes         int
	}{
		{"ann", "correct horse", true, 1},
		{"ann", "Correct horse", false, 1},
		{"ann", "correct horse ", false, 1},
		{"ann", " correct horse", false, 1},
		{"ann", "correct horse\n", false, 1},
		{"ann", composed, false, 1},
		{"uni", composed, true, 1},
		{"uni", decomposed, false, 1},
		{"spaces", "  two  spaces \t", true, 1},
		{"spaces", "two  spaces", false, 1},
		{"long", long, true, 1},
		{"long", long[:1023], false, 1},
		{"toolong", long + "x", false, 0},
		{"nul", "a\x00b", true, 1},
		{"nul", "a", false, 1},
		{"ann", "", false, 0},
		{"empty", "", false, 0},
	} {
		u, err := s.Find(t.Context(), tt.user)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Authenticate(t.Context(), u, tt.password)
		if want := tt.right; (err == nil) != want || (err != nil && !errors.Is(err, idp.ErrBadCredentials)) {
			t.Errorf("%s, %.20q: error %v, want right %v", tt.user, tt.password, err, want)
		}
		if n := len(c.taken()); n != tt.hashes {
			t.Errorf("%s, %.20q: %d hashes, want %d", tt.user, tt.password, n, tt.hashes)
		}
	}
}

// A name that nobody has must cost what a wrong password costs, and get the same answer.
func TestC23UnknownUserDoesTheSameWork(t *testing.T) {
	c := newCounting()
	s := newSource(t, c.Hasher, annAndBen()...)
	ann, err := s.Find(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	gone := *ann
	gone.ID = "gone"
	foreign := *ann
	foreign.Source = "corp"
	wrong := s.Authenticate(t.Context(), ann, "guess")
	want := c.taken()
	if len(want) != 1 || !errors.Is(wrong, idp.ErrBadCredentials) {
		t.Fatalf("a wrong password made %d hashes and the error %v", len(want), wrong)
	}
	for name, u := range map[string]*idp.User{"unknown": nil, "taken away": &gone, "another source's": &foreign} {
		// "correct horse" is Ann's: another source's Ann is not she.
		for _, password := range []string{"guess", "correct horse"} {
			err := s.Authenticate(t.Context(), u, password)
			if !errors.Is(err, idp.ErrBadCredentials) || err.Error() != wrong.Error() {
				t.Errorf("%s: error %v, want %v", name, err, wrong)
			}
			if got := c.taken(); !slices.Equal(got, want) {
				t.Errorf("%s: hashes %+v, want %+v", name, got, want)
			}
		}
		for _, password := range []string{"", strings.Repeat("x", maxPassword+1)} {
			if err := s.Authenticate(t.Context(), u, password); !errors.Is(err, idp.ErrBadCredentials) || len(c.taken()) != 0 {
				t.Errorf("%s with %d bytes: error %v, want no hash and wrong credentials", name, len(password), err)
			}
		}
	}
}

func TestDummyHasTheParametersOfMost(t *testing.T) {
	other := params{memory: minMemory, time: 2, lanes: 1, salt: 16, key: 32}
	s := newSource(t, newCounting().Hasher,
		User{Name: "a", Hash: hashOf("x", cheap)},
		User{Name: "b", Hash: hashOf("x", other)},
		User{Name: "c", Hash: hashOf("x", other)},
	)
	if s.dummy.params != other {
		t.Errorf("dummy %+v, want %+v", s.dummy.params, other)
	}
	if s := newSource(t, newCounting().Hasher); s.dummy.params != caddyParams {
		t.Errorf("dummy without users %+v, want %+v", s.dummy.params, caddyParams)
	}
}

func TestBusyIsNotAWrongPassword(t *testing.T) {
	s := newSource(t, newCounting().Hasher, annAndBen()...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, u := range []*idp.User{nil, s.users[0].person()} {
		err := s.Authenticate(ctx, u, "correct horse")
		if !isBusy(err) || errors.Is(err, idp.ErrBadCredentials) || strings.Contains(err.Error(), "correct") {
			t.Errorf("error %v, want busy", err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := hashOf("x", cheap)
	for _, tt := range []struct {
		name  string
		users []User
		want  []string
	}{
		{"plaintext", []User{{Name: "ann", Hash: "hunter2-secret"}}, []string{`"ann"`, hashCommand}},
		{"no hash", []User{{Name: "ann"}}, []string{`"ann"`, hashCommand}},
		{"bcrypt", []User{{Name: "ann", Hash: "$2a$14$abcdefghijklmnopqrstuuJ1nv3YQ0cT1yqPJc1Ygd1mGyoFhN7iK"}}, []string{`"ann"`, "bcrypt", hashCommand}},
		{"hostile cost", []User{{Name: "ann", Hash: strings.Replace(good, "m=8192", "m=4194304", 1)}}, []string{`"ann"`, "parameter m"}},
		{"same name", []User{{Name: "ann", Hash: good}, {Name: "ANN", Hash: good}}, []string{`"ANN"`, `"ann"`}},
		{"same folded", []User{{Name: "kim", Hash: good}, {Name: "\u212aim", Hash: good}}, []string{`"kim"`}},
		{"same lower case", []User{{Name: "i", Hash: good}, {Name: "\u0130", Hash: good}}, []string{`"i"`}},
		{"no name", []User{{Hash: good}}, []string{"empty"}},
		{"space at the end", []User{{Name: "ann ", Hash: good}}, []string{"space"}},
		{"invisible", []User{{Name: "a\u200bnn", Hash: good}}, []string{"control"}},
		{"newline", []User{{Name: "a\nnn", Hash: good}}, []string{"control"}},
		{"not utf-8", []User{{Name: "a\xff", Hash: good}}, []string{"UTF-8"}},
		{"long", []User{{Name: strings.Repeat("a", 257), Hash: good}}, []string{"257"}},
		{"mail with a space", []User{{Name: "ann", Email: "a@example.com ", Hash: good}}, []string{"email"}},
		{"empty group", []User{{Name: "ann", Hash: good, Groups: []string{""}}}, []string{"group"}},
		{"group with a space", []User{{Name: "ann", Hash: good, Groups: []string{"x "}}}, []string{"group"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(Config{Name: "staff", Hasher: NewHasher(Bounds{}), Users: tt.users})
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range append(tt.want, "staff") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			for _, u := range tt.users {
				if u.Hash != "" && strings.Contains(err.Error(), u.Hash) {
					t.Errorf("the hash is in the error: %v", err)
				}
			}
		})
	}
	if _, err := New(Config{Hasher: NewHasher(Bounds{})}); err == nil {
		t.Error("a source without name was taken")
	}
	if _, err := New(Config{Name: "staff"}); err == nil {
		t.Error("a source without hasher was taken")
	}
}

func TestCheck(t *testing.T) {
	costly := params{memory: 19 << 10, time: 2, lanes: 1, salt: 16, key: 32}
	s := newSource(t, newCounting().Hasher,
		User{Name: "ann", Hash: hashOf("x", costly), Email: "team@example.com"},
		User{Name: "ben", Hash: hashOf("x", costly), Email: "Team@example.com"},
		User{Name: "cleo", Hash: hashOf("x", cheap)},
	)
	var got []string
	for _, f := range s.Check(t.Context()) {
		if f.Where != "source staff" || (f.Level != "ok") != (f.Cure != "") {
			t.Errorf("finding %+v", f)
		}
		got = append(got, f.Level+" "+f.What)
	}
	want := []string{
		`error "team@example.com" fits the users ann, ben, so that none of them can sign in with it`,
		`warning the hash of user "cleo" is cheap to guess: m=8192, t=1`,
		`warning the hash of user "cleo" has other parameters than most, so that the time of an answer tells that the name exists`,
		`ok users: 3`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("findings:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if f := newSource(t, newCounting().Hasher).Check(t.Context()); len(f) != 1 || f[0].Level != "warning" {
		t.Errorf("an empty source: %+v", f)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := newSource(t, NewHasher(Bounds{Parallel: 2, Wait: time.Hour}), annAndBen()...)
	var right, wrong atomic.Int64
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			u, err := s.Find(context.Background(), "ann")
			if err != nil {
				t.Error(err)
				return
			}
			switch err := s.Authenticate(context.Background(), u, fmt.Sprint("correct horse"[:13-i%2])); {
			case err == nil:
				right.Add(1)
			case errors.Is(err, idp.ErrBadCredentials):
				wrong.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if right.Load() != 16 || wrong.Load() != 16 {
		t.Errorf("%d right and %d wrong, want 16 and 16", right.Load(), wrong.Load())
	}
}

func TestRefreshFindsWhoIsStillThere(t *testing.T) {
	s := newSource(t, NewHasher(Bounds{}), annAndBen()...)
	ann, err := s.Find(t.Context(), annAndBen()[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	stale := *ann
	stale.Groups, stale.Email = nil, "old@example.com"
	if got, err := s.Refresh(t.Context(), &stale); err != nil || !reflect.DeepEqual(got, ann) {
		t.Errorf("%+v (%v), want %+v", got, err, ann)
	}
	for _, u := range []idp.User{{Source: ann.Source, ID: "gone"}, {Source: "another", ID: ann.ID}} {
		if _, err := s.Refresh(t.Context(), &u); !errors.Is(err, idp.ErrNoUser) {
			t.Errorf("%s: %v", u.Key(), err)
		}
	}
}
