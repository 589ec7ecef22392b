package caddymodule

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	otp "github.com/pquerna/otp/totp"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/store"
	"github.com/gatehouse-sso/gatehouse/idp/totp"
)

// recorder is the gateway of a Caddyfile on a real database, with a clock that the test moves and factors that fall
// silent when it says so. What the gateway audits there, commands explain on the same file.
type recorder struct {
	t       *testing.T
	store   *store.Store
	gateway *idp.Gateway
	lines   []idp.Event // in their order, as the gateway wrote them
	clock   time.Time
	silent  string // the factor that does not answer
}

// record builds the gateway of a Caddyfile of the site.
func (s *site) record(caddyfile string, start time.Time) *recorder {
	s.t.Helper()
	rec := &recorder{t: s.t, clock: start}
	var err error
	rec.store, err = store.New(store.Config{
		Path: s.database(), Now: rec.now, AuditKeep: 100 * 365 * 24 * time.Hour,
		SealKey: func(context.Context) ([]byte, error) { return bytes.Repeat([]byte{7}, sealBytes), nil },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := rec.store.Open(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(rec.close)
	cmd := &cobra.Command{}
	cmd.Flags().String("config", s.written(caddyfile), "")
	cmd.Flags().String("adapter", "caddyfile", "")
	l, err := loadApp(cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := l.Cleanup(); err != nil {
			s.t.Error(err)
		}
	})
	l.sources, l.factors = nil, nil // of the gateway that is not used
	cfg, err := l.config()
	if err != nil {
		s.t.Fatal(err)
	}
	cfg.Store, cfg.Limiter, cfg.Now = rec.store, nil, rec.now
	cfg.Observe = func(_ context.Context, e idp.Event) { rec.lines = append(rec.lines, e) }
	for i, f := range cfg.Factors {
		real, err := totp.New(totp.Config{Name: f.Name(), Issuer: "Example Apps", Store: rec.store, Now: rec.now})
		if err != nil {
			s.t.Fatal(err)
		}
		cfg.Factors[i] = &silenced{real, rec}
	}
	if rec.gateway, err = idp.New(cfg); err != nil {
		s.t.Fatal(err)
	}
	return rec
}

// silenced is a factor that the recorder can have fall silent.
type silenced struct {
	*totp.Factor
	by *recorder
}

// Ready implements [idp.Factor].
func (f *silenced) Ready(ctx context.Context, u *idp.User) (idp.Readiness, error) {
	if f.by.silent == f.Name() {
		return idp.Unreachable, nil
	}
	return f.Factor.Ready(ctx, u)
}

func (rec *recorder) now() time.Time { return rec.clock }

func (rec *recorder) close() {
	if err := rec.store.Close(); err != nil {
		rec.t.Error(err)
	}
}

// database is where the site's store is.
func (s *site) database() string { return filepath.Join(s.dir, "db", "gatehouse.db") }

// written puts a configuration into a file.
func (s *site) written(caddyfile string) string {
	s.t.Helper()
	file := filepath.Join(s.dir, "Caddyfile.written")
	if err := os.WriteFile(file, []byte(caddyfile), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// arrival is how somebody comes: what policies may look at of a request.
type arrival struct {
	ip, agent   string
	certificate string // common name of one that was verified
	managed     bool   // sends the header that a condition looks for
	silent      string // the factor that does not answer meanwhile
}

// caller is a browser with somebody in front of it.
type caller struct {
	*recorder
	name   string
	jar    *cookiejar.Jar
	seeds  map[string]string // of their authenticator apps, by factor
	status int
	body   string
	left   string // where the portal handed over to
}

const recordedPassword = "correct horse"

// recordedHash is a hash of that password, with the least memory that a source takes.
func recordedHash() string {
	salt := make([]byte, 16)
	rand.Read(salt)
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=8192,t=1,p=1$%s$%s", enc(salt), enc(argon2.IDKey([]byte(recordedPassword), salt, 1, 8<<10, 1, 32)))
}

func (rec *recorder) person(name string) *caller {
	p := &caller{recorder: rec, name: name, seeds: map[string]string{}}
	p.jar, _ = cookiejar.New(nil)
	return p
}

const recordedSite = "https://sso.example.com"

// send sends one request and keeps what comes back.
func (p *caller) send(from arrival, method, path string, form url.Values) {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), method, recordedSite+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if from.agent != "" {
		r.Header.Set("User-Agent", from.agent)
	}
	if from.managed {
		r.Header.Set("X-Managed", "yes")
	}
	r.TLS = &tls.ConnectionState{}
	if from.certificate != "" {
		r.TLS.VerifiedChains = [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: from.certificate}}}}
	}
	for _, c := range p.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, nil)
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, from.ip)
	w := httptest.NewRecorder()
	p.recorder.silent = from.silent
	p.gateway.ServeHTTP(w, r)
	res := w.Result()
	p.jar.SetCookies(r.URL, res.Cookies())
	p.status, p.body, p.left = res.StatusCode, w.Body.String(), res.Header.Get("Location")
}

// open opens an address and follows to where it leads.
func (p *caller) open(from arrival, path string) {
	p.t.Helper()
	p.send(from, http.MethodGet, path, nil)
	for range 8 {
		if !strings.HasPrefix(p.left, "/") {
			return
		}
		p.send(from, http.MethodGet, p.left, nil)
	}
	p.t.Fatalf("%s leads round in a circle", path)
}

// form fills in the form of the page and follows to where that leads.
func (p *caller) form(from arrival, path string, fields ...string) {
	p.t.Helper()
	form := url.Values{}
	if f := flowField.FindStringSubmatch(p.body); f != nil {
		form.Set("f", f[1])
	}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	p.send(from, http.MethodPost, path, form)
	if strings.HasPrefix(p.left, "/") {
		p.open(from, p.left)
	}
}

var (
	pageShown  = regexp.MustCompile(`data-page="([^"]+)"`)
	seedShown  = regexp.MustCompile(`data-otpauth="([^"]+)"`)
	factorForm = regexp.MustCompile(`action="(/(?:mfa|enroll)/([a-z]+))"`)
)

// page is the name of the page that is shown.
func (p *caller) page() string {
	if m := pageShown.FindStringSubmatch(p.body); m != nil {
		return m[1]
	}
	return ""
}

// signIn begins a new session.
func (p *caller) signIn(from arrival) {
	p.t.Helper()
	p.jar.SetCookies(&url.URL{Scheme: "https", Host: "sso.example.com", Path: "/"}, []*http.Cookie{{Name: "__Host-gatehouse", MaxAge: -1, Path: "/", Secure: true}})
	p.open(from, "/")
	p.form(from, "/login", "username", p.name, "password", recordedPassword)
	if p.page() != "portal" {
		p.t.Fatalf("%s is at the page %q (%d):\n%s", p.name, p.page(), p.status, p.body)
	}
}

// prove sets up the factor of the page, or shows its code, and says whose the device is where that is asked.
func (p *caller) prove(from arrival, own string) {
	p.t.Helper()
	f := factorForm.FindStringSubmatch(p.body)
	if f == nil {
		p.t.Fatalf("%s is asked for no factor at the page %q (%d):\n%s", p.name, p.page(), p.status, p.body)
	}
	if m := seedShown.FindStringSubmatch(p.body); m != nil {
		u, err := url.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
		if err != nil {
			p.t.Fatal(err)
		}
		p.seeds[f[2]] = u.Query().Get("secret")
	}
	p.recorder.clock = p.clock.Add(31 * time.Second) // a code is good once
	code, err := otp.GenerateCode(p.seeds[f[2]], p.clock)
	if err != nil {
		p.t.Fatal(err)
	}
	p.form(from, f[1], "code", code)
	if p.page() == "device" {
		p.form(from, "/mfa", "device", own)
	}
}
