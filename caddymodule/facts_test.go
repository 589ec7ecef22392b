package caddymodule

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/visit"
)

// TestNetworkFile: a list is read again when it changed, and what it said stays in force while it is broken, which is
// told once.
func TestNetworkFile(t *testing.T) {
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "office.txt")
	write := func(text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now().Add(-time.Hour)
	write("203.0.113.0/24\n", start)
	f := &facts{files: fresh{log: slog.New(slog.NewTextHandler(&log, nil)), every: time.Hour}}
	list, err := f.list(&NetworkConfig{Name: "office", File: path})
	if err != nil {
		t.Fatal(err)
	}
	holds := func(address string, want bool) {
		t.Helper()
		if got := list.Contains(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
	due := func() { f.files.next.Store(1) }
	holds("203.0.113.9", true)
	write("198.51.100.0/24\n", start.Add(time.Minute))
	holds("203.0.113.9", true) // not looked at yet
	due()
	holds("203.0.113.9", false)
	holds("198.51.100.9", true)
	write("198.51.100.0/240\n", start.Add(2*time.Minute))
	for range 3 {
		due()
		holds("198.51.100.9", true)
	}
	if n := strings.Count(log.String(), "cannot be read"); n != 1 || !strings.Contains(log.String(), path+":1") {
		t.Errorf("a broken file was told of %d times:\n%s", n, log.String())
	}
	if _, err := f.list(&NetworkConfig{Name: "home", File: path + ".none"}); err == nil || !strings.Contains(err.Error(), "network home") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestAnonymousFacts: where there is no list nobody can tell, and an unknown address is not innocent.
func TestAnonymousFacts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tor.txt")
	if err := os.WriteFile(path, []byte("198.51.100.7 # an exit\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := visit.OpenNetworks(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		list   *visit.Networks
		client string
		want   idp.Answer
	}{{list, "198.51.100.7", idp.Yes}, {list, "198.51.100.8", idp.No}, {list, "", idp.Unanswered}, {nil, "198.51.100.7", idp.Unanswered}} {
		var client netip.Addr
		if tt.client != "" {
			client = netip.MustParseAddr(tt.client)
		}
		var got idp.Facts
		(&facts{anonymous: tt.list}).place(&got, client)
		if got.Anonymous != tt.want || got.Country != "" {
			t.Errorf("%q: %q, %q", tt.client, got.Anonymous, got.Country)
		}
	}
}

// TestCertificateFacts: a certificate counts once Caddy has built a chain to an authority that it was told of.
func TestCertificateFacts(t *testing.T) {
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "laptop-7"}, SerialNumber: big.NewInt(7)}
	bare := &x509.Certificate{SerialNumber: big.NewInt(8)}
	for _, tt := range []struct {
		name string
		tls  *tls.ConnectionState
		want string
	}{
		{"no TLS", nil, ""},
		{"none", &tls.ConnectionState{}, ""},
		{"presented, not verified", &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}, ""},
		{"verified", &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}}, "CN=laptop-7"},
		{"verified, without a subject", &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{bare}}}, "serial 8"},
		{"an empty chain", &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{}}}, ""},
	} {
		if got := certificateOf(&http.Request{TLS: tt.tls}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAgentFacts(t *testing.T) {
	h := http.Header{"User-Agent": {"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"}}
	got := agentOf(visit.NewAgents().Read(h))
	if got.System != "windows" || got.SystemVersion != "10" || !got.Frozen || got.Browser != "firefox" || got.BrowserVersion != "140" {
		t.Errorf("%+v", got)
	}
	if got := agentOf(visit.NewAgents().Read(http.Header{})); got != (idp.Agent{}) {
		t.Errorf("a browser that says nothing is %+v", got)
	}
}

// TestHintsAreAskedFor: only where a policy looks at them.
func TestHintsAreAskedFor(t *testing.T) {
	for _, hints := range []bool{false, true} {
		w := httptest.NewRecorder()
		(&facts{hints: hints}).askForHints(w, "/apps/connect")
		if got := w.Header().Get("Accept-CH") != ""; got != hints {
			t.Errorf("a policy looks at them: %v; asked: %v", hints, got)
		}
		if w.Header().Get("Critical-CH") != "" {
			t.Error("a launch is repeated for the hints")
		}
		if (&facts{hints: hints}).askForHints(w, "/"); (w.Header().Get("Critical-CH") != "") != hints {
			t.Error("the portal is not repeated for the hints")
		}
	}
}
