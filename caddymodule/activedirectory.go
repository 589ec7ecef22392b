package caddymodule

import (
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

func init() {
	caddy.RegisterModule(new(ActiveDirectorySource))
}

// ActiveDirectorySource is an Active Directory domain, Microsoft's or Samba's, asked by LDAP over TLS. People
// sign in with their mail address, any of several, userPrincipalName, sAMAccountName or DOMAIN\name, and
// their password is judged by the domain. Groups are every group that they are in, nested ones included.
type ActiveDirectorySource struct {
	Directory
	// NetBIOS is what the domain is called before a backslash. Default: as the domain says.
	NetBIOS string `json:"netbios,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*ActiveDirectorySource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  SourceNamespace + ".active_directory",
		New: func() caddy.Module { return new(ActiveDirectorySource) },
	}
}

// Source implements [SourceModule]. It asks nobody.
func (a *ActiveDirectorySource) Source(name string, _ *Env) (idp.Source, error) {
	return a.open(name, a, func(c *ldap.Config) { c.Kind, c.NetBIOS = ldap.ActiveDirectory, a.NetBIOS })
}

// UnmarshalCaddyfile reads
//
//	active_directory {
//		server <ldaps://host...>
//		base_dn <dn...>
//		bind <user> <{file.…}>
//		ca_file <file>
//		netbios <name>
//		email_attribute <name>
//		username_attribute <name>
//		first_name_attribute <name>
//		last_name_attribute <name>
//		display_name_attribute <name>
//		attributes <name...>
//		attribute <name> from <name>
//		groups_filter <pattern...>
//	}
func (a *ActiveDirectorySource) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	if d.NextArg() {
		return d.Errf("an active_directory source takes a block with: server, base_dn, bind")
	}
	b := newBlock(d, "an active_directory source", slices.Concat(directoryOptions, []string{"netbios"})...).repeatable(directoryRepeats...)
	for b.next() {
		switch b.option {
		case "netbios":
			b.text(&a.NetBIOS, "NAME")
		default:
			a.parse(b, ldap.ActiveDirectory)
		}
	}
	b.need("server", "base_dn", "bind")
	return b.err
}

var (
	_ SourceModule          = (*ActiveDirectorySource)(nil)
	_ caddy.CleanerUpper    = (*ActiveDirectorySource)(nil)
	_ caddyfile.Unmarshaler = (*ActiveDirectorySource)(nil)
)
