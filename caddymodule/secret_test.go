package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestSecretsAreReferences(t *testing.T) {
	for ref, ok := range map[string]bool{
		"{file./run/secrets/duo}": true, "{env.DUO}": true,
		"hunter2": false, "": false, "{file.}": false, "x{env.DUO}": false, "{env.DUO}x": false, "{$DUO}": false, "{vault.duo}": false,
	} {
		err := checkSecretForm("client_secret", ref)
		if (err == nil) != ok {
			t.Errorf("%q: %v", ref, err)
		}
		if err != nil && ref != "" && strings.Contains(err.Error(), ref) {
			t.Errorf("the error repeats %q", ref)
		}
	}
}

func TestSecretsThatAreNotThere(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "newline": "\n", "lines": "\r\n\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, ref := range []string{"{env.GATEHOUSE_UNSET}", "{file." + dir + "/none}", "{file." + dir + "/empty}", "{file." + dir + "/newline}", "{file." + dir + "/lines}"} {
		_, err := resolveSecret("bind", ref)
		wantError(t, err, "bind", ref)
	}
	if err := os.WriteFile(filepath.Join(dir, "good"), []byte("pa{ss}word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := resolveSecret("bind", "{file."+dir+"/good}")
	if err != nil || s.Reveal() != "pa{ss}word" {
		t.Errorf("%v, %v", s, err)
	}
}

// TestNoSecretLeaves looks for the text of every secret in what Caddy gives away: the adapted
// configuration, /config/, the autosaved file, and a log that traces handlers.
func TestNoSecretLeaves(t *testing.T) {
	s := newSite(t)
	canary := sealText(t)
	hash := strings.TrimSuffix(DemoHash, "M") + "E" // as good a hash as the other, and not in the file
	socket := filepath.Join(s.dir, "admin.sock")
	logFile := filepath.Join(s.dir, "caddy.log")
	duo := "canary-0123456789012345678901234567890ab"
	file := s.caddyfileWith(fmt.Sprintf("log {\noutput file %s\nlevel DEBUG\n}\nservers {\ntrace\n}", logFile), "seal_key "+s.secret("seal", canary)+
		"\nfactor duo {\napi_hostname 127.0.0.1:1\nclient_id DI0123456789ABCDEFGH\nclient_secret "+s.secret("duo", duo)+"\n}")
	file = strings.Replace(file, "persist_config off", "", 1)
	file = strings.Replace(file, DemoHash, s.secret("hash", hash), 1)
	adapted := s.json(file)
	s.load(file)
	s.get("/login")

	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	res, err := client.Get("http://localhost/config/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	config, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	autosave, err := os.ReadFile(caddy.ConfigAutosavePath)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(logFile)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(autosave), s.origin) {
		t.Errorf("the autosaved configuration is another one: %s", autosave)
	}
	for name, text := range map[string][]byte{"caddy adapt": adapted, "/config/": config, "the autosaved configuration": autosave, "the log": log} {
		if len(text) < 100 {
			t.Errorf("%s is empty: %q", name, text)
		}
		for what, secret := range map[string]string{"seal key": canary, "hash": hash, "client secret": duo} {
			quoted, _ := json.Marshal(secret)
			if strings.Contains(string(text), secret) || strings.Contains(string(text), strings.Trim(string(quoted), `"`)) {
				t.Errorf("%s holds the %s", name, what)
			}
		}
	}
	if !strings.Contains(string(log), "gatehouse_portal") {
		t.Error("the log does not trace handlers, so that it proves nothing")
	}
}
