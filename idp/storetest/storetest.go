// Package storetest says in tests what every store must do, whatever database it is on.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Clock is the time of a store under test. It moves only when it is told.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at a whole minute.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC)} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// closer is what a store under test is shut by, so that what survives a restart can be seen.
type closer interface{ Close() error }

// sweeper is what a store under test deletes expired rows by.
type sweeper interface {
	Sweep(ctx context.Context) error
}

// opener opens the database of one test.
type opener func(t *testing.T, clock *Clock) idp.Store

// Run checks every promise of the interfaces that make up [idp.Store]. open returns an open store on
// an empty database of the test's own; called again in the same test, after the store was closed, it
// opens the same database again. The store must have Close() error and Sweep(context.Context) error.
func Run(t *testing.T, open func(t *testing.T, clock *Clock) idp.Store) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, opener)
	}{
		{"Ready", testReady},
		{"Sessions", testSessions},
		{"Memos", testMemos},
		{"Enrollments", testEnrollments},
		{"Credentials", testCredentials},
		{"Devices", testDevices},
		{"People", testPeople},
		{"Counters", testCounters},
		{"AuditLog", testAudit},
		{"Keys", testKeys},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open) })
	}
}

// fixture is a store with its clock and short ways to say what must hold.
type fixture struct {
	*testing.T
	idp.Store
	clock *Clock
	open  opener
	ctx   context.Context
}

func newFixture(t *testing.T, open opener) *fixture {
	t.Helper()
	f := &fixture{T: t, clock: NewClock(), open: open, ctx: t.Context()}
	f.Store = open(t, f.clock)
	t.Cleanup(func() { f.shut() })
	return f
}

func (f *fixture) shut() {
	f.T.Helper()
	if err := f.Store.(closer).Close(); err != nil {
		f.T.Errorf("closing: %v", err)
	}
}

// restart closes the store and opens its database again.
func (f *fixture) restart() {
	f.T.Helper()
	f.shut()
	f.Store = f.open(f.T, f.clock)
}

func (f *fixture) sweep() {
	f.T.Helper()
	f.ok(f.Store.(sweeper).Sweep(f.ctx))
}

func (f *fixture) ok(err error) {
	f.T.Helper()
	if err != nil {
		f.T.Fatal(err)
	}
}

func (f *fixture) is(err, want error) {
	f.T.Helper()
	if !errors.Is(err, want) {
		f.T.Fatalf("error is %v, want %v", err, want)
	}
}

func (f *fixture) now() time.Time { return f.clock.Now() }

// id is what a store sees of a cookie.
func id(name string) idp.Hash { return sha256.Sum256([]byte(name)) }

// at100 calls f a hundred times at once and returns the errors.
func at100(f func(i int) error) []error {
	const n = 100
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// once fails unless exactly one of the errors is nil and the others are want.
func (f *fixture) once(errs []error, want error) {
	f.T.Helper()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, want):
			f.T.Errorf("a loser's error is %v, want %v", err, want)
		}
	}
	if won != 1 {
		f.T.Errorf("%d of %d won, want 1", won, len(errs))
	}
}

func testReady(t *testing.T, open opener) {
	f := newFixture(t, open)
	f.ok(f.Ready())
	f.shut()
	if f.Ready() == nil {
		t.Error("a closed store says that it is ready")
	}
	for name, err := range Calls(f.ctx, f.Store) {
		if !errors.Is(err, idp.ErrNotReady) {
			t.Errorf("%s of a closed store: %v, want ErrNotReady", name, err)
		}
	}
	f.Store = open(t, f.clock)
	f.ok(f.Ready())
}

// Calls calls every method of a store and returns the errors by the method's name.
func Calls(ctx context.Context, s idp.Store) map[string]error {
	now := time.Unix(1_700_000_000, 0)
	errs := map[string]error{
		"PutSession":       s.PutSession(ctx, &idp.Session{}),
		"TouchSession":     s.TouchSession(ctx, idp.Hash{}, now),
		"DeleteSession":    s.DeleteSession(ctx, idp.Hash{}),
		"PutMemo":          s.PutMemo(ctx, idp.Memo{}, 0),
		"PutEnrollment":    s.PutEnrollment(ctx, idp.Enrollment{}),
		"SpendStep":        s.SpendStep(ctx, "", "", "", 1, now),
		"DeleteEnrollment": s.DeleteEnrollment(ctx, "", "", ""),
		"UseEnrollment":    s.UseEnrollment(ctx, idp.Enrollment{}),
		"RenameEnrollment": s.RenameEnrollment(ctx, "", "", "", ""),
		"PutDevice":        s.PutDevice(ctx, &idp.Device{}),
		"DeleteDevice":     s.DeleteDevice(ctx, idp.Hash{}, ""),
		"Clear":            s.Clear(ctx, ""),
		"Append":           s.Append(ctx, idp.Event{}),
		"Events":           s.Events(ctx, idp.EventQuery{}, func(idp.Event) bool { return true }),
		"PutRuleText":      s.PutRuleText(ctx, "", ""),
	}
	_, errs["Session"] = s.Session(ctx, idp.Hash{})
	_, errs["UserSessions"] = s.UserSessions(ctx, "")
	_, errs["DeleteUserSessions"] = s.DeleteUserSessions(ctx, "", idp.Hash{})
	_, errs["UpdateUser"] = s.UpdateUser(ctx, idp.User{}, now)
	_, errs["KeptBySource"] = s.KeptBySource(ctx)
	_, errs["MoveSource"] = s.MoveSource(ctx, "a", "b")
	_, errs["Holders"] = s.Holders(ctx, "", 1)
	_, errs["Memo"] = s.Memo(ctx, "", idp.Hash{}, now)
	_, errs["TakeMemo"] = s.TakeMemo(ctx, "", idp.Hash{}, now)
	_, errs["OwnedMemos"] = s.OwnedMemos(ctx, "", "", now)
	_, errs["UserEnrollments"] = s.UserEnrollments(ctx, "", "")
	_, errs["FindEnrollment"] = s.FindEnrollment(ctx, "", "")
	_, errs["FactorEnrollments"] = s.FactorEnrollments(ctx, "")
	_, errs["Device"] = s.Device(ctx, idp.Hash{}, "", now)
	_, errs["DeviceBrowser"] = s.DeviceBrowser(ctx, idp.Hash{}, now)
	_, errs["UserDevices"] = s.UserDevices(ctx, "", now)
	_, errs["Fail"] = s.Fail(ctx, "", now, time.Minute)
	_, errs["Failures"] = s.Failures(ctx, "", now, time.Minute)
	_, errs["RuleText"] = s.RuleText(ctx, "")
	_, errs["SAMLKeys"] = s.SAMLKeys()
	_, errs["CookieKeys"] = s.CookieKeys()
	return errs
}
