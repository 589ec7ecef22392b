package totp

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func TestMemoIsOfOnePersonAndStep(t *testing.T) {
	b := newBench(t)
	seed := b.enroll(ann)
	b.enroll(ben)
	challenge, err := b.Challenge(t.Context(), ann, idp.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	bens, err := b.Challenge(t.Context(), ben, idp.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	begun, err := b.BeginEnroll(t.Context(), ann, idp.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	begunSeed := strings.ReplaceAll(begun.View.Key, " ", "")
	refused := func(err error, reason string) {
		t.Helper()
		var e *idp.Error
		if !errors.As(err, &e) || e.Reason != reason || e.Status < 400 || errors.Is(err, idp.ErrBadCredentials) {
			t.Errorf("error %v, want %s", err, reason)
		}
		if err != nil && strings.Contains(err.Error(), begunSeed) {
			t.Errorf("the seed is in the error: %v", err)
		}
	}
	_, err = b.Verify(t.Context(), ann, bens.Memo, b.code(seed, 0))
	refused(err, "wrong_user")
	_, err = b.Verify(t.Context(), ann, begun.Memo, b.code(seed, 0))
	refused(err, "bad_memo")
	_, err = b.FinishEnroll(t.Context(), ben, begun.Memo, b.code(begunSeed, 0))
	refused(err, "wrong_user")
	_, err = b.FinishEnroll(t.Context(), ann, challenge.Memo, b.code(seed, 0))
	refused(err, "bad_memo")
	for _, m := range []string{"", "{", "null", "{}", string(begun.Memo[:len(begun.Memo)-9]), `{"seed":"` + begunSeed + `!"}`} {
		_, err = b.Verify(t.Context(), ann, []byte(m), b.code(seed, 0))
		refused(err, "bad_memo")
		_, err = b.FinishEnroll(t.Context(), ann, []byte(m), b.code(begunSeed, 0))
		refused(err, "bad_memo")
	}
	second, err := New(Config{Name: "other", Issuer: "Example Apps", Store: b.store, Now: b.now})
	if err != nil {
		t.Fatal(err)
	}
	_, err = second.FinishEnroll(t.Context(), ann, begun.Memo, b.code(begunSeed, 0))
	refused(err, "bad_memo")
	if len(b.store.rows) != 2 {
		t.Errorf("%d apps are stored, want 2", len(b.store.rows))
	}
}
