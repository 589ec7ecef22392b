package caddymodule

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// mostConnections bounds the connections of a source; Active Directory itself has some thousands for everybody.
const mostConnections = 1000

func init() {
	caddy.RegisterModule(new(ActiveDirectorySource))
}

// ActiveDirectorySource is an Active Directory domain, Microsoft's or Samba's, asked by LDAP over TLS. People
// sign in with their mail address, userPrincipalName, sAMAccountName or DOMAIN\name, and their password
// is judged by the domain. Groups are every group that they are in, nested ones included.
type ActiveDirectorySource struct {
	// Servers are the domain controllers, in the order in which they are tried: ldaps://HOST[:636], or
	// ldap://HOST[:389] with StartTLS. Nothing is ever sent in clear text. At least one, or a domain; with a
	// domain they are tried after those that it names.
	Servers []string `json:"servers,omitempty"`
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
	// Resolver is the address of a DNS server that knows the domain: ADDRESS[:53]. Default: those of the machine.
	Resolver string `json:"resolver,omitempty"`
	// DialTimeout bounds the connection to one controller with its TLS handshake. The next one is tried beside
	// it long before. Default: 1s.
	DialTimeout caddy.Duration `json:"dial_timeout,omitempty"`
	// OperationTimeout bounds one request and its answer. A search is asked of the next controller after
	// half of it; a password is sent to one only. Default: 2s.
	OperationTimeout caddy.Duration `json:"operation_timeout,omitempty"`
	// WaitTimeout is how long a sign-in waits for a connection while all are in use. Default: 500ms.
	WaitTimeout caddy.Duration `json:"wait_timeout,omitempty"`
	// Connections are the most for searches, and as many again for passwords; reading people again has half
	// as many of its own. Default: 32.
	Connections int `json:"connections,omitempty"`
	// BaseDNs are where people are searched, with everything below; a name that two accounts have below them is
	// refused. Default: the top of the domain; with servers alone at least one.
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
		Name: name, Kind: ldap.ActiveDirectory, BaseDNs: a.BaseDNs, BindUser: a.BindUser, BindPassword: secret,
		Servers: a.Servers, Domain: a.Domain, Site: a.Site, StartTLS: a.StartTLS, Resolver: a.Resolver,
		Timeouts: ldap.Timeouts{
			Dial: time.Duration(a.DialTimeout), Operation: time.Duration(a.OperationTimeout), Wait: time.Duration(a.WaitTimeout),
		},
		Searches: a.Connections, Binds: a.Connections,
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
//		email_attribute <name>
//		first_name_attribute <name>
//		last_name_attribute <name>
//		display_name_attribute <name>
//		attributes <name...>
//	}
func (a *ActiveDirectorySource) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	if d.NextArg() {
		return d.Errf("an active_directory source takes a block with: server or domain, base_dn, bind")
	}
	b := newBlock(d, "an active_directory source", "server", "domain", "site", "starttls", "resolver", "dial_timeout",
		"operation_timeout", "wait_timeout", "connections", "base_dn", "bind", "ca_file", "email_attribute",
		"first_name_attribute", "last_name_attribute", "display_name_attribute", "attributes").repeatable("server", "base_dn")
	for b.next() {
		switch b.option {
		case "server":
			b.list(&a.Servers, "ldaps://HOST…")
			b.wellFormed(ldap.Config{Servers: a.Servers})
		case "domain":
			b.text(&a.Domain, "NAME")
			b.wellFormed(ldap.Config{Domain: a.Domain})
		case "site":
			b.text(&a.Site, "NAME")
			b.wellFormed(ldap.Config{Domain: "example", Site: a.Site})
		case "starttls":
			b.leaf(0, 0, "")
			a.StartTLS = true
		case "resolver":
			b.text(&a.Resolver, "ADDRESS[:PORT]")
			b.wellFormed(ldap.Config{Resolver: a.Resolver})
		case "dial_timeout":
			b.duration(&a.DialTimeout)
		case "operation_timeout":
			b.duration(&a.OperationTimeout)
		case "wait_timeout":
			b.duration(&a.WaitTimeout)
		case "connections":
			b.number(&a.Connections, mostConnections)
		case "base_dn":
			b.list(&a.BaseDNs, "DN…")
			b.wellFormed(ldap.Config{BaseDNs: a.BaseDNs})
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

// wellFormed refuses what a source would not be built with, where it is written. What the rest of the block has to
// say is filled in.
func (b *block) wellFormed(c ldap.Config) {
	if b.err != nil {
		return
	}
	if len(c.Servers) == 0 && c.Domain == "" {
		c.Servers = []string{"ldaps://example"}
	}
	if len(c.BaseDNs) == 0 {
		c.BaseDNs = []string{"DC=example"}
	}
	c.Name, c.BindUser, c.BindPassword = "x", "x", idp.NewSecret("x")
	if _, err := ldap.New(c); err != nil {
		b.fail("%w", err)
	}
}

var (
	_ SourceModule          = (*ActiveDirectorySource)(nil)
	_ caddy.CleanerUpper    = (*ActiveDirectorySource)(nil)
	_ caddyfile.Unmarshaler = (*ActiveDirectorySource)(nil)
)
