package idp_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/totp"
)

// These tests are attacks: each tries to get something that it has no right to.

// These tests are attacks: each tries to get something that it has no right to.

// password brings a person past the password and no further, on the way to path.
func (h *venue) password(t *testing.T, name, path string) {
	t.Helper()
	h.visit(path)
	h.arrive(t)
	h.form("/login", "username", name, "password", "correct horse")
	h.arrive(t)
}

// mark is the value of f on the page that is shown.
func (h *venue) mark(t *testing.T) string {
	t.Helper()
	m := flowID.FindStringSubmatch(h.now.body)
	if m == nil {
		t.Fatal("no f on the page", h.words())
	}
	return m[1]
}

func (h *venue) devices(t *testing.T, user string) int {
	t.Helper()
	list, err := h.store.UserDevices(t.Context(), user, h.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Whoever has only the password must not have a browser remembered as the person's own: at a shared machine they
// would keep a copy of its cookie and wait until the person passes the second factor there.
func TestAPasswordAloneMakesNoOwnDevice(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	secret := h.now.secret
	h.use("kiosk")
	h.password(t, "alice", "/")
	if !strings.Contains(h.now.body, `data-page="mfa"`) {
		t.Fatal(h.words())
	}
	h.form("/mfa", "device", "yes")
	if n := h.devices(t, "staff:alice"); n != 0 {
		t.Errorf("%d devices of a person who has passed no factor there", n)
	}
	stolen := h.cookies(t)
	h.now.secret = secret
	h.clock.move(time.Minute)
	h.arrive(t)
	h.form("/mfa/totp", "code", h.codeNow(t))
	h.arrive(t)

	h.use("far away")
	for _, c := range stolen {
		if c.Name == "__Host-gatehouse-device" {
			r := h.request(http.MethodGet, "/", nil)
			h.now.jar.SetCookies(r.URL, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
		}
	}
	h.password(t, "alice", "/apps/connect")
	if strings.Contains(h.now.body, `data-page="post"`) {
		t.Error("a copied cookie and the password open an application that asks for a second factor")
	}
}

// What was passed on the way to an application belongs to the sign-in in which it was passed.
func TestAFlowEndsWithItsSession(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	h.visit("/apps/salesforce")
	h.arrive(t)
	h.clock.move(time.Minute)
	h.form("/mfa/totp", "code", h.codeNow(t))
	left := h.now.answer.Header.Get("Location") // not followed: the person closes the tab
	if !strings.HasPrefix(left, "/apps/salesforce?f=") {
		t.Fatal(left)
	}
	h.visit("/")
	h.form("/logout")
	h.password(t, "alice", "/apps/handy")
	h.visit(left)
	h.arrive(t)
	if strings.Contains(h.now.body, `data-page="post"`) {
		t.Error("the password alone goes on where the person had passed the second factor before signing out")
	}
}

// "mfa always" means now: a sign-in that is kept alive by its own forms does not keep a proof.
func TestAProofDoesNotOutliveTheWay(t *testing.T) {
	for name, keep := range map[string]func(h *venue, at string) string{
		"by GET": func(h *venue, at string) string {
			h.visit(strings.Replace(at, "/apps/salesforce", "/login", 1))
			return h.now.answer.Header.Get("Location")
		},
		"by POST": func(h *venue, at string) string {
			_, f, _ := strings.Cut(at, "?f=")
			h.form("/mfa", "f", f)
			return h.now.answer.Header.Get("Location")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newVenue(t)
			h.signIn(t, "alice")
			h.visit("/apps/salesforce")
			h.arrive(t)
			h.clock.move(time.Minute)
			h.form("/mfa/totp", "code", h.codeNow(t))
			at := h.now.answer.Header.Get("Location")
			for range 20 {
				h.clock.move(14 * time.Minute)
				at = keep(h, at)
			}
			h.visit(at)
			h.arrive(t)
			if strings.Contains(h.now.body, `data-page="post"`) {
				t.Error("a code of hours ago opens an application that asks at every sign-in")
			}
		})
	}
}

// An invitation opens the account it was made for, not the one that signs in next on the same way.
func TestAnInvitationIsNotHandedOver(t *testing.T) {
	h := newVenue(t)
	code, _, _, err := h.gateway.Invite(t.Context(), "bob", idp.InviteLife, "the test")
	if err != nil {
		t.Fatal(err)
	}
	h.password(t, "bob", "/apps/coded")
	h.form("/enroll", "code", code)
	to := h.now.answer.Header.Get("Location")
	_, f, _ := strings.Cut(to, "?f=")
	h.form("/login", "f", f, "username", "alice", "password", "correct horse")
	h.arrive(t)
	if strings.Contains(h.now.body, `data-page="enroll"`) {
		t.Error("bob's invitation enrolls a factor for alice")
	}
}

// failingLog is a store whose audit log fails when told to.
type failingLog struct {
	idp.Store
	fails atomic.Bool
}

func (f *failingLog) Append(ctx context.Context, e idp.Event) error {
	if f.fails.Load() {
		return errors.New("disk full")
	}
	return f.Store.Append(ctx, e)
}

// C-67: nothing happens without its audit line.
func TestC67NothingHappensWithoutItsLine(t *testing.T) {
	h := newVenue(t)
	s := &failingLog{Store: h.store}
	h = venueOf(t, s, h.clock)
	live := func() int {
		list, err := h.store.UserSessions(t.Context(), "staff:alice")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}

	h.visit("/apps/handy")
	h.arrive(t)
	s.fails.Store(true)
	if a := h.form("/login", "username", "alice", "password", "correct horse"); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a sign-in that cannot be recorded: %d", a.StatusCode)
	}
	if n := live(); n != 0 || h.cookie("__Host-gatehouse") != nil {
		t.Errorf("a sign-in that was not recorded has a session (%d in the store)", n)
	}
	s.fails.Store(false)

	h.use("second")
	h.password(t, "alice", "/")
	h.form("/enroll/totp", "code", h.codeNow(t))
	h.arrive(t)
	s.fails.Store(true)
	h.form("/mfa", "device", "yes")
	if n := h.devices(t, "staff:alice"); n != 0 {
		t.Error("a device is remembered and no line says so")
	}
	s.fails.Store(false)
}

// Somebody who has a factor has had their first enrollment: the password alone does not set up a further one
// through an application that takes another.
func TestOneFactorGuardsTheEnrollmentOfAnother(t *testing.T) {
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	s := newVenue(t).store
	cfg := baseConfig(t, s, c.Now)
	token, err := totp.New(totp.Config{Name: "token", Issuer: "Example Apps", Store: s, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Factors = append(cfg.Factors, token)
	cfg.Policies = append(cfg.Policies, &idp.Policy{Name: "tokens", Factors: &idp.FactorsSection{Names: []string{"token"}}})
	cfg.Policies[1].Factors = &idp.FactorsSection{Names: []string{"totp"}}
	cfg.Applications = append(cfg.Applications, idp.AppConfig{Application: &sender{name: "strict"}, Policy: "tokens"})
	h := newVenue(t)
	h.store, h.clock = s, c
	if h.gateway, err = idp.New(cfg); err != nil {
		t.Fatal(err)
	}
	h.signIn(t, "alice")
	h.visit("/apps/strict")
	h.arrive(t)
	if !strings.Contains(h.now.body, `data-page="enroll"`) {
		t.Errorf("who has just passed the one may set up the other: %s", h.words())
	}
	h.use("thief")
	h.password(t, "alice", "/apps/strict")
	if strings.Contains(h.now.body, `data-page="enroll"`) {
		t.Error("the password alone enrolls a factor for somebody who has one already")
	}
	h.visit("/enroll/token?f=" + h.mark(t))
	h.arrive(t)
	if strings.Contains(h.now.body, `data-page="enroll"`) {
		t.Error("the address of the factor is open")
	}
	h.use("newcomer")
	h.password(t, "bob", "/apps/strict")
	if !strings.Contains(h.now.body, `data-page="enroll"`) {
		t.Errorf("a first enrollment: %s", h.words())
	}
}

// revokedMeanwhile is a factor during whose judgement the person's sessions are ended.
type revokedMeanwhile struct {
	idp.Factor
	store idp.Store
}

func (f revokedMeanwhile) Verify(ctx context.Context, u *idp.User, memo []byte, answer url.Values) (idp.Proof, error) {
	if _, err := f.store.DeleteUserSessions(ctx, u.Key(), idp.Hash{}); err != nil {
		return idp.Proof{}, err
	}
	return f.Factor.Verify(ctx, u, memo, answer)
}

// C-15: a session that is ended while its factor is judged does not live on under the id that it would have got.
func TestC15ARevokedSessionIsNotRaised(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	cfg := baseConfig(t, h.store, h.clock.Now)
	cfg.Factors[0] = revokedMeanwhile{cfg.Factors[0], h.store}
	var err error
	if h.gateway, err = idp.New(cfg); err != nil {
		t.Fatal(err)
	}
	h.visit("/apps/salesforce")
	h.arrive(t)
	h.clock.move(time.Minute)
	h.form("/mfa/totp", "code", h.codeNow(t))
	h.arrive(t)
	if strings.Contains(h.now.body, `data-page="post"`) || h.visit("/").StatusCode == http.StatusOK {
		t.Error("the session lives on")
	}
}
