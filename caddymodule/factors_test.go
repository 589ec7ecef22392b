package caddymodule

import (
	"bytes"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestFactorLabelIsWhatPeopleRead(t *testing.T) {
	s := newSite(t)
	s.load(s.caddyfile("factor key totp {\nlabel \"OTP token\"\n}"))
	if _, guide := s.get("/help"); !strings.Contains(guide, "OTP token") {
		t.Errorf("the guide does not have the label: %s", guide)
	}
	// In JSON, which has no lines. The adapter finds it as well.
	twice := s.json(s.caddyfile("factor one totp {\nlabel Token\n}\nfactor two totp {\nlabel Badge\n}"))
	wantError(t, caddy.Load(bytes.Replace(twice, []byte("Badge"), []byte("Token"), 1), true), `factor two: people call it "Token", as they do factor one`)
}
