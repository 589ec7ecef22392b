package idp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// routes is every address of the gateway, for tests that walk them all.
var routes = []string{
	"/", "/login", "/logout", "/mfa", "/mfa/totp", "/enroll", "/enroll/totp", "/apps/connect", "/apps/unknown",
	"/settings", "/helpdesk", "/help", "/saml/metadata", "/saml/sso", "/saml/slo", "/saml/acs/corp", "/duo/callback", "/password", "/admin/",
	"/assets/none/style.css", "/healthz", "/readyz", "/no-such-page", "/Portal", "//evil.example/%2e%2e", "/%2e%2e/x", "/apps/../login",
}

// eachRoute calls f with every route as a stranger, half-way through a sign-in, and signed in.
func eachRoute(t *testing.T, f func(t *testing.T, h *venue, path string)) {
	t.Helper()
	h := newVenue(t)
	states := []struct {
		name string
		go_  func()
	}{
		{"anonymous", func() {}},
		{"half-way", func() { h.form("/login", "username", "alice") }},
		{"signed in", func() { h.signIn(t, "alice") }},
	}
	for _, s := range states {
		s.go_()
		for _, path := range routes {
			t.Run(s.name+path, func(t *testing.T) { f(t, h, path) })
		}
	}
}

// visit navigates without following.
func (h *venue) visit(path string, headers ...string) *http.Response {
	r := h.request(http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	h.do(r)
	return h.now.answer
}

// form posts fields with the f of the last page.
func (h *venue) form(path string, fields ...string) *http.Response {
	v := url.Values{}
	if m := flowID.FindStringSubmatch(h.now.body); m != nil {
		v.Set("f", m[1])
	}
	if m := onceField.FindStringSubmatch(h.now.body); m != nil {
		v.Set("once", m[1])
	}
	for i := 0; i+1 < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	r := h.request(http.MethodPost, path, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	h.do(r)
	return h.now.answer
}

// arrive follows redirects to a page.
func (h *venue) arrive(t *testing.T) {
	t.Helper()
	for range 8 {
		to := h.now.answer.Header.Get("Location")
		if to == "" {
			return
		}
		h.visit(to)
	}
	t.Fatal("redirects do not end")
}

// signIn brings a person to the portal, enrolling them.
func (h *venue) signIn(t *testing.T, name string) {
	t.Helper()
	h.visit("/")
	h.arrive(t)
	h.form("/login", "username", name)
	h.arrive(t)
	h.form("/login", "username", name, "password", "correct horse")
	h.arrive(t)
	if strings.Contains(h.now.body, `data-page="enroll"`) {
		h.form("/enroll/totp", "code", h.codeNow(t))
		h.arrive(t)
	} else if strings.Contains(h.now.body, `data-page="mfa"`) {
		h.clock.move(31 * time.Second)
		h.form("/mfa/totp", "code", h.codeNow(t))
		h.arrive(t)
	}
	if strings.Contains(h.now.body, `data-page="device"`) {
		h.form("/mfa", "device", "no")
		h.arrive(t)
	}
	if !strings.Contains(h.now.body, `data-page="portal"`) {
		t.Fatalf("not at the portal: %d %s", h.now.answer.StatusCode, h.words())
	}
}

func (h *venue) cookie(name string) *http.Cookie {
	for _, c := range h.now.answer.Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func TestC03EveryAnswerCarriesTheHeaders(t *testing.T) {
	eachRoute(t, func(t *testing.T, h *venue, path string) {
		a := h.visit(path)
		want := map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Strict-Transport-Security": "max-age=31536000",
		}
		if !strings.HasPrefix(path, "/assets/") {
			want["Cache-Control"] = "no-store"
		}
		for name, value := range want {
			if got := a.Header.Get(name); got != value {
				t.Errorf("%d: %s is %q, want %q", a.StatusCode, name, got, value)
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		if strings.HasPrefix(path, "/assets/") {
			if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "sandbox") {
				t.Errorf("an asset may do something by itself: %q", csp)
			}
			return
		}
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("the policy has no %s: %q", part, csp)
			}
		}
		if post := strings.Contains(h.now.body, `data-page="post"`); strings.Contains(csp, "form-action 'self'") == post {
			t.Errorf("form-action must be on every page but the posting one: %q", csp)
		}
		coop := a.Header.Get("Cross-Origin-Opener-Policy")
		if guarded := path == "/settings" || path == "/helpdesk" || path == "/password" || path == "/admin/"; (coop == "same-origin") != guarded {
			t.Errorf("Cross-Origin-Opener-Policy is %q", coop)
		}
	})
}

func TestC04OtherMethodsAreRefused(t *testing.T) {
	eachRoute(t, func(t *testing.T, h *venue, path string) {
		for _, method := range []string{"TRACE", "PUT", "DELETE", "PATCH", "OPTIONS", "NONSENSE"} {
			h.do(h.request(method, path, nil))
			if h.now.answer.StatusCode != http.StatusMethodNotAllowed || h.now.answer.Header.Get("Allow") == "" {
				t.Errorf("%s: %d", method, h.now.answer.StatusCode)
			}
		}
	})
	h := newVenue(t)
	h.signIn(t, "alice")
	h.form("/settings", "_method", "DELETE")
	if h.visit("/"); !strings.Contains(h.now.body, `data-page="portal"`) {
		t.Error("_method did something")
	}
	for _, path := range []string{"/", "/help", "/saml/metadata"} {
		if a := h.form(path); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, a.StatusCode)
		}
	}
}

func TestC06NoCORS(t *testing.T) {
	eachRoute(t, func(t *testing.T, h *venue, path string) {
		for _, origin := range []string{"https://evil.example", "null"} {
			if a := h.visit(path, "Origin", origin, "Sec-Fetch-Site", "cross-site"); a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("an Access-Control-Allow-Origin was sent")
			}
		}
	})
}

func TestC18CredentialsAreReadFromTheBodyOnly(t *testing.T) {
	h := newVenue(t)
	h.visit("/login?username=alice&password=correct+horse")
	if h.cookie("__Host-gatehouse") != nil || !strings.Contains(h.now.body, `data-page="login"`) {
		t.Error("a query signed somebody in")
	}
	h.form("/login?username=alice&password=correct+horse")
	if h.cookie("__Host-gatehouse") != nil {
		t.Error("the query of a POST signed somebody in")
	}
}

func TestC19CredentialStuffing(t *testing.T) {
	h := newVenue(t)
	refused := 0
	for i := range 60 {
		h.use(fmt.Sprint("bot", i))
		h.visit("/")
		h.arrive(t)
		if a := h.form("/login", "username", fmt.Sprintf("user%d", i), "password", "Spring2026!"); a.StatusCode == http.StatusTooManyRequests {
			refused++
			if a.Header.Get("Retry-After") == "" {
				t.Fatal("no Retry-After")
			}
		}
	}
	if refused != 30 {
		t.Errorf("%d of 60 were refused, want 30", refused)
	}
	h.use("legit")
	h.client = otherClient
	h.signIn(t, "alice")
}

func TestC24AFormOfAnotherSiteSignsNobodyIn(t *testing.T) {
	h := newVenue(t)
	h.visit("/")
	h.arrive(t)
	f := flowID.FindStringSubmatch(h.now.body)[1]
	body := url.Values{"f": {f}, "username": {"alice"}, "password": {"correct horse"}}.Encode()
	for name, headers := range map[string]map[string]string{
		"cross-site":         {"Sec-Fetch-Site": "cross-site"},
		"sibling site":       {"Sec-Fetch-Site": "same-site"},
		"old browser":        {"Origin": "https://evil.example"},
		"no origin":          {"Origin": "null"},
		"R-13 http origin":   {"Origin": strings.Replace(site, "https", "http", 1)},
		"R-13 other port":    {"Origin": site + ":8443"},
		"R-13 longer host":   {"Origin": site + ".evil.example"},
		"R-13 http referer":  {"Referer": strings.Replace(site, "https", "http", 1) + "/login"},
		"R-13 other referer": {"Referer": "https://evil.example/" + site + "/"},
	} {
		r := h.request(http.MethodPost, "/login", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range h.now.jar.Cookies(r.URL) {
			r.AddCookie(c)
		}
		for k, v := range headers {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
		w := httptest.NewRecorder()
		h.gateway.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	// An application's own form for a sign-in that it begins gets an answer that says so.
	r := h.request(http.MethodPost, "/saml/sso", strings.NewReader("SAMLRequest=x"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://app.example")
	if h.do(r); h.now.answer.StatusCode != http.StatusBadRequest || !strings.Contains(h.now.body, "Start from the portal") {
		t.Errorf("an application's form: %d %s", h.now.answer.StatusCode, h.words())
	}
	// Neither header, and the cookie of another browser: the flow is useless there.
	victim := h.now
	h.use("attacker")
	h.visit("/")
	r = h.request(http.MethodPost, "/login", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", site) // an older browser's, of the portal's own form
	for _, c := range h.now.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.gateway.ServeHTTP(w, r)
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/?late") {
		t.Errorf("somebody else's flow: %d to %q, want the beginning", w.Code, to)
	}
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-gatehouse" {
			t.Error("somebody else's flow signed in")
		}
	}
	h.now = victim
}
