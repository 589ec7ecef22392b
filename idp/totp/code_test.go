package totp

import (
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func TestTypedCode(t *testing.T) {
	for typed, want := range map[string]string{
		"123456":                           "123456",
		"123 456":                          "123456",
		" 12 34 56 ":                       "123456",
		"123\u00a0456":                     "123456",
		"123\u202f456\n":                   "123456",
		"000000":                           "000000",
		"":                                 "",
		" ":                                "",
		"12345":                            "",
		"1234567":                          "",
		"123-456":                          "",
		"+12345":                           "",
		"12345a":                           "",
		"1234.5":                           "",
		"0x1234":                           "",
		"١٢٣٤٥٦":                           "",
		"１２３４５６":                           "",
		"12345\u0666":                      "",
		"123456\x00":                       "",
		"\xff123456":                       "",
		"123456" + " 123456":               "",
		strings.Repeat("1", 99):            "",
		strings.Repeat(" ", 27) + "123456": "",
	} {
		got, ok := typedCode(url.Values{"code": {typed}})
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v, want %q", typed, got, ok, want)
		}
	}
	for name, answer := range map[string]url.Values{
		"none":       {},
		"nil":        nil,
		"two":        {"code": {"123456", "654321"}},
		"other name": {"Code": {"123456"}},
	} {
		if _, ok := typedCode(answer); ok {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestMalformedCodeIsAWrongCode(t *testing.T) {
	b := newBench(t)
	b.enroll(ann)
	for _, answer := range []url.Values{nil, {"code": {""}}, {"code": {"12345"}}, {"code": {"１２３４５６"}}} {
		_, err := b.verify(ann, answer)
		b.wantErr(err, idp.ErrBadCredentials)
	}
	spaced := b.code(b.enroll(ann), 0)
	spaced.Set("code", spaced.Get("code")[:3]+" "+spaced.Get("code")[3:])
	_, err := b.verify(ann, spaced)
	b.wantErr(err, nil)
}

func TestBrokenSeedIsNoWrongCode(t *testing.T) {
	b := newBench(t)
	b.store.rows = []idp.Enrollment{{User: ann.Key(), Factor: "totp", ID: "x", Secret: []byte("short")}}
	_, err := b.verify(ann, url.Values{"code": {"123456"}})
	b.wantErr(err, errBadSeed)
	if strings.Contains(err.Error(), "short") {
		t.Errorf("the seed is in the error: %v", err)
	}
}

// FuzzTypedCode checks that only six ASCII digits come through, in the order they were typed.
func FuzzTypedCode(f *testing.F) {
	for _, s := range []string{"123456", "123 456", "１２３４５６", "12345", "123456\n", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := typedCode(url.Values{"code": {typed}})
		if !ok {
			return
		}
		without := strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) {
				return -1
			}
			return r
		}, typed)
		if len(code) != digits || strings.Trim(code, "0123456789") != "" || code != without {
			t.Errorf("%q became %q", typed, code)
		}
	})
}
