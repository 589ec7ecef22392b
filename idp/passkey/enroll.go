package passkey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// MaxKeys is how many passkeys one person may have: phones, computers and security keys, and some to spare.
const MaxKeys = 20

// handleBytes is the length of the handle by which devices know a person: random, so that it says nothing of who they
// are to whoever holds the device (WebAuthn §14.6.1).
const handleBytes = 32

// BeginEnroll asks the browser for a new passkey: one that says by itself whose it is, and that verifies its person each
// time. It asks for no attestation, which would tell models of devices and keep people from using what they have.
func (f *Factor) BeginEnroll(ctx context.Context, u *idp.User, a idp.Attempt) (idp.Step, error) {
	if u == nil {
		return idp.Step{}, errNoUser
	}
	keys, err := f.keys(ctx, u.Key())
	if err != nil {
		return idp.Step{}, err
	}
	if len(keys) >= MaxKeys {
		return idp.Step{}, tooMany()
	}
	p := f.owner(u, keys)
	if p.handle == nil {
		p.handle = make([]byte, handleBytes)
		if _, err := io.ReadFull(f.rand, p.handle); err != nil {
			return idp.Step{}, fmt.Errorf("making a handle: %w", err)
		}
	}
	var offered []protocol.CredentialParameter
	for _, alg := range algorithms {
		offered = append(offered, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: alg})
	}
	creation, session, err := f.ways.BeginRegistration(p,
		webauthn.WithCredentialParameters(offered),
		webauthn.WithExclusions(webauthn.Credentials(p.credentials).CredentialDescriptors()))
	if err != nil {
		return idp.Step{}, fmt.Errorf("asking for a new passkey: %w", err)
	}
	m := memo{Kind: kindEnroll, User: u.Key(), Expires: f.now().Add(askTime), Session: *session}
	return f.step(m, a, creation.Response, idp.View{
		Title: "Set up a passkey",
		Text:  "Your device keeps the passkey and asks for your fingerprint, face or PIN whenever it is used. Nothing has to be typed, and no other site can ask for it.",
	})
}

// FinishEnroll stores the passkey. A credential that is anybody's already is refused (WebAuthn §7.1): it would say of
// one person's device that it is another's.
func (f *Factor) FinishEnroll(ctx context.Context, u *idp.User, data []byte, answer url.Values) (idp.Proof, error) {
	if u == nil {
		return idp.Proof{}, errNoUser
	}
	m, err := f.decode(data, kindEnroll, u.Key())
	if err != nil {
		return idp.Proof{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer.Get(fieldCredential)))
	if err != nil {
		return idp.Proof{}, wrong(err)
	}
	made, err := f.ways.CreateCredential(&person{handle: m.Session.UserID}, m.Session, parsed)
	if err != nil {
		return idp.Proof{}, wrong(err)
	}
	k := key{record: record{
		RPID: f.rpID, Handle: m.Session.UserID, ID: made.ID, PublicKey: made.PublicKey,
		BackupEligible: made.Flags.BackupEligible, BackedUp: made.Flags.BackupState, Where: m.Where,
	}}
	for _, t := range made.Transport {
		k.Transports = append(k.Transports, string(t))
	}
	now := f.now()
	k.Enrollment = idp.Enrollment{
		User: u.Key(), Factor: f.name, ID: enrollmentID(made.ID), Label: m.Device,
		Created: now, Used: now, Step: int64(made.Authenticator.SignCount),
	}
	if made.Authenticator.Attachment == protocol.CrossPlatform && !k.BackupEligible {
		k.Label = "Security key"
	}
	if err := f.add(ctx, &k); err != nil {
		return idp.Proof{}, err
	}
	return f.proof(&k), nil
}

// add stores a new passkey. Looking and storing are several calls; in turn, nobody ends up with more than MaxKeys, and no
// credential with two people.
func (f *Factor) add(ctx context.Context, k *key) error {
	select {
	case f.enrolling <- struct{}{}:
		defer func() { <-f.enrolling }()
	case <-ctx.Done():
		return fmt.Errorf("waiting to store a passkey: %w", ctx.Err())
	}
	switch _, err := f.store.FindEnrollment(ctx, f.name, k.Enrollment.ID); {
	case err == nil, errors.Is(err, idp.ErrAmbiguous):
		return idp.ErrSpent
	case !errors.Is(err, idp.ErrNotFound):
		return fmt.Errorf("looking for the passkey: %w", err)
	}
	keys, err := f.keys(ctx, k.User)
	if err != nil {
		return err
	}
	if len(keys) >= MaxKeys {
		return tooMany()
	}
	if k.Label == "" {
		k.Label = "Passkey"
	}
	k.Label = idp.FreeLabel(k.Label, func(label string) bool {
		return slices.ContainsFunc(keys, func(o key) bool { return o.Label == label })
	})
	if err := k.write(); err != nil {
		return err
	}
	if err := f.store.PutEnrollment(ctx, k.Enrollment); err != nil {
		return fmt.Errorf("storing a passkey of %s: %w", k.User, err)
	}
	return nil
}

func tooMany() error {
	return &idp.Error{
		Status: http.StatusConflict,
		Title:  "You have enough passkeys",
		Public: fmt.Sprintf("You have set up %d passkeys. Remove one in your settings, then add the new one.", MaxKeys),
		Reason: "too_many_credentials",
	}
}
