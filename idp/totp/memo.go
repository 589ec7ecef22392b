package totp

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// memo is what the gateway keeps between a page and its answer. It says whose step it is and which,
// so that no other person, factor or step can use it.
type memo struct {
	Kind   string `json:"kind"`
	Factor string `json:"factor"`
	User   string `json:"user"`
	ID     string `json:"id,omitempty"`   // of the enrollment to be
	Seed   []byte `json:"seed,omitempty"` // sealed with the memo by the store
}

const (
	kindVerify = "verify"
	kindEnroll = "enroll"
)

func (m memo) encode() ([]byte, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("writing a memo: %w", err)
	}
	return data, nil
}

// decodeMemo returns the memo if it was made for this step of this person. The
// errors of the decoder are left out: they quote what they read, and that holds a seed.
func decodeMemo(data []byte, kind, factor, user string) (memo, error) {
	var m memo
	switch err := json.Unmarshal(data, &m); {
	case err != nil:
		return memo{}, idp.StaleStep(http.StatusBadRequest, "bad_memo", "the memo cannot be read")
	case m.Kind != kind || m.Factor != factor:
		return memo{}, idp.StaleStep(http.StatusBadRequest, "bad_memo", "the memo is of another step")
	case m.User != user:
		return memo{}, idp.StaleStep(http.StatusForbidden, "wrong_user", "the memo is another person's")
	}
	return m, nil
}
