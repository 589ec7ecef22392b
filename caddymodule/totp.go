package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/totp"
)

func init() {
	caddy.RegisterModule(new(TOTPFactor))
}

// TOTPFactor is an authenticator app: six digits that change every 30 seconds.
type TOTPFactor struct {
	// Issuer is what the app calls us. Default: the portal's title.
	Issuer string `json:"issuer,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*TOTPFactor) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  FactorNamespace + ".totp",
		New: func() caddy.Module { return new(TOTPFactor) },
	}
}

// Factor implements [FactorModule].
func (t *TOTPFactor) Factor(name string, env *Env) (idp.Factor, error) {
	issuer := t.Issuer
	if issuer == "" {
		issuer = env.Title
	}
	if issuer == "" {
		issuer = env.Portal.Hostname()
	}
	return totp.New(totp.Config{Name: name, Issuer: issuer, Label: env.Label, Store: env.Store})
}

// UnmarshalCaddyfile reads
//
//	totp {
//		issuer <text>
//	}
func (t *TOTPFactor) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	if d.NextArg() {
		return d.Errf("a totp factor takes a block with: issuer")
	}
	b := newBlock(d, "a totp factor", "issuer").beside(factorOptions)
	for b.next() {
		b.text(&t.Issuer, "TEXT")
	}
	return b.err
}

var (
	_ FactorModule          = (*TOTPFactor)(nil)
	_ caddyfile.Unmarshaler = (*TOTPFactor)(nil)
)
