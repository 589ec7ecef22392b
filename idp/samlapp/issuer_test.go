package samlapp

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// slow is a key that signs when it is let.
type slow struct {
	crypto.Signer
	begun, let chan struct{}
}

func (s slow) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	s.begun <- struct{}{}
	<-s.let
	return s.Signer.Sign(r, digest, o)
}

func TestSigningIsBounded(t *testing.T) {
	key := testKey(t, "active", idp.KeyActive)
	gate := slow{key.Signer, make(chan struct{}), make(chan struct{})}
	key.Signer = gate
	c := salesforce()
	c.Issuer = &Issuer{EntityID: testEntityID, Signers: 1, Keys: func() ([]idp.SAMLKey, error) { return []idp.SAMLKey{key}, nil }}
	app, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { signIn(t, app, testUser(), testLaunch()) })
	<-gate.begun

	ctx, cancel := context.WithCancel(context.Background())
	answer := make(chan error)
	go func() {
		_, err := app.SignIn(ctx, testUser(), testLaunch())
		answer <- err
	}()
	select {
	case <-gate.begun:
		t.Fatal("two at once")
	case err := <-answer:
		t.Fatal(err)
	default:
	}
	cancel()
	if e := refusal(t, <-answer, "busy"); e.Status != http.StatusServiceUnavailable || !errors.Is(e, context.Canceled) {
		t.Errorf("%+v", e)
	}
	wg.Go(func() { signIn(t, app, testUser(), testLaunch()) })
	gate.let <- struct{}{}
	<-gate.begun // the place of the one who left is free again
	gate.let <- struct{}{}
	wg.Wait()
}

func TestQueueIsBounded(t *testing.T) {
	i := testIssuer(t)
	i.Signers = 1
	if err := i.acquire(context.Background()); err != nil {
		t.Fatal(err)
	}
	i.waiting.Store(maxWaiting)
	refused(t, i.acquire(context.Background()), "busy")
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	refused(t, i.acquire(ctx), "busy")
}

func selfSigned(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: testNow.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// C-43: nothing but RSA of 2048 bits or more signs, and only with the certificate that is its own.
func TestC43KeysThatMustNotSign(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, next := testKey(t, "active", idp.KeyActive), testKey(t, "next", idp.KeyNext)
	for name, keys := range map[string][]idp.SAMLKey{
		"1024 bits":            {{ID: "a", State: idp.KeyActive, Signer: short, Certificate: selfSigned(t, short)}},
		"ECDSA":                {{ID: "a", State: idp.KeyActive, Signer: elliptic, Certificate: selfSigned(t, elliptic)}},
		"foreign certificate":  {{ID: "a", State: idp.KeyActive, Signer: good.Signer, Certificate: next.Certificate}},
		"broken certificate":   {{ID: "a", State: idp.KeyActive, Signer: good.Signer, Certificate: []byte("x")}},
		"no private key":       {{ID: "a", State: idp.KeyActive, Certificate: good.Certificate}},
		"only the next key":    {next},
		"only a retired key":   {{ID: "a", State: idp.KeyRetired, Signer: good.Signer, Certificate: good.Certificate}},
		"no key":               {},
		"the store is closed ": nil,
	} {
		t.Run(name, func(t *testing.T) {
			c := salesforce()
			c.Issuer = &Issuer{EntityID: testEntityID, Keys: func() ([]idp.SAMLKey, error) {
				if keys == nil {
					return nil, idp.ErrNotReady
				}
				return keys, nil
			}}
			app, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			_, err = app.SignIn(context.Background(), testUser(), testLaunch())
			if e := refusal(t, err, "no_key"); e.Status != http.StatusServiceUnavailable {
				t.Errorf("status %d", e.Status)
			}
			if _, err := Metadata(testEntityID, "https://sso.example.com/saml/sso", "", keys); err == nil {
				t.Error("the metadata has this key")
			}
			if f := app.Check(context.Background()); f[0].Level != "error" || f[0].Rule != "S3" {
				t.Errorf("check says %+v", f[0])
			}
		})
	}
}

func TestPromotedKeySignsAtOnce(t *testing.T) {
	keys := testKeys(t)
	c := salesforce()
	c.Issuer = &Issuer{EntityID: testEntityID, Keys: func() ([]idp.SAMLKey, error) { return keys, nil }}
	app, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ active, id string }{{"active", "k"}, {"next", "k"}, {"active", "other"}} {
		k := testKey(t, tt.active, idp.KeyActive)
		k.ID = tt.id // the same id with another certificate is another key
		keys = []idp.SAMLKey{k}
		f := signIn(t, app, testUser(), testLaunch())
		if err := xmlsec(t, responseOf(t, f), f.Record.AssertionID, tt.active); err != nil {
			t.Errorf("%s: %v", tt.active, err)
		}
	}
}

// C-42: ids are new each time and start as xs:ID must.
func TestC42IDsAreUnique(t *testing.T) {
	i := &Issuer{EntityID: testEntityID}
	seen := map[string]bool{}
	for range 1000 {
		r, a, err := i.ids()
		if err != nil || seen[r] || seen[a] || r == a || len(a) != 41 || !strings.HasPrefix(r, "_") || !strings.HasPrefix(a, "_") {
			t.Fatal(r, a, err)
		}
		seen[r], seen[a] = true, true
	}
}

func TestNoRandomnessNoResponse(t *testing.T) {
	c := salesforce()
	c.Issuer = testIssuer(t)
	c.Issuer.Rand = strings.NewReader("too short")
	app, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = app.SignIn(context.Background(), testUser(), testLaunch())
	refused(t, err, "no_random")
}

// C-41: the response claims what was proved, and nothing is claimed without proof.
func TestC41AuthnContext(t *testing.T) {
	password := idp.Proof{Factor: idp.PasswordFactor}
	passkey := idp.Proof{Factor: "passkey", ACR: "urn:example:passkey", UserVerified: true, Hardware: true}
	for want, proofs := range map[string][]idp.Proof{
		contextPassword:           {password},
		contextTimeSync:           {password, {Factor: "totp"}},
		"urn:example:passkey":     {password, passkey, {Factor: "totp", ACR: contextTimeSync}},
		"urn:example:own":         {{Factor: "totp", ACR: "urn:example:own"}, password},
		contextUnspecified:        {password, {Factor: "something"}},
		"urn:example:verified":    {{Factor: "totp"}, {Factor: "duo", ACR: "urn:example:verified", UserVerified: true}},
		"urn:example:password-ac": {{Factor: idp.PasswordFactor, ACR: "urn:example:password-ac"}},
	} {
		l := testLaunch()
		l.Proofs = proofs
		doc := string(responseOf(t, signIn(t, application(t, salesforce()), testUser(), l)))
		if !strings.Contains(doc, "<saml:AuthnContextClassRef>"+want+"<") {
			t.Errorf("%v does not give %s", proofs, want)
		}
	}
	l := testLaunch()
	l.Proofs = nil
	_, err := application(t, salesforce()).SignIn(context.Background(), testUser(), l)
	refused(t, err, "no_proof")
	l = testLaunch()
	l.SignedInAt = time.Time{}
	_, err = application(t, salesforce()).SignIn(context.Background(), testUser(), l)
	refused(t, err, "no_time")
}
