package e2e

import (
	"context"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Authenticator is a device with passkeys that Chromium pretends to have. Somebody is in front of it, and it knows them,
// until it is told otherwise.
type Authenticator struct {
	b  *Browser
	id webauthn.AuthenticatorID
}

// call runs a command of the DevTools protocol in the tab.
func call[P, R any](b *Browser, what string, c cdp.Command[P, R], params P) R {
	b.t.Helper()
	return do(b, what, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, c, params) })
}

// NewPlatformAuthenticator is the computer's own, whose passkeys are backed up.
func (b *Browser) NewPlatformAuthenticator() *Authenticator {
	b.t.Helper()
	return b.plugIn(webauthn.AuthenticatorTransportInternal, true)
}

// NewSecurityKey is one in a USB port.
func (b *Browser) NewSecurityKey() *Authenticator {
	b.t.Helper()
	return b.plugIn(webauthn.AuthenticatorTransportUsb, false)
}

func (b *Browser) plugIn(transport webauthn.AuthenticatorTransport, backedUp bool) *Authenticator {
	b.t.Helper()
	call(b, "turning on WebAuthn", webauthn.Enable, webauthn.EnableParams{})
	made := call(b, "plugging in an authenticator", webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: transport,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
			DefaultBackupEligibility: backedUp, DefaultBackupState: backedUp,
		},
	})
	return &Authenticator{b, made.AuthenticatorID}
}

// Unplug takes it away.
func (a *Authenticator) Unplug() {
	a.b.t.Helper()
	call(a.b, "unplugging", webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id})
}

// Present says whether somebody touches it when it asks.
func (a *Authenticator) Present(yes bool) {
	a.b.t.Helper()
	call(a.b, "touching", webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: a.id, Enabled: yes})
}

// Knows says whether it recognises who is in front of it.
func (a *Authenticator) Knows(yes bool) {
	a.b.t.Helper()
	call(a.b, "recognising", webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: yes})
}

// Lies has it answer without having recognised anybody.
func (a *Authenticator) Lies(yes bool) {
	a.b.t.Helper()
	call(a.b, "lying", webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: a.id, IsBadUV: &yes})
}

// Keys returns its passkeys, private halves included.
func (a *Authenticator) Keys() []*webauthn.Credential {
	a.b.t.Helper()
	return call(a.b, "reading its passkeys", webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials
}

// Put puts a passkey into it, as a thief of the private half could. The parameters are written out because Chromium
// refuses a field that the generated ones always send.
func (a *Authenticator) Put(c *webauthn.Credential) {
	a.b.t.Helper()
	add := cdp.Command[map[string]any, cdp.Empty]{Method: webauthn.CommandAddCredential}
	call(a.b, "putting a passkey", add, map[string]any{"authenticatorId": a.id, "credential": map[string]any{
		"credentialId": c.CredentialID, "isResidentCredential": true, "rpId": c.RpID, "privateKey": c.PrivateKey,
		"userHandle": c.UserHandle, "signCount": c.SignCount,
	}})
}
