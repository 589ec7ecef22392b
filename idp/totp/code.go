package totp

import (
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"net/url"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// codeField is the form field of a code.
const codeField = "code"

// maxTyped is how many bytes of a typed code are looked at: six digits, and spaces as apps show them.
const maxTyped = 32

// typedCode returns the six digits of an answer. Spaces are left out, because apps show "123 456".
// Digits of other scripts are refused: two spellings of a code would be two codes to whoever counts.
func typedCode(answer url.Values) (string, bool) {
	typed := answer[codeField]
	if len(typed) != 1 || len(typed[0]) > maxTyped {
		return "", false
	}
	code := make([]byte, 0, digits)
	for _, r := range typed[0] {
		switch {
		case unicode.IsSpace(r):
		case r < '0' || r > '9' || len(code) == digits:
			return "", false
		default:
			code = append(code, byte(r))
		}
	}
	return string(code), len(code) == digits
}

var b32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// errBadSeed says no more than that: a seed is never part of an error.
var errBadSeed = errors.New("its seed cannot be used")

// matchingStep returns the step around now whose code this is, and the later one should two steps
// have the same code, so that spending it spends both. All steps are compared, each in constant time.
func matchingStep(seed []byte, code string, now time.Time) (int64, bool, error) {
	if len(seed) != seedBytes {
		return 0, false, errBadSeed
	}
	text := b32.EncodeToString(seed)
	present := now.Unix() / period
	var step int64
	found := false
	for s := max(present-skew, 0); s <= present+skew; s++ {
		want, err := hotp.GenerateCodeCustom(text, uint64(s), hotp.ValidateOpts{
			Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
		})
		if err != nil {
			return 0, false, errBadSeed
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, found = s, true
		}
	}
	return step, found, nil
}
