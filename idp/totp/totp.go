// Package totp is the factor "authenticator app": six digits that change every 30 seconds (RFC 6238
// over SHA-1, which is what apps support). People set it up by themselves, by a QR code or a typed
// key, and each code is good once.
//
// Seeds are 160 bits long. They live sealed in the store and in the memo of an enrollment, and go to
// the browser once, on the enrollment page. How often a person may guess is the gateway's to count.
package totp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// ACR is the authentication context class of a code made from the time (SAML 2.0 Authentication
// Context, §3.4.22).
const ACR = "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken"

const (
	digits    = 6
	period    = 30 // seconds
	skew      = 1  // steps before and after the present one
	seedBytes = 20 // RFC 4226 §4 R6 recommends 160 bits
)

// DefaultName is the factor's name where the configuration gives none.
const DefaultName = "totp"

// Config is what a factor is built from.
type Config struct {
	Name   string           // in the configuration and in addresses; default DefaultName
	Issuer string           // what the app calls us: the portal's title
	Label  string           // what people find a new app under; default "Authenticator app"
	Store  idp.Enrollments  // keeps the seeds, sealed
	Now    func() time.Time // default time.Now
	Rand   io.Reader        // default crypto/rand
}

// Factor asks for a code of an authenticator app. It is safe for concurrent use.
type Factor struct {
	name   string
	issuer string
	label  string
	store  idp.Enrollments
	now    func() time.Time
	rand   io.Reader

	enrolling chan struct{} // holds one token: enrollments end one after another
}

// New returns the factor.
func New(c Config) (*Factor, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return nil, fmt.Errorf("totp: the name %q is part of an address and may hold a-z, 0-9, - and _ only", c.Name)
	}
	if plain(strings.ReplaceAll(c.Issuer, ":", " ")) == "" {
		return nil, errors.New("totp: it needs an issuer, the name that apps show")
	}
	if c.Store == nil {
		return nil, errors.New("totp: it needs a store")
	}
	if c.Label == "" {
		c.Label = firstLabel
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return &Factor{
		name: c.Name, issuer: c.Issuer, label: c.Label, store: c.Store, now: c.Now, rand: c.Rand,
		enrolling: make(chan struct{}, 1),
	}, nil
}

// Name returns the name of the factor.
func (f *Factor) Name() string { return f.name }

// Ready answers Enrolled for a person with at least one app, and Unreachable where the store fails.
func (f *Factor) Ready(ctx context.Context, u *idp.User) (idp.Readiness, error) {
	if u == nil {
		return idp.NotEnrolled, errNoUser
	}
	apps, err := f.apps(ctx, u)
	switch {
	case err != nil:
		return idp.Unreachable, err
	case len(apps) == 0:
		return idp.NotEnrolled, nil
	}
	return idp.Enrolled, nil
}

// Challenge asks for a code.
func (f *Factor) Challenge(_ context.Context, u *idp.User, _ idp.Attempt) (idp.Step, error) {
	if u == nil {
		return idp.Step{}, errNoUser
	}
	m, err := memo{Kind: kindVerify, Factor: f.name, User: u.Key()}.encode()
	if err != nil {
		return idp.Step{}, err
	}
	return idp.Step{Memo: m, View: idp.View{
		Title:  "Authenticator app",
		Text:   "Enter the 6-digit code that your authenticator app shows.",
		Digits: digits,
	}}, nil
}

// Verify checks the form field "code" against all of the person's apps and spends the step that
// fits, so that a code that was seen over a shoulder or on the wire is worth nothing (RFC 6238 §5.2).
// ErrSpent is also the answer to a code older than the last one used.
func (f *Factor) Verify(ctx context.Context, u *idp.User, m []byte, answer url.Values) (idp.Proof, error) {
	if u == nil {
		return idp.Proof{}, errNoUser
	}
	now := f.now()
	if _, err := decodeMemo(m, kindVerify, f.name, u.Key()); err != nil {
		return idp.Proof{}, err
	}
	code, ok := typedCode(answer)
	if !ok {
		return idp.Proof{}, idp.ErrBadCredentials
	}
	apps, err := f.apps(ctx, u)
	if err != nil {
		return idp.Proof{}, err
	}
	verdict := idp.ErrBadCredentials
	for _, app := range apps {
		step, ok, err := matchingStep(app.Secret, code, now)
		if err != nil {
			return idp.Proof{}, fmt.Errorf("authenticator app %s of %s: %w", app.ID, u.Key(), err)
		}
		if !ok {
			continue
		}
		// The store decides, in one write: of many requests with one code, on any node, one wins.
		err = f.store.SpendStep(ctx, u.Key(), f.name, app.ID, step, now)
		switch {
		case err == nil:
			return f.proof(app.ID, now), nil
		case errors.Is(err, idp.ErrSpent):
			verdict = idp.ErrSpent
		case !errors.Is(err, idp.ErrNotFound): // taken away just now, so that its codes are wrong
			return idp.Proof{}, fmt.Errorf("spending a code: %w", err)
		}
	}
	return idp.Proof{}, verdict
}

func (f *Factor) apps(ctx context.Context, u *idp.User) ([]idp.Enrollment, error) {
	apps, err := f.store.UserEnrollments(ctx, u.Key(), f.name)
	if err != nil {
		return nil, fmt.Errorf("reading the authenticator apps of %s: %w", u.Key(), err)
	}
	return apps, nil
}

func (f *Factor) proof(id string, at time.Time) idp.Proof {
	return idp.Proof{Factor: f.name, Credential: id, ACR: ACR, At: at}
}

var errNoUser = errors.New("totp: no user was given")

var (
	_ idp.Factor   = (*Factor)(nil)
	_ idp.Enroller = (*Factor)(nil)
)
