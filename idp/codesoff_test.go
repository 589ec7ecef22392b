package idp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// comeByCode signs alice in with a code of the service desk, towards an application that takes one.
func (h *venue) comeByCode(t *testing.T, app string) {
	t.Helper()
	h.password(t, "alice", "/apps/"+app)
	h.typeCode(t)
	if h.page() != "post" {
		t.Fatalf("the code leads to %q: %s", h.page(), h.words())
	}
}

// typeCode has the service desk give a code, and types it on the page of a second step.
func (h *venue) typeCode(t *testing.T) {
	t.Helper()
	b, err := h.gateway.IssueBypass(t.Context(), "alice", time.Hour, 1, "the test")
	must(t, err)
	h.visit("/rescue?f=" + url.QueryEscape(h.mark(t)))
	h.form("/rescue", "code", b.Code)
	h.arrive(t)
}

// C-36: where the portal takes no codes, one that an application took changes nothing in the settings either.
func TestC36ACodeOfAnotherPolicyIsNoFreshProof(t *testing.T) {
	h := newBesieged(t, func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{Name: "portal", MFA: &idp.MFASection{Mode: idp.MFAOff}, Rescue: &idp.RescueSection{Mode: idp.RescueOff}})
		c.Portal.Policy = "portal"
	})
	h.password(t, "alice", "/apps/connect")
	h.authenticator(t)
	h.use("stranger")
	h.comeByCode(t, "connect")
	ids := h.own(t, "factors")
	h.form("/settings", "kind", "factor", "remove", ids[0])
	h.arrive(t)
	if h.page() != "mfa" {
		t.Errorf("a code that the portal does not take leads to %q: %s", h.page(), h.words())
	}
	h.visit("/enroll/totp")
	h.arrive(t)
	if h.page() != "mfa" {
		t.Errorf("another authenticator app: %q: %s", h.page(), h.words())
	}
}

// An application that takes no codes is not opened by a factor that was set up behind one.
func TestACodeOpensNoFirstEnrollmentWhereNoneIsTaken(t *testing.T) {
	k := withKeys(t, func(c *idp.Config) {
		c.Portal.Policy = "password-only"
		c.Policies = append(c.Policies,
			&idp.Policy{Name: "password-only", MFA: &idp.MFASection{Mode: idp.MFAOff}},
			&idp.Policy{
				Name: "keys-only", MFA: &idp.MFASection{Mode: idp.MFAAlways}, Factors: &idp.FactorsSection{Names: []string{"passkey"}},
				Rescue: &idp.RescueSection{Mode: idp.RescueOff},
			})
		c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "keyed"}, Policy: "keys-only"})
	})
	k.password("/apps/coded-only")
	k.authenticator(t)
	k.out()
	k.password("/apps/coded-only")
	k.typeCode(t)
	k.visit("/apps/keyed")
	k.arrive(t)
	if p := k.page(); p == "enroll" {
		t.Errorf("a code that is not taken there leads to %q: %s", p, k.words())
	}
}

// strictPortal takes no codes, beside applications that do and that ask for a backup.
func strictPortal(c *idp.Config) {
	always := &idp.MFASection{Mode: idp.MFAAlways}
	c.Policies = append(c.Policies,
		&idp.Policy{Name: "strict", MFA: always, Rescue: &idp.RescueSection{Mode: idp.RescueOff}},
		&idp.Policy{Name: "by-code", MFA: always, EnrollFirst: &idp.EnrollFirstSection{Mode: idp.EnrollWithCode}},
		&idp.Policy{Name: "backed", MFA: always, Backup: &idp.BackupSection{Mode: idp.BackupRequire}})
	c.Portal.Policy = "strict"
	c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "by-code"}, Policy: "by-code"},
		idp.AppConfig{Application: &sender{name: "backed"}, Policy: "backed"})
}

// What is set up opens the portal as well: where that takes no codes of the service desk, one is not the gate of a first factor.
func TestACodeOpensNoFirstEnrollmentAroundThePortal(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*idp.Config)
		status int
	}{
		{"strict", func(*idp.Config) {}, http.StatusUnauthorized},
		{"lax", func(c *idp.Config) { c.Portal.Policy = "by-code" }, http.StatusSeeOther},
	} {
		h := newBesieged(t, func(cfg *idp.Config) { strictPortal(cfg); c.change(cfg) })
		h.password(t, "alice", "/apps/by-code")
		if h.page() != "enroll-code" {
			t.Fatalf("%s: %q: %s", c.name, h.page(), h.words())
		}
		b, err := h.gateway.IssueBypass(t.Context(), "alice", time.Hour, 1, "the test")
		must(t, err)
		if a := h.form("/enroll", "code", b.Code); a.StatusCode != c.status {
			t.Errorf("%s: %d: %s", c.name, a.StatusCode, h.words())
		}
		if c.status == http.StatusUnauthorized && !strings.Contains(h.words(), "ask the service desk for an invitation") {
			t.Errorf("%s: %s", c.name, h.words())
		}
	}
}

// Nor does a code that an application took add a factor, or recovery codes, to those that there are: no backup is asked for.
func TestACodeAddsNoBackupAroundThePortal(t *testing.T) {
	for portal, want := range map[string]string{"strict": "post", "by-code": "backup"} {
		h := newBesieged(t, func(c *idp.Config) { strictPortal(c); c.Portal.Policy = portal })
		h.password(t, "alice", "/apps/connect")
		h.authenticator(t)
		h.use("stranger")
		h.password(t, "alice", "/apps/backed")
		f := h.mark(t)
		h.typeCode(t)
		if h.page() != want {
			t.Errorf("portal %s: the code leads to %q: %s", portal, h.page(), h.words())
		}
		if portal == "strict" {
			h.form("/backup", "f", f, "add", "recovery")
			if h.page() == "recovery-codes" {
				t.Errorf("recovery codes: %s", h.words())
			}
		}
	}
}

// A backup that becomes due is asked of whoever comes on a remembered device too, where the device holds the proof.
func TestABackupIsDueOnARememberedDevice(t *testing.T) {
	h := newVenue(t)
	serve := func(mode idp.BackupMode) {
		cfg := baseConfig(t, h.store, h.clock.Now)
		cfg.Sources = []idp.Source{&countingSource{name: "staff", users: map[string]string{"alice": "correct horse"}, limit: -1}}
		cfg.Policies = append(cfg.Policies, &idp.Policy{
			Name: "backed", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour}, Backup: &idp.BackupSection{Mode: mode},
		})
		cfg.Applications = append(cfg.Applications, idp.AppConfig{Application: &sender{name: "backed"}, Policy: "backed"})
		var err error
		h.gateway, err = idp.New(cfg)
		must(t, err)
	}
	serve(idp.BackupOff)
	h.password(t, "alice", "/apps/backed")
	h.authenticator(t)
	h.device(t, "yes")
	if h.page() != "post" {
		t.Fatalf("the first day: %q: %s", h.page(), h.words())
	}
	serve(idp.BackupRequire)
	h.clock.move(24 * time.Hour)
	h.password(t, "alice", "/apps/backed")
	if h.page() != "backup" {
		t.Errorf("the next day: %q: %s", h.page(), h.words())
	}
}
