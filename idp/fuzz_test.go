package idp_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzReturnAddress puts anything where an address may be asked for: no answer leads off our origin, as
// browsers resolve addresses (WHATWG URL).
func FuzzReturnAddress(f *testing.F) {
	for _, s := range []string{"connect", "//evil.example", "/\\evil.example", "..//evil", "x.connect", "\t//evil", "%2f%2fevil", "https://evil"} {
		f.Add(s)
	}
	v := newVenue(f)
	f.Fuzz(func(t *testing.T, s string) {
		q := url.QueryEscape(s)
		for _, path := range []string{"/login?app=" + q, "/login?f=" + q, "/logout?app=" + q, "/mfa?f=" + q, "/enroll/totp?f=" + q, "/apps/connect?destination=" + q + "&f=" + q, "/apps/" + url.PathEscape(s)} {
			r := httptest.NewRequest(http.MethodGet, site+"/", nil)
			u, err := url.Parse(site + path)
			if err != nil {
				t.Fatal(err)
			}
			r.URL = u
			w := httptest.NewRecorder()
			v.gateway.ServeHTTP(w, r)
			if w.Code >= http.StatusInternalServerError {
				t.Fatalf("%q: %d", path, w.Code)
			}
			to := w.Header().Get("Location")
			if to == "" {
				continue
			}
			if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
				t.Fatalf("%q leads to %q", path, to)
			}
		}
	})
}

// FuzzCookie puts anything where a cookie may be: the visitor is anonymous and nothing breaks.
func FuzzCookie(f *testing.F) {
	v := newVenue(f)
	v.visit("/")
	for _, c := range v.cookies(f) {
		f.Add(c.Name + "=" + c.Value)
		f.Add(strings.Replace(c.Name, "-device", "", 1) + "=" + c.Value)
	}
	f.Add("__Host-gatehouse=../../x; __Host-gatehouse=y")
	f.Add("__Host-gatehouse=\"\\\"")
	f.Fuzz(func(t *testing.T, header string) {
		for _, path := range []string{"/", "/settings", "/apps/connect"} {
			r := httptest.NewRequest(http.MethodGet, site+path, nil)
			r.Header["Cookie"] = []string{header}
			w := httptest.NewRecorder()
			v.gateway.ServeHTTP(w, r)
			if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/login?") {
				t.Fatalf("%s: %d %q", path, w.Code, w.Header().Get("Location"))
			}
		}
	})
}
