package idp_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// hotDesk is a call centre: "mfa every 7d", and a floor on which one browser serves many people.
func hotDesk(t *testing.T, sources ...idp.Source) *venue {
	t.Helper()
	p := &idp.Policy{MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour, Shared: true}, SharedComputers: &idp.SharedSection{Networks: []idp.Network{floorNet}}}
	return policed(t, p, func(c *idp.Config) {
		if sources != nil {
			c.Sources = sources
		}
		c.Applications = append(c.Applications, idp.AppConfig{Application: link{"handbook", "https://handbook.example.com/"}})
	})
}

// launched opens an application from where the browser is.
func (h *venue) launched(t *testing.T, app string) {
	t.Helper()
	h.visit("/apps/" + app)
	if page := h.page(); page != "post" && page != "handoff" {
		t.Fatalf("%s shows %q: %d %s", app, page, h.now.answer.StatusCode, h.words())
	}
}

func TestAHotDeskAsksNoQuestion(t *testing.T) {
	h := hotDesk(t)
	h.client = floor
	h.password(t, "alice", "/")
	h.authenticator(t)
	if h.page() != "portal" {
		t.Fatalf("after the factor there is the page %q", h.page())
	}
	if n := len(h.events(t, idp.EventDevice)); n != 0 {
		t.Errorf("%d lines of a device", n)
	}
	// Nor where somebody sends the answer to a question that nobody asked.
	h.visit("/logout")
	h.form("/logout")
	h.password(t, "alice", "/apps/connect")
	h.form("/mfa", "device", "yes")
	h.arrive(t)
	if h.page() == "portal" || h.page() == "post" || len(h.events(t, idp.EventDevice)) != 0 {
		t.Errorf("an answer without a question led to %q", h.page())
	}
}

func TestAHotDeskTakesNoProofOfTheDevice(t *testing.T) {
	h := hotDesk(t)
	h.client = home
	h.password(t, "alice", "/")
	h.authenticator(t)
	h.form("/mfa", "device", "yes")
	h.arrive(t)
	again := func(where string) {
		h.clock.move(13 * time.Hour)
		h.password(t, "alice", "/")
		if page := map[string]string{"home": "portal", "floor": "mfa"}[where]; h.page() != page {
			t.Errorf("at the %s the device leads to %q, want %q", where, h.page(), page)
		}
	}
	again("home")
	h.client = floor
	again("floor")
}

func TestAHotDeskEndsTheSession(t *testing.T) {
	for _, app := range []string{"connect", "handbook"} {
		h := hotDesk(t)
		h.client = floor
		h.password(t, "alice", "/")
		h.authenticator(t)
		h.clock.move(50 * time.Minute)
		h.wantPageOf(t, "/", "portal") // nothing was opened yet
		h.launched(t, app)
		h.clock.move(4*time.Minute + 59*time.Second)
		h.wantPageOf(t, "/", "portal")
		h.launched(t, app)
		h.clock.move(4*time.Minute + 59*time.Second)
		h.wantPageOf(t, "/", "portal")
		h.clock.move(2 * time.Second)
		h.wantPageOf(t, "/", "login")
	}
}

// Somebody who opens something again and again is not idle, whether or not their source is asked for them at each launch.
func TestAHotDeskGoesOnWhileThingsAreOpened(t *testing.T) {
	asked := &living{countingSource: &countingSource{name: "staff", users: map[string]string{"alice": "correct horse"}, limit: 9}}
	asked.becomes(asBefore)
	for name, source := range map[string]idp.Source{"asked again": asked, "not asked again": asked.countingSource} {
		t.Run(name, func(t *testing.T) { goesOn(t, hotDesk(t, source)) })
	}
}

func goesOn(t *testing.T, h *venue) {
	t.Helper()
	h.client = floor
	h.password(t, "alice", "/")
	h.authenticator(t)
	begun := h.clock.Now()
	for h.clock.Now().Sub(begun) < 12*time.Hour-4*time.Minute {
		h.launched(t, "connect")
		h.clock.move(4 * time.Minute)
	}
	h.launched(t, "connect")
	if left := 12*time.Hour - h.clock.Now().Sub(begun); left <= 0 || left > 4*time.Minute {
		t.Fatalf("%s are left", left)
	}
	h.clock.move(4 * time.Minute) // less than five after the launch, and more than twelve hours after the password
	h.wantPageOf(t, "/", "login")
}

func TestElsewhereALaunchEndsNothing(t *testing.T) {
	h := hotDesk(t)
	h.client = home
	h.signIn(t, "alice")
	h.launched(t, "connect")
	h.clock.move(50 * time.Minute)
	h.wantPageOf(t, "/", "portal")
	// Two agents, one browser: whoever comes next on the floor finds nobody's portal.
	h.client = floor
	h.launched(t, "connect")
	h.clock.move(5*time.Minute + time.Second)
	h.password(t, "bob", "/apps/connect")
	h.authenticator(t)
	if launch := h.last(t, idp.EventLaunch); h.now.answer.StatusCode != http.StatusOK || launch.Name != "bob" {
		t.Errorf("%d: %+v", h.now.answer.StatusCode, launch)
	}
}
