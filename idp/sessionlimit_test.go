package idp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// bank is a portal that asks for the password alone, with one application whose policy limits the session.
func bank(t *testing.T, limits idp.SessionSection, source idp.Source, further ...func(*idp.Config)) *venue {
	t.Helper()
	return policed(t, noMFA(), func(c *idp.Config) {
		if source != nil {
			c.Sources = []idp.Source{source}
		}
		c.Policies = append(c.Policies, &idp.Policy{Name: "bank", Session: &limits})
		c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "bank"}, Policy: "bank"})
		for _, f := range further {
			f(c)
		}
	})
}

// busy opens the portal every 20 minutes.
func (h *venue) busy(t *testing.T, d time.Duration) {
	t.Helper()
	for end := h.clock.Now().Add(d); h.clock.Now().Before(end); {
		h.wantPageOf(t, "/", "portal")
		h.clock.move(min(20*time.Minute, end.Sub(h.clock.Now())))
	}
}

func TestAnOldSessionIsAskedForThePassword(t *testing.T) {
	h := bank(t, idp.SessionSection{Absolute: 2 * time.Hour}, nil)
	h.password(t, "alice", "/")
	h.busy(t, 2*time.Hour-time.Second)
	h.launched(t, "bank")
	h.clock.move(time.Second)
	h.wantPageOf(t, "/", "portal")
	if !strings.Contains(h.now.body, "will ask for your password") || strings.Count(h.now.body, "will ask") != 1 {
		t.Errorf("the tiles say: %s", h.words())
	}
	h.launched(t, "connect")
	h.save(nil, []string{"old"})

	h.wantPageOf(t, "/apps/bank", "password")
	if !strings.Contains(h.now.body, "alice") {
		t.Errorf("the name was not kept: %s", h.words())
	}
	e := h.last(t, idp.EventLogout)
	if e.Reason != "session_old" || e.App != "bank" || e.Section != "session" || e.Policy != "bank" || e.Rule != "session absolute 2h" || e.Name != "alice" || e.Visit == nil {
		t.Errorf("%+v", e)
	}
	if n := len(h.events(t, idp.EventLogout)); n != 1 {
		t.Errorf("%d lines of a sign-out", n)
	}
	// The session is dead on the server, not only in this browser.
	signedOut := h.now
	h.use("copy")
	h.load(nil, []string{"old"})
	h.wantPageOf(t, "/", "login")
	h.now = signedOut

	h.form("/login", "username", "alice", "password", "wrong")
	if h.now.answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", h.now.answer.StatusCode)
	}
	h.form("/login", "username", "alice", "password", "correct horse")
	h.arrive(t)
	if launch := h.last(t, idp.EventLaunch); h.page() != "post" || launch.App != "bank" {
		t.Errorf("the way did not go on to the application: %q, %+v", h.page(), launch)
	}
}

// Whatever else is asked of the directory at a request, the time since the last one counts.
func TestAnIdleSessionIsAskedForThePassword(t *testing.T) {
	for name, looks := range map[string]bool{"asked again": true, "not asked again": false} {
		t.Run(name, func(t *testing.T) {
			plain := &countingSource{name: "staff", users: map[string]string{"alice": "correct horse"}, limit: 9}
			var source idp.Source = plain
			if looks {
				l := &living{countingSource: plain}
				l.becomes(asBefore)
				source = l
			}
			h := bank(t, idp.SessionSection{Idle: 30 * time.Minute}, source)
			h.password(t, "alice", "/")
			h.busy(t, 3*time.Hour)
			h.launched(t, "bank")
			h.clock.move(29 * time.Minute)
			h.launched(t, "bank")
			h.clock.move(31 * time.Minute)
			h.wantPageOf(t, "/apps/bank", "password")
			if e := h.last(t, idp.EventLogout); e.Rule != "session idle 30m" {
				t.Errorf("%+v", e)
			}
			h.form("/login", "username", "alice", "password", "correct horse")
			h.arrive(t)
			if h.page() != "post" {
				t.Errorf("%q: %s", h.page(), h.words())
			}
			// The portal has an hour, and using it is using the session.
			h.clock.move(31 * time.Minute)
			h.wantPageOf(t, "/", "portal")
			if !strings.Contains(h.now.body, "will ask for your password") {
				t.Errorf("the tiles say: %s", h.words())
			}
			h.launched(t, "bank")
		})
	}
}

// A limit for the portal itself leads through the password back to it, once.
func TestTheLimitOfThePortal(t *testing.T) {
	p := noMFA()
	p.Session = &idp.SessionSection{Absolute: time.Hour}
	h := policed(t, p, nil)
	h.password(t, "alice", "/")
	h.busy(t, time.Hour)
	h.wantPageOf(t, "/", "password")
	h.form("/login", "username", "alice", "password", "correct horse")
	h.arrive(t)
	if h.page() != "portal" {
		t.Errorf("%q: %s", h.page(), h.words())
	}
}

// A session that is used is not an idle one, however short the limit: a use is noted in time for it.
func TestAShortIdleLimitCountsEachUse(t *testing.T) {
	for name, c := range map[string]struct {
		policy idp.SessionSection
		all    time.Duration
		ends   string
	}{
		"of a policy":    {policy: idp.SessionSection{Idle: 30 * time.Second}, ends: "password"},
		"of the gateway": {policy: idp.SessionSection{Absolute: 12 * time.Hour}, all: 30 * time.Second, ends: "login"},
	} {
		t.Run(name, func(t *testing.T) {
			h := bank(t, c.policy, &countingSource{name: "staff", users: map[string]string{"alice": "correct horse"}, limit: 9}, func(cfg *idp.Config) {
				cfg.Sessions.Idle = c.all
			})
			h.password(t, "alice", "/")
			for range 45 {
				h.clock.move(6 * time.Second)
				h.wantPageOf(t, "/", "portal")
			}
			h.clock.move(26 * time.Second)
			h.launched(t, "bank")
			h.clock.move(31 * time.Second)
			h.wantPageOf(t, "/apps/bank", c.ends)
		})
	}
}
