package idp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// These tests are attacks: each tries to get something that it has no right to.

// These tests are attacks: each tries to get something that it has no right to.

// password brings a person past the password and no further, on the way to path.
func (h *venue) password(t *testing.T, name, path string) {
	t.Helper()
	h.visit(path)
	h.arrive(t)
	h.form("/login", "username", name, "password", "correct horse")
	h.arrive(t)
}

func (h *venue) devices(t *testing.T, user string) int {
	t.Helper()
	list, err := h.store.UserDevices(t.Context(), user, h.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Whoever has only the password must not have a browser remembered as the person's own: at a shared machine they
// would keep a copy of its cookie and wait until the person passes the second factor there.
func TestAPasswordAloneMakesNoOwnDevice(t *testing.T) {
	h := newVenue(t, nil)
	h.signIn(t, "alice")
	secret := h.now.secret
	h.use("kiosk")
	h.password(t, "alice", "/")
	if !strings.Contains(h.now.body, `data-page="mfa"`) {
		t.Fatal(h.words())
	}
	h.form("/mfa", "device", "yes")
	if n := h.devices(t, "staff:alice"); n != 0 {
		t.Errorf("%d devices of a person who has passed no factor there", n)
	}
	stolen := h.cookies(t)
	h.now.secret = secret
	h.clock.move(time.Minute)
	h.arrive(t)
	h.form("/mfa/totp", "code", h.codeNow(t))
	h.arrive(t)

	h.use("far away")
	for _, c := range stolen {
		if c.Name == "__Host-gatehouse-device" {
			r := h.request(http.MethodGet, "/", nil)
			h.now.jar.SetCookies(r.URL, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
		}
	}
	h.password(t, "alice", "/apps/connect")
	if strings.Contains(h.now.body, `data-page="post"`) {
		t.Error("a copied cookie and the password open an application that asks for a second factor")
	}
}
