package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/samlapp"
)

func init() {
	caddy.RegisterModule(new(Link))
}

// Link is a tile that leads to an address.
type Link struct {
	// URL is the address: http or https.
	URL string `json:"url"`
}

// CaddyModule returns the Caddy module information.
func (*Link) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  ApplicationNamespace + ".link",
		New: func() caddy.Module { return new(Link) },
	}
}

// Application implements [ApplicationModule].
func (l *Link) Application(t idp.Tile, _ *Env) (idp.Application, error) {
	return samlapp.NewLink(t.Name, t.Label, l.URL)
}

// UnmarshalCaddyfile reads
//
//	link <url>
func (l *Link) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	args := d.RemainingArgs()
	if len(args) != 1 {
		return d.Errf("a link takes: application NAME link URL")
	}
	l.URL = args[0]
	if _, err := samlapp.NewLink("link", "", l.URL); err != nil {
		return d.WrapErr(err)
	}
	b := newBlock(d, "a link").beside(entryOptions)
	b.next()
	return b.err
}

var (
	_ ApplicationModule     = (*Link)(nil)
	_ caddyfile.Unmarshaler = (*Link)(nil)
)
