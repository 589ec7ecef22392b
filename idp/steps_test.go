package idp_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/passkey/passkeytest"
)

// C-34, R-43: an answer counts for the step that asks for it, and for none that comes before or after.
func TestC34R43NoStepIsSkipped(t *testing.T) {
	h := newVenue(t)
	h.password(t, "alice", "/apps/salesforce") // who has no second step yet
	if h.page() != "enroll" {
		t.Fatalf("%q: %s", h.page(), h.words())
	}
	f := h.mark(t)
	for _, path := range []string{"/mfa/totp", "/mfa", "/password", "/apps/salesforce", "/login/totp", "/settings"} {
		h.form(path, "f", f, "code", h.codeNow(t), "device", "yes", "choice", "agent", "kind", "factor")
		h.arrive(t)
		if h.page() != "enroll" {
			t.Fatalf("POST %s leads to %q: %s", path, h.page(), h.words())
		}
		f = h.mark(t)
	}
	if n := len(h.events(t, idp.EventMFA)); n != 0 {
		t.Errorf("%d lines of a second step that nobody has", n)
	}
	// The page for setting one up has to have been shown on this way: an answer to that of another way is none.
	secret := h.now.secret
	other := h.now
	h.use("again")
	h.password(t, "alice", "/apps/salesforce")
	h.now.secret = secret
	h.form("/enroll/totp", "code", h.codeNow(t))
	if h.now.answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("an answer to another page: %d: %s", h.now.answer.StatusCode, h.words())
	}
	h.now = other
	h.form("/enroll/totp", "code", h.codeNow(t))
	h.arrive(t)
	h.device(t, "no")
	if h.page() != "settings" { // of the forms above, the last one that led somewhere
		t.Fatalf("%q: %s", h.page(), h.words())
	}
}

// C-34: what was sent once and is sent again, as by the button that goes back, changes nothing and opens nothing.
func TestC34GoingBackOpensNothing(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	h.clock.move(31 * time.Second)
	h.visit("/apps/salesforce")
	h.arrive(t)
	code := h.codeNow(t)
	asked := h.mark(t)
	h.form("/mfa/totp", "code", code)
	h.arrive(t)
	if h.page() != "post" {
		t.Fatalf("%q: %s", h.page(), h.words())
	}
	h.form("/mfa/totp", "f", asked, "code", code)
	h.arrive(t)
	if h.page() != "mfa" {
		t.Errorf("the form once more leads to %q: %s", h.page(), h.words())
	}
	h.visit("/mfa/totp?f=" + url.QueryEscape(asked))
	h.arrive(t)
	if h.page() == "post" || h.page() == "settings" {
		t.Errorf("the page once more leads to %q: %s", h.page(), h.words())
	}
	if n := len(h.events(t, idp.EventLaunch)); n != 1 {
		t.Errorf("%d launches", n)
	}
}

// C-34: two people in two tabs of one browser. What one of them has shown is never the other's.
func TestC34TwoPeopleInTwoTabs(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "bob")
	bobs := h.now.secret
	h.visit("/")
	h.form("/logout")
	h.signIn(t, "alice")
	alices := h.now.secret
	h.visit("/apps/salesforce")
	h.arrive(t)
	tab := h.now.body // alice is asked for her code
	h.visit("/")
	h.form("/logout")
	h.password(t, "bob", "/apps/handy") // by the password alone

	h.now.body, h.now.secret = tab, alices
	h.clock.move(31 * time.Second)
	h.form("/mfa/totp", "code", h.codeNow(t))
	h.arrive(t)
	if p := h.page(); p == "post" || p == "portal" {
		t.Errorf("alice's code lets bob's session into %q: %s", p, h.words())
	}
	h.now.body, h.now.secret = tab, bobs
	h.form("/mfa/totp", "code", h.codeNow(t))
	h.arrive(t)
	if p := h.page(); p == "post" || p == "portal" {
		t.Errorf("a code of bob's in alice's tab leads to %q: %s", p, h.words())
	}
	for _, s := range []string{"staff:alice", "staff:bob"} {
		live, err := h.store.UserSessions(t.Context(), s)
		must(t, err)
		for _, one := range live {
			for _, p := range one.Proofs {
				if p.Factor == "totp" {
					t.Errorf("a session of %s holds %+v", s, p)
				}
			}
		}
	}
}

// a step that waits is bound to its sign-in, person, factor and purpose: the answer to the question of one factor is none to
// that of another, that which sets up is none that shows, and none is in another's sign-in.
func TestR43AStepIsBoundToAllThatItIsFor(t *testing.T) {
	k := withKeys(t, unchanged)
	k.living.users["bob"] = "right"
	k.enroll()
	k.password("/apps/each")
	asked := k.answer(k.device.Get)
	// Of the other factor: the sign-in waits for the passkey, and a page of the authenticator app was never shown.
	k.form("/mfa/totp", asked...)
	k.arrive(t)
	if k.page() != "mfa" {
		t.Errorf("another factor's address leads to %q", k.page())
	}
	// For setting up: the question is one that shows.
	k.form("/enroll/passkey", asked...)
	k.arrive(t)
	if k.page() != "mfa" {
		t.Errorf("the address that sets up leads to %q", k.page())
	}
	// In bob's sign-in.
	k.use("bob's")
	k.visit("/apps/each")
	k.arrive(t)
	k.form("/login", "username", "bob", "password", "right")
	k.arrive(t)
	bob := &passkeytest.Device{Origin: site}
	k.visit(k.link("/enroll/passkey"))
	k.form("/enroll/passkey", k.answer(bob.Create)...)
	k.arrive(t)
	k.venue.device(t, "no")
	if k.page() != "post" {
		t.Fatalf("%q: %s", k.page(), k.words())
	}
	k.visit("/apps/each")
	k.arrive(t)
	k.form("/mfa/passkey", asked...)
	k.arrive(t)
	if k.page() != "mfa" || k.last().Result == idp.Success && k.last().Kind == idp.EventMFA {
		t.Errorf("alice's answer lets bob into %q", k.page())
	}
}

// C-37: the seed is on the page that sets the app up, this once, and nowhere else: no address, no header, no log, no audit line, and no
// page that is opened later.
func TestC37TheSeedIsShownOnce(t *testing.T) {
	var log safeBuilder
	h := newBesieged(t, func(c *idp.Config) { c.Log = debugLog(&log) })
	h.password(t, "alice", "/")
	if h.now.answer.Header.Get("Referrer-Policy") != "no-referrer" || h.now.answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", h.now.answer.Header)
	}
	seed := h.now.secret
	if strings.Count(strings.ReplaceAll(h.now.body, " ", ""), seed) < 2 || !strings.Contains(h.now.body, `src="data:image/png;base64,`) {
		t.Fatalf("the page shows no seed: %s", h.words())
	}
	hidden := func(where, text string) {
		t.Helper()
		if strings.Contains(strings.ReplaceAll(text, " ", ""), seed) {
			t.Errorf("%s holds the seed", where)
		}
	}
	form := h.now.body
	h.form("/enroll/totp", "code", "000000")
	hidden("a header", headerText(h.now.answer.Header))
	if list, err := h.store.UserEnrollments(t.Context(), "staff:alice", ""); err != nil || len(list) > 0 {
		t.Errorf("stored before a code has proved it: %v, %v", list, err)
	}
	h.now.body = strings.Replace(form, flowID.FindStringSubmatch(form)[1], h.mark(t), 1)
	h.form("/enroll/totp", "code", h.codeNow(t))
	for range 5 {
		hidden("a header", headerText(h.now.answer.Header))
		hidden("the answer", h.now.body)
		if to := h.now.answer.Header.Get("Location"); to != "" {
			h.visit(to)
		}
	}
	for _, page := range []string{"/settings", "/", "/enroll/totp", "/apps/salesforce"} {
		h.visit(page)
		h.arrive(t)
		hidden(page, h.now.body)
	}
	must(t, h.store.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool {
		line, err := json.Marshal(e)
		must(t, err)
		hidden("the audit log", string(line))
		return true
	}))
	hidden("the log", log.String())
}

func headerText(h http.Header) string {
	var b strings.Builder
	if err := h.Write(&b); err != nil {
		panic(err)
	}
	return b.String()
}
