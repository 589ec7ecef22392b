package idp_test

import (
	"net/http"
	"testing"
	"time"
)

// Whoever has added an account to their app, and comes back to the page, is shown the same one: another would be a second entry in
// the app, of which one never works.
func TestASetUpShowsTheSamePictureAgain(t *testing.T) {
	k := withKeys(t, unchanged)
	k.password("/")
	k.visit(k.link("/enroll/totp"))
	page := "/enroll/totp?f=" + k.mark(t)
	first := k.picture(t)
	same := func(after string) {
		t.Helper()
		if got := k.picture(t); got != first {
			t.Fatalf("after %s there is another picture", after)
		}
	}
	k.visit(page)
	same("a reload")
	k.clock.move(14 * time.Minute)
	k.visit(page + "&more=1")
	same("more time")
	k.clock.move(14 * time.Minute)
	k.visit(page + "&more=1")
	same("more time once more")
	k.visit(k.link("/enroll/passkey"))
	k.visit(page)
	same("a look at another factor")

	for range 2 {
		if a := k.form("/enroll/totp", "code", "000000"); a.StatusCode != http.StatusUnauthorized {
			t.Fatalf("a wrong code: %d: %s", a.StatusCode, k.words())
		}
		same("a wrong code")
	}
	k.visit(page)
	same("a wrong code and the back button")
	k.visit(k.link("/enroll/passkey"))
	k.form("/enroll/passkey", "error", "NotAllowedError")
	k.visit(page)
	same("a passkey that was not given")

	// From a page that the browser kept as it was, while another factor is at hand.
	kept := k.now.body
	k.visit(k.link("/enroll/passkey"))
	k.now.body = kept
	k.form("/enroll/totp", "code", k.codeNow(t))
	k.arrive(t)
	k.wantPortal(t, true)

	// It is good once: the next app has another.
	k.visit("/enroll/totp")
	k.arrive(t)
	if k.picture(t) == first {
		t.Error("another app is to hold the key of the first")
	}
}

// picture is the account that the page shows.
func (h *venue) picture(t *testing.T) string {
	t.Helper()
	m := otpauth.FindStringSubmatch(h.now.body)
	if m == nil {
		t.Fatalf("no picture: %s", h.words())
	}
	return m[1]
}
