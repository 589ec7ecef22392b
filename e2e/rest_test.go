package e2e

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestC11C17NothingLiveAtRest: neither a live cookie nor a password nor the seed of an authenticator app is
// anywhere in the files that the gateway writes.
func TestC11C17NothingLiveAtRest(t *testing.T) {
	h := openHouse(t)
	c := h.Client()
	c.SignIn(h.Caddy, h.agent)
	u, err := url.Parse(h.Portal("/"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{"password": h.agent.Password, "seed": h.agent.key.Secret()}
	for _, ck := range c.http.Jar.Cookies(u) {
		secrets[ck.Name] = ck.Value
	}
	if len(secrets) != 4 || secrets["seed"] == "" {
		t.Fatalf("%d secrets to look for, want the password, the seed and two cookies", len(secrets))
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
			if strings.Contains(string(data), secret) {
				t.Errorf("%s holds the %s", filepath.Base(path), name)
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatal(err, files)
	}
}
