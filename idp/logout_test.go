package idp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// An application leads to /logout?app= after its own sign-out. At a desk that people share, the next of them is at the
// keyboard by then, and must not be let through as the one before.
func TestNobodyGoesStraightThroughAfterASignOutAtAHotDesk(t *testing.T) {
	h := hotDesk(t)
	h.client = floor
	h.signIn(t, "alice")
	h.launched(t, "connect")
	for _, look := range [][]string{{"Sec-Purpose", "prefetch"}, {"Sec-Fetch-Dest", "image"}} {
		h.visit("/logout?app=connect", look...)
		if h.visit("/"); h.page() != "portal" {
			t.Errorf("%v ended the session", look)
		}
	}
	// Connect is another site.
	h.visit("/logout?app=connect", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "document")
	if h.page() != "signed-out" || !strings.Contains(h.now.body, `href="/apps/connect"`) {
		t.Error("after Connect's sign-out:", h.now.answer.StatusCode, h.words())
	}
	for _, path := range []string{"/apps/connect", "/"} {
		h.wantPageOf(t, path, "login")
	}
	e := h.last(t, idp.EventLogout)
	if e.User != "staff:alice" || e.Section != "shared_computers" || e.Rule != "shared_computers floor" {
		t.Errorf("%+v", e)
	}
}

// Elsewhere, a link of another site must not sign anybody out.
func TestALinkSignsNobodyOutOfTheirOwnComputer(t *testing.T) {
	h := hotDesk(t)
	h.client = home
	h.signIn(t, "alice")
	for _, path := range []string{"/logout", "/logout?app=connect", "/logout?app=nothing"} {
		if a := h.visit(path, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "document"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
			t.Errorf("%s: %d %s", path, a.StatusCode, h.words())
		}
		if h.visit("/"); h.page() != "portal" {
			t.Errorf("%s ended the session", path)
		}
	}
}
