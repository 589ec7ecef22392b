package caddymodule

import (
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// README: the guest module begins

// Wiki is a tile that opens a space of the company's wiki.
type Wiki struct {
	// Space is the name of the space. Required.
	Space string `json:"space"`
}

// CaddyModule returns the Caddy module information.
func (*Wiki) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "gatehouse.applications.wiki", New: func() caddy.Module { return new(Wiki) }}
}

// Application builds the application. It also runs for `caddy validate`, so it must not dial or write.
func (m *Wiki) Application(t idp.Tile, _ *Env) (idp.Application, error) {
	return space{t, "https://wiki.example.com/" + url.PathEscape(m.Space)}, nil
}

// UnmarshalCaddyfile reads: wiki <space>
func (m *Wiki) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	if !d.Args(&m.Space) || d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

// space has a tile and an address, which makes it an idp.Application and an idp.Linker.
type space struct {
	tile idp.Tile
	url  string
}

func (s space) Tile() idp.Tile { return s.tile }
func (s space) URL() string    { return s.url }

// README: the guest module ends

var (
	_ ApplicationModule     = (*Wiki)(nil)
	_ caddyfile.Unmarshaler = (*Wiki)(nil)
	_ idp.Linker            = space{}
)

// TestReadmeGuest holds the guest module of the README against the one above, which compiles.
func TestReadmeGuest(t *testing.T) {
	source, err := os.ReadFile("readme_guest_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(string(source), "\n// README: the guest module begins\n\n")
	want, _, _ = strings.Cut(want, "\n// README: the guest module ends\n")
	for _, f := range fences(t, readme(t)) {
		if f.language == "go" && strings.Contains(strings.ReplaceAll(f.text, "caddymodule.Env", "Env"), want) {
			return
		}
	}
	t.Error("README.md does not have the guest module of readme_guest_test.go")
}
