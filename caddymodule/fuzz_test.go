package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// FuzzUnmarshalCaddyfile: whatever the tokens, the parser answers an app or an error, and what it
// takes it can read back.
func FuzzUnmarshalCaddyfile(f *testing.F) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		input, _, _ := strings.Cut(string(raw), separator)
		if i := strings.Index(input, "gatehouse {"); i >= 0 {
			f.Add(input[i:])
		}
	}
	for _, s := range []string{"gatehouse", "gatehouse {", "gatehouse {\n}", "gatehouse {\nsource a local {\nuser", "gatehouse {\nfactor\n}", "gatehouse {\napplication a link {"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Not NewTestDispenser: it ends the process where Caddy's lexer refuses the text.
		tokens, err := caddyfile.Tokenize([]byte(text), "Caddyfile")
		if err != nil {
			return
		}
		v, err := parseGlobalOption(caddyfile.NewDispenser(tokens), nil)
		if err != nil {
			return
		}
		if _, err := parseGlobalOption(caddyfile.NewTestDispenser("gatehouse {\n}"), v); err != nil {
			t.Errorf("a second block after a good one: %v", err)
		}
	})
}
