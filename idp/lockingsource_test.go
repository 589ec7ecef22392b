package idp_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// lockingSource is a directory that counts and locks as Active Directory does: the count stays when the window is over,
// and the next wrong password begins a new one.
type lockingSource struct {
	now    func() time.Time
	policy idp.Lockout
	fine   map[string]idp.Lockout // of some people
	hidden error                  // why nobody may read the policy
	silent int                    // so many passwords are compared, and the answer is lost
	fault  error                  // what passwords end in
	judged func()                 // called for each password before it is compared
	looked func()                 // called when somebody was looked up

	mu       sync.Mutex
	accounts map[string]*lockingAccount
}

// lockingAccount is somebody in it, whose password is "right".
type lockingAccount struct {
	count, most, binds int
	last               time.Time
	locked             bool
}

// withLocking returns a venue with a directory that has alice, and others by these names.
func withLocking(t *testing.T, failures int, names ...string) (*venue, *lockingSource) {
	t.Helper()
	d := &lockingSource{policy: idp.Lockout{Failures: failures, Window: 30 * time.Minute}, accounts: map[string]*lockingAccount{"alice": {}}}
	for _, n := range names {
		d.accounts[n] = &lockingAccount{}
	}
	v := withSources(t, d)
	d.now = v.clock.Now
	return v, d
}

func (d *lockingSource) Name() string { return "corp" }

func (d *lockingSource) policyOf(name string) idp.Lockout {
	if own, ok := d.fine[name]; ok {
		return own
	}
	return d.policy
}

// counting is the count as it is in effect.
func (d *lockingSource) counting(name string) int {
	a := d.accounts[name]
	if d.now().Sub(a.last) >= d.policyOf(name).Window {
		return 0
	}
	return a.count
}

func (d *lockingSource) Find(_ context.Context, name string) (*idp.User, error) {
	name = strings.ToLower(name)
	d.mu.Lock()
	_, ok := d.accounts[name]
	var u *idp.User
	if ok {
		u = &idp.User{Source: "corp", ID: name, Name: name, Email: name + "@example.com", Failures: d.counting(name)}
	}
	d.mu.Unlock()
	if d.looked != nil {
		d.looked()
	}
	if !ok {
		return nil, idp.ErrNoUser
	}
	return u, nil
}

func (d *lockingSource) Limit(_ context.Context, u *idp.User) (idp.Lockout, error) {
	if u == nil {
		return d.policy, d.hidden
	}
	l := d.policyOf(u.ID)
	if d.hidden != nil {
		l = idp.Lockout{}
	}
	l.Counted, l.Account = u.Failures, u.ID
	return l, d.hidden
}

// fail is a wrong password, wherever it was typed.
func (d *lockingSource) fail(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.accounts[name]
	a.count, a.last = d.counting(name)+1, d.now()
	a.most = max(a.most, a.count)
	if n := d.policyOf(name).Failures; n > 0 && a.count >= n {
		a.locked = true
	}
}

func (d *lockingSource) Authenticate(_ context.Context, u *idp.User, password string) error {
	if d.judged != nil {
		d.judged()
	}
	if d.fault != nil {
		return d.fault
	}
	if u == nil {
		return idp.ErrBadCredentials
	}
	d.mu.Lock()
	d.accounts[u.ID].binds++
	lost := d.silent > 0
	if lost {
		d.silent--
	}
	d.mu.Unlock()
	err := idp.ErrBadCredentials
	if password == "right" && !d.accounts[u.ID].locked {
		err = nil
		d.mu.Lock()
		d.accounts[u.ID].count = 0
		d.mu.Unlock()
	} else {
		d.fail(u.ID)
	}
	if lost {
		return errors.Join(idp.ErrUnanswered)
	}
	return err
}

// wantMost wants that the directory counted so many wrong passwords of a person at once, and never more, and has locked
// nobody.
func (d *lockingSource) wantMost(t *testing.T, name string, want int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.accounts[name]; a.most != want || a.locked {
		t.Errorf("a directory that locks at %d counted %d wrong passwords of %s, want %d; locked: %v", d.policyOf(name).Failures, a.most, name, want, a.locked)
	}
}

// passedOn is how many wrong passwords a directory is shown that locks at a threshold, of somebody who has a device of their
// own: those of strangers, and all.
func passedOn(threshold int) (strangers, all int) {
	switch {
	case threshold >= 4:
		return threshold - 3, threshold - 2
	case threshold == 3:
		return 1, 2
	}
	return 1, 1
}

// ownDevice signs alice in on a browser that she calls her own, and out again. The secret of her authenticator app is
// that of the device before; none has her set it up.
func (h *venue) ownDevice(t *testing.T, name, secret string) *browser {
	t.Helper()
	h.clock.move(time.Minute) // a code is good once
	h.use(name)
	h.now.secret = secret
	h.visit("/")
	h.arrive(t)
	h.form("/login", "username", "alice", "password", "right")
	h.arrive(t)
	path := "/mfa/totp"
	if secret == "" {
		path = "/enroll/totp"
	}
	h.form(path, "code", h.codeNow(t))
	h.arrive(t)
	h.form("/mfa", "device", "yes")
	h.arrive(t)
	if !strings.Contains(h.now.body, `data-page="portal"`) {
		t.Fatalf("not at the portal: %d %s", h.now.answer.StatusCode, h.words())
	}
	h.form("/logout")
	return h.now
}

// wantHeld wants that a password is not passed on, and that the audit log says so and the page does not.
func (h *venue) wantHeld(t *testing.T, name, password string) {
	t.Helper()
	before := len(lines(t, h.store, "limited"))
	status, _ := h.try(t, name, password)
	l := lines(t, h.store, "limited")
	if len(l) != before+1 || l[before].Kind != idp.EventLockout || l[before].Name != name {
		t.Errorf("%s is not held: %d", name, status)
	}
	if status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
		t.Errorf("%s is held, and answered %d", name, status)
	}
}

// tryOn types a password for alice on a browser that was there before.
func (h *venue) tryOn(t *testing.T, b *browser, password string) (status int) {
	t.Helper()
	h.now = b
	h.visit("/")
	h.arrive(t)
	return h.form("/login", "username", "alice", "password", password).StatusCode
}
