package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// FactorModule is what a guest module in gatehouse.factors implements.
type FactorModule interface {
	// Factor builds the factor. It reaches for nothing outside the configuration and its files,
	// because it runs for `caddy validate` as well.
	Factor(name string, env *Env) (idp.Factor, error)
}

// FactorEntry is one way to prove a second time who one is.
type FactorEntry struct {
	// Name of the factor, in policies and in addresses: lower-case letters, digits, - and _.
	Name string `json:"name"`
	// Label is what people call the factor, wherever they are shown its name. Default: "Authenticator app", "Passkey" or "Duo"
	// where the name is totp, passkey or duo, else the name.
	Label string `json:"label,omitempty"`
	// Factor is the factor itself.
	FactorRaw json.RawMessage `json:"factor,omitempty" caddy:"namespace=gatehouse.factors inline_key=kind"`

	module FactorModule
}

// factorOptions are the options that every kind of factor has.
var factorOptions = []string{"label"}

func (f *FactorEntry) load(ctx caddy.Context) error {
	if len(f.FactorRaw) == 0 {
		return fmt.Errorf("factor %s: its kind is missing; there are: %s", f.Name, kinds(FactorNamespace))
	}
	m, err := ctx.LoadModule(f, "FactorRaw")
	if err != nil {
		return fmt.Errorf("factor %s: %w", f.Name, err)
	}
	var ok bool
	if f.module, ok = m.(FactorModule); !ok {
		return fmt.Errorf("factor %s: %T is no factor", f.Name, m)
	}
	return nil
}

// parseFactor reads
//
//	factor <name> [<kind> [<args...>]] {
//		label <text>
//		…options of the kind
//	}
//
// The kind defaults to the name. It takes its own options out and hands the rest to the kind.
func parseFactor(d *caddyfile.Dispenser) (*FactorEntry, error) {
	if !d.NextArg() {
		return nil, d.Errf("factor takes: factor NAME [KIND] { … }; kinds: %s", kinds(FactorNamespace))
	}
	f := &FactorEntry{Name: d.Val()}
	if err := checkName(d, "factor", f.Name); err != nil {
		return nil, err
	}
	if idp.ReservedFactor(f.Name) {
		return nil, d.Errf("factor %s: the name stands for something that is no factor; choose another than: password, recovery, bypass", f.Name)
	}
	d.NextArg() // onto the kind, where it is written; else the name is the kind
	rest, err := takeOwn(d.NextSegment(), "factor "+f.Name, factorOptions, func(b *block) { b.text(&f.Label, "TEXT") })
	if err != nil {
		return nil, err
	}
	g := caddyfile.NewDispenser(rest)
	g.Next()
	kind, guest, err := parseGuest(g, "factor", FactorNamespace)
	if err != nil {
		return nil, err
	}
	f.FactorRaw, err = guestJSON(d, guest, "kind", kind)
	return f, err
}

// checkFactorLabels finds two factors that people could not tell apart.
func (a *App) checkFactorLabels() *mistake {
	labels := map[string]string{}
	for _, f := range a.Factors {
		label := idp.FactorLabel(f.Name, f.Label)
		if other := labels[label]; other != "" {
			text := fmt.Sprintf("people call it %q, as they do factor %s; give one of them another label", label, other)
			return &mistake{within: [2]string{"factor", f.Name}, name: cmp.Or(f.Label, f.Name), text: text, prose: true}
		}
		labels[label] = f.Name
	}
	return nil
}
