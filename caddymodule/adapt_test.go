package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // sites, TLS and logs of the examples
)

var update = flag.Bool("update", false, "write the golden files anew")

const separator = "\n----------\n"

// TestAdapt holds each Caddyfile in testdata/adapt against the JSON, or the error, behind its dashes.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files (%v)", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".caddyfiletest"), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(raw), separator)
			got := adapt(t, input)
			if *update {
				if err := os.WriteFile(name, []byte(input+separator+got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if strings.TrimSpace(want) != got {
				t.Errorf("got:\n%s\n\nwant:\n%s", got, want)
			}
		})
	}
}

// adapt returns indented JSON, or "error: " and its text.
func adapt(t *testing.T, input string) string {
	t.Helper()
	body, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "error: " + err.Error()
	}
	for _, w := range warnings {
		if !strings.Contains(w.Message, "not formatted") {
			t.Errorf("warning: %s", w)
		}
	}
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
