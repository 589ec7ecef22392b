package idp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// countingSource is a directory that remembers what it was asked.
type countingSource struct {
	name  string
	users map[string]string // name: password
	down  error
	deaf  error // to passwords alone
	limit int   // its lockout threshold; 0: it does not say; -1: it never locks

	mu    sync.Mutex
	calls []string
	shown int // passwords of somebody, and not only the work of one
}

func (c *countingSource) Name() string { return c.name }

func (c *countingSource) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
}

// take returns the calls since the last take.
func (c *countingSource) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

func (c *countingSource) Find(_ context.Context, name string) (*idp.User, error) {
	c.note("find")
	if c.down != nil {
		return nil, c.down
	}
	account, _, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(strings.ToLower(name), `corp\`)), "@")
	if _, ok := c.users[account]; !ok {
		return nil, idp.ErrNoUser
	}
	return &idp.User{Source: c.name, ID: account, Name: account, Email: account + "@example.com"}, nil
}

func (c *countingSource) Authenticate(_ context.Context, u *idp.User, password string) error {
	c.note("authenticate")
	if u != nil {
		c.mu.Lock()
		c.shown++
		c.mu.Unlock()
	}
	if err := errors.Join(c.down, c.deaf); err != nil {
		return err
	}
	if u == nil || c.users[u.ID] != password {
		return idp.ErrBadCredentials
	}
	return nil
}

func (c *countingSource) Limit(context.Context, *idp.User) (idp.Lockout, error) {
	if c.limit == 0 {
		return idp.Lockout{}, errors.New("unreadable")
	}
	return idp.Lockout{Failures: max(0, c.limit), Window: 30 * time.Minute}, nil
}

// withSources returns a venue whose people come from the given sources.
func withSources(t *testing.T, sources ...idp.Source) *venue {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	s := storetest.NewMemory(c.Now)
	cfg := baseConfig(t, s, c.Now)
	cfg.Sources = sources
	cfg.Policies = cfg.Policies[:2]
	cfg.Applications = nil
	g, err := idp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	v := &venue{gateway: g, store: s, clock: c, browsers: map[string]*browser{}, saved: map[string][]*http.Cookie{}, client: otherClient}
	v.use("first")
	return v
}

// try posts a name and a password from a fresh browser.
func (v *venue) try(t *testing.T, name, password string) (status int, body string) {
	t.Helper()
	v.use(name + " " + password)
	v.visit("/")
	v.arrive(t)
	v.form("/login", "username", name, "password", password)
	return v.now.answer.StatusCode, v.now.body
}

// C-23: an unknown user and a wrong password make the same calls and get the same answer.
func TestC23UnknownAndWrongDoTheSameWork(t *testing.T) {
	corp := &countingSource{name: "corp", users: map[string]string{"alice": "right"}}
	other := &countingSource{name: "other", users: map[string]string{"zoe": "right"}}
	v := withSources(t, corp, other)
	wrongStatus, wrongBody := v.try(t, "alice", "wrong")
	wrong := [][]string{corp.take(), other.take()}
	unknownStatus, unknownBody := v.try(t, "nosuch", "wrong")
	unknown := [][]string{corp.take(), other.take()}
	if !slices.EqualFunc(wrong, unknown, slices.Equal) {
		t.Errorf("calls for a wrong password %v, for an unknown user %v", wrong, unknown)
	}
	same := func(body, name string) string {
		return strings.ReplaceAll(flowID.ReplaceAllString(body, ""), name, "NAME")
	}
	if wrongStatus != unknownStatus || same(wrongBody, "alice") != same(unknownBody, "nosuch") {
		t.Errorf("the answers differ: %d and %d", wrongStatus, unknownStatus)
	}
}

// no source hears of an empty password.
func TestR12AnEmptyPasswordGoesNowhere(t *testing.T) {
	corp := &countingSource{name: "corp", users: map[string]string{"alice": ""}}
	v := withSources(t, corp)
	for _, password := range []string{"", " ", "\t ", "\x00", "\x00\x00"} {
		if status, _ := v.try(t, "alice", password); status != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d", password, status)
		}
	}
	if calls := corp.take(); len(calls) != 0 {
		t.Errorf("the directory was asked: %v", calls)
	}
}

// C-18: passwords reach the source byte for byte.
func TestC18PasswordsAreByteExact(t *testing.T) {
	for _, password := range []string{" leading and trailing ", "Pässwörter 密码 🔑", strings.Repeat("x", 1024), "a+b%20&c=d"} {
		corp := &countingSource{name: "corp", users: map[string]string{"alice": password}}
		v := withSources(t, corp)
		if status, _ := v.try(t, "alice", password); status != http.StatusSeeOther {
			t.Errorf("%.20q: %d", password, status)
		}
	}
}

// C-20: however the name is written, one counter counts.
func TestC20OnePersonHasOneCounter(t *testing.T) {
	corp := &countingSource{name: "corp", users: map[string]string{"alice": "right"}, limit: 7}
	v := withSources(t, corp)
	names := []string{"alice", "ALICE", "alice@corp.example.com", `CORP\alice`, "alice "}
	for _, n := range names {
		if status, _ := v.try(t, n, "wrong"); status != http.StatusUnauthorized {
			t.Fatalf("%q: %d", n, status)
		}
	}
	v.wantHeld(t, "Alice", "right")
}

// C-21: the gateway stops strangers three failures before the directory would lock the account, and a
// stranger's failures do not lock out the person's own device.
func TestC21TheGatewayIsNoLockoutCannon(t *testing.T) {
	corp := &countingSource{name: "corp", users: map[string]string{"alice": "right"}, limit: 5}
	v := withSources(t, corp)
	v.use("own device")
	v.visit("/")
	v.arrive(t)
	v.form("/login", "username", "alice", "password", "right")
	v.arrive(t)
	v.form("/enroll/totp", "code", v.codeNow(t))
	v.arrive(t)
	v.form("/mfa", "device", "yes")
	v.arrive(t)
	v.form("/logout")
	own := v.now
	corp.shown = 0
	for i := range 20 {
		v.try(t, "alice", fmt.Sprint("guess", i))
	}
	if corp.shown != 2 {
		t.Errorf("the directory saw %d wrong binds; it locks at 5, so it may see 2 of strangers", corp.shown)
	}
	v.now = own
	v.visit("/")
	v.arrive(t)
	if a := v.form("/login", "username", "alice", "password", "right"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the person's own device is locked out: %d", a.StatusCode)
	}
	v.form("/logout")
}

// An unreadable lockout policy is taken as strict.
func TestC21AnUnreadableLimitIsStrict(t *testing.T) {
	corp := &countingSource{name: "corp", users: map[string]string{"alice": "right"}}
	v := withSources(t, corp)
	if status, _ := v.try(t, "alice", "wrong"); status != http.StatusUnauthorized {
		t.Fatal(status)
	}
	if status, _ := v.try(t, "alice", "wrong2"); status != http.StatusTooManyRequests {
		t.Errorf("the second failure was passed on: %d", status)
	}
}

// listed is a source that knows all its people, as local ones do.
type listed struct{ *countingSource }

func (listed) Users() []*idp.User { return nil }

// lastLogin is the newest audit line about a password.
func (v *venue) lastLogin(t *testing.T) (last idp.Event) {
	t.Helper()
	if err := v.store.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool {
		if e.Kind == idp.EventLogin {
			last = e
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return last
}

// A directory that never locks is guarded like local users.
func TestADirectoryThatNeverLocks(t *testing.T) {
	corp := &countingSource{name: "corp", users: map[string]string{"alice": "right"}, limit: -1}
	v := withSources(t, corp)
	for i := range 5 {
		if status, _ := v.try(t, "alice", fmt.Sprint("wrong", i)); status != http.StatusUnauthorized {
			t.Fatalf("failure %d: %d", i+1, status)
		}
	}
	if status, _ := v.try(t, "alice", "right"); status != http.StatusTooManyRequests {
		t.Errorf("after 5 failures: %d", status)
	}
}

// While a directory is down, its people get an honest answer and nobody's failures are counted;
// a local account signs in and is audited as break-glass.
func TestBreakGlass(t *testing.T) {
	corp := &countingSource{name: "corp", users: map[string]string{"alice": "right"}, down: errors.New("connection refused")}
	other := &countingSource{name: "other", users: map[string]string{"zoe": "right"}, limit: 7}
	emergency := listed{&countingSource{name: "emergency", users: map[string]string{"breakglass": "right"}, limit: 7}}
	v := withSources(t, corp, other, emergency)
	for range 10 {
		status, body := v.try(t, "alice", "right")
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "cannot check passwords") {
			t.Fatalf("%d %s", status, body)
		}
	}
	if status, _ := v.try(t, "breakglass", "right"); status != http.StatusSeeOther {
		t.Fatalf("the emergency account: %d", status)
	}
	if last := v.lastLogin(t); !last.BreakGlass || last.Result != idp.Success {
		t.Errorf("the audit line does not say break-glass: %+v", last)
	}
	if status, _ := v.try(t, "zoe", "right"); status != http.StatusServiceUnavailable {
		t.Errorf("a bare name, which may be somebody's of the directory that is down: %d", status)
	}
	if status, _ := v.try(t, "zoe@example.com", "right"); status != http.StatusSeeOther || v.lastLogin(t).BreakGlass {
		t.Errorf("somebody of a directory that answers: %d %+v", status, v.lastLogin(t))
	}
	corp.down = nil
	if status, _ := v.try(t, "alice", "right"); status != http.StatusSeeOther {
		t.Errorf("alice after the outage: %d", status)
	}
}

// A name that two directories have is nobody's, whichever of them knows the password.
func TestANameOfTwoDirectories(t *testing.T) {
	corp := &countingSource{name: "corp", users: map[string]string{"alice": "right"}, limit: 7}
	merged := &countingSource{name: "merged", users: map[string]string{"alice": "right too", "zoe": "right"}, limit: 7}
	emergency := listed{&countingSource{name: "emergency", users: map[string]string{"zoe": "local"}, limit: 7}}
	v := withSources(t, corp, merged, emergency)
	for _, password := range []string{"right", "right too", "wrong"} {
		if status, body := v.try(t, "alice", password); status != http.StatusUnauthorized || !strings.Contains(body, "do not match") {
			t.Errorf("%s: %d %s", password, status, body)
		}
		if l := v.lastLogin(t); l.Reason != "ambiguous" || !strings.Contains(l.Detail, "corp:alice of source corp, merged:alice of source merged") {
			t.Errorf("%+v", l)
		}
	}
	if _, _, _, err := v.gateway.Invite(t.Context(), "alice", idp.InviteLife, "the test"); !errors.Is(err, idp.ErrAmbiguous) {
		t.Errorf("a code for one of two: %v", err)
	}
	if status, _ := v.try(t, "zoe", "right"); status != http.StatusSeeOther {
		t.Errorf("a directory before a local account of the same name: %d", status)
	}
}

// 500 right sign-ins from one address in a minute are all served.
func TestFiveHundredRightSignInsAreServed(t *testing.T) {
	users := map[string]string{}
	for i := range 500 {
		users[fmt.Sprint("agent", i)] = "right"
	}
	v := withSources(t, &countingSource{name: "corp", users: users, limit: 5})
	for name := range users {
		if status, _ := v.try(t, name, "right"); status != http.StatusSeeOther {
			t.Fatalf("%s: %d", name, status)
		}
	}
}

// canaries are what must never be in a log.
func TestC65NoSecretIsLogged(t *testing.T) {
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	s := storetest.NewMemory(c.Now)
	cfg := baseConfig(t, s, c.Now)
	var log safeBuilder
	cfg.Log = debugLog(&log)
	cfg.Observe = func(_ context.Context, e idp.Event) { cfg.Log.Info("audit", "event", fmt.Sprintf("%+v", e)) }
	g, err := idp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	v := &venue{gateway: g, store: s, clock: c, browsers: map[string]*browser{}, saved: map[string][]*http.Cookie{}, client: otherClient}
	v.use("first")
	v.visit("/")
	v.arrive(t)
	v.form("/login", "username", "alice", "password", "canary-wrong-password")
	v.form("/login", "username", "alice", "password", "correct horse")
	v.arrive(t)
	v.form("/enroll/totp", "code", "735911")
	code := v.codeNow(t)
	v.form("/enroll/totp", "code", code)
	v.arrive(t)
	v.form("/mfa", "device", "yes")
	v.arrive(t)
	v.form("/apps/connect")
	response := "response for alice@example.com"
	if !strings.Contains(v.now.body, response) {
		t.Fatal("no launch", v.words())
	}
	secrets := []string{"canary-wrong-password", "correct horse", "735911", code, v.now.secret, response}
	for _, ck := range v.cookies(t) {
		secrets = append(secrets, ck.Value)
	}
	text := log.String()
	if !strings.Contains(text, "audit") {
		t.Fatal("nothing was logged")
	}
	for i, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("secret %d of %d characters is in the log", i, len(secret))
		}
	}
}
