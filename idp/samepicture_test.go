package idp_test

import (
	"net/http"
	"net/url"
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

// Nor is it another one after a second step that was asked for meanwhile.
func TestASecondStepBetweenLeavesThePicture(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	old := h.now.secret
	h.visit("/enroll/totp")
	h.arrive(t)
	page, first := "/enroll/totp?f="+h.mark(t), h.picture(t)
	h.clock.move(14 * time.Minute)
	h.visit(page + "&more=1")
	h.clock.move(2 * time.Minute)
	h.form("/enroll/totp", "code", h.codeNow(t))
	h.arrive(t)
	if h.page() != "mfa" {
		t.Fatalf("the proof is too old, and the code leads to %q: %s", h.page(), h.words())
	}
	h.now.secret = old
	h.authenticator(t)
	if h.page() != "enroll" || h.picture(t) != first {
		t.Fatalf("after the second step there is %q with another picture: %s", h.page(), h.words())
	}
	h.authenticator(t)
	if ids := h.own(t, "factors"); len(ids) != 2 {
		t.Errorf("alice has %d apps", len(ids))
	}
}

// Whoever sets up an app by an invitation, and looks once more at the question for the one that is lost, finds the picture again.
func TestAQuestionBetweenLeavesThePicture(t *testing.T) {
	h := newVenue(t)
	h.lost(t, "salesforce")
	h.form("/rescue", "code", h.invitationFor(t, "alice"))
	h.arrive(t)
	f, first := url.QueryEscape(h.mark(t)), h.picture(t)
	for _, question := range []string{"/mfa/totp", "/mfa"} {
		h.visit(question + "?f=" + f)
		h.arrive(t)
		if h.page() != "mfa" {
			t.Fatalf("%s is %q: %s", question, h.page(), h.words())
		}
		h.form("/mfa/totp", "code", "000000")
		f = url.QueryEscape(h.mark(t))
		h.visit("/enroll/totp?f=" + f)
		if h.page() != "enroll" || h.picture(t) != first {
			t.Fatalf("after %s there is %q with another picture: %s", question, h.page(), h.words())
		}
	}
	h.authenticator(t)
	if h.page() != "post" {
		t.Errorf("with the new app: %q: %s", h.page(), h.words())
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
