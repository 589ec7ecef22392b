package samlapp

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// minKeyBits is the house's floor; AWS would take 1024.
const minKeyBits = 2048

// The parts of a Signature around what changes: the signed id, the digest, the signature value and
// the certificate. In the document the prefix ds is declared on ds:Signature; the canonical
// form of ds:SignedInfo, which is what gets signed, declares it there.
const (
	sigOpen    = `<ds:Signature xmlns:ds="` + nsSignature + `">`
	infoOpen   = `<ds:SignedInfo>`
	infoSigned = `<ds:SignedInfo xmlns:ds="` + nsSignature + `">`
	infoMethod = `<ds:CanonicalizationMethod Algorithm="` + nsExclusive + `"></ds:CanonicalizationMethod>` +
		`<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod>` +
		`<ds:Reference URI="#`
	infoDigest = `"><ds:Transforms>` +
		`<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>` +
		`<ds:Transform Algorithm="` + nsExclusive + `"></ds:Transform></ds:Transforms>` +
		`<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><ds:DigestValue>`
	infoClose = `</ds:DigestValue></ds:Reference></ds:SignedInfo>`
	valueOpen = `<ds:SignatureValue>`
	valueEnd  = `</ds:SignatureValue>`
	keyOpen   = `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>`
	keyClose  = `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>`
)

// digestLength is SHA-256 in base64.
const digestLength = 44

// signingKey is a key with everything about it that does not change from one response to the next.
type signingKey struct {
	signer      crypto.Signer
	random      io.Reader
	certificate []byte // DER, to notice that an id now means another key
	tail        string // from </ds:SignatureValue> to </ds:Signature>
	modulus     int    // bytes of a signature
}

// newSigningKey refuses what must not sign: anything but RSA, short keys, and a certificate that
// belongs to another key, whose signatures nobody could verify.
func newSigningKey(k idp.SAMLKey, random io.Reader) (*signingKey, error) {
	public, err := checkKey(k)
	if err != nil {
		return nil, err
	}
	return &signingKey{
		signer:      k.Signer,
		random:      random,
		certificate: k.Certificate,
		tail:        valueEnd + keyOpen + base64.StdEncoding.EncodeToString(k.Certificate) + keyClose,
		modulus:     public.Size(),
	}, nil
}

func checkKey(k idp.SAMLKey) (*rsa.PublicKey, error) {
	if k.Signer == nil {
		return nil, fmt.Errorf("key %s: no private key", k.ID)
	}
	public, ok := k.Signer.Public().(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("key %s: SAML keys must be RSA, this is %T", k.ID, k.Signer.Public())
	}
	if public.N.BitLen() < minKeyBits {
		return nil, fmt.Errorf("key %s: %d bits, at least %d are needed", k.ID, public.N.BitLen(), minKeyBits)
	}
	certificate, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return nil, fmt.Errorf("key %s: reading its certificate: %w", k.ID, err)
	}
	if !public.Equal(certificate.PublicKey) {
		return nil, fmt.Errorf("key %s: the certificate belongs to another key", k.ID)
	}
	return public, nil
}

// is reports whether k was made from this key.
func (k *signingKey) is(key idp.SAMLKey) bool {
	return bytes.Equal(k.certificate, key.Certificate)
}

// room is how many bytes a Signature over an element with an id of that length takes.
func (k *signingKey) room(id int) int {
	return len(sigOpen) + len(infoOpen) + len(infoMethod) + id + len(infoDigest) + digestLength + len(infoClose) +
		len(valueOpen) + base64.StdEncoding.EncodedLen(k.modulus) + len(k.tail)
}

// sign fills the room `into` with a signature over part, without the two cuts.
func (k *signingKey) sign(b []byte, id string, into, part, first, second span) error {
	sum := digest(b, part, first, second)
	out := b[into.from:into.from:into.to]
	out = append(out, sigOpen...)
	info := len(out)
	out = append(out, infoOpen...)
	out = append(out, infoMethod...)
	out = append(out, id...)
	out = append(out, infoDigest...)
	out = base64.StdEncoding.AppendEncode(out, sum[:])
	out = append(out, infoClose...)

	h := sha256.New()
	h.Write([]byte(infoSigned))
	h.Write(out[info+len(infoOpen):])
	var signed [sha256.Size]byte
	value, err := k.signer.Sign(k.random, h.Sum(signed[:0]), crypto.SHA256)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	if len(value) != k.modulus {
		return errors.New("signing: the key made a signature of the wrong length")
	}
	out = append(out, valueOpen...)
	out = base64.StdEncoding.AppendEncode(out, value)
	out = append(out, k.tail...)
	if len(out) != into.to-into.from {
		return errors.New("signing: the signature does not fit its room")
	}
	return nil
}
