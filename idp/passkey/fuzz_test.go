package passkey_test

import (
	"encoding/json"
	"net/url"
	"testing"
)

// signed is what the signature of an answer covers.
type signed struct {
	Response struct {
		ClientDataJSON, AuthenticatorData string
	}
}

// FuzzAnswer sends what no device would: nothing of it may bring the gateway down, and what is taken has to be, in all that a
// signature covers, what the device has signed.
func FuzzAnswer(f *testing.F) {
	b, d := newBench(f), device()
	b.mustEnroll(ann, d)
	step, err := b.Challenge(f.Context(), ann, desk)
	if err != nil {
		f.Fatal(err)
	}
	right := []byte(b.get(d, step).Get("credential"))
	var good signed
	if err := json.Unmarshal(right, &good); err != nil || good.Response.ClientDataJSON == "" {
		f.Fatalf("%v: %s", err, right)
	}
	if _, err := b.Verify(f.Context(), ann, step.Memo, url.Values{"credential": {string(right)}}); err != nil {
		f.Fatal(err)
	}
	f.Add(right)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA","userHandle":"AA"}}`))
	f.Fuzz(func(t *testing.T, credential []byte) {
		p, err := b.Verify(t.Context(), ann, step.Memo, url.Values{"credential": {string(credential)}})
		if err != nil {
			return
		}
		var got signed
		if err := json.Unmarshal(credential, &got); err != nil || got != good {
			t.Errorf("%+v for %s", p, credential)
		}
	})
}
