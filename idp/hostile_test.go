package idp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// C-25, R-35: whatever address is asked for, no answer leads off our origin.
func TestC25R35ReturnAddresses(t *testing.T) {
	h := newVenue(t)
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
	h := newVenue(t)
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
	h := newVenue(t)
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
			"Referer", "javascript:alert(1)//"+canary, "User-Agent", canary, "X-Forwarded-Host", canary, "Accept-Language", canary,
			"Cookie", "__Host-gatehouse="+canary+"; __Host-gatehouse-device="+canary+"; "+canary+"="+canary)
		if strings.Contains(h.now.body, canary) || strings.Contains(h.now.body, "javascript:") {
			t.Errorf("%d: the canary sings", h.now.answer.StatusCode)
		}
		h.visit(strings.TrimSuffix(path, "/") + "/" + url.PathEscape(canary))
		if strings.Contains(h.now.body, canary) {
			t.Errorf("%d: the canary sings from the path", h.now.answer.StatusCode)
		}
	})
	h := newVenue(t)
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
	h := newVenue(t)
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
	h := newVenue(t)
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
	h := newVenue(t)
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
	s := storetest.NewMemory(c.Now)
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
	h := newVenue(t)
	h.visit("/apps/connect")
	to := h.now.answer.Header.Get("Location")
	h.use("thief")
	h.visit("/")
	h.visit(to)
	if f := flowID.FindStringSubmatch(h.now.body); f == nil || strings.Contains(to, f[1]) {
		t.Error("the thief goes on with the flow")
	}
}
