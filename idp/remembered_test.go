package idp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func remembering(t *testing.T, mode idp.RememberMode) *venue {
	t.Helper()
	return policed(t, &idp.Policy{
		MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour, Shared: true}, Remembered: &idp.RememberedSection{Mode: mode},
	}, nil)
}

func TestADeviceIsRememberedUnasked(t *testing.T) {
	h := remembering(t, idp.RememberAuto)
	h.password(t, "alice", "/apps/connect")
	if h.devices(t, "staff:alice") != 0 {
		t.Fatal("a password alone made the device the person's own")
	}
	h.authenticator(t)
	if h.page() != "post" {
		t.Fatalf("after the factor there is the page %q: %s", h.page(), h.words())
	}
	e := h.last(t, idp.EventDevice)
	if e.Reason != "auto" || e.Rule != "mfa every 7d shared" || e.App != "connect" || e.Name != "alice" || h.devices(t, "staff:alice") != 1 {
		t.Errorf("%d devices, %+v", h.devices(t, "staff:alice"), e)
	}
	h.clock.move(6 * 24 * time.Hour)
	h.password(t, "alice", "/apps/salesforce")
	if h.page() != "post" {
		t.Errorf("six days later the device leads to %q", h.page())
	}
	h.clock.move(24 * time.Hour)
	h.password(t, "alice", "/apps/salesforce")
	if h.page() != "mfa" {
		t.Errorf("seven days later the device leads to %q", h.page())
	}
	h.authenticator(t)
	if n := len(h.events(t, idp.EventDevice)); h.page() != "post" || n != 1 {
		t.Errorf("%q, %d lines of a device", h.page(), n)
	}
	// It is this person's and this browser's alone.
	h.clock.move(13 * time.Hour)
	h.password(t, "bob", "/apps/connect")
	if h.page() != "enroll" {
		t.Errorf("bob is led to %q", h.page())
	}
}

func TestADeviceIsNotRemembered(t *testing.T) {
	h := remembering(t, idp.RememberOff)
	h.password(t, "alice", "/")
	h.authenticator(t)
	if h.page() != "portal" || h.devices(t, "staff:alice") != 0 {
		t.Fatalf("after the factor there is the page %q: %s", h.page(), h.words())
	}
	h.launched(t, "connect") // the session counts
	if h.wantPageOf(t, "/", "portal"); strings.Contains(h.now.body, "every 7 days") || !strings.Contains(h.now.body, "asks for your authenticator app: once a session") {
		t.Errorf("the tiles say: %s", h.words())
	}
	h.clock.move(13 * time.Hour)
	h.password(t, "alice", "/")
	if h.page() != "mfa" {
		t.Errorf("the next session is led to %q", h.page())
	}
	h.authenticator(t)
	if h.page() != "portal" {
		t.Errorf("after the factor there is the page %q", h.page())
	}
}
