package e2e

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestC11C17NothingLiveAtRest: neither a live cookie, nor the secret in it, nor a password nor the seed of an authenticator app is
// anywhere in the files that the gateway writes, as it is or written in letters.
func TestC11C17NothingLiveAtRest(t *testing.T) {
	h := openHouse(t)
	c := h.Client()
	c.SignIn(h.Caddy, h.agent)
	u, err := url.Parse(h.Portal("/"))
	if err != nil {
		t.Fatal(err)
	}
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(h.agent.key.Secret())
	if err != nil || len(seed) < 20 {
		t.Fatal(err, len(seed))
	}
	secrets := map[string][]byte{"password": []byte(h.agent.Password), "seed": seed}
	for _, ck := range c.http.Jar.Cookies(u) {
		secrets[ck.Name], secrets["secret in "+ck.Name] = []byte(ck.Value), secretIn(t, ck.Value)
	}
	if len(secrets) != 6 {
		t.Fatalf("%d secrets to look for, want the password, the seed, two cookies and what is in them", len(secrets))
	}
	h.Stop()
	files := 0
	err = filepath.WalkDir(filepath.Join(h.Dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for name, secret := range secrets {
			for _, form := range written(secret) {
				if bytes.Contains(data, form) {
					t.Errorf("%s holds the %s", filepath.Base(path), name)
				}
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatal(err, files)
	}
}

// secretIn returns what a cookie proves: securecookie writes base64 of "date|base64 of the value|MAC".
func secretIn(t *testing.T, cookie string) []byte {
	t.Helper()
	whole, err := base64.URLEncoding.DecodeString(cookie)
	if err != nil {
		t.Fatal(err)
	}
	parts := bytes.SplitN(whole, []byte("|"), 3)
	if len(parts) != 3 {
		t.Fatalf("a cookie of %d parts", len(parts))
	}
	secret, err := base64.URLEncoding.DecodeString(string(parts[1]))
	if err != nil || len(secret) != 32 {
		t.Fatalf("%v: a secret of %d bytes, want 256 bits", err, len(secret))
	}
	return secret
}

// written returns a secret as it is and in the alphabets that programs write bytes in.
func written(secret []byte) [][]byte {
	return [][]byte{
		secret, []byte(hex.EncodeToString(secret)), []byte(strings.ToUpper(hex.EncodeToString(secret))),
		[]byte(base64.RawStdEncoding.EncodeToString(secret)), []byte(base64.RawURLEncoding.EncodeToString(secret)),
		[]byte(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)),
	}
}
