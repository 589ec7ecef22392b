package storetest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func testKeys(t *testing.T, open opener) {
	f := newFixture(t, open)
	keys, err := f.SAMLKeys()
	f.ok(err)
	if len(keys) != 2 || keys[0].State != idp.KeyActive || keys[1].State != idp.KeyNext || keys[0].ID == keys[1].ID {
		t.Fatalf("at first start: %d keys, want one active and one next", len(keys))
	}
	for _, k := range keys {
		checkKey(f, k)
	}
	cookie, err := f.CookieKeys()
	f.ok(err)
	if len(cookie) == 0 || len(cookie[0]) != 64 || bytes.Equal(cookie[0], make([]byte, 64)) {
		t.Fatalf("cookie keys of the wrong kind: %d", len(cookie))
	}
	cookie[0] = nil // the caller's slice is the caller's
	keys[0] = idp.SAMLKey{}
	before, err := f.SAMLKeys()
	f.ok(err)
	cookieBefore, err := f.CookieKeys()
	f.ok(err)
	f.restart()
	after, err := f.SAMLKeys()
	f.ok(err)
	cookieAfter, err := f.CookieKeys()
	f.ok(err)
	if len(after) != 2 || len(cookieAfter) != len(cookieBefore) || !bytes.Equal(cookieAfter[0], cookieBefore[0]) {
		t.Fatal("other keys after a restart")
	}
	for i := range after {
		same := after[i].Signer.(*rsa.PrivateKey).Equal(before[i].Signer)
		if !same || !bytes.Equal(after[i].Certificate, before[i].Certificate) || after[i].ID != before[i].ID || !after[i].Created.Equal(before[i].Created) {
			t.Errorf("key %d differs after a restart", i)
		}
	}
}

func checkKey(f *fixture, k idp.SAMLKey) {
	f.T.Helper()
	key, ok := k.Signer.(*rsa.PrivateKey)
	if !ok || key.N.BitLen() < 2048 {
		f.T.Fatalf("key %s is not RSA of 2048 bits", k.ID)
	}
	cert, err := x509.ParseCertificate(k.Certificate)
	f.ok(err)
	f.ok(cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature))
	if cert.NotBefore.After(f.now()) || cert.NotAfter.Before(f.now().Add(10*365*24*time.Hour)) {
		f.T.Errorf("key %s is valid from %v to %v", k.ID, cert.NotBefore, cert.NotAfter)
	}
	sum := sha256.Sum256([]byte("x"))
	sig, err := k.Signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	f.ok(err)
	f.ok(cert.CheckSignature(x509.SHA256WithRSA, []byte("x"), sig))
}
