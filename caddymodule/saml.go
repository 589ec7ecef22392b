package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/samlapp"
)

func init() {
	caddy.RegisterModule(new(SAML))
}

// SAML is an application of any SAML 2.0 service provider; sign-in begins at the portal.
type SAML struct {
	// EntityID is the service provider's.
	EntityID string `json:"entity_id"`
	// ACS is the address that responses are posted to: https, or http on localhost.
	ACS string `json:"acs"`
	// Audience of the assertion. Default: EntityID.
	Audience string `json:"audience,omitempty"`
	// NameIDFormat is emailAddress, persistent, transient, unspecified or a whole URN. Default:
	// emailAddress.
	NameIDFormat string `json:"name_id_format,omitempty"`
	// NameIDAttribute is the attribute that is sent as NameID. Default: email for emailAddress, an
	// opaque id for persistent, username for the others.
	NameIDAttribute string `json:"name_id_attribute,omitempty"`
	// Attributes of the assertion. Default: none.
	Attributes []SAMLAttribute `json:"attributes,omitempty"`
	// RelayState is sent with every response. Default: none.
	RelayState string `json:"relay_state,omitempty"`
	// Sign says what is signed: assertion, or both the assertion and the response. Default: assertion.
	Sign string `json:"sign,omitempty"`
}

// SAMLAttribute is one attribute of the assertion; people without a value have none.
type SAMLAttribute struct {
	// Name is what the service provider calls it.
	Name string `json:"name"`
	// From is email, username, first_name, last_name, display_name, groups, or one of the source's own.
	From string `json:"from,omitempty"`
	// Literal is sent as it is; instead of From.
	Literal string `json:"literal,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*SAML) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  ApplicationNamespace + ".saml",
		New: func() caddy.Module { return new(SAML) },
	}
}

// Application implements [ApplicationModule].
func (s *SAML) Application(t idp.Tile, env *Env) (idp.Application, error) {
	cfg := s.config()
	cfg.Name, cfg.Label, cfg.Issuer = t.Name, t.Label, env.Issuer
	return samlapp.New(cfg)
}

func (s *SAML) config() samlapp.Config {
	cfg := samlapp.Config{
		EntityID: s.EntityID, ACS: s.ACS, Audience: s.Audience,
		NameID:     samlapp.NameID{Format: s.NameIDFormat, Attribute: s.NameIDAttribute},
		RelayState: s.RelayState, Sign: s.Sign,
	}
	for _, a := range s.Attributes {
		cfg.Attributes = append(cfg.Attributes, samlapp.Attribute{Name: a.Name, From: a.From, Literal: a.Literal})
	}
	return cfg
}

// UnmarshalCaddyfile reads
//
//	saml {
//		entity_id <id>
//		acs <url>
//		audience <text>
//		name_id <format> [<attribute>]
//		attribute <name> <attribute>
//		attribute <name> literal <text>
//		relay_state <text>
//		sign assertion|both
//	}
//
// attribute may be repeated.
func (s *SAML) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	segment := d.NextSegment()
	d = caddyfile.NewDispenser(segment)
	d.Next()
	if d.NextArg() {
		return d.Errf("saml takes a block, and nothing before it")
	}
	b := newBlock(d, "saml", "entity_id", "acs", "audience", "name_id", "attribute", "relay_state", "sign").
		repeatable("attribute").beside(entryOptions)
	for b.next() {
		s.option(b)
	}
	if b.err != nil {
		return b.err
	}
	return atField(segment, s.config().Validate())
}

func (s *SAML) option(b *block) {
	switch b.option {
	case "entity_id":
		b.text(&s.EntityID, "ID")
	case "acs":
		b.text(&s.ACS, "URL")
	case "audience":
		b.text(&s.Audience, "TEXT")
	case "name_id":
		if a := b.leaf(1, 2, "FORMAT [ATTRIBUTE]"); len(a) > 0 {
			s.NameIDFormat = a[0]
			if len(a) > 1 {
				s.NameIDAttribute = a[1]
			}
		}
	case "attribute":
		const usage = "NAME ATTRIBUTE, or NAME literal TEXT"
		switch a := b.leaf(2, 3, usage); {
		case len(a) == 2:
			s.Attributes = append(s.Attributes, SAMLAttribute{Name: a[0], From: a[1]})
		case len(a) == 3 && a[1] == "literal":
			s.Attributes = append(s.Attributes, SAMLAttribute{Name: a[0], Literal: a[2]})
		case len(a) == 3:
			b.fail("attribute in saml takes: attribute %s", usage)
		}
	case "relay_state":
		b.text(&s.RelayState, "TEXT")
	case "sign":
		b.word(&s.Sign, samlapp.SignAssertion, samlapp.SignBoth)
	}
}

var (
	_ ApplicationModule     = (*SAML)(nil)
	_ caddyfile.Unmarshaler = (*SAML)(nil)
)
