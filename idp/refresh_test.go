package idp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/local"
)

// living is a directory whose accounts change while people are signed in.
type living struct {
	*countingSource
	looks   atomic.Int64
	meet    chan struct{} // where not nil, a look waits for it
	mu      sync.Mutex
	refresh func(u *idp.User) (*idp.User, error)
}

func (l *living) Refresh(_ context.Context, u *idp.User) (*idp.User, error) {
	l.looks.Add(1)
	if l.meet != nil {
		<-l.meet
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refresh(u)
}

func (l *living) becomes(f func(u *idp.User) (*idp.User, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh = f
}

func asBefore(u *idp.User) (*idp.User, error) {
	now := *u
	return &now, nil
}

func answer(err error) func(*idp.User) (*idp.User, error) {
	return func(*idp.User) (*idp.User, error) { return nil, err }
}

var errDown = errors.New("no domain controller answers")

// newLiving returns a venue in which alice is signed in, by two browsers.
func newLiving(t *testing.T, change func(*idp.Config)) (*venue, *living) {
	t.Helper()
	l := &living{countingSource: &countingSource{name: "corp", users: map[string]string{"alice": "right"}, limit: 9}}
	l.becomes(asBefore)
	v := routed(t, func(c *idp.Config) {
		c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "boss"}, Policy: "bosses"})
		c.Policies = append(c.Policies, &idp.Policy{Name: "bosses", Groups: &idp.GroupsSection{Allow: []idp.GroupRef{{Source: "corp", Name: "Supervisors"}}}})
		change(c)
	}, l)
	for _, b := range []string{"other", "first"} {
		v.use(b)
		v.visit("/")
		v.arrive(t)
		v.form("/login", "username", "alice", "password", "right")
		v.arrive(t)
		v.wantPortal(t, true)
	}
	return v, l
}

func (h *venue) wantPortal(t *testing.T, in bool) {
	t.Helper()
	h.visit("/")
	if got := h.now.answer.StatusCode == http.StatusOK; got != in {
		t.Fatalf("signed in: %v, want %v (%d)", got, in, h.now.answer.StatusCode)
	}
}

func TestASessionLearnsOfNewGroups(t *testing.T) {
	v, l := newLiving(t, func(*idp.Config) {})
	l.becomes(func(u *idp.User) (*idp.User, error) {
		now := *u
		now.DisplayName, now.Groups = "Alice Renamed", []idp.Group{{Names: []string{"Supervisors"}}}
		return &now, nil
	})
	v.clock.move(4*time.Minute + 59*time.Second)
	v.wantPortal(t, true)
	if n := l.looks.Load(); n != 0 || strings.Contains(v.now.body, "/apps/boss") {
		t.Fatalf("%d looks before they are due", n)
	}
	v.clock.move(time.Second)
	v.wantPortal(t, true)
	if !strings.Contains(v.now.body, "/apps/boss") || !strings.Contains(v.now.body, "Alice Renamed") {
		t.Error("the new group gives no tile", v.words())
	}
	v.use("other")
	v.wantPortal(t, true)
	if n := l.looks.Load(); n != 1 || !strings.Contains(v.now.body, "/apps/boss") {
		t.Errorf("%d looks; the other session: %s", n, v.words())
	}
	l.becomes(func(u *idp.User) (*idp.User, error) {
		now := *u
		now.Groups = nil
		return &now, nil
	})
	v.clock.move(5 * time.Minute)
	v.wantPortal(t, true)
	if strings.Contains(v.now.body, "/apps/boss") {
		t.Error("the tile of a group that one has left is still there")
	}
}

// C-50: who is removed, disabled or moved out of the permitted domains loses all sessions.
func TestC50WhoeverIsGoneLosesTheirSessions(t *testing.T) {
	for reason, becomes := range map[string]func(*idp.User) (*idp.User, error){
		"account_gone":     answer(idp.ErrNoUser),
		"account_disabled": answer(&idp.AccountState{State: "disabled"}),
		"account_expired":  answer(&idp.AccountState{State: "expired"}),
		"domain_not_permitted": func(u *idp.User) (*idp.User, error) {
			now := *u
			now.Email = "alice@elsewhere.example"
			return &now, nil
		},
	} {
		t.Run(reason, func(t *testing.T) {
			v, l := newLiving(t, func(c *idp.Config) {
				c.SourceRules = []idp.SourceRule{{Source: "corp", Domains: []string{"example.com"}}}
			})
			l.becomes(becomes)
			v.clock.move(5 * time.Minute)
			v.wantPortal(t, false)
			v.use("other")
			v.wantPortal(t, false)
			if n := l.looks.Load(); n != 1 {
				t.Errorf("%d looks, want 1", n)
			}
			if e := lines(t, v.store, reason); len(e) != 1 || e[0].Kind != idp.EventLogout || e[0].User != "corp:alice" {
				t.Errorf("audit: %+v", e)
			}
			if left, err := v.store.UserSessions(t.Context(), "corp:alice"); err != nil || len(left) != 0 {
				t.Errorf("%d sessions are left (%v)", len(left), err)
			}
		})
	}
}

// C-50: what is signed at a launch is out of our hands, so that one does not wait for the interval.
func TestC50ALaunchLooksAtOnce(t *testing.T) {
	v, l := newLiving(t, func(*idp.Config) {})
	v.clock.move(11 * time.Second)
	v.form("/apps/connect")
	if n := l.looks.Load(); n != 1 || !strings.Contains(v.now.body, "response for alice") {
		t.Fatalf("%d looks: %s", n, v.words())
	}
	l.becomes(answer(&idp.AccountState{State: "disabled"}))
	v.visit("/apps/connect")
	v.arrive(t)
	if strings.Contains(v.now.body, "response for alice") || !strings.Contains(v.now.body, `data-page="login"`) {
		t.Errorf("a disabled account is signed in to an application: %s", v.words())
	}
	if v.now.answer.StatusCode != http.StatusOK {
		t.Error(v.now.answer.StatusCode)
	}
}

// A lock that wrong passwords set, an hour of the day or a password that has expired ends no session:
// anybody could end somebody's work by typing passwords.
func TestStatesThatPassEndNoSession(t *testing.T) {
	for _, state := range []string{"locked", "hours", "workstation", "password_expired", "must_change"} {
		v, l := newLiving(t, func(*idp.Config) {})
		l.becomes(answer(&idp.AccountState{State: state}))
		for range 20 {
			v.clock.move(5 * time.Minute)
			v.wantPortal(t, true)
		}
		if n := l.looks.Load(); n != 20 {
			t.Errorf("%s: %d looks in 100 minutes", state, n)
		}
	}
}

func TestADirectoryThatCannotAnswerIsBorneForAGrace(t *testing.T) {
	v, l := newLiving(t, func(c *idp.Config) { c.Sessions = idp.SessionLimits{Refresh: 5 * time.Minute, Grace: 20 * time.Minute} })
	l.becomes(answer(errDown))
	v.clock.move(5 * time.Minute)
	for range 10 {
		v.wantPortal(t, true)
	}
	if n := l.looks.Load(); n != 1 {
		t.Errorf("%d looks within 30 seconds, want 1", n)
	}
	for range 29 {
		v.clock.move(31 * time.Second)
		v.wantPortal(t, true)
	}
	if n := l.looks.Load(); n != 30 {
		t.Errorf("%d looks, want one every 30 seconds", n)
	}
	l.becomes(asBefore) // back for a moment: the grace begins anew
	v.clock.move(31 * time.Second)
	v.wantPortal(t, true)
	l.becomes(answer(errDown))
	v.clock.move(20 * time.Minute)
	v.wantPortal(t, true)
	v.clock.move(time.Second)
	v.wantPortal(t, false)
	e := lines(t, v.store, "source_unavailable")
	if len(e) != 1 || e[0].Kind != idp.EventLogout || !strings.Contains(e[0].Detail, errDown.Error()) {
		t.Fatalf("audit: %+v", e)
	}
	if v.now.answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(v.now.body, "signed out") || !strings.Contains(v.now.body, e[0].Ref) {
		t.Errorf("the end of the grace is told by %d %s, and the line is %s", v.now.answer.StatusCode, v.words(), e[0].Ref)
	}
	if v.visit("/"); v.now.answer.StatusCode != http.StatusSeeOther {
		t.Errorf("after it: %d", v.now.answer.StatusCode)
	}
	// A sign-in that the directory answered since is another session.
	v.use("other")
	v.wantPortal(t, false)
	l.becomes(asBefore)
	v.visit("/")
	v.arrive(t)
	v.form("/login", "username", "alice", "password", "right")
	v.arrive(t)
	v.wantPortal(t, true)
}

// A source that was taken out of the configuration vouches for nobody; one that was renamed has the grace to be moved.
func TestASourceThatIsNoMore(t *testing.T) {
	v, _ := newLiving(t, func(*idp.Config) {})
	other := &countingSource{name: "headquarters", users: map[string]string{"alice": "right"}, limit: 9}
	v.gateway = routed(t, func(c *idp.Config) { c.Store, c.Now = v.store, v.clock.Now }, other).gateway
	v.clock.move(time.Hour)
	v.wantPortal(t, true)
	v.clock.move(time.Second)
	v.wantPortal(t, false)
	if e := lines(t, v.store, "source_unavailable"); len(e) != 1 || !strings.Contains(e[0].Detail, `no source is named "corp"`) {
		t.Errorf("audit: %+v", e)
	}
}

// Somebody else under the same id is no answer.
func TestALookThatFindsSomebodyElse(t *testing.T) {
	v, l := newLiving(t, func(*idp.Config) {})
	l.becomes(func(*idp.User) (*idp.User, error) {
		return &idp.User{Source: "corp", ID: "mallory", Name: "mallory", Groups: []idp.Group{{Names: []string{"Supervisors"}}}}, nil
	})
	v.clock.move(5 * time.Minute)
	v.wantPortal(t, true)
	if strings.Contains(v.now.body, "/apps/boss") {
		t.Error("a session became somebody else's")
	}
	v.clock.move(time.Hour)
	v.wantPortal(t, false)
}

// Ten tabs ask once, and none of them goes on with what is out of date.
func TestTenTabsAskOnce(t *testing.T) {
	v, l := newLiving(t, func(*idp.Config) {})
	l.meet = make(chan struct{})
	l.becomes(answer(&idp.AccountState{State: "disabled"}))
	v.clock.move(5 * time.Minute)
	var wg sync.WaitGroup
	statuses := make([]int, 10)
	cookies := v.cookies(t)
	for i := range statuses {
		wg.Go(func() {
			r := v.request(http.MethodGet, "/", nil)
			for _, c := range cookies {
				r.AddCookie(c)
			}
			w := httptest.NewRecorder()
			v.gateway.ServeHTTP(w, r)
			statuses[i] = w.Code
		})
	}
	l.meet <- struct{}{}
	close(l.meet)
	wg.Wait()
	if n := l.looks.Load(); n != 1 {
		t.Errorf("%d looks, want 1", n)
	}
	for i, s := range statuses {
		if s != http.StatusSeeOther {
			t.Errorf("tab %d: %d", i, s)
		}
	}
	if e := lines(t, v.store, "account_disabled"); len(e) != 1 {
		t.Errorf("%d audit lines", len(e))
	}
}

// A session that ends during a look stays ended.
func TestALookBringsNoSessionBack(t *testing.T) {
	v, l := newLiving(t, func(*idp.Config) {})
	l.becomes(func(u *idp.User) (*idp.User, error) {
		if _, err := v.store.DeleteUserSessions(t.Context(), u.Key(), idp.Hash{}); err != nil {
			return nil, err
		}
		return asBefore(u)
	})
	v.clock.move(5 * time.Minute)
	v.wantPortal(t, false)
	l.becomes(asBefore)
	v.wantPortal(t, false)
	if left, err := v.store.UserSessions(t.Context(), "corp:alice"); err != nil || len(left) != 0 {
		t.Errorf("%d sessions are back (%v)", len(left), err)
	}
}

// A local user whom a reload has taken away is signed out.
func TestLocalPeopleAreLookedAtToo(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	h.clock.move(6 * time.Minute)
	h.wantPortal(t, true)
	cfg := baseConfig(t, h.store, h.clock.Now)
	others, err := local.New(local.Config{Name: "staff", Users: []local.User{{Name: "bob", Hash: agentHash()}}, Hasher: local.NewHasher(local.Bounds{})})
	must(t, err)
	cfg.Sources = []idp.Source{others}
	h.gateway, err = idp.New(cfg)
	must(t, err)
	h.wantPortal(t, true)
	h.clock.move(5 * time.Minute)
	h.wantPortal(t, false)
	if e := lines(t, h.store, "account_gone"); len(e) != 1 {
		t.Errorf("%d audit lines", len(e))
	}
}

func TestBreakGlassStaysInTheSession(t *testing.T) {
	v, _ := newLiving(t, func(*idp.Config) {})
	list, err := v.store.UserSessions(t.Context(), "corp:alice")
	must(t, err)
	for _, s := range list {
		s.User.BreakGlass = true
		must(t, v.store.PutSession(t.Context(), s))
	}
	v.clock.move(6 * time.Minute)
	v.wantPortal(t, true)
	list, err = v.store.UserSessions(t.Context(), "corp:alice")
	must(t, err)
	for _, s := range list {
		if !s.User.BreakGlass || !s.Refreshed.Equal(v.clock.Now()) {
			t.Errorf("after a look: %+v", s)
		}
	}
}
