package caddymodule

import (
	"context"
	"fmt"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/passkey"
)

func init() {
	caddy.RegisterModule(new(PasskeyFactor))
}

// PasskeyFactor is a passkey: a key in somebody's phone, computer, password manager or security key. It is bound to the
// portal's host.
type PasskeyFactor struct {
	// Title is what browsers call us when they ask. Default: the portal's title.
	Title string `json:"title,omitempty"`
	// Passwordless says whether a passkey signs people in by itself, without name and password. Default: true.
	Passwordless *bool `json:"passwordless,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*PasskeyFactor) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  FactorNamespace + ".passkey",
		New: func() caddy.Module { return new(PasskeyFactor) },
	}
}

// Factor implements [FactorModule].
func (p *PasskeyFactor) Factor(name string, env *Env) (idp.Factor, error) {
	title := p.Title
	if title == "" {
		title = env.Title
	}
	return passkey.New(passkey.Config{
		Name: name, Portal: env.Portal, Title: title, Store: env.Store,
		SecondFactor: p.Passwordless != nil && !*p.Passwordless,
	})
}

// UnmarshalCaddyfile reads
//
//	passkey {
//		title <text>
//		passwordless on|off
//	}
func (p *PasskeyFactor) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	if d.NextArg() {
		return d.Errf("a passkey factor takes a block with: title, passwordless; passkeys are bound to the host of the portal")
	}
	b := newBlock(d, "a passkey factor", "title", "passwordless").beside(factorOptions)
	for b.next() {
		switch b.option {
		case "title":
			b.text(&p.Title, "TEXT")
		case "passwordless":
			b.onOff(&p.Passwordless)
		}
	}
	return b.err
}

// checkPasskeys finds a factor that no browser would make passkeys for, and a second one that signs people in by
// itself: the page of the name asks one question.
func (a *App) checkPasskeys() *mistake {
	by := ""
	for _, f := range a.Factors {
		p, ok := f.guest().(*PasskeyFactor)
		if !ok || a.Portal == nil {
			continue
		}
		portal, err := url.Parse(a.Portal.URL)
		if err == nil {
			err = passkey.CheckPortal(portal)
		}
		if err == nil && (p.Passwordless == nil || *p.Passwordless) {
			if by != "" {
				err = fmt.Errorf("factor %s signs people in without a password already: write passwordless off in one of them", by)
			}
			by = f.Name
		}
		if err != nil {
			return &mistake{within: [2]string{"factor", f.Name}, name: f.Name, text: err.Error()}
		}
	}
	return nil
}

// guest returns the module, loaded or only decoded.
func (f *FactorEntry) guest() any {
	if f.module != nil {
		return f.module
	}
	return decodeGuest(FactorNamespace, f.FactorRaw)
}

// warnFactors logs what factors find wrong with what the store keeps for them: passkeys of another host above all.
func (a *App) warnFactors() {
	ctx, cancel := context.WithTimeout(a.ctx, recordTime)
	defer cancel()
	for _, f := range a.gateway.CheckFactors(ctx) {
		if f.Level != idp.LevelOK {
			a.log.Warn(f.What, zap.String("where", f.Where), zap.String("cure", f.Cure))
		}
	}
}

var (
	_ FactorModule          = (*PasskeyFactor)(nil)
	_ caddyfile.Unmarshaler = (*PasskeyFactor)(nil)
)
