package caddymodule

import (
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
	twice := s.caddyfile("factor one totp {\nlabel Token\n}\nfactor two totp {\nissuer Example\nlabel Token\n}")
	wantError(t, caddy.Load(s.json(twice), true), `people call it "Token", as they do factor "one"`)
}
