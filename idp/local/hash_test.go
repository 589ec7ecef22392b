package local

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// caddyHash is what `caddy hash-password --algorithm argon2id --plaintext "correct horse"` prints
// with Caddy 2.11.9.
const caddyHash = "$argon2id$v=19$m=47104,t=1,p=1$+UryB30hMQSminTxaRlW5A$aVkTbRPWxnEp3CbxJ5LFZG4FSQ9poQ04RRGOXQgFmpw"

// text writes a hash as Caddy does.
func (h hash) text() string {
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.memory, h.time, h.lanes,
		base64.RawStdEncoding.EncodeToString(h.saltBytes), base64.RawStdEncoding.EncodeToString(h.keyBytes))
}

// hashOf hashes a password with the given cost.
func hashOf(password string, p params) string {
	h := hash{params: p, saltBytes: bytes.Repeat([]byte{7}, p.salt)}
	h.keyBytes = argon2id([]byte(password), h.saltBytes, p)
	return h.text()
}

// cheap is the least cost that is taken, for tests.
var cheap = params{memory: minMemory, time: 1, lanes: 1, salt: 16, key: 32}

func TestParseHashReadsWhatCaddyPrints(t *testing.T) {
	h, err := parseHash(caddyHash)
	if err != nil {
		t.Fatal(err)
	}
	if h.params != caddyParams {
		t.Errorf("parameters %+v, want %+v", h.params, caddyParams)
	}
	if got := argon2id([]byte("correct horse"), h.saltBytes, h.params); !bytes.Equal(got, h.keyBytes) {
		t.Error("the password does not fit its hash")
	}
	if h.text() != caddyHash {
		t.Errorf("written again as %s", h.text())
	}
}

func TestParseHashRefuses(t *testing.T) {
	salt, key := strings.Repeat("A", 22), strings.Repeat("A", 43)
	with := func(cost string) string { return "$argon2id$v=19$" + cost + "$" + salt + "$" + key }
	for name, text := range map[string]string{
		"empty":                    "",
		"plaintext":                "hunter2",
		"plaintext with dollars":   "a$b$c$d$e$f",
		"bcrypt":                   "$2a$14$abcdefghijklmnopqrstuuJ1nv3YQ0cT1yqPJc1Ygd1mGyoFhN7iK",
		"argon2i":                  "$argon2i$v=19$m=65536,t=3,p=4$" + salt + "$" + key,
		"old version":              "$argon2id$v=16$m=65536,t=3,p=4$" + salt + "$" + key,
		"no version":               "$argon2id$m=65536,t=3,p=4$" + salt + "$" + key,
		"text before":              "x" + with("m=65536,t=3,p=4"),
		"text after":               with("m=65536,t=3,p=4") + "$",
		"newline after":            with("m=65536,t=3,p=4") + "\n",
		"newline in the key":       "$argon2id$v=19$m=65536,t=3,p=4$" + salt + "$" + key[:20] + "\n" + key[20:],
		"padding":                  with("m=65536,t=3,p=4") + "=",
		"second spelling of salt":  "$argon2id$v=19$m=65536,t=3,p=4$" + salt[:21] + "B$" + key,
		"little memory":            with("m=8191,t=3,p=4"),
		"memory of 4 TiB":          with("m=4294967295,t=3,p=4"),
		"memory above the bound":   with("m=262145,t=1,p=4"),
		"memory that overflows":    with("m=4295032832,t=3,p=4"),
		"no passes":                with("m=65536,t=0,p=4"),
		"passes above the bound":   with("m=8192,t=17,p=4"),
		"work above the bound":     with("m=262144,t=5,p=4"),
		"no lanes":                 with("m=65536,t=3,p=0"),
		"lanes above the bound":    with("m=65536,t=3,p=17"),
		"lanes that overflow":      with("m=65536,t=3,p=260"),
		"sign":                     with("m=+65536,t=3,p=4"),
		"negative":                 with("m=-65536,t=3,p=4"),
		"leading zero":             with("m=065536,t=3,p=4"),
		"hexadecimal":              with("m=0x10000,t=3,p=4"),
		"no prefix":                with("65536,3,4"),
		"other order":              with("t=3,m=65536,p=4"),
		"missing parameter":        with("m=65536,t=3"),
		"further parameter":        with("m=65536,t=3,p=4,data=AA"),
		"short salt":               "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAA$" + key,
		"long salt":                "$argon2id$v=19$m=65536,t=3,p=4$" + strings.Repeat("A", 88) + "$" + key,
		"short key":                "$argon2id$v=19$m=65536,t=3,p=4$" + salt + "$" + strings.Repeat("A", 20),
		"long key":                 "$argon2id$v=19$m=65536,t=3,p=4$" + salt + "$" + strings.Repeat("A", 88),
		"no key":                   "$argon2id$v=19$m=65536,t=3,p=4$" + salt + "$",
		"a key of a gigabyte cut":  "$argon2id$v=19$m=65536,t=3,p=4$" + salt + "$" + strings.Repeat("A", 4096),
		"digits of another script": with("m=٦٥٥٣٦,t=3,p=4"),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseHash(text); err == nil {
				t.Errorf("%q was taken", text)
			}
		})
	}
}

// FuzzParseHash checks that whatever is taken is within the bounds, and is the one spelling of itself.
func FuzzParseHash(f *testing.F) {
	f.Add(caddyHash)
	f.Add("$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$2a$14$abcdefghijklmnopqrstuuJ1nv3YQ0cT1yqPJc1Ygd1mGyoFhN7iK")
	f.Add("$argon2id$v=19$m=8192,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err != nil {
			return
		}
		if h.memory < minMemory || h.memory > maxMemory || h.work() > maxWork || h.lanes < 1 || h.lanes > maxLanes ||
			len(h.saltBytes) < minSalt || len(h.saltBytes) > maxSalt || len(h.keyBytes) < minKey || len(h.keyBytes) > maxKey {
			t.Errorf("%q is out of bounds: %+v", text, h.params)
		}
		if h.text() != text {
			t.Errorf("%q is a second spelling of %q", text, h.text())
		}
	})
}
