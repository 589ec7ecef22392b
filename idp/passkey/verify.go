package passkey

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Challenge asks for one of the person's passkeys. Where none can be used here, the page says so and offers the other ways.
func (f *Factor) Challenge(ctx context.Context, u *idp.User, a idp.Attempt) (idp.Step, error) {
	if u == nil {
		return idp.Step{}, errNoUser
	}
	keys, err := f.keys(ctx, u.Key())
	if err != nil {
		return idp.Step{}, err
	}
	v := idp.View{Title: "Use your passkey", Text: "Your browser will ask for your fingerprint, face, PIN or security key."}
	p := f.owner(u, keys)
	if len(p.credentials) == 0 {
		v.Closed, v.Text = true, f.noneUsable(keys)
		return idp.Step{View: v}, nil
	}
	assertion, session, err := f.ways.BeginLogin(p)
	if err != nil {
		return idp.Step{}, fmt.Errorf("asking for a passkey: %w", err)
	}
	m := memo{Kind: kindVerify, User: u.Key(), Expires: f.now().Add(askTime), Session: *session}
	return f.step(m, a, assertion.Response, v)
}

// noneUsable says why none of somebody's passkeys is asked for.
func (f *Factor) noneUsable(keys []key) string {
	for i := range keys {
		if keys[i].RPID != f.rpID {
			return "Your passkeys were made for " + keys[i].RPID + ", the portal’s address before. They cannot be used here. Choose another way, then set up a new passkey in your settings; or ask the service desk."
		}
	}
	return "Your passkey was stopped, because a copy of it seems to be in use. Choose another way, or ask the service desk."
}

// Verify judges what the browser answered in the field "credential".
func (f *Factor) Verify(ctx context.Context, u *idp.User, data []byte, answer url.Values) (idp.Proof, error) {
	if u == nil {
		return idp.Proof{}, errNoUser
	}
	m, err := f.decode(data, kindVerify, u.Key())
	if err != nil {
		return idp.Proof{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer.Get(fieldCredential)))
	if err != nil {
		return idp.Proof{}, wrong(err)
	}
	keys, err := f.keys(ctx, u.Key())
	if err != nil {
		return idp.Proof{}, err
	}
	seen, err := f.ways.ValidateLogin(f.owner(u, keys), m.Session, parsed)
	if err != nil {
		return idp.Proof{}, wrong(err)
	}
	id := enrollmentID(seen.ID)
	for i := range keys {
		if keys[i].Enrollment.ID == id {
			return f.use(ctx, &keys[i], seen, parsed.Response.AuthenticatorData.Counter, m.Where)
		}
	}
	return idp.Proof{}, idp.ErrBadCredentials
}

// use writes down that a passkey was used and returns the proof.
//
// Most passkeys do not count, and say 0 always. One that does count, and counts no further than the last time, has a
// twin: two copies of one key, each with a counter of its own (WebAuthn §6.1.1). Which of them is the person's nobody can
// tell, so that neither is taken any more.
func (f *Factor) use(ctx context.Context, k *key, seen *webauthn.Credential, counter uint32, where string) (idp.Proof, error) {
	k.Used = f.now()
	err := error(nil)
	switch {
	case seen.Authenticator.CloneWarning:
		err = idp.ErrSpent
	case counter > 0:
		// The store decides, in one write: of two answers with one count, on any node, one wins.
		err = f.store.SpendStep(ctx, k.User, f.name, k.Enrollment.ID, int64(counter), k.Used)
	}
	switch {
	case errors.Is(err, idp.ErrSpent):
		return idp.Proof{}, f.stop(ctx, k)
	case errors.Is(err, idp.ErrNotFound): // taken away just now
		return idp.Proof{}, idp.ErrBadCredentials
	case err != nil:
		return idp.Proof{}, fmt.Errorf("counting the use of a passkey: %w", err)
	}
	k.BackedUp, k.Where = seen.Flags.BackupState, where
	if err := k.write(); err != nil {
		return idp.Proof{}, err
	}
	switch err := f.store.UseEnrollment(ctx, k.Enrollment); {
	case errors.Is(err, idp.ErrNotFound):
		return idp.Proof{}, idp.ErrBadCredentials
	case err != nil:
		return idp.Proof{}, fmt.Errorf("noting the use of a passkey: %w", err)
	}
	return f.proof(k), nil
}

// stop marks a passkey as copied.
func (f *Factor) stop(ctx context.Context, k *key) error {
	err := f.store.SpendStep(context.WithoutCancel(ctx), k.User, f.name, k.Enrollment.ID, clonedStep, k.Used)
	if err != nil && !errors.Is(err, idp.ErrSpent) && !errors.Is(err, idp.ErrNotFound) {
		return fmt.Errorf("stopping a copied passkey: %w", err)
	}
	return cloned(k)
}

// cloned is the refusal of a passkey that has a twin.
func cloned(k *key) error {
	return &idp.Error{
		Status: http.StatusForbidden,
		Title:  "This passkey was stopped",
		Public: "A copy of it seems to be in use, so that it does not prove any more that it is you. Start again with another way, and tell the service desk.",
		Reason: "cloned",
		Err:    fmt.Errorf("passkey %q of %s counted backwards", k.Label, k.User),
	}
}

func (f *Factor) proof(k *key) idp.Proof {
	return idp.Proof{Factor: f.name, Credential: k.Enrollment.ID, At: k.Used, UserVerified: true}
}
