package passkey

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// clonedStep marks a passkey as copied. It stands in the enrollment's Step, where the counter is kept, because a step
// never goes back: nothing that is under way can take the mark off again. Counters have 32 bits.
const clonedStep = math.MaxInt64

// record is what is kept of a passkey beside what the enrollment says.
type record struct {
	RPID           string   `json:"rp_id"`
	Handle         []byte   `json:"handle"` // user.id: random, the same for all passkeys of a person
	ID             []byte   `json:"id"`
	PublicKey      []byte   `json:"public_key"` // COSE
	Transports     []string `json:"transports,omitempty"`
	BackupEligible bool     `json:"backup_eligible,omitempty"` // never changes (WebAuthn §6.1.3)
	BackedUp       bool     `json:"backed_up,omitempty"`
	Where          string   `json:"where,omitempty"` // it was last used: "Chrome on Windows, 198.51.100.7"
}

// key is a passkey as the store has it.
type key struct {
	idp.Enrollment
	record
}

// keys returns a person's passkeys, oldest first.
func (f *Factor) keys(ctx context.Context, userKey string) ([]key, error) {
	list, err := f.store.UserEnrollments(ctx, userKey, f.name)
	if err != nil {
		return nil, fmt.Errorf("reading the passkeys of %s: %w", userKey, err)
	}
	keys := make([]key, len(list))
	for i, e := range list {
		if keys[i], err = readKey(e); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func readKey(e idp.Enrollment) (key, error) {
	k := key{Enrollment: e}
	if err := json.Unmarshal(e.Secret, &k.record); err != nil {
		return key{}, fmt.Errorf("reading passkey %s of %s: %w", e.ID, e.User, err)
	}
	return k, nil
}

// write puts the record where the store seals it.
func (k *key) write() error {
	data, err := json.Marshal(k.record)
	if err != nil {
		return fmt.Errorf("writing passkey %s of %s: %w", k.Enrollment.ID, k.User, err)
	}
	k.Secret = data
	return nil
}

// Describe says where a passkey was last used, and why it cannot be any more.
func (f *Factor) Describe(e idp.Enrollment) string {
	k, err := readKey(e)
	switch {
	case err != nil:
		return ""
	case k.cloned():
		return "; stopped, because a copy of it was in use"
	case k.RPID != f.rpID:
		return "; made for " + k.RPID + ", and not usable here"
	case k.Where == "":
		return ""
	}
	return " on " + k.Where
}

// Usable implements [idp.Describer].
func (f *Factor) Usable(e idp.Enrollment) bool {
	k, err := readKey(e)
	return err == nil && f.usable(&k)
}

func (k *key) cloned() bool { return k.Step == clonedStep }

// usable reports whether the passkey can be asked for here.
func (f *Factor) usable(k *key) bool { return k.RPID == f.rpID && !k.cloned() }

// enrollmentID is what the store knows a credential by. Credential ids have up to 1023 bytes.
func enrollmentID(credential []byte) string {
	sum := sha256.Sum256(credential)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// credential is the passkey as go-webauthn wants it.
func (k *key) credential() webauthn.Credential {
	c := webauthn.Credential{
		ID: k.record.ID, PublicKey: k.PublicKey,
		Flags: webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: k.BackupEligible, BackupState: k.BackedUp},
	}
	if k.Step > 0 && k.Step <= math.MaxUint32 {
		c.Authenticator.SignCount = uint32(k.Step)
	}
	for _, t := range k.Transports {
		c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
	}
	return c
}

// person is somebody as go-webauthn wants them.
type person struct {
	handle        []byte
	name, display string
	credentials   []webauthn.Credential
}

// owner is the person with those of their passkeys that can be used.
func (f *Factor) owner(u *idp.User, keys []key) *person {
	p := &person{name: u.Name, display: u.Label()}
	for i := range keys {
		p.handle = keys[i].Handle
		if f.usable(&keys[i]) {
			p.credentials = append(p.credentials, keys[i].credential())
		}
	}
	return p
}

func (p *person) WebAuthnID() []byte                         { return p.handle }
func (p *person) WebAuthnName() string                       { return p.name }
func (p *person) WebAuthnDisplayName() string                { return p.display }
func (p *person) WebAuthnCredentials() []webauthn.Credential { return p.credentials }
