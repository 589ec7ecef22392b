package idp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// an account that is closed where it lives is signed in nowhere any more: not by a session that is there, not on a
// remembered device, and not by what its person holds. One that is locked is not signed in anew; a session goes on, or anybody
// who types wrong passwords could end somebody's work.
func TestR44AClosedAccountIsSignedInNowhere(t *testing.T) {
	for _, state := range []string{"disabled", "expired", "locked"} {
		t.Run(state, func(t *testing.T) {
			k := withKeys(t, func(c *idp.Config) {
				c.Policies = append(c.Policies, &idp.Policy{Name: "weekly", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour, Shared: true}})
				c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "remembered"}, Policy: "weekly"})
			})
			k.enroll()
			k.login("/apps/remembered")
			k.arrive(t)
			k.device0(t)
			code, err := k.gateway.IssueBypass(t.Context(), "alice", time.Hour, 1, "the test")
			must(t, err)
			launches := len(k.events(t, idp.EventLaunch))

			k.becomes(answer(&idp.AccountState{State: state}))
			k.clock.move(31 * time.Minute) // a session is looked up again by then
			if state == "locked" {
				k.out()
			}
			k.visit("/apps/remembered")
			k.arrive(t)
			k.wantPortal(t, false)
			k.login("/apps/remembered") // the passkey, on the remembered device
			k.arrive(t)
			k.living.countingSource.deaf = &idp.AccountState{State: state}
			k.password("/apps/remembered")
			k.form("/rescue", "code", code.Code)
			k.arrive(t)
			k.wantPortal(t, false)
			if n := len(k.events(t, idp.EventLaunch)); n != launches {
				t.Errorf("%d launches after the account was %s", n-launches, state)
			}
		})
	}
}

// a lock of one factor by wrong answers is looked at wherever that factor is asked for, on a remembered device and within a
// session too; and what the person passed before goes on, or strangers could end their day.
func TestR44ALockedFactorIsLockedOnARememberedDevice(t *testing.T) {
	h := newBesieged(t, unchanged)
	h.signIn(t, "alice")
	h.visit("/logout")
	h.form("/logout")
	h.password(t, "alice", "/apps/connect")
	h.authenticator(t)
	h.device(t, "yes")
	home := h.now
	for range 2 {
		h.answers(h.besiege(t, 10, ""), "/mfa/totp", guess)
		h.clock.move(16 * time.Minute)
	}
	h.now = home
	h.visit("/apps/salesforce")
	h.arrive(t)
	if a := h.form("/mfa/totp", "code", h.codeNow(t)); a.StatusCode != http.StatusTooManyRequests || !strings.Contains(h.now.body, "too many wrong codes today") {
		t.Errorf("the right code: %d: %s", a.StatusCode, h.words())
	}
	h.wantPageOf(t, "/apps/connect", "post") // by what was passed before
	h.clock.move(25 * time.Hour)
	h.password(t, "alice", "/apps/salesforce")
	h.authenticator(t)
	if h.page() != "post" {
		t.Errorf("the day after: %q: %s", h.page(), h.words())
	}
}
