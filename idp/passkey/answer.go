package passkey

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// The form fields of an answer: what the browser's credential API gave, as JSON, or the name of its error.
const (
	fieldCredential = "credential"
	fieldError      = "error"
)

const wrongAnswer = "That passkey was not accepted. Try again, or choose another way."

// Declined tells a person whose browser sent no passkey why that may be. The error's name is compared with those that the
// specification knows; what else stands there comes from whoever sent the form, and is shown and kept nowhere
// (security.md C-66).
func (*Factor) Declined(answer url.Values) string {
	if answer.Get(fieldCredential) != "" {
		return ""
	}
	switch answer.Get(fieldError) {
	case "NotAllowedError", "AbortError", "TimeoutError":
		return "No passkey was given: the browser’s window was closed, or nobody answered in time. Try again, or choose another way."
	case "InvalidStateError":
		return "This device, or the one you chose, has a passkey of yours already. Use that one."
	case "NotSupportedError", "ConstraintError":
		return "This device cannot hold a passkey, or has no screen lock. Turn on a PIN, fingerprint or face, or choose another way."
	case "SecurityError":
		return "Your browser does not allow passkeys at this address. Tell your service desk."
	case "":
		return "Your browser sent no passkey. It may be too old, or JavaScript may be off. Choose another way."
	}
	return "Your browser could not ask for the passkey. Try again, or choose another way."
}

// wrong is an answer that was judged and not taken. The cause is for the audit log, in go-webauthn's words where they hold
// nothing of what was sent.
func wrong(cause error) error {
	said := "it cannot be read"
	if e, ok := errors.AsType[*protocol.Error](cause); ok && e.Details != "" {
		said = e.Details
	}
	return fmt.Errorf("%w: %s", idp.ErrBadCredentials, said)
}
