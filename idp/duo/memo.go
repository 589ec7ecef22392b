package duo

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	promptTime  = 10 * time.Minute // that people have on Duo's page
	leastState  = 36               // what Duo's own clients send; its service takes 16 to 1024
	longestCode = 1024
)

// memo is what the gateway keeps while the browser is at Duo. It says whose prompt it is and what the answer has to
// repeat; the gateway hands it out once, to the browser it was made for.
type memo struct {
	Factor   string        `json:"factor"`
	User     string        `json:"user"`     // key
	Username string        `json:"username"` // as Duo was told
	Callback string        `json:"callback"`
	State    string        `json:"state"`
	Nonce    string        `json:"nonce"`
	Fresh    bool          `json:"fresh,omitempty"`
	MaxAge   time.Duration `json:"max_age,omitempty"`
	Begun    time.Time     `json:"begun"`
}

func (m memo) encode() ([]byte, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("writing a memo: %w", err)
	}
	return data, nil
}

// decodeMemo returns the memo if it is of this factor and person and still good.
func decodeMemo(data []byte, factor, user string, now time.Time) (memo, error) {
	var m memo
	switch err := json.Unmarshal(data, &m); {
	case err != nil, m.State == "", m.Nonce == "", m.Username == "":
		return memo{}, refused("bad_memo", errors.New("the memo cannot be read"))
	case m.Factor != factor:
		return memo{}, refused("bad_memo", errors.New("the memo is of another factor"))
	case m.User != user:
		return memo{}, refused("wrong_user", errors.New("the memo is another person's"))
	case now.After(m.Begun.Add(promptTime)):
		return memo{}, &idp.Error{
			Status: http.StatusGone, Title: "That took too long", Reason: "expired", Err: errors.New("the prompt has expired"),
			Public: "The time for Duo has passed. Try again.",
		}
	}
	return m, nil
}

// codeOf returns the code that the browser brought back for this very prompt.
func codeOf(m memo, answer url.Values) (string, error) {
	state := answer["state"]
	if len(state) != 1 || subtle.ConstantTimeCompare([]byte(state[0]), []byte(m.State)) != 1 {
		return "", refused("bad_state", errors.New("the state is not the one that was sent"))
	}
	if e := answer.Get("error"); e != "" {
		return "", &idp.Error{
			Status: http.StatusForbidden, Title: "Duo did not finish", Reason: "duo_error",
			Public: "Nothing was confirmed at Duo. Try again, or go back to the portal.",
			Err:    fmt.Errorf("duo sent the browser back with the error %q: %q", short(e), short(answer.Get("error_description"))),
		}
	}
	code := answer["duo_code"]
	if len(code) != 1 || code[0] == "" || len(code[0]) > longestCode {
		return "", refused("bad_code", errors.New("there is not exactly one code"))
	}
	return code[0], nil
}

// randomText returns 264 random bits in 44 letters, for what Duo has to repeat and for the ids of our own tokens.
func randomText(random io.Reader) (string, error) {
	b := make([]byte, 33)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("making a nonce: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// short keeps what another party wrote to a size for a log.
func short(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	return s
}
