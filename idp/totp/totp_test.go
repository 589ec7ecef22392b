package totp

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// shelf is an in-memory idp.Enrollments that keeps what the interface promises.
type shelf struct {
	mu   sync.Mutex
	rows []idp.Enrollment
	fail error // of every call, when set
}

func (s *shelf) find(user, factor, id string) int {
	return slices.IndexFunc(s.rows, func(e idp.Enrollment) bool {
		return e.User == user && e.Factor == factor && e.ID == id
	})
}

func (s *shelf) PutEnrollment(_ context.Context, e idp.Enrollment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	e.Secret = slices.Clone(e.Secret)
	if i := s.find(e.User, e.Factor, e.ID); i >= 0 {
		s.rows[i] = e
		return nil
	}
	s.rows = append(s.rows, e)
	return nil
}

func (s *shelf) UserEnrollments(_ context.Context, user, factor string) ([]idp.Enrollment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	var found []idp.Enrollment
	for _, e := range s.rows {
		if e.User == user && (factor == "" || e.Factor == factor) {
			found = append(found, e)
		}
	}
	return found, nil
}

func (s *shelf) SpendStep(_ context.Context, user, factor, id string, step int64, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(user, factor, id)
	switch {
	case s.fail != nil:
		return s.fail
	case i < 0:
		return idp.ErrNotFound
	case s.rows[i].Step >= step:
		return idp.ErrSpent
	}
	s.rows[i].Step, s.rows[i].Used = step, at
	return nil
}

func (s *shelf) DeleteEnrollment(_ context.Context, user, factor, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(user, factor, id)
	if i < 0 {
		return idp.ErrNotFound
	}
	s.rows = slices.Delete(s.rows, i, i+1)
	return nil
}

var (
	ann = &idp.User{Source: "staff", ID: "ann", Name: "ann"}
	ben = &idp.User{Source: "staff", ID: "ben", Name: "ben"}
	// noon is the first second of a step.
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

// bench is a factor with a clock and a store of its own.
type bench struct {
	*Factor
	t     *testing.T
	store *shelf
	clock time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, store: &shelf{}, clock: noon}
	f, err := New(Config{Issuer: "Example Apps", Store: b.store, Now: func() time.Time { return b.clock }})
	if err != nil {
		t.Fatal(err)
	}
	b.Factor = f
	return b
}

// enroll sets an app up and returns its seed as the app holds it. The clock is a minute later then.
func (b *bench) enroll(u *idp.User) string {
	b.t.Helper()
	step, err := b.BeginEnroll(b.t.Context(), u, idp.Attempt{})
	if err != nil {
		b.t.Fatal(err)
	}
	seed := strings.ReplaceAll(step.View.Key, " ", "")
	if _, err := b.FinishEnroll(b.t.Context(), u, step.Memo, b.code(seed, 0)); err != nil {
		b.t.Fatal(err)
	}
	b.clock = b.clock.Add(time.Minute)
	return seed
}

// code is the answer that the app gives when its clock is off by d.
func (b *bench) code(seed string, d time.Duration) url.Values {
	b.t.Helper()
	code, err := totp.GenerateCode(seed, b.clock.Add(d))
	if err != nil {
		b.t.Fatal(err)
	}
	return url.Values{"code": {code}}
}

// verify challenges and answers.
func (b *bench) verify(u *idp.User, answer url.Values) (idp.Proof, error) {
	b.t.Helper()
	step, err := b.Challenge(b.t.Context(), u, idp.Attempt{})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.Verify(b.t.Context(), u, step.Memo, answer)
}

func (b *bench) wantErr(err, want error) {
	b.t.Helper()
	if !errors.Is(err, want) {
		b.t.Errorf("error %v, want %v", err, want)
	}
}

func TestVerify(t *testing.T) {
	b := newBench(t)
	seed := b.enroll(ann)
	p, err := b.verify(ann, b.code(seed, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := idp.Proof{Factor: "totp", Credential: b.store.rows[0].ID, ACR: ACR, At: b.clock}
	if p != want {
		t.Errorf("proof %+v, want %+v", p, want)
	}
	if e := b.store.rows[0]; e.Step != b.clock.Unix()/30 || !e.Used.Equal(b.clock) {
		t.Errorf("the step is not spent: %d, %s", e.Step, e.Used)
	}
	_, err = b.verify(ben, b.code(seed, 30*time.Second))
	b.wantErr(err, idp.ErrBadCredentials)
}

// The code of RFC 6238 appendix B for second 59, cut to six digits.
func TestVerifyRFC6238Vector(t *testing.T) {
	b := newBench(t)
	b.clock = time.Unix(59, 0)
	b.store.rows = []idp.Enrollment{{User: ann.Key(), Factor: "totp", ID: "rfc", Secret: []byte("12345678901234567890")}}
	if _, err := b.verify(ann, url.Values{"code": {"287082"}}); err != nil {
		t.Error(err)
	}
}

func TestC29EachCodeOnce(t *testing.T) {
	t.Run("same step", func(t *testing.T) {
		b := newBench(t)
		answer := b.code(b.enroll(ann), -time.Minute) // the code that set the app up
		_, err := b.verify(ann, answer)
		b.wantErr(err, idp.ErrBadCredentials) // two steps old by now
		b.clock = b.clock.Add(-time.Minute)
		_, err = b.verify(ann, answer)
		b.wantErr(err, idp.ErrSpent)
	})
	for _, later := range []time.Duration{0, 29 * time.Second, 30 * time.Second} {
		t.Run("again after "+later.String(), func(t *testing.T) {
			b := newBench(t)
			answer := b.code(b.enroll(ann), 0)
			_, err := b.verify(ann, answer)
			b.wantErr(err, nil)
			b.clock = b.clock.Add(later)
			_, err = b.verify(ann, answer)
			b.wantErr(err, idp.ErrSpent)
		})
	}
	t.Run("an older code after a newer", func(t *testing.T) {
		b := newBench(t)
		seed := b.enroll(ann)
		_, err := b.verify(ann, b.code(seed, 30*time.Second))
		b.wantErr(err, nil)
		for _, d := range []time.Duration{30 * time.Second, 0, -30 * time.Second} {
			_, err = b.verify(ann, b.code(seed, d))
			b.wantErr(err, idp.ErrSpent)
		}
		b.clock = b.clock.Add(30 * time.Second)
		_, err = b.verify(ann, b.code(seed, 30*time.Second))
		b.wantErr(err, nil)
	})
	t.Run("50 at once, on two nodes", func(t *testing.T) {
		b := newBench(t)
		seed := b.enroll(ann)
		other, err := New(Config{Issuer: "Example Apps", Store: b.store, Now: b.now})
		if err != nil {
			t.Fatal(err)
		}
		answer := b.code(seed, 0)
		var passed, spent atomic.Int64
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				f := b.Factor
				if i%2 == 1 {
					f = other
				}
				step, err := f.Challenge(t.Context(), ann, idp.Attempt{})
				if err == nil {
					_, err = f.Verify(t.Context(), ann, step.Memo, answer)
				}
				switch {
				case err == nil:
					passed.Add(1)
				case errors.Is(err, idp.ErrSpent):
					spent.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if passed.Load() != 1 || spent.Load() != 49 {
			t.Errorf("%d passed and %d were spent, want 1 and 49", passed.Load(), spent.Load())
		}
	})
}

func TestC29WindowIsOneStep(t *testing.T) {
	for _, tt := range []struct {
		second int           // of the server's step
		app    time.Duration // from the start of the server's step
		want   error
	}{
		{0, 0, nil},
		{29, 0, nil},
		{0, -time.Second, nil},
		{29, -30 * time.Second, nil},
		{0, -31 * time.Second, idp.ErrBadCredentials},
		{29, -31 * time.Second, idp.ErrBadCredentials},
		{0, 59 * time.Second, nil},
		{29, 30 * time.Second, nil},
		{0, 60 * time.Second, idp.ErrBadCredentials},
		{29, 60 * time.Second, idp.ErrBadCredentials},
		{15, time.Hour, idp.ErrBadCredentials},
	} {
		t.Run(fmt.Sprintf("second %d, app at %s", tt.second, tt.app), func(t *testing.T) {
			b := newBench(t)
			seed := b.enroll(ann)
			b.clock = b.clock.Add(time.Hour)
			answer := b.code(seed, tt.app)
			b.clock = b.clock.Add(time.Duration(tt.second) * time.Second)
			_, err := b.verify(ann, answer)
			b.wantErr(err, tt.want)
		})
	}
}

// A clock that is put back must not make old codes good again.
func TestClockBackwards(t *testing.T) {
	b := newBench(t)
	seed := b.enroll(ann)
	_, err := b.verify(ann, b.code(seed, 0))
	b.wantErr(err, nil)
	b.clock = b.clock.Add(-time.Hour)
	_, err = b.verify(ann, b.code(seed, 0))
	b.wantErr(err, idp.ErrSpent)
	b.clock = time.Unix(-1000, 0)
	_, err = b.verify(ann, url.Values{"code": {"000000"}})
	b.wantErr(err, idp.ErrBadCredentials)
}

func TestVerifyTriesEveryApp(t *testing.T) {
	b := newBench(t)
	first, second := b.enroll(ann), b.enroll(ann)
	p, err := b.verify(ann, b.code(second, 0))
	if err != nil || p.Credential != b.store.rows[1].ID {
		t.Errorf("second app: %+v, %v", p, err)
	}
	p, err = b.verify(ann, b.code(first, 0))
	if err != nil || p.Credential != b.store.rows[0].ID {
		t.Errorf("first app: %+v, %v", p, err)
	}
	if err := b.store.DeleteEnrollment(t.Context(), ann.Key(), "totp", b.store.rows[0].ID); err != nil {
		t.Fatal(err)
	}
	b.clock = b.clock.Add(time.Minute)
	_, err = b.verify(ann, b.code(first, 0))
	b.wantErr(err, idp.ErrBadCredentials)
}

func TestReady(t *testing.T) {
	b := newBench(t)
	want := func(r idp.Readiness, isErr bool) {
		t.Helper()
		if got, err := b.Ready(t.Context(), ann); got != r || (err != nil) != isErr {
			t.Errorf("readiness %d and %v, want %d", got, err, r)
		}
	}
	want(idp.NotEnrolled, false)
	b.enroll(ben)
	want(idp.NotEnrolled, false)
	b.enroll(ann)
	want(idp.Enrolled, false)
	b.store.fail = idp.ErrNotReady
	want(idp.Unreachable, true)
}

func TestStoreFailureIsNoWrongCode(t *testing.T) {
	b := newBench(t)
	seed := b.enroll(ann)
	answer := b.code(seed, 0)
	b.store.fail = idp.ErrNotReady
	_, err := b.verify(ann, answer)
	if !errors.Is(err, idp.ErrNotReady) || errors.Is(err, idp.ErrBadCredentials) {
		t.Errorf("error %v", err)
	}
}

func TestNilUserIsRefused(t *testing.T) {
	b := newBench(t)
	_, err := b.Ready(t.Context(), nil)
	b.wantErr(err, errNoUser)
	_, err = b.Challenge(t.Context(), nil, idp.Attempt{})
	b.wantErr(err, errNoUser)
	_, err = b.Verify(t.Context(), nil, nil, nil)
	b.wantErr(err, errNoUser)
	_, err = b.BeginEnroll(t.Context(), nil, idp.Attempt{})
	b.wantErr(err, errNoUser)
	_, err = b.FinishEnroll(t.Context(), nil, nil, nil)
	b.wantErr(err, errNoUser)
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no issuer":         {Store: &shelf{}},
		"unreadable issuer": {Store: &shelf{}, Issuer: " :\t\x00"},
		"no store":          {Issuer: "Example"},
		"name with slash":   {Store: &shelf{}, Issuer: "Example", Name: "a/b"},
		"name in capitals":  {Store: &shelf{}, Issuer: "Example", Name: "TOTP"},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	f, err := New(Config{Store: &shelf{}, Issuer: "Example"})
	if err != nil || f.Name() != DefaultName {
		t.Errorf("name %q, %v", f.Name(), err)
	}
}
