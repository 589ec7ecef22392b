package idp_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// C-30: a day's wrong codes stay counted when the person signs in in between. Otherwise somebody who has the
// password guesses on for ever, as long as the person comes to work.
func TestC30TheOwnerDoesNotClearTheDay(t *testing.T) {
	h := newVenue(t, nil)
	h.signIn(t, "alice")
	own, secret := h.now, h.now.secret
	guesses := 0
	for i := range 10 {
		h.use(fmt.Sprint("thief", i))
		h.password(t, "alice", "/apps/salesforce")
		for range 4 {
			if h.form("/mfa/totp", "code", "000000").StatusCode == http.StatusUnauthorized {
				guesses++
			}
		}
		h.clock.move(31 * time.Second)
		h.now, h.now.secret = own, secret
		h.visit("/apps/salesforce")
		h.arrive(t)
		h.form("/mfa/totp", "code", h.codeNow(t))
		own = h.now
	}
	if guesses > 10 {
		t.Errorf("%d guesses in a day, 10 are allowed", guesses)
	}
}

// The other way round: right codes are never counted, however many.
func TestC30RightCodesAreNotCounted(t *testing.T) {
	h := newVenue(t, nil)
	h.signIn(t, "alice")
	for i := range 30 {
		h.clock.move(31 * time.Second)
		h.visit("/apps/salesforce")
		h.arrive(t)
		h.form("/mfa/totp", "code", h.codeNow(t))
		h.arrive(t)
		if !strings.Contains(h.now.body, `data-page="post"`) {
			t.Fatalf("sign-in %d: %d %s", i, h.now.answer.StatusCode, h.words())
		}
	}
}
