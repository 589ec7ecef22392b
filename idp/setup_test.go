package idp_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	otp "github.com/pquerna/otp/totp"
	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/local"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
	"github.com/gatehouse-sso/gatehouse/idp/totp"
)

// cheapHash hashes with the least memory that package local takes, to keep the tests quick.
func cheapHash(password string) string {
	salt := make([]byte, 16)
	rand.Read(salt)
	key := argon2.IDKey([]byte(password), salt, 1, 8<<10, 1, 32)
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=8192,t=1,p=1$%s$%s", enc(salt), enc(key))
}

var agentHash = sync.OnceValue(func() string { return cheapHash("correct horse") })

// sender is an application that is signed in to by a form, as SAML ones are.
type sender struct {
	name    string
	choices []idp.Choice
}

func (s *sender) Tile() idp.Tile { return idp.Tile{Name: s.name, Label: "The " + s.name} }

func (s *sender) SignIn(_ context.Context, u *idp.User, l idp.Launch) (*idp.Form, error) {
	if u.Email == "" {
		return nil, &idp.Error{Status: http.StatusForbidden, Public: "Your account has no mail address.", Reason: "no_mail"}
	}
	return &idp.Form{
		Action: "https://signin.aws.test/saml",
		Fields: []idp.FormField{{Name: "SAMLResponse", Value: "response for " + u.Email + " as " + l.Choice}},
		Record: idp.LaunchRecord{SessionName: u.Email, AssertionID: "_1", Destination: l.Destination},
	}, nil
}

func (s *sender) Choices(*idp.User) []idp.Choice { return s.choices }

func (s *sender) Allows(destination string) bool { return destination == "/ccp-v2" }

// link is an application that is just an address.
type link struct{ name, url string }

func (l link) Tile() idp.Tile { return idp.Tile{Name: l.name, Label: l.name} }

func (l link) URL() string { return l.url }

// baseConfig is the configuration of the tests: the headline's policies and a user in each state.
func baseConfig(t testing.TB, s idp.Store, now func() time.Time) idp.Config {
	t.Helper()
	users := []local.User{
		{Name: "alice", Hash: agentHash(), Email: "alice@example.com", DisplayName: "Alice Agent", Groups: []string{"Agents"}},
		{Name: "bob", Hash: agentHash(), Email: "bob@example.com", Groups: []string{"Agents"}},
		{Name: "nomail", Hash: agentHash()},
	}
	source, err := local.New(local.Config{Name: "staff", Users: users, Hasher: local.NewHasher(local.Bounds{})})
	if err != nil {
		t.Fatal(err)
	}
	factor, err := totp.New(totp.Config{Issuer: "Example Apps", Store: s, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	portal, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	office := idp.Network{Name: "office", Ranges: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}
	return idp.Config{
		Portal: idp.Portal{URL: portal, Title: "Example Apps", Policy: "weekly", Help: "Service desk, extension 4400"},
		Store:  s, Sources: []idp.Source{source}, Factors: []idp.Factor{factor}, Now: now,
		Policies: []*idp.Policy{
			{Name: "default", MFA: &idp.MFASection{Mode: idp.MFAAlways}, Backup: &idp.BackupSection{Mode: idp.BackupOff}},
			{Name: "weekly", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour, Shared: true}},
			{Name: "supervisors", Groups: &idp.GroupsSection{Allow: []idp.GroupRef{{Source: "staff", Name: "Supervisors"}}}},
			{Name: "password", MFA: &idp.MFASection{Mode: idp.MFAOff}},
			{Name: "office", EnrollFirst: &idp.EnrollFirstSection{Mode: idp.EnrollFrom, Networks: []idp.Network{office}}},
			{Name: "coded", EnrollFirst: &idp.EnrollFirstSection{Mode: idp.EnrollWithCode}},
		},
		Applications: []idp.AppConfig{
			{Application: &sender{name: "connect"}, Policy: "weekly"},
			{Application: &sender{name: "salesforce"}},
			{Application: &sender{name: "vault"}, Policy: "supervisors"},
			{Application: &sender{name: "handy"}, Policy: "password"},
			{Application: &sender{name: "roles", choices: []idp.Choice{{Value: "agent", Label: "Agent"}, {Value: "boss", Label: "Supervisor"}}}, Policy: "password"},
			{Application: &sender{name: "inhouse"}, Policy: "office"},
			{Application: &sender{name: "coded"}, Policy: "coded"},
			{Application: link{"handbook", "https://handbook.example.com/"}, Policy: "password"},
		},
		Client: func(r *http.Request) netip.Addr {
			a, _ := r.Context().Value(clientKey{}).(netip.Addr)
			return a
		},
	}
}

var otherClient = netip.MustParseAddr("192.0.2.77")

func newVenue(t testing.TB) *venue {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	return venueOf(t, storetest.NewMemory(c.Now), c)
}

func venueOf(t testing.TB, s idp.Store, c *clock) *venue {
	t.Helper()
	g, err := idp.New(baseConfig(t, s, c.Now))
	if err != nil {
		t.Fatal(err)
	}
	h := &venue{
		gateway: g, store: s, clock: c, browsers: map[string]*browser{}, saved: map[string][]*http.Cookie{},
		client: netip.MustParseAddr("198.51.100.7"),
	}
	h.use("first")
	return h
}

// codeNow is the code that the person's app shows.
func (h *venue) codeNow(t testing.TB) string {
	t.Helper()
	code, err := otp.GenerateCode(h.now.secret, h.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// cookies are what the browser holds for the portal.
func (h *venue) cookies(t testing.TB) []*http.Cookie {
	t.Helper()
	u, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	return h.now.jar.Cookies(u)
}

// safeBuilder is a strings.Builder for several writers.
type safeBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuilder) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuilder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func debugLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
