package caddymodule

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// SourceModule is what a guest module in gatehouse.sources implements.
type SourceModule interface {
	// Source builds the source. It reaches for nothing outside the configuration and its files,
	// because it runs for `caddy validate` as well.
	Source(name string, env *Env) (idp.Source, error)
}

// SourceEntry is one place where people come from.
type SourceEntry struct {
	// Name of the source: lower-case letters, digits, - and _. It is part of every user's key, so
	// renaming it orphans what is stored about its people.
	Name string `json:"name"`
	// Source is the source itself.
	SourceRaw json.RawMessage `json:"source,omitempty" caddy:"namespace=gatehouse.sources inline_key=kind"`
	// Off keeps everybody of the source out, as if every password of theirs were wrong, and ends their
	// sessions. The source is not asked. Default: false.
	Off bool `json:"off,omitempty"`
	// PermittedDomains are the only domains that people of the source may have, in any case: in the name as
	// typed (before the \ of DOMAIN\name too), in their mail address and in their userPrincipalName.
	// Others are answered as a name that nobody has. Default: any domain.
	PermittedDomains []string `json:"permitted_domains,omitempty"`
	// KeepPasswords leaves the passwords of the source's people alone: an expired one is refused with the advice to
	// change it elsewhere, and nobody is offered to change theirs. Default: false.
	KeepPasswords bool `json:"keep_passwords,omitempty"`

	module SourceModule
}

// sourceOptions are the options that every kind of source has.
var sourceOptions = []string{"off", "permitted_domains", "keep_passwords"}

func (s *SourceEntry) load(ctx caddy.Context) error {
	if len(s.SourceRaw) == 0 {
		return fmt.Errorf("source %s: its kind is missing; there are: %s", s.Name, kinds(SourceNamespace))
	}
	m, err := ctx.LoadModule(s, "SourceRaw")
	if err != nil {
		return fmt.Errorf("source %s: %w", s.Name, err)
	}
	var ok bool
	if s.module, ok = m.(SourceModule); !ok {
		return fmt.Errorf("source %s: %T is no source", s.Name, m)
	}
	return nil
}

// parseSource reads
//
//	source <name> <kind> [<args...>] {
//		off
//		permitted_domains <domain...>
//		keep_passwords
//		…options of the kind
//	}
//
// It takes its own options out and hands the rest to the kind.
func parseSource(d *caddyfile.Dispenser) (*SourceEntry, error) {
	if d.CountRemainingArgs() < 2 {
		return nil, d.Errf("source takes: source NAME KIND { … }; kinds: %s", kinds(SourceNamespace))
	}
	d.NextArg()
	s := &SourceEntry{Name: d.Val()}
	if err := checkName(d, "source", s.Name); err != nil {
		return nil, err
	}
	d.NextArg()
	rest, err := takeOwn(d.NextSegment(), "source "+s.Name, sourceOptions, s.option)
	if err != nil {
		return nil, err
	}
	g := caddyfile.NewDispenser(rest)
	g.Next()
	kind, guest, err := parseGuest(g, "source", SourceNamespace)
	if err != nil {
		return nil, err
	}
	s.SourceRaw, err = guestJSON(d, guest, "kind", kind)
	return s, err
}

func (s *SourceEntry) option(b *block) {
	switch b.option {
	case "off":
		b.leaf(0, 0, "and nothing else")
		s.Off = true
	case "keep_passwords":
		b.leaf(0, 0, "and nothing else")
		s.KeepPasswords = true
	case "permitted_domains":
		b.list(&s.PermittedDomains, "DOMAIN…")
		if err := checkDomains(s.PermittedDomains); err != nil {
			b.fail("permitted_domains in %s: %w", b.where, err)
		}
	}
}
