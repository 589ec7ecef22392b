package idp_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
)

func TestC08TheCookies(t *testing.T) {
	h := newVenue(t)
	h.visit("/")
	device := h.cookie("__Host-gatehouse-device")
	h.arrive(t)
	h.form("/login", "username", "alice", "password", "correct horse")
	session := h.cookie("__Host-gatehouse")
	for name, c := range map[string]*http.Cookie{"device": device, "session": session} {
		if c == nil {
			t.Fatalf("no %s cookie", name)
		}
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("%s: %+v", name, c)
		}
		if len(c.Value) < 43 || len(c.Name)+len(c.Value) >= 256 {
			t.Errorf("%s: %d characters", name, len(c.Value))
		}
	}
	if device.MaxAge != 0 || session.MaxAge != 0 {
		t.Error("cookies last as long as the browser until the device is called one's own")
	}
}

func TestC09TwoCookiesOfOneNameAreNone(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	r := h.request(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-gatehouse", Value: "evil"})
	h.do(r)
	if h.now.answer.StatusCode != http.StatusSeeOther {
		t.Errorf("a tossed cookie beside ours: %d", h.now.answer.StatusCode)
	}
	h.visit("/")
	if h.now.answer.StatusCode != http.StatusOK {
		t.Error("the right cookie alone must still do")
	}
	r = h.request(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "gatehouse", Value: "evil"})
	if h.do(r); h.now.answer.StatusCode != http.StatusOK {
		t.Error("a cookie of another name must not matter")
	}
}

// C-10, R-14: whatever is in the cookie, the visitor is anonymous and nothing breaks.
func TestC10R14ForgedCookiesAreAnonymous(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	u, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	good := ""
	for _, c := range h.now.jar.Cookies(u) {
		if c.Name == "__Host-gatehouse" {
			good = c.Value
		}
	}
	before, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	forged := []string{"", "x", good[:len(good)-1], good + "A", strings.ToUpper(good), "../../x", strings.Repeat("A", 4097), strings.Repeat("A", 8192), "%00", "bm90LWJhc2U2NA==", good[1:]}
	for i := range good {
		if i%7 == 0 {
			b := []byte(good)
			b[i] ^= 1
			forged = append(forged, string(b))
		}
	}
	for _, value := range forged {
		r := h.request(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", "__Host-gatehouse="+value)
		w := httptest.NewRecorder()
		h.gateway.ServeHTTP(w, r)
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/login") {
			t.Errorf("%.40q: %d %s", value, w.Code, w.Header().Get("Location"))
		}
	}
	after, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before) {
		t.Error("a cookie made a file")
	}
}

func TestC13TheSessionIdChangesWithEachRise(t *testing.T) {
	h := newVenue(t)
	planted := &http.Cookie{Name: "__Host-gatehouse", Value: "planted"}
	r := h.request(http.MethodGet, "/", nil)
	r.AddCookie(planted)
	h.do(r)
	h.arrive(t)
	h.form("/login", "username", "alice", "password", "correct horse")
	afterPassword := h.cookie("__Host-gatehouse")
	if afterPassword == nil || afterPassword.Value == planted.Value {
		t.Fatal("no new id after the password")
	}
	h.arrive(t)
	h.form("/enroll/totp", "code", h.codeNow(t))
	afterMFA := h.cookie("__Host-gatehouse")
	if afterMFA == nil || afterMFA.Value == afterPassword.Value {
		t.Fatal("no new id after the factor")
	}
	old := h.request(http.MethodGet, "/", nil)
	old.Header.Set("Cookie", afterPassword.String())
	w := httptest.NewRecorder()
	h.gateway.ServeHTTP(w, old)
	if !strings.HasPrefix(w.Header().Get("Location"), "/login") {
		t.Errorf("the old id still lives: %d", w.Code)
	}
}
