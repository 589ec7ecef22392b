package caddymodule

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

func init() {
	caddy.RegisterModule(new(ActiveDirectorySource))
}

// ActiveDirectorySource is an Active Directory domain, Microsoft's or Samba's, asked by LDAP over TLS. People
// sign in with their mail address, userPrincipalName, sAMAccountName or DOMAIN\name, and their password
// is judged by the domain. Groups are every group that they are in, nested ones included.
type ActiveDirectorySource struct {
	// Servers are the domain controllers, in the order in which they are tried: ldaps://HOST[:636], or
	// ldap://HOST[:389] with StartTLS. Nothing is ever sent in clear text. At least one.
	Servers []string `json:"servers,omitempty"`
	// BaseDNs are where people are searched, with everything below. At least one; a name that two
	// accounts have below them is refused.
	BaseDNs []string `json:"base_dns,omitempty"`
	// BindUser is the account that searches: a userPrincipalName, DOMAIN\name or DN. It needs no right
	// beyond those of every account.
	BindUser string `json:"bind_user,omitempty"`
	// BindPassword is a placeholder for its password: {file./path} or {env.NAME}.
	BindPassword string `json:"bind_password,omitempty"`
	// CAFile has the certificates (PEM) of the authorities that may vouch for the servers. Default: the
	// authorities that the machine trusts.
	CAFile string `json:"ca_file,omitempty"`
	// EmailAttribute is where the mail address is. Default: mail.
	EmailAttribute string `json:"email_attribute,omitempty"`
	// FirstNameAttribute is where the first name is. Default: givenName.
	FirstNameAttribute string `json:"first_name_attribute,omitempty"`
	// LastNameAttribute is where the last name is. Default: sn.
	LastNameAttribute string `json:"last_name_attribute,omitempty"`
	// DisplayNameAttribute is what pages call the person. Default: displayName.
	DisplayNameAttribute string `json:"display_name_attribute,omitempty"`
	// Attributes are further ones that applications may send, by the directory's own names.
	Attributes []string `json:"attributes,omitempty"`

	release func() error
}

// directories keeps the connections of sources over reloads. A source whose settings change, secrets and
// certificates included, is another one.
var directories = caddy.NewUsagePool()

// sharedDirectory is a source in the pool.
type sharedDirectory struct{ *ldap.Source }

// Destruct implements [caddy.Destructor].
func (d sharedDirectory) Destruct() error { return d.Close() }

// CaddyModule returns the Caddy module information.
func (*ActiveDirectorySource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  SourceNamespace + ".active_directory",
		New: func() caddy.Module { return new(ActiveDirectorySource) },
	}
}

// Source implements [SourceModule]. It asks nobody.
func (a *ActiveDirectorySource) Source(name string, _ *Env) (idp.Source, error) {
	if a.release != nil {
		return nil, errors.New("the source is built already")
	}
	secret, err := resolveSecret("the password of "+a.BindUser, a.BindPassword)
	if err != nil {
		return nil, err
	}
	cfg := ldap.Config{
		Name: name, Kind: ldap.ActiveDirectory, Servers: a.Servers, BaseDNs: a.BaseDNs, BindUser: a.BindUser, BindPassword: secret,
		Attributes: ldap.Attributes{
			Email: a.EmailAttribute, FirstName: a.FirstNameAttribute, LastName: a.LastNameAttribute,
			DisplayName: a.DisplayNameAttribute, More: a.Attributes,
		},
		Log: lastingLog(),
	}
	var pem []byte
	if a.CAFile != "" {
		if pem, err = os.ReadFile(a.CAFile); err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %s holds no certificate in PEM", a.CAFile)
		}
	}
	key, err := a.identity(name, secret, pem)
	if err != nil {
		return nil, err
	}
	v, _, err := directories.LoadOrNew(key, func() (caddy.Destructor, error) {
		s, err := ldap.New(cfg)
		return sharedDirectory{s}, err
	})
	if err != nil {
		return nil, err
	}
	a.release = func() error {
		_, err := directories.Delete(key)
		return err
	}
	return v.(sharedDirectory).Source, nil
}

// identity tells these settings from others.
func (a *ActiveDirectorySource) identity(name string, secret idp.Secret, pem []byte) (string, error) {
	raw, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, part := range []string{name, string(raw), secret.Reveal(), string(pem)} {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Cleanup gives the connections back.
func (a *ActiveDirectorySource) Cleanup() error {
	if a.release == nil {
		return nil
	}
	return a.release()
}

// UnmarshalCaddyfile reads
//
//	active_directory {
//		server <ldaps://host...>
//		base_dn <dn...>
//		bind <user> <{file.…}>
//		ca_file <file>
//		email_attribute <name>
//		first_name_attribute <name>
//		last_name_attribute <name>
//		display_name_attribute <name>
//		attributes <name...>
//	}
func (a *ActiveDirectorySource) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	if d.NextArg() {
		return d.Errf("an active_directory source takes a block with: server, base_dn, bind")
	}
	b := newBlock(d, "an active_directory source", "server", "base_dn", "bind", "ca_file", "email_attribute",
		"first_name_attribute", "last_name_attribute", "display_name_attribute", "attributes").repeatable("server", "base_dn").beside(sourceOptions)
	for b.next() {
		switch b.option {
		case "server":
			b.list(&a.Servers, "ldaps://HOST…")
			b.wellFormed(a.Servers, []string{"DC=example"})
		case "base_dn":
			b.list(&a.BaseDNs, "DN…")
			b.wellFormed([]string{"ldaps://example"}, a.BaseDNs)
		case "bind":
			a.parseBind(b)
		case "ca_file":
			b.text(&a.CAFile, "FILE")
		case "email_attribute":
			b.text(&a.EmailAttribute, "ATTRIBUTE")
		case "first_name_attribute":
			b.text(&a.FirstNameAttribute, "ATTRIBUTE")
		case "last_name_attribute":
			b.text(&a.LastNameAttribute, "ATTRIBUTE")
		case "display_name_attribute":
			b.text(&a.DisplayNameAttribute, "ATTRIBUTE")
		case "attributes":
			b.list(&a.Attributes, "ATTRIBUTE…")
		}
	}
	b.need("server", "base_dn", "bind")
	return b.err
}

func (a *ActiveDirectorySource) parseBind(b *block) {
	args := b.leaf(2, 2, "USER {file./path/to/password}")
	if len(args) != 2 {
		return
	}
	a.BindUser, a.BindPassword = args[0], args[1]
	if err := checkSecretForm("the password of "+a.BindUser, a.BindPassword); err != nil {
		b.fail("%w", err)
	}
}

// wellFormed refuses what a source would not be built with, where it is written.
func (b *block) wellFormed(servers, bases []string) {
	if b.err != nil {
		return
	}
	_, err := ldap.New(ldap.Config{Name: "x", Servers: servers, BaseDNs: bases, BindUser: "x", BindPassword: idp.NewSecret("x")})
	if err != nil {
		b.fail("%w", err)
	}
}

var (
	_ SourceModule          = (*ActiveDirectorySource)(nil)
	_ caddy.CleanerUpper    = (*ActiveDirectorySource)(nil)
	_ caddyfile.Unmarshaler = (*ActiveDirectorySource)(nil)
)
