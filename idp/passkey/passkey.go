// Package passkey is the factor "passkey" (W3C WebAuthn Level 3): a key that the person's device, password manager
// or security key holds and uses only after it has seen that it is them, by a finger, a face or a PIN. It is a second
// factor, and by itself a way to sign in without a password.
//
// The browser is asked by options that a page carries, and answers in one form field. A challenge is good once, for
// minutes, for one step of one sign-in. What WebAuthn §7.1 and §7.2 want checked (type, challenge, origin, cross-origin,
// RP ID, presence, verification, algorithm, signature, backup flags) go-webauthn checks, and the tests here see that each
// is; whose a credential is, that it is of this portal's host and that its counter rises is checked here.
//
// Public keys are no secret. They live sealed in the store all the same, because the seal binds each to its person: a
// row that was changed or moved to somebody else opens nothing.
package passkey

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// DefaultName is the factor's name where the configuration gives none.
const DefaultName = "passkey"

// How long the browser may take. At sign-in the page lies open until somebody picks their passkey, which may be as
// long as the sign-in itself is kept.
const (
	askTime   = 5 * time.Minute
	loginTime = 15 * time.Minute
)

// algorithms are the ones that are offered, the preferred first. Whatever holds passkeys today knows one of them.
var algorithms = []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256}

// Store is what the factor keeps its keys in.
type Store interface {
	idp.Enrollments
	idp.Credentials
}

// Config is what a factor is built from.
type Config struct {
	Name         string           // in the configuration and in addresses; default DefaultName
	Portal       *url.URL         // its host is the RP ID, to which browsers bind each passkey
	Title        string           // what the browser calls us; default the host
	Store        Store            // keeps the public keys
	SecondFactor bool             // it never signs anybody in without a password
	Now          func() time.Time // default time.Now
	Rand         io.Reader        // default crypto/rand; challenges are always from there
}

// Factor asks for a passkey. It is safe for concurrent use.
type Factor struct {
	name  string
	rpID  string
	ways  *webauthn.WebAuthn
	store Store
	now   func() time.Time
	rand  io.Reader

	enrolling chan struct{} // holds one token: enrollments end one after another
}

// New returns the factor. One that is no mere second factor is [idp.Passwordless] too.
func New(c Config) (idp.Factor, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return nil, fmt.Errorf("passkey: the name %q is part of an address and may hold a-z, 0-9, - and _ only", c.Name)
	}
	if err := CheckPortal(c.Portal); err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	if c.Store == nil {
		return nil, errors.New("passkey: it needs a store")
	}
	if c.Title == "" {
		c.Title = c.Portal.Hostname()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	rpID := strings.ToLower(c.Portal.Hostname())
	ways, err := webauthn.New(&webauthn.Config{
		RPID: rpID, RPDisplayName: c.Title, RPOrigins: []string{c.Portal.Scheme + "://" + c.Portal.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{
			Login:        webauthn.TimeoutConfig{Timeout: askTime, TimeoutUVD: askTime},
			Registration: webauthn.TimeoutConfig{Timeout: askTime, TimeoutUVD: askTime},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	f := &Factor{
		name: c.Name, rpID: rpID, ways: ways, store: c.Store, now: c.Now, rand: c.Rand,
		enrolling: make(chan struct{}, 1),
	}
	if c.SecondFactor {
		return f, nil
	}
	return &loginFactor{f}, nil
}

// CheckPortal returns an error where browsers make no passkeys for the portal's address: an RP ID is a domain, and an IP
// address is none (WebAuthn §5.1.3).
func CheckPortal(portal *url.URL) error {
	switch {
	case portal == nil || portal.Hostname() == "":
		return errors.New("it needs the address of the portal")
	case net.ParseIP(portal.Hostname()) != nil:
		return fmt.Errorf("the portal's address is the IP address %s, for which browsers make no passkeys: give the portal a name", portal.Hostname())
	}
	return nil
}

// Name returns the name of the factor.
func (f *Factor) Name() string { return f.name }

// Ready answers Enrolled for a person with a passkey, also where none of theirs can be used: that must be no reason to
// let somebody set up another one by the password alone. It answers Unreachable where the store fails.
func (f *Factor) Ready(ctx context.Context, u *idp.User) (idp.Readiness, error) {
	if u == nil {
		return idp.NotEnrolled, errNoUser
	}
	keys, err := f.keys(ctx, u.Key())
	switch {
	case err != nil:
		return idp.Unreachable, err
	case len(keys) == 0:
		return idp.NotEnrolled, nil
	}
	return idp.Enrolled, nil
}

var errNoUser = errors.New("passkey: no user was given")

var (
	_ idp.Factor       = (*Factor)(nil)
	_ idp.Enroller     = (*Factor)(nil)
	_ idp.Decliner     = (*Factor)(nil)
	_ idp.StoreChecker = (*Factor)(nil)
	_ idp.Describer    = (*Factor)(nil)
	_ idp.Passwordless = (*loginFactor)(nil)
)
