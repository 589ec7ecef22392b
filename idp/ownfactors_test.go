package idp_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/passkey/passkeytest"
)

// factorIDs are what the settings name the person's factors by.
func (k *keyHolder) factorIDs() (ids []string) {
	k.t.Helper()
	k.visit("/settings")
	k.arrive(k.t)
	for _, m := range regexp.MustCompile(`name="remove" value="((?:passkey|totp)/[^"]+)"`).FindAllStringSubmatch(k.now.body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func (k *keyHolder) mustSee(text string) {
	k.t.Helper()
	if !strings.Contains(k.now.body, text) {
		k.t.Errorf("the page does not say %q: %s", text, k.words())
	}
}

func TestOwnFactors(t *testing.T) {
	k := withKeys(t, unchanged)
	k.enroll()
	k.login("/")
	k.arrive(t)
	ids := k.factorIDs()
	if len(ids) != 1 {
		t.Fatalf("%v: %s", ids, k.words())
	}
	k.mustSee("last used today on Browser, 192.0.2.77")

	k.form("/settings", "kind", "factor", "rename", ids[0], "label", "  My  phone\x00 ")
	k.arrive(t)
	k.mustSee("My phone")
	if e := k.last(); e.Kind != idp.EventEnroll || e.Reason != "renamed" || e.User != "corp:alice" {
		t.Errorf("%+v", e)
	}
	k.form("/settings", "kind", "factor", "rename", ids[0], "label", strings.Repeat("x", 41))
	k.mustSee("too long")

	k.form("/settings", "kind", "factor", "remove", ids[0])
	k.mustSee("your only second step") // C-38
	if len(k.factorIDs()) != 1 {
		t.Error("the last factor was removed")
	}

	other := &passkeytest.Device{Origin: site}
	k.visit("/enroll/passkey")
	k.arrive(t)
	k.form("/enroll/passkey", k.answer(other.Create)...)
	k.arrive(t)
	k.mustSee("Your new second step is set up.")
	if n := len(k.factorIDs()); n != 2 {
		t.Fatalf("%d factors", n)
	}
	k.form("/settings", "kind", "factor", "remove", ids[0])
	k.arrive(t)
	k.mustSee("is removed")
	if e := k.last(); e.Reason != "removed" || e.Factor != "passkey" || e.Detail != "My phone" {
		t.Errorf("%+v", e)
	}
	k.out()
	k.refused(k.login("/"), http.StatusUnauthorized, "bad_credentials")
	k.device = other
	k.login("/")
	k.arrive(t)
	k.wantPortal(t, true)
}

// C-36: a session that was left open, or stolen, changes nobody's factors.
func TestC36ChangingFactorsTakesAFreshProof(t *testing.T) {
	k := withKeys(t, unchanged)
	k.enroll()
	k.login("/")
	k.arrive(t)
	ids := k.factorIDs()
	k.clock.move(16 * time.Minute)
	for _, fields := range [][]string{{"remove", ids[0]}, {"rename", ids[0], "label", "mine now"}} {
		k.visit("/settings")
		k.form("/settings", append([]string{"kind", "factor"}, fields...)...)
		k.arrive(t)
		if !strings.Contains(k.now.body, `data-page="mfa"`) {
			t.Errorf("%v: %s", fields, k.words())
		}
	}
	k.visit("/enroll/passkey")
	k.arrive(t)
	k.mustSee(`data-page="mfa"`)
	k.form("/enroll/passkey", "credential", "{}")
	k.arrive(t)
	k.mustSee(`data-page="mfa"`)
	k.form("/mfa/passkey", k.answer(k.device.Get)...)
	k.arrive(t)
	k.mustSee(`data-page="enroll"`)
	other := &passkeytest.Device{Origin: site}
	k.form("/enroll/passkey", k.answer(other.Create)...)
	k.arrive(t)
	k.mustSee("is set up")
	if got := k.factorIDs(); len(got) != 2 || strings.Contains(k.now.body, "mine now") {
		t.Errorf("%v: %s", got, k.words())
	}
}

// C-36: where nothing asks for a second step, the first one is set up by a password that was typed a moment ago.
func TestC36AFirstFactorByAFreshPassword(t *testing.T) {
	k := withKeys(t, func(c *idp.Config) { c.Portal.Policy = "" })
	k.password("/")
	k.mustSee("Skip the password next time")
	k.clock.move(20 * time.Minute)
	k.visit("/")
	if strings.Contains(k.now.body, "Skip the password") {
		t.Error("still offered, long after the password")
	}
	k.visit("/enroll/passkey")
	k.arrive(t)
	k.mustSee(`data-page="password"`)
	k.form("/login", "username", "alice", "password", "right")
	k.arrive(t)
	k.mustSee(`data-page="enroll"`)
	k.form("/enroll/passkey", k.answer(k.device.Create)...)
	k.arrive(t)
	k.mustSee("is set up")
	k.out()
	k.login("/")
	k.arrive(t)
	k.wantPortal(t, true)
	if strings.Contains(k.now.body, "Skip the password") {
		t.Error("offered to somebody who has one")
	}
}

// C-36: a closed gate stays closed, whichever way somebody comes.
func TestC36AClosedGateStaysClosed(t *testing.T) {
	k := withKeys(t, func(c *idp.Config) {
		c.Policies[0].EnrollFirst = &idp.EnrollFirstSection{Mode: idp.EnrollWithCode}
		c.Portal.Policy = ""
	})
	k.password("/")
	k.visit("/enroll/passkey")
	k.arrive(t)
	if k.now.answer.StatusCode != http.StatusForbidden || strings.Contains(k.now.body, "data-options") {
		t.Errorf("%d: %s", k.now.answer.StatusCode, k.words())
	}
}

// C-38: the last second step stays while anything asks for one; it goes where nothing does.
func TestC38TheLastSecondStepStays(t *testing.T) {
	for _, asked := range []bool{true, false} {
		h := newBesieged(t, func(c *idp.Config) {
			if !asked {
				c.Policies = []*idp.Policy{{Name: "default", MFA: &idp.MFASection{Mode: idp.MFAOff}}}
				c.Applications, c.Portal.Policy = nil, ""
			}
		})
		h.password(t, "alice", "/")
		if !asked {
			h.visit("/enroll/totp")
			h.arrive(t)
		}
		h.authenticator(t)
		h.device(t, "no")
		ids := h.own(t, "factors")
		h.form("/settings", "kind", "factor", "remove", ids[0])
		if refused := strings.Contains(h.now.body, "your only second step"); refused != asked {
			t.Errorf("asked: %v, refused: %v: %s", asked, refused, h.words())
		}
		h.arrive(t)
		if left := len(h.own(t, "factors")); left != map[bool]int{true: 1, false: 0}[asked] {
			t.Errorf("asked: %v, %d left", asked, left)
		}
	}
}
