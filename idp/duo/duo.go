// Package duo is the factor "Duo": the browser goes to Duo's Universal Prompt and comes back with a code, which is
// exchanged for a token that says what became of it (Duo's OIDC Auth API).
//
// The client is our own. Duo's has no time limit, takes a denial for a success and does not want an expiry; it is the
// counterpart in tests.
package duo

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// ACR is the authentication context class of Duo's answer: which of the person's devices confirmed it is Duo's to know,
// so that it claims no more than a second device that is registered (SAML 2.0 Authentication Context, §3.4.16).
const ACR = "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorUnregistered"

// DefaultName is the factor's name where the configuration gives none.
const DefaultName = "duo"

// DefaultTimeout is how long Duo may take for one answer. A decision with a Duo that hangs stays below four seconds.
const DefaultTimeout = 3 * time.Second

// Config is what a factor is built from.
type Config struct {
	Name         string // in the configuration and in addresses; default DefaultName
	APIHostname  string // api-XXXXXXXX.duosecurity.com
	ClientID     string
	ClientSecret idp.Secret
	Attribute    string         // of people, that is their Duo user name; default "username"
	Normalize    string         // Simple or None; default Simple
	Proxy        *url.URL       // HTTP proxy between us and Duo; default none
	CAs          *x509.CertPool // who may vouch for Duo; default: the system's
	Timeout      time.Duration  // default DefaultTimeout
	Now          func() time.Time
	Rand         io.Reader
}

// Factor sends people to Duo. It is safe for concurrent use.
type Factor struct {
	name      string
	attribute string
	normalize string
	client    *client
	health    health
	now       func() time.Time
	rand      io.Reader
}

// New returns the factor. It asks nobody.
func New(c Config) (*Factor, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if c.Attribute == "" {
		c.Attribute = "username"
	}
	if c.Normalize == "" {
		c.Normalize = Simple
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("duo: %w", err)
	}
	f := &Factor{
		name: c.Name, attribute: c.Attribute, normalize: c.Normalize, client: newClient(c),
		now: c.Now, rand: c.Rand,
	}
	f.health.probe, f.health.now = f.client.health, c.Now
	return f, nil
}

// check reports the first thing that Duo would not take.
func (c *Config) check() error {
	if err := CheckHostname(c.APIHostname); err != nil {
		return err
	}
	if err := CheckClientID(c.ClientID); err != nil {
		return err
	}
	switch {
	case strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return fmt.Errorf("the name %q is part of an address and may hold a-z, 0-9, - and _ only", c.Name)
	case len(c.ClientSecret.Reveal()) != secretLength:
		return fmt.Errorf("the client secret has %d characters, and Duo's have %d", len(c.ClientSecret.Reveal()), secretLength)
	case c.Normalize != Simple && c.Normalize != None:
		return fmt.Errorf("user names are normalized %s or %s, not %q", Simple, None, c.Normalize)
	}
	if err := CheckTimeout(c.Timeout); err != nil {
		return err
	}
	return CheckProxy(c.Proxy)
}

// Name returns the name of the factor.
func (f *Factor) Name() string { return f.name }

// Ready answers Enrolled for everybody who can have a Duo user name: whom Duo does not know, it enrolls or turns away on
// its own page. It answers Unreachable while Duo's health check fails.
func (f *Factor) Ready(ctx context.Context, u *idp.User) (idp.Readiness, error) {
	if u == nil {
		return idp.NotEnrolled, errNoUser
	}
	if f.username(u) == "" {
		return idp.NotEnrolled, nil
	}
	if err := f.health.check(ctx); err != nil {
		return idp.Unreachable, err
	}
	return idp.Enrolled, nil
}

// Challenge makes the address at Duo. Nothing is sent by us: the browser carries the signed request.
func (f *Factor) Challenge(_ context.Context, u *idp.User, a idp.Attempt) (idp.Step, error) {
	if u == nil {
		return idp.Step{}, errNoUser
	}
	name := f.username(u)
	if name == "" {
		return idp.Step{}, &idp.Error{
			Status: http.StatusForbidden, Public: "Your account has no user name for Duo. Ask the service desk.", Reason: "no_duo_name",
			Err: fmt.Errorf("%s has no attribute %s", u.Key(), f.attribute),
		}
	}
	if len(a.State) < leastState {
		return idp.Step{}, errors.New("duo: the state of an attempt is too short to be trusted")
	}
	nonce, err := randomText(f.rand)
	if err != nil {
		return idp.Step{}, err
	}
	m := memo{
		Factor: f.name, User: u.Key(), Username: name, Callback: a.Callback, State: a.State, Nonce: nonce,
		Fresh: a.Fresh, MaxAge: a.MaxAge, Begun: f.now(),
	}
	to, err := f.client.authorize(m)
	if err != nil {
		return idp.Step{}, err
	}
	data, err := m.encode()
	if err != nil {
		return idp.Step{}, err
	}
	return idp.Step{URL: to, Memo: data, Expires: m.Begun.Add(promptTime)}, nil
}

// Verify exchanges what the browser brought back. ErrBadCredentials means that the person denied it, or that Duo did for
// them. What does not fit the challenge is an [idp.Error]; any other error means that Duo did not answer, which never
// counts for an outage: whoever came here was to show the factor.
func (f *Factor) Verify(ctx context.Context, u *idp.User, m []byte, answer url.Values) (idp.Proof, error) {
	if u == nil {
		return idp.Proof{}, errNoUser
	}
	now := f.now()
	begun, err := decodeMemo(m, f.name, u.Key(), now)
	if err != nil {
		return idp.Proof{}, err
	}
	code, err := codeOf(begun, answer)
	if err != nil {
		return idp.Proof{}, err
	}
	raw, err := f.client.exchange(ctx, code, begun.Callback)
	if err != nil {
		if !isRefusal(err) {
			f.health.forget() // it may be down, and the next one is to be told before they leave for it
		}
		return idp.Proof{}, err
	}
	t, err := f.client.readToken(raw)
	if err != nil {
		return idp.Proof{}, refused("bad_token", err)
	}
	if err := t.check(begun, now); err != nil {
		return idp.Proof{}, err
	}
	return idp.Proof{Factor: f.name, Credential: t.method(), ACR: ACR, At: t.authenticated(now)}, nil
}

// refused is the refusal of an answer that nobody who came from Duo's page by themselves brings.
func refused(reason string, err error) error {
	return &idp.Error{
		Status: http.StatusForbidden, Title: "Duo’s answer was not accepted", Reason: reason, Err: err,
		Public: "The answer from Duo does not fit this sign-in. Try again.",
	}
}

func isRefusal(err error) bool {
	_, ok := errors.AsType[*idp.Error](err)
	return ok
}

var errNoUser = errors.New("duo: no user was given")

var (
	_ idp.Factor  = (*Factor)(nil)
	_ idp.Checker = (*Factor)(nil)
)
