package store

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	samlKeyBits   = 2048
	samlKeyYears  = 10 // a service provider is told of a key by hand: it must not run out quietly
	cookieKeyLen  = 64 // HMAC-SHA-256's block: longer is hashed down
	publishedKeys = 2  // one active and one next, so that a rollover needs no step on the other side
)

// keyring is the gateway's keys in memory.
type keyring struct {
	all    []idp.SAMLKey // active, next, retired; of each the oldest first
	live   []idp.SAMLKey // without the retired
	cookie [][]byte
}

// SAMLKeys returns the active key first, then the next ones, oldest first.
func (s *Store) SAMLKeys() ([]idp.SAMLKey, error) {
	o := s.state.Load()
	if o == nil {
		return nil, idp.ErrNotReady
	}
	return slices.Clone(o.keys.Load().live), nil
}

// AllSAMLKeys returns the keys of every state, the retired ones last. Those have no Signer: a retired
// private key is destroyed, its certificate stays to tell old signatures by.
func (s *Store) AllSAMLKeys() ([]idp.SAMLKey, error) {
	o := s.state.Load()
	if o == nil {
		return nil, idp.ErrNotReady
	}
	return slices.Clone(o.keys.Load().all), nil
}

// CookieKeys returns HMAC keys of 64 bytes, newest first.
func (s *Store) CookieKeys() ([][]byte, error) {
	o := s.state.Load()
	if o == nil {
		return nil, idp.ErrNotReady
	}
	return slices.Clone(o.keys.Load().cookie), nil
}

// newKey is a key that is not yet stored.
type newKey struct {
	idp.SAMLKey
	private []byte // PKCS #8
}

func (o *state) newSAMLKey(state idp.KeyState) (*newKey, error) {
	key, err := rsa.GenerateKey(o.Rand, samlKeyBits)
	if err != nil {
		return nil, fmt.Errorf("making an RSA key: %w", err)
	}
	serial := make([]byte, 16)
	if _, err := io.ReadFull(o.Rand, serial); err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, of constant length (RFC 5280 §4.1.2.2)
	now := o.Now().UTC().Truncate(time.Second)
	cert := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               pkix.Name{CommonName: "Gatehouse SAML signing " + now.Format("2006-01-02")},
		NotBefore:             now.Add(-time.Hour), // the other side's clock may be behind
		NotAfter:              now.AddDate(samlKeyYears, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		SignatureAlgorithm:    x509.SHA256WithRSA,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(o.Rand, cert, cert, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return &newKey{
		SAMLKey: idp.SAMLKey{
			ID:    hex.EncodeToString(sum[:4]), // the start of the fingerprint that other tools show
			State: state, Signer: key, Certificate: der, Created: now,
		},
		private: private,
	}, nil
}

func (o *state) putSAMLKey(ctx context.Context, c conn, k *newKey) error {
	sealed, err := o.seal.seal(at("saml_keys", k.ID), k.private)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, "INSERT INTO saml_keys (id, state, created, certificate, sealed) VALUES (?, ?, ?, ?, ?)",
		k.ID, string(k.State), stamp(k.Created), k.Certificate, sealed)
	return err
}

// makeKeys makes what is missing at first start, in one transaction: of any number of processes that
// open an empty database at once one makes the keys and the others find them.
func (o *state) makeKeys(ctx context.Context) error {
	var have int
	if err := o.read().row(ctx, "SELECT count(*) FROM saml_keys").Scan(&have); err != nil {
		return fmt.Errorf("counting keys: %w", err)
	}
	if have > 0 {
		return nil
	}
	active, err := o.newSAMLKey(idp.KeyActive)
	if err != nil {
		return err
	}
	next, err := o.newSAMLKey(idp.KeyNext)
	if err != nil {
		return err
	}
	cookie := make([]byte, cookieKeyLen)
	if _, err := io.ReadFull(o.Rand, cookie); err != nil {
		return fmt.Errorf("reading randomness: %w", err)
	}
	return o.write(ctx, func(c conn) error {
		if err := c.row(ctx, "SELECT count(*) FROM saml_keys").Scan(&have); err != nil || have > 0 {
			return err
		}
		if err := o.putSAMLKey(ctx, c, active); err != nil {
			return err
		}
		if err := o.putSAMLKey(ctx, c, next); err != nil {
			return err
		}
		const id = "1"
		sealed, err := o.seal.seal(at("cookie_keys", id), cookie)
		if err != nil {
			return err
		}
		_, err = c.exec(ctx, "INSERT INTO cookie_keys (id, created, sealed) VALUES (?, ?, ?)", id, stamp(o.Now()), sealed)
		return err
	})
}

// loadKeys reads the keys into memory.
func (o *state) loadKeys(ctx context.Context) error {
	o.reload.Lock()
	defer o.reload.Unlock()
	ring := &keyring{}
	known := map[string]crypto.Signer{} // parsing an RSA key is dear
	if old := o.keys.Load(); old != nil {
		for _, k := range old.live {
			known[k.ID] = k.Signer
		}
	}
	err := o.read().each(ctx, func(rows *sql.Rows) error {
		k, err := o.scanKey(rows, known)
		if err != nil {
			return err
		}
		ring.all = append(ring.all, k)
		if k.State != idp.KeyRetired {
			ring.live = append(ring.live, k)
		}
		return nil
	}, `SELECT id, state, created, certificate, sealed FROM saml_keys
		ORDER BY CASE state WHEN 'active' THEN 0 WHEN 'next' THEN 1 ELSE 2 END, created, id`)
	if err != nil {
		return fmt.Errorf("loading the SAML keys: %w", err)
	}
	if len(ring.live) == 0 || ring.live[0].State != idp.KeyActive {
		return errors.New("the database holds no active SAML key")
	}
	err = o.read().each(ctx, func(rows *sql.Rows) error {
		var id string
		var sealed []byte
		if err := rows.Scan(&id, &sealed); err != nil {
			return err
		}
		key, err := o.seal.open(at("cookie_keys", id), sealed)
		ring.cookie = append(ring.cookie, key)
		return err
	}, "SELECT id, sealed FROM cookie_keys ORDER BY created DESC, id DESC")
	if err != nil {
		return fmt.Errorf("loading the cookie keys: %w", err)
	}
	if len(ring.cookie) == 0 {
		return errors.New("the database holds no cookie key")
	}
	o.keys.Store(ring)
	return nil
}

func (o *state) scanKey(rows *sql.Rows, known map[string]crypto.Signer) (k idp.SAMLKey, err error) {
	var created int64
	var sealed []byte
	if err := rows.Scan(&k.ID, &k.State, &created, &k.Certificate, &sealed); err != nil {
		return k, err
	}
	k.Created = moment(created)
	if k.State == idp.KeyRetired {
		return k, nil
	}
	cert, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return k, fmt.Errorf("key %s: %w", k.ID, err)
	}
	if k.Signer = known[k.ID]; k.Signer == nil {
		private, err := o.seal.open(at("saml_keys", k.ID), sealed)
		if err != nil {
			return k, fmt.Errorf("key %s: %w", k.ID, err)
		}
		parsed, err := x509.ParsePKCS8PrivateKey(private)
		if err != nil {
			return k, fmt.Errorf("key %s: %w", k.ID, err)
		}
		key, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return k, fmt.Errorf("key %s is not an RSA key", k.ID)
		}
		k.Signer = key
	}
	// The certificate is not sealed. Were it swapped for an attacker's, the metadata would name the
	// attacker's key as ours.
	if pub, ok := k.Signer.Public().(*rsa.PublicKey); !ok || !pub.Equal(cert.PublicKey) {
		return k, fmt.Errorf("key %s: %w", k.ID, errTampered)
	}
	return k, nil
}
