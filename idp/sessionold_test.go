package idp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// TestOldSessionEnrollsNothing: where an application wants the password again, a session that is too old for it sets up
// no factor on the way there either.
func TestOldSessionEnrollsNothing(t *testing.T) {
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	h := venueWith(t, c, func(cfg *idp.Config) {
		cfg.Portal.Policy = "password"
		cfg.Policies = append(cfg.Policies, &idp.Policy{Name: "fresh", Session: &idp.SessionSection{Absolute: 10 * time.Minute}})
		cfg.Applications = append(cfg.Applications, idp.AppConfig{Application: &sender{name: "bank"}, Policy: "fresh"})
	})
	h.password(t, "alice", "/")
	h.visit("/apps/bank")
	h.arrive(t)
	if !strings.Contains(h.now.body, `data-page="enroll"`) {
		t.Fatalf("a first visit sets up a factor: %s", h.words())
	}
	way := h.mark(t)
	h.clock.move(11 * time.Minute)
	for _, path := range []string{"/enroll?f=", "/enroll/totp?f="} {
		h.visit(path + way)
		h.arrive(t)
		if !strings.Contains(h.now.body, `data-page="password"`) {
			t.Errorf("%s in an old session: %s", path, h.words())
		}
	}
	h.form("/login", "password", "correct horse")
	h.arrive(t)
	if !strings.Contains(h.now.body, `data-page="enroll"`) {
		t.Errorf("after the password: %s", h.words())
	}
}

// venueWith is a venue with a configuration of its own.
func venueWith(t testing.TB, c *clock, change func(*idp.Config)) *venue {
	t.Helper()
	s := storetest.NewMemory(c.Now)
	h := venueOf(t, s, c)
	cfg := baseConfig(t, s, c.Now)
	change(&cfg)
	g, err := idp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.gateway = g
	return h
}
