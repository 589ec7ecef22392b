package idp_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	otp "github.com/pquerna/otp/totp"
)

// apps are the labels of the person's authenticator apps, as the settings show them.
func (h *venue) apps(t *testing.T) (labels []string) {
	t.Helper()
	h.own(t, "factors")
	part := regexp.MustCompile(`(?s)<section aria-labelledby="factors">.*?</section>`).FindString(h.now.body)
	for _, m := range regexp.MustCompile(`<p class="label">([^<]+)</p>`).FindAllStringSubmatch(part, -1) {
		labels = append(labels, m[1])
	}
	return labels
}

// add sets up a further authenticator app and returns its secret.
func (h *venue) add(t *testing.T) string {
	t.Helper()
	h.own(t, "factors")
	if !strings.Contains(h.now.body, `<a class="button quiet" href="/enroll/totp">Add an authenticator app</a>`) {
		t.Fatalf("another app is not offered: %s", h.words())
	}
	h.visit("/enroll/totp")
	h.arrive(t)
	if h.page() != "enroll" {
		t.Fatalf("%q: %s", h.page(), h.words())
	}
	h.authenticator(t)
	if h.page() != "settings" {
		t.Fatalf("%q: %s", h.page(), h.words())
	}
	return h.now.secret
}

// showCodeOf shows the code of an app at a sign-in to an application, and returns the status.
func (h *venue) showCodeOf(t *testing.T, secret string) *http.Response {
	t.Helper()
	h.visit("/apps/salesforce")
	h.arrive(t)
	if h.page() != "mfa" {
		t.Fatalf("%q: %s", h.page(), h.words())
	}
	code, err := otp.GenerateCode(secret, h.clock.Now())
	must(t, err)
	return h.form("/mfa/totp", "code", code)
}

// A person may have several authenticator apps: any of them will do, each spends its own codes, each has a name, and one
// that is lost is removed without the others.
func TestSeveralAuthenticatorApps(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	secrets := []string{h.now.secret}
	secrets = append(secrets, h.add(t), h.add(t))
	want := []string{"Authenticator app", "Authenticator app 2", "Authenticator app 3"}
	if got := h.apps(t); !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
	h.clock.move(31 * 1e9)
	for i, secret := range secrets {
		if a := h.showCodeOf(t, secret); a.StatusCode != http.StatusSeeOther {
			t.Errorf("app %d: %d: %s", i, a.StatusCode, h.words())
		}
		h.arrive(t)
		if a := h.showCodeOf(t, secret); a.StatusCode != http.StatusUnauthorized || !strings.Contains(h.now.body, "used already") {
			t.Errorf("app %d, once more: %d: %s", i, a.StatusCode, h.words())
		}
	}

	ids := h.own(t, "factors")
	h.form("/settings", "kind", "factor", "rename", ids[1], "label", "Authenticator app 3")
	if !strings.Contains(h.now.body, "another second step of that name") {
		t.Errorf("two of one name: %s", h.words())
	}
	h.form("/settings", "kind", "factor", "rename", ids[1], "label", "Old phone")
	h.arrive(t)
	h.form("/settings", "kind", "factor", "rename", ids[1], "label", "Old phone") // as it is
	h.arrive(t)
	want[1] = "Old phone"
	if got := h.apps(t); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	h.form("/settings", "kind", "factor", "remove", ids[1])
	h.arrive(t)
	if got := h.apps(t); !slices.Equal(got, []string{want[0], want[2]}) {
		t.Errorf("%q", got)
	}
	h.clock.move(31 * 1e9)
	for i, status := range []int{http.StatusSeeOther, http.StatusUnauthorized, http.StatusSeeOther} {
		if a := h.showCodeOf(t, secrets[i]); a.StatusCode != status {
			t.Errorf("app %d after the removal: %d: %s", i, a.StatusCode, h.words())
		}
		h.arrive(t)
	}
	if e := lines(t, h.store, "removed"); len(e) != 1 || e[0].Detail != "Old phone" || e[0].Factor != "totp" {
		t.Errorf("%+v", e)
	}
	if h.add(t); !slices.Equal(h.apps(t), []string{want[0], want[2], "Authenticator app 2"}) {
		t.Errorf("%q", h.apps(t))
	}
	if list, err := h.store.UserEnrollments(t.Context(), "staff:alice", "totp"); err != nil || len(list) != 3 {
		t.Errorf("%d are kept, %v", len(list), err)
	}
}
