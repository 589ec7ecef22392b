package idp_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

var shownRef = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}`)

// The number on the page of a refusal leads to a line of the log where no audit line has it, at the level that is on.
func TestTheNumberOfAPageLeadsSomewhere(t *testing.T) {
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	cfg := baseConfig(t, storetest.NewMemory(c.Now), c.Now)
	var log strings.Builder
	cfg.Client = func(r *http.Request) netip.Addr { return netip.MustParseAddrPort(r.RemoteAddr).Addr() }
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	g, err := idp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, from string, change func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, site+path, nil)
		r.RemoteAddr = from + ":4000"
		if change != nil {
			change(r)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w
	}
	for name, q := range map[string]struct {
		method, path string
		change       func(*http.Request)
		status       int
		reason       string
	}{
		"no such page": {http.MethodGet, "/nope", nil, http.StatusNotFound, ""},
		"method":       {http.MethodPost, "/help", nil, http.StatusUnsupportedMediaType, "content_type"},
		"foreign host": {http.MethodGet, "/", func(r *http.Request) { r.Host = "other.example" }, http.StatusMisdirectedRequest, "foreign_host"},
		"another site": {http.MethodPost, "/logout", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}, http.StatusForbidden, "cross_origin"},
		"page of theirs": {http.MethodGet, "/apps/connect?destination=//evil.example", nil, http.StatusBadRequest, "destination"},
	} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			w := ask(q.method, q.path, "192.0.2.1", q.change)
			ref := shownRef.FindString(w.Body.String())
			if w.Code != q.status || ref == "" {
				t.Fatalf("%d with the number %q\n%s", w.Code, ref, w.Body)
			}
			line := log.String()
			for _, want := range []string{"ref=" + ref, "client=192.0.2.1", "level=INFO", "reason=" + q.reason} {
				if !strings.Contains(line, want) {
					t.Errorf("the log lacks %s: %s", want, line)
				}
			}
		})
	}
	log.Reset()
	for range 500 {
		ask(http.MethodGet, "/nope", "192.0.2.2", nil)
	}
	if n := strings.Count(log.String(), "\n"); n != 30 {
		t.Errorf("an address fills the log with %d lines in a minute", n)
	}
	log.Reset()
	if ask(http.MethodGet, "/nope"+strings.Repeat("x", 3000), "192.0.2.3", nil); log.Len() == 0 || log.Len() > 600 {
		t.Errorf("another address's page has %d bytes in the log", log.Len())
	}
	log.Reset()
	for i := range 1000 {
		ask(http.MethodGet, "/nope", fmt.Sprintf("[2001:db8:0:%x::1]", i), nil)
	}
	if n := strings.Count(log.String(), "\n"); n < 500 || n > 600 {
		t.Errorf("somebody with many addresses fills the log with %d lines in a minute", n)
	}
}
