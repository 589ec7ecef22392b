package caddymodule

import (
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

func init() {
	caddy.RegisterModule(new(LDAPSource))
}

// LDAPSource is OpenLDAP or 389 Directory Server, asked by LDAP over TLS. People sign in with their uid or mail address,
// and their password is judged by the directory. Groups are those of memberOf, or those that a search finds;
// groups in groups are not followed.
type LDAPSource struct {
	Directory
	// PersonFilter is what the entries of people fit. Default: (objectClass=person).
	PersonFilter string `json:"person_filter,omitempty"`
	// LoginAttributes are where a typed name may be. Default: uid and mail.
	LoginAttributes []string `json:"login_attributes,omitempty"`
	// GroupFilter is what groups fit. With it they are searched for the one that names the person, in member,
	// uniqueMember or memberUid. Default: the person's memberOf tells.
	GroupFilter string `json:"group_filter,omitempty"`
	// GroupBaseDN is below what groups are searched. Default: the top of the tree, which is what a base DN ends
	// in with dc=…, or else the base DNs.
	GroupBaseDN string `json:"group_base_dn,omitempty"`
	// PasswordPolicy is the DN of the pwdPolicy entry of whoever has none of their own, cn=config in 389; "none" says that the
	// directory never locks an account. Default: not known, so that one failure in 30 minutes is passed on.
	PasswordPolicy string `json:"password_policy,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*LDAPSource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: SourceNamespace + ".ldap", New: func() caddy.Module { return new(LDAPSource) }}
}

// Source implements [SourceModule]. It asks nobody.
func (l *LDAPSource) Source(name string, _ *Env) (idp.Source, error) {
	return l.open(name, l, l.fill)
}

func (l *LDAPSource) fill(c *ldap.Config) {
	c.Kind, c.PersonFilter, c.LoginAttributes = ldap.OpenLDAP, l.PersonFilter, l.LoginAttributes
	c.GroupFilter, c.GroupBaseDN, c.PasswordPolicy = l.GroupFilter, l.GroupBaseDN, l.PasswordPolicy
}

// UnmarshalCaddyfile reads
//
//	ldap {
//		server <ldaps://host...>
//		resolver <address>
//		dial_timeout <duration>
//		operation_timeout <duration>
//		wait_timeout <duration>
//		connections <number>
//		base_dn <dn...>
//		bind <dn> <{file.…}>
//		ca_file <file>
//		person_filter <filter>
//		login_attributes <name...>
//		group_filter <filter>
//		group_base_dn <dn>
//		password_policy <dn>|none
//		email_attribute <name>
//		username_attribute <name>
//		first_name_attribute <name>
//		last_name_attribute <name>
//		display_name_attribute <name>
//		attributes <name...>
//		attribute <name> from <name>
//		groups_filter <pattern...>
//	}
func (l *LDAPSource) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	if d.NextArg() {
		return d.Errf("an ldap source takes a block with: server, base_dn, bind")
	}
	b := newBlock(d, "an ldap source", slices.Concat(directoryOptions, []string{
		"person_filter", "login_attributes", "group_filter", "group_base_dn", "password_policy",
	})...).repeatable(directoryRepeats...).beside(sourceOptions)
	for b.next() {
		switch b.option {
		case "person_filter":
			b.text(&l.PersonFilter, "FILTER")
		case "login_attributes":
			b.list(&l.LoginAttributes, "ATTRIBUTE…")
		case "group_filter":
			b.text(&l.GroupFilter, "FILTER")
		case "group_base_dn":
			b.text(&l.GroupBaseDN, "DN")
		case "password_policy":
			b.text(&l.PasswordPolicy, "DN|none")
		default:
			l.parse(b, ldap.OpenLDAP)
			continue
		}
		var c ldap.Config
		l.fill(&c)
		b.wellFormed(c)
	}
	b.need("server", "base_dn", "bind")
	return b.err
}

var (
	_ SourceModule          = (*LDAPSource)(nil)
	_ caddy.CleanerUpper    = (*LDAPSource)(nil)
	_ caddyfile.Unmarshaler = (*LDAPSource)(nil)
)
