package idp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const oldForm = "an old form of a choice" // which may lead to the portal as well

// openings are the ways to an application that people and other sites know.
var openings = map[string]func(t *testing.T, h *venue, app string){
	"its address": func(_ *testing.T, h *venue, app string) { h.visit("/apps/" + app) },
	"its address, from another site": func(_ *testing.T, h *venue, app string) {
		h.visit("/apps/"+app, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
	},
	"a page of it": func(_ *testing.T, h *venue, app string) { h.visit("/apps/" + app + "?destination=/ccp-v2") },
	"its tile": func(t *testing.T, h *venue, app string) {
		h.visit("/help") // which has the form of the session, whatever the portal asks for
		h.form("/apps/"+app, "f", h.mark(t))
	},
	oldForm: func(t *testing.T, h *venue, app string) {
		h.visit("/apps/" + app)
		h.arrive(t)
		if m := flowID.FindStringSubmatch(h.now.body); m != nil {
			h.form("/apps/"+app, "f", m[1], "choice", "agent")
		}
	},
}

// C-27: what an application asks for holds for each way to it and each state that somebody may come in.
func TestC27EachApplicationFromEachState(t *testing.T) {
	const password, session, device, old, code = "the password alone", "the app, in this session", "a remembered device", "one that was remembered long ago", "a recovery code"
	for state, opens := range map[string]map[string]bool{
		password: {},
		session:  {"connect": true},
		device:   {"connect": true},
		old:      {},
		code:     {"connect": true},
	} {
		t.Run(state, func(t *testing.T) {
			h := newVenue(t)
			h.signIn(t, "alice")
			secret := h.now.secret
			codes, err := h.gateway.MakeRecoveryCodes(t.Context(), "staff:alice")
			must(t, err)
			h.use("here")
			h.now.secret = secret
			h.password(t, "alice", "/apps/connect")
			switch state {
			case session:
				h.authenticator(t)
				h.device(t, "no")
			case device, old:
				h.authenticator(t)
				h.device(t, "yes")
				h.visit("/")
				h.form("/logout")
				h.clock.move(map[string]time.Duration{device: 6 * 24 * time.Hour, old: 8 * 24 * time.Hour}[state])
				h.password(t, "alice", "/apps/handy")
			case code:
				h.visit("/rescue?f=" + h.mark(t))
				h.form("/rescue", "code", codes[0])
				h.arrive(t)
			}
			for way, open := range openings {
				for _, app := range []string{"connect", "salesforce", "inhouse", "vault", "handy"} {
					open(t, h, app)
					h.arrive(t)
					want := opens[app] || app == "handy"
					if got := strings.Contains(h.now.body, "SAMLResponse"); got != want && (got || way != oldForm) {
						t.Errorf("%s by %s: signed in: %v, want %v: %q %s", app, way, got, want, h.page(), h.words())
					}
					if app == "vault" && way != oldForm && h.now.answer.StatusCode != http.StatusForbidden {
						t.Errorf("%s: who is in no group of it gets %d", way, h.now.answer.StatusCode)
					}
				}
			}
		})
	}
}

// C-28: how fresh a proof has to be is each application's own: one asks again a second later, another a week later.
func TestC28FreshnessIsEachApplicationsOwn(t *testing.T) {
	h := newVenue(t)
	h.password(t, "alice", "/apps/connect")
	h.authenticator(t)
	h.device(t, "yes")
	h.wantPageOf(t, "/apps/connect", "post")
	h.wantPageOf(t, "/apps/salesforce", "mfa")
	h.authenticator(t)
	if h.page() != "post" {
		t.Fatalf("%q: %s", h.page(), h.words())
	}
	h.clock.move(time.Second)
	h.wantPageOf(t, "/apps/salesforce", "mfa")
	// The password once more is no second step, however fresh.
	h.visit("/")
	h.form("/logout")
	h.password(t, "alice", "/apps/salesforce")
	if h.page() != "mfa" {
		t.Errorf("the password once more leads to %q", h.page())
	}
	h.clock.move(7*24*time.Hour - time.Minute)
	h.password(t, "alice", "/apps/connect")
	if h.page() != "post" {
		t.Errorf("within the week: %q: %s", h.page(), h.words())
	}
	h.visit("/")
	h.form("/logout")
	h.clock.move(2 * time.Minute)
	h.password(t, "alice", "/apps/connect")
	if h.page() != "mfa" {
		t.Errorf("after the week: %q: %s", h.page(), h.words())
	}
}

// C-28: a code of an app does not do where a passkey is asked for.
func TestC28ACodeIsNoPasskey(t *testing.T) {
	k := withKeys(t, func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{
			Name: "keys", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour, Shared: true},
			Factors: &idp.FactorsSection{Names: []string{"passkey"}}, Rescue: &idp.RescueSection{Mode: idp.RescueOff},
		})
		c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "bank"}, Policy: "keys"})
	})
	k.enroll()
	k.login("/")
	k.arrive(t)
	k.visit("/enroll/totp")
	k.arrive(t)
	k.authenticator(t)
	codes, err := k.gateway.MakeRecoveryCodes(t.Context(), "corp:alice")
	must(t, err)
	secret := k.now.secret
	k.use("elsewhere")
	k.now.secret = secret
	k.password("/apps/coded-only")
	k.authenticator(t)
	if k.page() != "post" {
		t.Fatalf("%q: %s", k.page(), k.words())
	}
	k.visit("/apps/bank")
	k.arrive(t)
	if k.page() != "mfa" || !strings.Contains(k.now.body, `data-factor="passkey"`) || strings.Contains(k.now.body, "/mfa/totp") {
		t.Fatalf("%q: %s", k.page(), k.words())
	}
	f := k.mark(t)
	k.clock.move(31 * time.Second)
	k.form("/mfa/totp", "f", f, "code", k.codeNow(t))
	k.arrive(t)
	k.form("/rescue", "code", codes[0])
	k.arrive(t)
	if k.page() != "mfa" || strings.Contains(k.now.body, "SAMLResponse") {
		t.Errorf("%q: %s", k.page(), k.words())
	}
	k.form("/mfa/passkey", k.answer(k.device.Get)...)
	k.arrive(t)
	k.venue.device(t, "no")
	if k.page() != "post" {
		t.Errorf("%q: %s", k.page(), k.words())
	}
}
