// Package passkeytest is a device with passkeys in software, for tests: it answers what a page asks as a browser and an
// authenticator would, and can be made to lie in each place where one could.
package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
)

// Flags of authenticator data (WebAuthn §6.1).
const (
	Present        = 0x01
	Verified       = 0x04
	BackupEligible = 0x08
	BackedUp       = 0x10
	attested       = 0x40
)

// Algorithms a key can be of (COSE).
const (
	ES256 = -7
	EdDSA = -8
	RS256 = -257
)

// Key is one passkey.
type Key struct {
	ID     []byte
	Handle []byte // user.id
	Count  uint32 // 0: it does not count

	signer crypto.Signer
	cose   []byte
}

// Device makes passkeys and uses them.
type Device struct {
	Origin    string // of the page, as the browser sees it
	Algorithm int    // of new keys; default ES256
	Keys      []*Key
}

// Answer is what is about to be signed and sent. A test changes what it wants to be wrong.
type Answer struct {
	Client    map[string]any // clientDataJSON
	RPID      string
	Flags     byte
	Count     uint32
	Extra     []byte // after the authenticator data
	ID        []byte
	Handle    []byte
	COSE      []byte // creation: the public key
	Signature []byte // assertion: in place of the right one
}

// options are those of a page, as far as a device reads them.
type options struct {
	Challenge string                `json:"challenge"`
	RP        struct{ ID string }   `json:"rp"`
	RPID      string                `json:"rpId"`
	User      struct{ ID string }   `json:"user"`
	Exclude   []struct{ ID string } `json:"excludeCredentials"`
	Allow     []struct{ ID string } `json:"allowCredentials"`
}

var enc = base64.RawURLEncoding

// Create answers a page that asks for a new passkey.
func (d *Device) Create(asked string, change ...func(*Answer)) (url.Values, error) {
	var o options
	if err := json.Unmarshal([]byte(asked), &o); err != nil {
		return nil, fmt.Errorf("reading the options: %w", err)
	}
	handle, err := enc.DecodeString(o.User.ID)
	if err != nil {
		return nil, fmt.Errorf("reading user.id: %w", err)
	}
	for _, ex := range o.Exclude {
		if d.key(ex.ID) != nil {
			return url.Values{"error": {"InvalidStateError"}}, nil
		}
	}
	k := &Key{ID: make([]byte, 32), Handle: handle}
	rand.Read(k.ID)
	if err := k.make(d.Algorithm); err != nil {
		return nil, err
	}
	a := d.answer("webauthn.create", o.Challenge, o.RP.ID, k)
	a.COSE = k.cose
	for _, c := range change {
		c(a)
	}
	d.Keys = append(d.Keys, k)
	data := append(a.head(a.Flags|attested), make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.ID)&0xffff))
	data = append(append(append(data, a.ID...), a.COSE...), a.Extra...)
	object := binary.BigEndian.AppendUint16([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"), uint16(len(data)&0xffff))
	return a.send(map[string]any{"attestationObject": enc.EncodeToString(append(object, data...)), "transports": []string{"internal"}})
}

// Get answers a page that asks for a passkey, with the first key that fits.
func (d *Device) Get(asked string, change ...func(*Answer)) (url.Values, error) {
	var o options
	if err := json.Unmarshal([]byte(asked), &o); err != nil {
		return nil, fmt.Errorf("reading the options: %w", err)
	}
	var k *Key
	for _, allowed := range o.Allow {
		if k == nil {
			k = d.key(allowed.ID)
		}
	}
	if len(o.Allow) == 0 && len(d.Keys) > 0 {
		k = d.Keys[0]
	}
	if k == nil {
		return url.Values{"error": {"NotAllowedError"}}, nil
	}
	if k.Count > 0 {
		k.Count++
	}
	a := d.answer("webauthn.get", o.Challenge, o.RPID, k)
	for _, c := range change {
		c(a)
	}
	data := append(a.head(a.Flags), a.Extra...)
	client, err := json.Marshal(a.Client)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(client)
	if a.Signature == nil {
		if a.Signature, err = k.sign(append(data, sum[:]...)); err != nil {
			return nil, err
		}
	}
	return a.send(map[string]any{
		"authenticatorData": enc.EncodeToString(data), "signature": enc.EncodeToString(a.Signature), "userHandle": enc.EncodeToString(a.Handle),
	})
}

func (d *Device) key(id string) *Key {
	for _, k := range d.Keys {
		if enc.EncodeToString(k.ID) == id {
			return k
		}
	}
	return nil
}

func (d *Device) answer(kind, challenge, rpID string, k *Key) *Answer {
	return &Answer{
		Client: map[string]any{"type": kind, "challenge": challenge, "origin": d.Origin, "crossOrigin": false},
		RPID:   rpID, Flags: Present | Verified, Count: k.Count, ID: k.ID, Handle: k.Handle,
	}
}

func (a *Answer) head(flags byte) []byte {
	sum := sha256.Sum256([]byte(a.RPID))
	return binary.BigEndian.AppendUint32(append(sum[:], flags), a.Count)
}

func (a *Answer) send(response map[string]any) (url.Values, error) {
	client, err := json.Marshal(a.Client)
	if err != nil {
		return nil, err
	}
	response["clientDataJSON"] = enc.EncodeToString(client)
	id := enc.EncodeToString(a.ID)
	data, err := json.Marshal(map[string]any{
		"id": id, "rawId": id, "type": "public-key", "response": response,
		"clientExtensionResults": map[string]any{}, "authenticatorAttachment": "platform",
	})
	return url.Values{"credential": {string(data)}}, err
}

func (k *Key) make(algorithm int) error {
	switch algorithm {
	case 0, ES256:
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		point, err := private.PublicKey.Bytes()
		if err != nil {
			return err
		}
		k.signer = private
		k.cose = append([]byte("\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"), point[1:33]...)
		k.cose = append(append(k.cose, "\x22\x58\x20"...), point[33:]...)
	case EdDSA:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		k.signer, k.cose = private, append([]byte("\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20"), public...)
	case RS256:
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		k.signer = private
		k.cose = append([]byte("\xa4\x01\x03\x03\x39\x01\x00\x20\x59\x01\x00"), private.N.Bytes()...)
		k.cose = append(k.cose, "\x21\x43\x01\x00\x01"...)
	default:
		return fmt.Errorf("no algorithm %d", algorithm)
	}
	return nil
}

func (k *Key) sign(message []byte) ([]byte, error) {
	if private, ok := k.signer.(ed25519.PrivateKey); ok {
		return ed25519.Sign(private, message), nil
	}
	sum := sha256.Sum256(message)
	return k.signer.Sign(rand.Reader, sum[:], crypto.SHA256)
}
