package idp_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// own returns the values of the buttons in a section of the settings that remove something.
func (h *venue) own(t *testing.T, section string) (ids []string) {
	t.Helper()
	h.visit("/settings")
	h.arrive(t)
	part := regexp.MustCompile(`(?s)<section aria-labelledby="` + section + `">.*?</section>`).FindString(h.now.body)
	for _, m := range regexp.MustCompile(`name="remove" value="([^"]+)"`).FindAllStringSubmatch(part, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// prove answers the authenticator app's page, on a way that asks for a fresh proof.
func (h *venue) prove(t *testing.T) {
	t.Helper()
	h.arrive(t)
	if h.page() != "mfa" || !strings.Contains(h.now.body, "Asked before your settings are changed.") {
		t.Fatalf("no proof is asked for: %q, %s", h.page(), h.words())
	}
	h.authenticator(t)
	if h.page() != "settings" || !strings.Contains(h.now.body, "You can make your changes now") {
		t.Fatalf("the proof leads to %q: %s", h.page(), h.words())
	}
}

// atHome has alice sign in on two devices of her own, a day apart, and returns with the second one in use.
func atHome(t *testing.T) *venue {
	t.Helper()
	h := newVenue(t)
	for _, name := range []string{"phone", "notebook"} {
		secret := h.now.secret
		h.use(name)
		h.now.secret = secret
		h.password(t, "alice", "/")
		h.authenticator(t)
		h.device(t, "yes")
		h.wantPortal(t, true)
	}
	if n := h.devices(t, "staff:alice"); n != 2 {
		t.Fatalf("%d devices", n)
	}
	return h
}

// C-36: whoever finds a session open can neither make devices be forgotten nor end the person's sessions elsewhere.
func TestC36DevicesAndSessionsTakeAFreshProof(t *testing.T) {
	for _, change := range []struct{ kind, section, all string }{{"device", "devices", "all"}, {"session", "sessions", "others"}} {
		t.Run(change.kind, func(t *testing.T) {
			h := atHome(t)
			h.clock.move(16 * time.Minute)
			h.visit("/settings")
			before := h.own(t, change.section)
			if len(before) != 3 || before[2] != change.all {
				t.Fatalf("%v: %s", before, h.words())
			}
			for _, id := range before {
				h.visit("/settings")
				h.form("/settings", "kind", change.kind, "remove", id)
				h.arrive(t)
				if h.page() != "mfa" {
					t.Errorf("%s leads to %q: %s", id, h.page(), h.words())
				}
			}
			if got := h.own(t, change.section); len(got) != 3 {
				t.Errorf("left: %v", got)
			}
			h.form("/settings", "kind", change.kind, "remove", before[1])
			h.prove(t)
			if got := h.own(t, change.section); len(got) != 3 {
				t.Errorf("the proof itself changed something: %v", got)
			}
			h.form("/settings", "kind", change.kind, "remove", change.all)
			h.arrive(t)
			left := map[string]int{"device": 0, "session": 1}[change.kind]
			if got := h.own(t, change.section); len(got) != left {
				t.Errorf("left: %v, want %d: %s", got, left, h.words())
			}
			h.use("phone")
			h.visit("/")
			h.arrive(t)
			h.wantPortal(t, change.kind == "device") // forgetting a device ends no session
		})
	}
}

// C-36: where nobody has a second step, the password of a moment ago does, and no older one.
func TestC36WithoutASecondStepTheFreshPasswordDoes(t *testing.T) {
	h := policed(t, noMFA(), nil)
	for _, name := range []string{"first", "second"} {
		h.use(name)
		h.password(t, "alice", "/")
		h.wantPortal(t, true)
	}
	h.clock.move(16 * time.Minute)
	ids := h.own(t, "sessions")
	h.form("/settings", "kind", "session", "remove", ids[2])
	h.arrive(t)
	if h.page() != "password" {
		t.Fatalf("an old password leads to %q: %s", h.page(), h.words())
	}
	h.form("/login", "username", "alice", "password", "correct horse")
	h.arrive(t)
	if h.page() != "settings" {
		t.Fatalf("%q: %s", h.page(), h.words())
	}
	h.form("/settings", "kind", "session", "remove", "others")
	h.arrive(t)
	if got := h.own(t, "sessions"); len(got) != 1 || len(lines(t, h.store, "others_ended")) != 1 {
		t.Errorf("%v: %s", got, h.words())
	}
	h.form("/settings", "kind", "recovery", "make", "yes")
	if h.page() == "recovery-codes" {
		t.Error("the password alone made recovery codes, which stand in for a second step")
	}
}

// The settings open on a remembered device as anywhere, where no second step was asked for.
func TestSettingsOpenOnARememberedDevice(t *testing.T) {
	h := atHome(t)
	h.clock.move(3 * 24 * time.Hour)
	h.password(t, "alice", "/settings")
	if h.page() != "settings" {
		t.Fatalf("the settings lead to %q: %s", h.page(), h.words())
	}
	factors := h.own(t, "factors")
	h.form("/settings", "kind", "factor", "remove", factors[0])
	h.prove(t)
}

// What a device saves its person is said in words: where, shared or not, and until when.
func TestWhatADeviceRemembersIsSaid(t *testing.T) {
	week, day := 7*24*time.Hour, 24*time.Hour
	h := policed(t, &idp.Policy{MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: week, Shared: true}}, func(c *idp.Config) {
		c.Policies = append(
			c.Policies,
			&idp.Policy{Name: "daily", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: day}},
			&idp.Policy{Name: "never", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: week, Shared: true}, Remembered: &idp.RememberedSection{Mode: idp.RememberOff}},
			&idp.Policy{Name: "bosses", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: week, Shared: true}, Groups: &idp.GroupsSection{Allow: []idp.GroupRef{{Source: "staff", Name: "Bosses"}}}},
		)
		c.Applications = append(
			c.Applications,
			idp.AppConfig{Application: &sender{name: "wiki"}, Policy: "daily"},
			idp.AppConfig{Application: &sender{name: "bank"}, Policy: "never"},
			idp.AppConfig{Application: &sender{name: "secret"}, Policy: "bosses"},
		)
	})
	h.password(t, "alice", "/")
	h.authenticator(t)
	h.device(t, "yes")
	h.own(t, "devices")
	shared := "No second step for this portal, The connect and The salesforce, which share it, until 9 March 2026"
	if !strings.Contains(h.now.body, shared) || strings.Contains(h.now.body, "The wiki") {
		t.Errorf("%s", h.words())
	}
	h.visit("/apps/wiki")
	h.arrive(t)
	h.authenticator(t)
	if h.page() != "post" {
		t.Fatalf("%q: %s", h.page(), h.words())
	}
	h.own(t, "devices")
	if !strings.Contains(h.now.body, shared) || !strings.Contains(h.now.body, "No second step for The wiki until 3 March 2026") ||
		strings.Contains(h.now.body, "The secret") || strings.Contains(h.now.body, "The bank") {
		t.Errorf("%s", h.words())
	}
	h.clock.move(8 * day)
	h.password(t, "alice", "/")
	h.authenticator(t)
	if h.own(t, "devices"); strings.Contains(h.now.body, "The wiki until") {
		t.Errorf("what is over is told still: %s", h.words())
	}
}

// Remembered devices end with a factor, by an administrator's reset, and with the password: none of them lets anybody in
// without the second step any more.
func TestRememberedDevicesEnd(t *testing.T) {
	mustAsk := func(t *testing.T, h *venue, name, password string) {
		t.Helper()
		if n := h.devices(t, h.last(t, idp.EventLogin).User); n != 0 {
			t.Errorf("%d devices are left", n)
		}
		for _, b := range []string{"phone", "notebook"} {
			h.use(b)
			h.visit("/logout")
			h.form("/logout")
			h.visit("/apps/connect")
			h.arrive(t)
			h.form("/login", "username", name, "password", password)
			h.arrive(t)
			if p := h.page(); p != "mfa" && p != "enroll" {
				t.Errorf("%s leads to %q: %s", b, p, h.words())
			}
		}
	}
	t.Run("with the removal of a factor", func(t *testing.T) {
		h := atHome(t)
		h.visit("/enroll/totp")
		h.arrive(t)
		h.form("/enroll/totp", "code", h.codeNow(t))
		h.arrive(t)
		h.form("/settings", "kind", "factor", "remove", h.own(t, "factors")[0])
		h.arrive(t)
		if h.page() != "settings" || !strings.Contains(h.now.body, "your remembered devices are forgotten") {
			t.Fatalf("%q: %s", h.page(), h.words())
		}
		mustAsk(t, h, "alice", "correct horse")
	})
	t.Run("by an administrator's reset", func(t *testing.T) {
		h := atHome(t)
		_, _, err := h.gateway.ResetMFA(t.Context(), "alice", "totp", "the test")
		must(t, err)
		mustAsk(t, h, "alice", "correct horse")
	})
	t.Run("with the password", func(t *testing.T) {
		h, _ := newDomainVenue(t, nil)
		for _, b := range []string{"notebook", "phone"} {
			secret := h.now.secret
			h.use(b)
			h.now.secret = secret
			h.visit("/")
			h.arrive(t)
			h.form("/login", "username", "anna", "password", "Summer-2025")
			h.arrive(t)
			h.authenticator(t)
			h.device(t, "yes")
		}
		if n := h.devices(t, h.last(t, idp.EventLogin).User); n != 2 {
			t.Fatalf("%d devices", n)
		}
		h.visit("/password")
		h.arrive(t)
		h.authenticator(t)
		h.form("/password", "old", "Summer-2025", "new", "Winter-2026", "again", "Winter-2026")
		h.arrive(t)
		if h.page() != "device" {
			t.Fatalf("%q: %s", h.page(), h.words())
		}
		mustAsk(t, h, "anna", "Winter-2026")
	})
}
