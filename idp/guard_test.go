package idp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// routes is every address of the gateway, for tests that walk them all.
var routes = []string{
	"/", "/login", "/logout", "/mfa", "/mfa/totp", "/enroll", "/enroll/totp", "/apps/connect", "/apps/unknown",
	"/settings", "/help", "/saml/metadata", "/saml/sso", "/saml/slo", "/saml/acs/corp", "/duo/callback", "/password", "/admin/",
	"/assets/none/style.css", "/healthz", "/readyz", "/no-such-page", "/Portal", "//evil.example/%2e%2e", "/%2e%2e/x", "/apps/../login",
}

// eachRoute calls f with every route as a stranger, half-way through a sign-in, and signed in.
func eachRoute(t *testing.T, f func(t *testing.T, h *venue, path string)) {
	t.Helper()
	h := newVenue(t, nil)
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
		if guarded := path == "/settings" || path == "/password" || path == "/admin/"; (coop == "same-origin") != guarded {
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
	h := newVenue(t, nil)
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

func TestC08TheCookies(t *testing.T) {
	h := newVenue(t, nil)
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
	h := newVenue(t, nil)
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
	h := newVenue(t, nil)
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

// C-11, C-17: neither a live cookie nor the password is anywhere in the files of the store.
func TestC11C17TheStoreHoldsNoCookieAndNoPassword(t *testing.T) {
	dir := t.TempDir()
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	s := newStoreIn(t, dir, c.Now)
	h := venueOf(t, s, c)
	h.signIn(t, "alice")
	u, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for _, ck := range h.now.jar.Cookies(u) {
		secrets = append(secrets, ck.Value)
	}
	secrets = append(secrets, "correct horse", h.now.secret)
	files, err := filepath.Glob(dir + "/*")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range secrets {
			if strings.Contains(string(data), secret) {
				t.Errorf("%s holds a secret of %d characters", filepath.Base(f), len(secret))
			}
		}
	}
}

func TestC13TheSessionIdChangesWithEachRise(t *testing.T) {
	h := newVenue(t, nil)
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

func TestC18CredentialsAreReadFromTheBodyOnly(t *testing.T) {
	h := newVenue(t, nil)
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
	h := newVenue(t, nil)
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
	h := newVenue(t, nil)
	h.visit("/")
	h.arrive(t)
	f := flowID.FindStringSubmatch(h.now.body)[1]
	body := url.Values{"f": {f}, "username": {"alice"}, "password": {"correct horse"}}.Encode()
	for name, headers := range map[string]map[string]string{
		"cross-site":       {"Sec-Fetch-Site": "cross-site"},
		"sibling site":     {"Sec-Fetch-Site": "same-site"},
		"old browser":      {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
		"R-13 http origin": {"Sec-Fetch-Site": "", "Origin": "null"},
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
	// Neither header, and the cookie of another browser: the flow is useless there.
	victim := h.now
	h.use("attacker")
	h.visit("/")
	r := h.request(http.MethodPost, "/login", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range h.now.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.gateway.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-gatehouse" {
			t.Error("somebody else's flow signed in")
		}
	}
	h.now = victim
}

// C-25, R-35: whatever address is asked for, no answer leads off our origin.
func TestC25R35ReturnAddresses(t *testing.T) {
	h := newVenue(t, nil)
	payloads := []string{
		"//evil.example", "/\\evil.example", "https:evil.example", "https://evil.example", "/%09/evil.example", "@evil.example", "\tjavascript:alert(1)", "javascript:alert(1)",
		"data:text/html,x", "%2f%2fevil.example", "%252f%252fevil.example", "/..//evil.example", "///evil.example", "////evil.example", "\\\\evil.example", "/%5cevil.example",
		"http:///evil.example", "https:/\\evil.example", "https://sso.example.com.evil.example", "https://sso.example.com@evil.example", "//sso.example.com@evil.example",
		"/%0d%0aLocation:%20https://evil.example", "connect/../../evil", "connect%2f..%2f..%2f", "connect?x=//evil", "connect#//evil", ".evil.example", "..", "./", "/.//evil.example",
		"ftp://evil.example", "file:///etc/passwd", "x:y", "?//evil", "#//evil", "", " ", "\x00", strings.Repeat("a", 4096), "/settings//evil.example",
	}
	if len(payloads) != 40 {
		t.Fatalf("%d payloads", len(payloads))
	}
	for _, p := range payloads {
		q := url.QueryEscape(p)
		for _, path := range []string{"/login?app=" + q, "/login?f=" + q, "/login?next=" + q + "&return=" + q + "&redirect_url=" + q, "/logout?app=" + q, "/mfa?f=x." + q, "/apps/connect?f=x." + q, "/apps/connect?destination=" + q, "/apps/" + url.PathEscape(p)} {
			h.visit(path)
			for range 3 {
				to := h.now.answer.Header.Get("Location")
				if to == "" {
					break
				}
				if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
					t.Fatalf("%s leads to %q", path, to)
				}
				h.visit(to)
			}
			if h.now.answer.Header.Get("Refresh") != "" {
				t.Errorf("%s hands over", path)
			}
		}
	}
}

// C-66: what strangers send is one line, escaped, in the audit log.
func TestC66LogInjection(t *testing.T) {
	h := newVenue(t, nil)
	h.visit("/")
	h.arrive(t)
	evil := "alice\r\nlogin success \x1b[31m\"},{"
	h.form("/login", "username", evil, "password", "x")
	seen := false
	err := h.store.Events(context.Background(), idp.EventQuery{}, func(e idp.Event) bool {
		seen = true
		if strings.ContainsAny(e.Name+e.Agent+e.Detail, "\r\n\x1b") {
			t.Errorf("a control character in %+v", e)
		}
		line, err := json.Marshal(e)
		if err != nil || strings.Count(string(line), "\n") != 0 {
			t.Error(err, string(line))
		}
		return true
	})
	if err != nil || !seen {
		t.Fatal(err, seen)
	}
}

func TestR15NothingIsReflected(t *testing.T) {
	h := newVenue(t, nil)
	h.visit("/")
	h.arrive(t)
	h.form("/login", "username", "alice", "user.2147483647", "x", "a[999999999]", "y")
	if h.now.answer.StatusCode != http.StatusSeeOther {
		t.Errorf("unknown fields matter: %d", h.now.answer.StatusCode)
	}
}

// a canary in the path, query, headers and cookies of every route is never shown unescaped,
// and the Referer is never shown at all.
func TestR31R34Canary(t *testing.T) {
	canary := `"><svg onload=1>`
	eachRoute(t, func(t *testing.T, h *venue, path string) {
		h.visit(path+"?f="+url.QueryEscape(canary)+"&app="+url.QueryEscape(canary)+"&x="+url.QueryEscape(canary),
			"Referer", "javascript:alert(1)//"+canary, "User-Agent", canary, "X-Forwarded-Host", canary, "Accept-Language", canary)
		if strings.Contains(h.now.body, canary) || strings.Contains(h.now.body, "javascript:") {
			t.Errorf("%d: the canary sings", h.now.answer.StatusCode)
		}
		h.visit(strings.TrimSuffix(path, "/") + "/" + url.PathEscape(canary))
		if strings.Contains(h.now.body, canary) {
			t.Errorf("%d: the canary sings from the path", h.now.answer.StatusCode)
		}
	})
	h := newVenue(t, nil)
	h.visit("/")
	h.arrive(t)
	h.form("/login", "username", canary)
	h.arrive(t)
	if strings.Contains(h.now.body, canary) {
		t.Error("the canary sings from the name")
	}
}

// an address that a client claims is not believed.
func TestR33ForwardedAddressesAreNotBelieved(t *testing.T) {
	h := newVenue(t, nil)
	for i := range 40 {
		h.use(fmt.Sprint("bot", i))
		h.visit("/")
		h.arrive(t)
		v := url.Values{"f": {flowID.FindStringSubmatch(h.now.body)[1]}, "username": {fmt.Sprint("u", i)}, "password": {"x"}}
		r := h.request(http.MethodPost, "/login", strings.NewReader(v.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		spoof := fmt.Sprintf("10.0.0.%d", i)
		r.Header.Set("X-Forwarded-For", spoof)
		r.Header.Set("X-Real-Ip", spoof)
		r.Header.Set("Forwarded", "for="+spoof)
		h.do(r)
		if want := i >= 30; (h.now.answer.StatusCode == http.StatusTooManyRequests) != want {
			t.Fatalf("try %d: %d", i, h.now.answer.StatusCode)
		}
	}
	if err := h.store.Events(context.Background(), idp.EventQuery{}, func(e idp.Event) bool {
		if e.Client != h.client {
			t.Errorf("the audit line says %v", e.Client)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
}

// absolute addresses come from the configuration, whatever the client says of itself.
func TestR36HostsAreNotBelieved(t *testing.T) {
	h := newVenue(t, nil)
	h.visit("/help", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example")
	if strings.Contains(h.now.body, "evil.example") || !strings.Contains(h.now.body, "https://sso.example.com/") {
		t.Error("the page names another host")
	}
	for _, host := range []string{"evil.example", "sso.example.com.evil.example", "sso.example.com:444", "sso.example.com.", ""} {
		r := h.request(http.MethodGet, "/", nil)
		r.Host = host
		if h.do(r); h.now.answer.StatusCode != http.StatusMisdirectedRequest || strings.Contains(h.now.body, "evil") {
			t.Errorf("%q: %d", host, h.now.answer.StatusCode)
		}
		r = h.request(http.MethodGet, "/healthz", nil)
		r.Host = host
		if h.do(r); h.now.answer.StatusCode != http.StatusOK {
			t.Errorf("/healthz for %q: %d", host, h.now.answer.StatusCode)
		}
	}
	r := h.request(http.MethodGet, "/help", nil)
	r.Host = "SSO.Example.COM"
	if h.do(r); h.now.answer.StatusCode != http.StatusOK {
		t.Errorf("R-26: the host in another case: %d", h.now.answer.StatusCode)
	}
}

func TestLargeAndForeignBodiesAreRefused(t *testing.T) {
	h := newVenue(t, nil)
	h.visit("/")
	h.arrive(t)
	if a := h.form("/login", "username", strings.Repeat("a", 65<<10)); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("65 KiB: %d", a.StatusCode)
	}
	for _, kind := range []string{"multipart/form-data; boundary=x", "application/json", ""} {
		r := h.request(http.MethodPost, "/login", strings.NewReader("{}"))
		r.Header.Set("Content-Type", kind)
		if h.do(r); h.now.answer.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d", kind, h.now.answer.StatusCode)
		}
	}
}

// A panic in a handler is a page with a reference, and nothing of the cause.
func TestPanicsArePages(t *testing.T) {
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	s := newStore(t, c.Now)
	cfg := baseConfig(t, s, c.Now)
	var log strings.Builder
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	cfg.Metadata = func() ([]byte, error) { panic("secret cause") }
	g, err := idp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, site+"/saml/metadata", nil))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") || !strings.Contains(w.Body.String(), `data-page="error"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "secret cause") {
		t.Error("the log does not tell the cause")
	}
	if w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Error("no headers on the page of a panic")
	}
}

// A flow belongs to the browser that began it.
func TestAFlowIsUselessInAnotherBrowser(t *testing.T) {
	h := newVenue(t, nil)
	h.visit("/apps/connect")
	to := h.now.answer.Header.Get("Location")
	h.use("thief")
	h.visit("/")
	h.visit(to)
	if f := flowID.FindStringSubmatch(h.now.body); f == nil || strings.Contains(to, f[1]) {
		t.Error("the thief goes on with the flow")
	}
}
