package samlapp

import (
	"errors"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Authentication contexts of saml-authn-context-2.0-os §3.4 that we send by ourselves; a factor may
// name another in Proof.ACR.
const (
	contextPassword    = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport" //nolint:gosec // G101: a name, no password
	contextTimeSync    = "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken"
	contextUnspecified = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
)

// authnContext says what was really proved: the class of the strongest proof. It claims nothing for a
// factor that does not say what it is.
func authnContext(proofs []idp.Proof) (string, error) {
	if len(proofs) == 0 {
		return "", internal("no_proof", errors.New("a response was asked for without a proof"))
	}
	best := proofs[0]
	for _, p := range proofs[1:] {
		if strength(p) > strength(best) {
			best = p
		}
	}
	switch {
	case best.ACR != "":
		return best.ACR, nil
	case best.Factor == idp.PasswordFactor:
		return contextPassword, nil
	case best.Factor == "totp":
		return contextTimeSync, nil
	}
	return contextUnspecified, nil
}

// strength orders proofs: a password is the least, a key in hardware that saw the person the most.
func strength(p idp.Proof) int {
	n := 0
	if p.Factor != idp.PasswordFactor {
		n = 1
	}
	if p.UserVerified {
		n += 2
	}
	if p.Hardware {
		n += 4
	}
	return n
}
