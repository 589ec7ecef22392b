package idp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// domain is a directory in which people change their passwords. A new one needs 8 characters, and "Weak-123" is
// too simple.
type domain struct {
	now func() time.Time

	mu       sync.Mutex
	accounts map[string]*account
	changes  int // that it was asked for
}

// account is somebody of the domain.
type account struct {
	passwords []string // the last one is good
	state     string
	expires   time.Time
	answer    string // to a change: "", "lost" (made, and nobody hears of it), "silent" (about the old one), "down", "young", "forbidden"
}

func (d *domain) Name() string { return "corp" }

func (d *domain) user(name string) *idp.User {
	return &idp.User{Source: "corp", ID: name, Name: name, Email: name + "@example.com", PasswordExpires: d.accounts[name].expires}
}

func (d *domain) Find(_ context.Context, name string) (*idp.User, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.accounts[name] == nil {
		return nil, idp.ErrNoUser
	}
	return d.user(name), nil
}

func (d *domain) Refresh(_ context.Context, u *idp.User) (*idp.User, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.accounts[u.ID].state == "disabled" {
		return nil, &idp.AccountState{State: "disabled"}
	}
	return d.user(u.ID), nil
}

func (d *domain) Authenticate(_ context.Context, u *idp.User, password string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u == nil || !d.right(u.ID, password) {
		return idp.ErrBadCredentials
	}
	if state := d.accounts[u.ID].state; state != "" {
		return &idp.AccountState{State: state}
	}
	return nil
}

func (d *domain) right(name, password string) bool {
	p := d.accounts[name].passwords
	return p[len(p)-1] == password
}

func (d *domain) ChangePassword(ctx context.Context, u *idp.User, old, replacement string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	a := d.accounts[u.ID]
	switch {
	case ctx.Err() != nil:
		return errors.New("the change would end with its request")
	case a.answer == "silent":
		return fmt.Errorf("%w: %w", idp.ErrUnchanged, idp.ErrUnanswered)
	case a.answer == "down":
		return errors.New("no domain controller answers")
	case !d.right(u.ID, old):
		return idp.ErrBadCredentials
	case a.answer == "young":
		return &idp.PasswordRefused{Reason: "min_age"}
	case a.answer == "forbidden":
		return &idp.PasswordRefused{Reason: "not_allowed"}
	case len(replacement) < 8:
		return &idp.PasswordRefused{Reason: "too_short", Detail: "0000052D: too short"}
	case replacement == "Weak-123":
		return &idp.PasswordRefused{Reason: "complexity"}
	case slices.Contains(a.passwords, replacement):
		return &idp.PasswordRefused{Reason: "history"}
	}
	a.passwords, a.state, a.expires = append(a.passwords, replacement), "", d.now().Add(90*24*time.Hour)
	if a.answer == "lost" {
		return idp.ErrUnanswered
	}
	return nil
}

func (d *domain) PasswordRules(context.Context, *idp.User) (idp.PasswordRules, error) {
	return idp.PasswordRules{MinLength: 8, Complex: true, History: 5, MinAge: 24 * time.Hour}, nil
}

func (d *domain) Limit(context.Context, *idp.User) (idp.Lockout, error) {
	return idp.Lockout{Failures: 5, Window: 30 * time.Minute}, nil
}

// newDomainVenue returns a venue whose people come from a domain: anna, ben and carl, with the password "Summer-2025".
func newDomainVenue(t testing.TB, change func(*idp.Config)) (*venue, *domain) {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	d := &domain{now: c.Now, accounts: map[string]*account{}}
	for _, name := range []string{"anna", "ben", "carl"} {
		d.accounts[name] = &account{passwords: []string{"Summer-2025"}, expires: c.Now().Add(60 * 24 * time.Hour)}
	}
	v := &venue{store: storetest.NewMemory(c.Now), clock: c, browsers: map[string]*browser{}, saved: map[string][]*http.Cookie{}, client: otherClient}
	cfg := baseConfig(t, v.store, c.Now)
	cfg.Sources = append([]idp.Source{d}, cfg.Sources...)
	if change != nil {
		change(&cfg)
	}
	var err error
	if v.gateway, err = idp.New(cfg); err != nil {
		t.Fatal(err)
	}
	v.use("first")
	return v, d
}

// TestPasswordFlow runs the scripts of testdata/password, each at a gateway before a domain.
//
//	account NAME STATE    puts an account into a state, "fine" for none
//	answers NAME ANSWER   what the domain does when NAME asks for a change; see account
//	expires NAME D        the password of NAME expires in so many days
//	changes N             so many changes were asked of the domain
//	good NAME PASSWORD    that is the password of NAME
func TestPasswordFlow(t *testing.T) {
	var mu sync.Mutex
	domains := map[*venue]*domain{}
	of := func(h *venue) *domain {
		mu.Lock()
		defer mu.Unlock()
		return domains[h]
	}
	with := func(f func(d *domain, ts *testscript.TestScript, args []string)) func(*venue, *testscript.TestScript, []string) {
		return func(h *venue, ts *testscript.TestScript, args []string) {
			d := of(h)
			d.mu.Lock()
			defer d.mu.Unlock()
			f(d, ts, args)
		}
	}
	open := func(t testing.TB) *venue {
		v, d := newDomainVenue(t, nil)
		mu.Lock()
		defer mu.Unlock()
		domains[v] = d
		return v
	}
	runScripts(t, "testdata/password", open, map[string]func(*venue, *testscript.TestScript, []string){
		"account": with(func(d *domain, _ *testscript.TestScript, args []string) {
			d.accounts[args[0]].state = strings.TrimPrefix(args[1], "fine")
		}),
		"answers": with(func(d *domain, _ *testscript.TestScript, args []string) { d.accounts[args[0]].answer = args[1] }),
		"expires": with(func(d *domain, ts *testscript.TestScript, args []string) {
			days, err := strconv.ParseFloat(args[1], 64)
			ts.Check(err)
			d.accounts[args[0]].expires = d.now().Add(time.Duration(days * float64(24*time.Hour)))
		}),
		"changes": with(func(d *domain, ts *testscript.TestScript, args []string) {
			if want, err := strconv.Atoi(args[0]); err != nil || d.changes != want {
				ts.Fatalf("%d changes were asked for, want %s", d.changes, args[0])
			}
		}),
		"good": with(func(d *domain, ts *testscript.TestScript, args []string) {
			if !d.right(args[0], args[1]) {
				ts.Fatalf("the password of %s is not %q", args[0], args[1])
			}
		}),
	})
}

// A source whose passwords are kept, and a factor that does not answer: nothing is changed and nothing opens.
func TestPasswordsThatAreNotChangedHere(t *testing.T) {
	v, d := newDomainVenue(t, func(c *idp.Config) {
		c.SourceRules = []idp.SourceRule{{Source: "corp", KeepPasswords: true}}
	})
	d.accounts["anna"].state = "password_expired"
	if status, body := v.try(t, "anna", "Summer-2025"); status != http.StatusForbidden || !strings.Contains(body, "cannot be done here") {
		t.Errorf("kept: %d %s", status, v.words())
	}
	if status, _ := v.try(t, "anna", "Summer-2024"); status != http.StatusUnauthorized {
		t.Errorf("a wrong password learns of the state: %d", status)
	}

	v, d = newDomainVenue(t, func(c *idp.Config) {
		c.Factors = append(c.Factors, deaf{})
	})
	d.accounts["anna"].state = "must_change"
	v.try(t, "anna", "Summer-2025")
	v.arrive(t)
	if v.now.answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(v.words(), "second step does not answer") {
		t.Errorf("a factor that does not answer: %d %s", v.now.answer.StatusCode, v.words())
	}
	for _, path := range []string{"/", "/password", "/settings", "/apps/handy"} {
		v.visit(path)
		v.arrive(t)
		if v.now.answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", path, v.now.answer.StatusCode, v.words())
		}
	}
	if d.changes != 0 {
		t.Errorf("%d changes", d.changes)
	}
}

// deaf is a factor that nobody can ask.
type deaf struct{}

func (deaf) Name() string { return "deaf" }

func (deaf) Ready(context.Context, *idp.User) (idp.Readiness, error) { return idp.Unreachable, nil }

func (deaf) Challenge(context.Context, *idp.User, idp.Attempt) (idp.Step, error) {
	return idp.Step{}, errDown
}

func (deaf) Verify(context.Context, *idp.User, []byte, url.Values) (idp.Proof, error) {
	return idp.Proof{}, errDown
}

// C-70: an address that is limited gets one audit line a minute, by whichever page it goes on.
func TestC70ALimitedAddressFillsNoLog(t *testing.T) {
	v, d := newDomainVenue(t, nil)
	d.accounts["anna"].state = "must_change"
	v.try(t, "anna", "Summer-2025")
	v.arrive(t)
	atTheChange := v.now
	for i := range 30 {
		v.try(t, fmt.Sprint("nobody", i), "wrong")
	}
	for i := range 5 {
		if status, _ := v.try(t, fmt.Sprint("nobody", i), "limited"); status != http.StatusTooManyRequests {
			t.Fatalf("the address is not limited: %d", status)
		}
		v.now = atTheChange
		if a := v.form("/password", "old", "Summer-2025", "new", "Winter-2026", "again", "Winter-2026"); a.StatusCode != http.StatusTooManyRequests {
			t.Fatalf("at the change the address is not limited: %d", a.StatusCode)
		}
	}
	if l := lines(t, v.store, "limited"); len(l) != 1 {
		t.Errorf("%d lines tell of it", len(l))
	}
}
