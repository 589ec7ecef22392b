package caddymodule

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func TestShowByCommand(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	got := s.mustCommand(file, "user", "show", "demo")
	for _, want := range []string{"demo@example.com (people:demo)", "factors: none", "recovery codes: 0", "sessions: none", "wrong answers: none"} {
		if !strings.Contains(got, want) {
			t.Errorf("nothing kept: no %q in\n%s", want, got)
		}
	}
	s.furnish(s.openedStore())
	for range 5 {
		if _, err := s.openedStore().Fail(t.Context(), "code:totp:people:demo", time.Now(), 15*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	got = s.mustCommand(file, "user", "show", "DEMO@example.com")
	for _, want := range []string{"  totp: ", "  passkey: ", "remembered devices:\n  Firefox, since ", "totp: 5 of 5 within 15m0s, locked"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "the-seed") {
		t.Errorf("a secret is shown:\n%s", got)
	}
	text := s.mustCommand(file, "user", "show", "people:demo", "--json")
	var p person
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.User != "people:demo" || len(p.Factors) != 2 || len(p.Devices) != 1 || len(p.Sessions) != 1 || len(p.Tries) != 1 || !p.Tries[0].Locked {
		t.Errorf("%v: %s", err, text)
	}
	if strings.Contains(text, "the-seed") {
		t.Errorf("a secret is shown:\n%s", text)
	}
	_, err := s.command(file, "user", "show", "nobody")
	wantRefusal(t, err, "nobody")
	if by := s.lastBy(file, idp.EventHelpDesk); by != operator() {
		t.Errorf("a look is by %q, want %q", by, operator())
	}
}

// Each look at a person is a line, whoever looks and wherever it is done, as at the help desk's page.
func TestLooksByCommandAreAudited(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	token := strings.Fields(s.mustCommand(file, "token", "make", "desk"))[0]
	t.Setenv(tokenVariable, token)
	s.mustCommand(file, "user", "show", "DEMO@example.com")
	if _, err := s.command(file, "user", "show", "somebody"); err == nil {
		t.Error("somebody is shown")
	}
	t.Setenv(tokenVariable, "")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	s.mustCommand(file, "user", "show", "demo")
	var got []string
	for line := range strings.Lines(s.mustCommand(file, "audit", "--json")) {
		var e idp.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Kind == idp.EventHelpDesk {
			got = append(got, strings.Join([]string{e.Reason, e.Result, e.User, e.Name, e.By}, "|"))
		}
	}
	want := []string{
		"looked_up|success|people:demo|demo|token desk, " + operator(),
		"not_found|denied||somebody|token desk, " + operator(),
		"looked_up|success|people:demo|demo|" + operator(),
	}
	if !slices.Equal(got, want) {
		t.Errorf("the looks are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestUnlockByCommand(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	fail := func(key string) {
		t.Helper()
		if _, err := s.openedStore().Fail(t.Context(), key, time.Now(), 15*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	fail("code:totp:people:demo")
	fail("password:people:demo")
	if got := s.mustCommand(file, "user", "unlock", "demo", "totp"); !strings.Contains(got, "lifted: totp: 1 of 5 within 15m0s") || strings.Contains(got, "password") {
		t.Errorf("totp: %s", got)
	}
	var all struct {
		User         string
		Lifted, Left []shownTries
	}
	text := s.mustCommand(file, "user", "unlock", "demo", "--json")
	if err := json.Unmarshal([]byte(text), &all); err != nil || all.User != "people:demo" || len(all.Lifted) != 1 || all.Lifted[0].Of != "password" || len(all.Left) != 0 {
		t.Errorf("all: %v: %s", err, text)
	}
	if got := s.mustCommand(file, "user", "unlock", "demo"); !strings.Contains(got, "nothing is locked here") {
		t.Errorf("again: %s", got)
	}
	if got := s.mustCommand(file, "audit", "--user", "people:demo"); strings.Count(got, `reason="lifted"`) != 2 || !strings.Contains(got, `by="command as `) {
		t.Errorf("audit:\n%s", got)
	}
	_, err := s.command(file, "user", "unlock", "demo", "sms")
	wantFailure(t, err, `no factor is named "sms"; there are: totp, password, rescue, invitation`)
}
