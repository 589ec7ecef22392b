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
	// Domain is the DNS name of the domain, whose DNS then names the controllers (SRV records). A name
	// counts only inside the domain or where it is one of the servers above, and the certificate has to be for
	// it. An answer is kept for five minutes, and for longer while there is no other.
	Domain string `json:"domain,omitempty"`
	// Site is the Active Directory site whose controllers are tried before the other ones of the domain.
	// Default: all by the priority of their records.
	Site string `json:"site,omitempty"`
	// StartTLS asks the controllers that the domain names on the port of their record, usually 389, with
	// StartTLS. Default: LDAP over TLS on 636.
	StartTLS bool `json:"starttls,omitempty"`
	// RequireKDCCertificate takes a server for a controller only where its certificate is for KDC Authentication, as the
	// template Kerberos Authentication makes it: any other machine of the domain may have a certificate for its own name,
	// and a forged record of the DNS could lead to it. Default: the name and the authority are enough.
	RequireKDCCertificate bool `json:"require_kdc_certificate,omitempty"`
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
	return a.open(name, a, func(c *ldap.Config) {
		c.Kind, c.NetBIOS = ldap.ActiveDirectory, a.NetBIOS
		c.Domain, c.Site, c.StartTLS, c.ControllersOnly = a.Domain, a.Site, a.StartTLS, a.RequireKDCCertificate
	})
}

// UnmarshalCaddyfile reads
//
//	active_directory {
//		server <ldaps://host...>
//		domain <name>
//		site <name>
//		starttls
//		resolver <address>
//		dial_timeout <duration>
//		operation_timeout <duration>
//		wait_timeout <duration>
//		connections <number>
//		base_dn <dn...>
//		bind <user> <{file.…}>
//		ca_file <file>
//		require_kdc_certificate
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
		return d.Errf("an active_directory source takes a block with: server or domain, base_dn, bind")
	}
	b := newBlock(d, "an active_directory source", slices.Concat(
		directoryOptions, []string{"domain", "site", "starttls", "require_kdc_certificate", "netbios"})...).repeatable(directoryRepeats...).beside(sourceOptions)
	for b.next() {
		switch b.option {
		case "domain":
			b.text(&a.Domain, "NAME")
			b.wellFormed(ldap.Config{Domain: a.Domain})
		case "site":
			b.text(&a.Site, "NAME")
			b.wellFormed(ldap.Config{Domain: "example", Site: a.Site})
		case "starttls":
			b.leaf(0, 0, "")
			a.StartTLS = true
		case "require_kdc_certificate":
			b.leaf(0, 0, "")
			a.RequireKDCCertificate = true
		case "netbios":
			b.text(&a.NetBIOS, "NAME")
			b.wellFormed(ldap.Config{NetBIOS: a.NetBIOS})
		default:
			a.parse(b, ldap.ActiveDirectory)
		}
	}
	a.checkServers(b)
	b.need("bind")
	return b.err
}

// checkServers makes sure that there is a way to a controller, and no option that does nothing.
func (a *ActiveDirectorySource) checkServers(b *block) {
	switch {
	case a.Domain != "":
		return
	case len(a.Servers) == 0:
		b.fail("an active_directory source needs the option server, or domain to find servers by DNS")
	case a.Site != "":
		b.fail("site is about the servers of a domain; write domain, too")
	case a.StartTLS:
		b.fail("starttls is about the servers of a domain; write a server as ldap://HOST for StartTLS")
	}
	b.need("base_dn")
}

var (
	_ SourceModule          = (*ActiveDirectorySource)(nil)
	_ caddy.CleanerUpper    = (*ActiveDirectorySource)(nil)
	_ caddyfile.Unmarshaler = (*ActiveDirectorySource)(nil)
)
