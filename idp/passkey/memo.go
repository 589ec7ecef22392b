package passkey

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// memo is what the gateway keeps between a question and its answer. It says whose step it is and which, so that no other
// person, factor or step can use it.
type memo struct {
	Kind    string               `json:"kind"`
	Factor  string               `json:"factor"`
	User    string               `json:"user,omitempty"` // empty at sign-in, where nobody knows yet
	Expires time.Time            `json:"expires"`
	Device  string               `json:"device,omitempty"`
	Where   string               `json:"where,omitempty"` // device and address
	Session webauthn.SessionData `json:"session"`
}

// The kinds of steps.
const (
	kindEnroll = "enroll"
	kindVerify = "verify"
	kindLogin  = "login"
)

// step keeps the question in a memo and shows it.
func (f *Factor) step(m memo, a idp.Attempt, options any, v idp.View) (idp.Step, error) {
	m.Factor, m.Device, m.Where = f.name, a.Device, a.Device
	if a.Client.IsValid() {
		m.Where += ", " + a.Client.String()
	}
	shown, err := json.Marshal(options)
	if err != nil {
		return idp.Step{}, fmt.Errorf("writing the options for the browser: %w", err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return idp.Step{}, fmt.Errorf("writing a memo: %w", err)
	}
	v.Options, v.Once, v.Wrong = string(shown), true, wrongAnswer
	return idp.Step{View: v, Memo: data, Expires: m.Expires}, nil
}

// decode returns the memo if it was made for this step of this person and is still good.
func (f *Factor) decode(data []byte, kind, user string) (memo, error) {
	var m memo
	switch err := json.Unmarshal(data, &m); {
	case err != nil:
		return memo{}, idp.StaleStep(http.StatusBadRequest, "bad_memo", "the memo cannot be read")
	case m.Kind != kind || m.Factor != f.name:
		return memo{}, idp.StaleStep(http.StatusBadRequest, "bad_memo", "the memo is of another step")
	case m.User != user:
		return memo{}, idp.StaleStep(http.StatusForbidden, "wrong_user", "the memo is another person's")
	case !f.now().Before(m.Expires):
		return memo{}, idp.StaleStep(http.StatusGone, "expired", "the memo has expired")
	}
	return m, nil
}
