package passkey

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// loginFactor is a Factor that signs people in without a password.
type loginFactor struct{ *Factor }

// BeginLogin asks for any passkey that was made for this portal. Nobody is named, so that nothing can be learnt of who
// has one.
func (f *loginFactor) BeginLogin(_ context.Context, a idp.Attempt) (idp.Step, error) {
	assertion, session, err := f.ways.BeginDiscoverableLogin()
	if err != nil {
		return idp.Step{}, fmt.Errorf("asking for a passkey: %w", err)
	}
	m := memo{Kind: kindLogin, Expires: f.now().Add(loginTime), Session: *session}
	return f.step(m, a, assertion.Response, idp.View{})
}

// FinishLogin finds whose passkey it is and judges it.
func (f *loginFactor) FinishLogin(ctx context.Context, data []byte, answer url.Values) (string, idp.Proof, error) {
	m, err := f.decode(data, kindLogin, "")
	if err != nil {
		return "", idp.Proof{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer.Get(fieldCredential)))
	if err != nil {
		return "", idp.Proof{}, wrong(err)
	}
	e, err := f.store.FindEnrollment(ctx, f.name, enrollmentID(parsed.RawID))
	switch {
	case errors.Is(err, idp.ErrNotFound), errors.Is(err, idp.ErrAmbiguous):
		return "", idp.Proof{}, fmt.Errorf("%w: nobody has this passkey", idp.ErrBadCredentials)
	case err != nil:
		return "", idp.Proof{}, fmt.Errorf("looking for a passkey: %w", err)
	}
	k, err := readKey(e)
	if err != nil {
		return "", idp.Proof{}, err
	}
	if k.RPID != f.rpID {
		return e.User, idp.Proof{}, fmt.Errorf("%w: the passkey is of %s", idp.ErrBadCredentials, k.RPID)
	}
	owner := &person{handle: k.Handle, credentials: []webauthn.Credential{k.credential()}}
	seen, err := f.ways.ValidateDiscoverableLogin(func(_, _ []byte) (webauthn.User, error) { return owner, nil }, m.Session, parsed)
	if err != nil {
		return e.User, idp.Proof{}, wrong(err)
	}
	if k.cloned() {
		return e.User, idp.Proof{}, cloned(&k)
	}
	p, err := f.use(ctx, &k, seen, parsed.Response.AuthenticatorData.Counter, m.Where)
	return e.User, p, err
}
