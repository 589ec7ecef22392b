package bench

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/e2e"
	"github.com/gatehouse-sso/gatehouse/idp"
)

// signerHost is the name in the signer's certificate.
const signerHost = "signer.example.test"

// signer is a server that does nothing but sign, behind the same net/http and TLS as Caddy:
// POST /raw one RSA signature and no more; POST /semaphore and /free a whole response for Amazon Connect, with
// samlapp's bound on signatures at work and without it.
type signer struct {
	*e2e.Process
	address string
	roots   *x509.CertPool
}

// startSigner starts the server as a process of its own.
func startSigner(b *testing.B) *signer {
	b.Helper()
	dir := b.TempDir()
	// Its certificate is of the kind that Caddy makes: ECDSA P-256.
	authority, err := e2e.NewAuthority(dir)
	if err != nil {
		b.Fatal(err)
	}
	if err := authority.WritePair(dir, signerHost); err != nil {
		b.Fatal(err)
	}
	s := &signer{roots: authority.Roots()}
	s.Process = e2e.Start(b, e2e.NewLog(b, "signer"), []string{role + "=signer", "GATEHOUSE_BENCH_DIR=" + dir}, os.Args[0])
	s.Await("the signer to listen", func() error {
		address, err := os.ReadFile(filepath.Join(dir, "address"))
		s.address = string(address)
		return err
	})
	return s
}

// HTTP returns a client with a connection of its own.
func (s *signer) HTTP(b *testing.B) *http.Client {
	hc := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.address)
		},
	}}
	b.Cleanup(hc.CloseIdleConnections)
	return hc
}

// oneKey is the signing key of a gateway.
type oneKey struct{ key idp.SAMLKey }

// SAMLKeys returns the key.
func (k oneKey) SAMLKeys() ([]idp.SAMLKey, error) { return []idp.SAMLKey{k.key}, nil }

// CookieKeys has none.
func (oneKey) CookieKeys() ([][]byte, error) { return nil, nil }

// newKey makes an RSA key of 2048 bits with its certificate.
func newKey() (oneKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return oneKey{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "bench"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return oneKey{idp.SAMLKey{ID: "bench", State: idp.KeyActive, Signer: key, Certificate: der, Created: time.Now()}}, err
}

// serveSigner is the process; it returns only when it fails.
func serveSigner(dir string) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /raw", func(w http.ResponseWriter, r *http.Request) { answer(w, r, key.sign) })
	for path, signers := range map[string]int{"POST /semaphore": 0, "POST /free": 1 << 20} {
		app, err := connect("https://"+signerHost, key, signers)
		if err != nil {
			return err
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			answer(w, r, func(n uint64, _ []byte) (string, error) {
				f, err := app.SignIn(r.Context(), agent(n), launchAt(time.Now()))
				if err != nil {
					return "", err
				}
				return f.Fields[0].Value, nil
			})
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "address.part"), []byte(l.Addr().String()), 0o600); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "address.part"), filepath.Join(dir, "address")); err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	return errors.Join(server.ServeTLS(l, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")), errors.New("the signer ended"))
}

var served atomic.Uint64

// answer reads the form, signs something new and sends it.
func answer(w http.ResponseWriter, r *http.Request, make func(n uint64, body []byte) (string, error)) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text, err := make(served.Add(1), body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprint(w, "signed "+text)
}

// sign is the signature that no response can do without.
func (k oneKey) sign(n uint64, body []byte) (string, error) {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(body, n))
	sig, err := k.key.Signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	return base64.StdEncoding.EncodeToString(sig), err
}

// agent is a person that no launch had before.
func agent(n uint64) *idp.User {
	name := fmt.Sprintf("agent-%d", n)
	return &idp.User{Source: "people", ID: name, Name: name, Email: name + "@example.test", Groups: []idp.Group{{Names: []string{"Agents"}}}}
}

// launchAt is a launch by somebody with two factors.
func launchAt(now time.Time) idp.Launch {
	return idp.Launch{
		Now: now, SignedInAt: now.Add(-10 * time.Minute), Session: "_bench",
		Proofs: []idp.Proof{{Factor: idp.PasswordFactor, At: now.Add(-10 * time.Minute)}, {Factor: "totp", At: now.Add(-9 * time.Minute)}},
	}
}

// verify has xmlsec1 check a response of the key.
func (k oneKey) verify(b *testing.B, encoded string) string {
	b.Helper()
	document, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		b.Fatal(err)
	}
	ids, err := e2e.Verify(document, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.key.Certificate})))
	if err != nil {
		b.Fatal(err)
	}
	return fmt.Sprintf("xmlsec1 verified the last response (signed: %s)", strings.Join(ids, ", "))
}
