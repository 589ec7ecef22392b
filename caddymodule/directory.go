package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// mostConnections bounds the connections of a source; Active Directory itself has some thousands for everybody.
const mostConnections = 1000

// leastTimeout is the shortest time for a step. One below is a slip of the unit: a handshake alone takes milliseconds.
const leastTimeout = 10 * time.Millisecond

// Directory is how a directory is asked, and what of its people is taken, whatever its make.
type Directory struct {
	// Servers are asked in their order: ldaps://HOST[:636], or ldap://HOST[:389] with StartTLS. Nothing is ever
	// sent in clear text. At least one, or in Active Directory a domain; then they are tried after those that
	// it names.
	Servers []string `json:"servers,omitempty"`
	// Resolvers are the addresses of DNS servers that know the domain: ADDRESS[:53]; the next is asked where one does
	// not answer. Default: those of the machine.
	Resolvers []string `json:"resolvers,omitempty"`
	// DialTimeout bounds the connection to one server with its TLS handshake. The next one is tried beside
	// it long before. Default: 1.25s, in which a first packet may be lost.
	DialTimeout caddy.Duration `json:"dial_timeout,omitempty"`
	// OperationTimeout bounds one request and its answer. A search is asked of the next server after
	// half of it; a password is sent to one only. Default: 2s.
	OperationTimeout caddy.Duration `json:"operation_timeout,omitempty"`
	// WaitTimeout is how long a sign-in waits for a connection while all are in use. Default: 500ms.
	WaitTimeout caddy.Duration `json:"wait_timeout,omitempty"`
	// Connections are the most for searches, and as many again for passwords; reading people again has half
	// as many of its own. Default: 32.
	Connections int `json:"connections,omitempty"`
	// BaseDNs are where people are searched, with everything below; a name that two accounts have below them is
	// refused. At least one; where a domain is named, its top is the default.
	BaseDNs []string `json:"base_dns,omitempty"`
	// BindUser is the account that searches: a DN, or in Active Directory also a userPrincipalName or
	// DOMAIN\name. It needs no right beyond those of every account.
	BindUser string `json:"bind_user,omitempty"`
	// BindPassword is a placeholder for its password: {file./path} or {env.NAME}.
	BindPassword string `json:"bind_password,omitempty"`
	// CAFile has the certificates (PEM) of the authorities that may vouch for the servers. Default: the
	// authorities that the machine trusts.
	CAFile string `json:"ca_file,omitempty"`
	// EmailAttribute is where the mail address is. Default: mail.
	EmailAttribute string `json:"email_attribute,omitempty"`
	// UsernameAttribute is what the person is called. Default: userPrincipalName in Active Directory, uid elsewhere;
	// that is also taken where the attribute is empty.
	UsernameAttribute string `json:"username_attribute,omitempty"`
	// FirstNameAttribute is where the first name is. Default: givenName.
	FirstNameAttribute string `json:"first_name_attribute,omitempty"`
	// LastNameAttribute is where the last name is. Default: sn.
	LastNameAttribute string `json:"last_name_attribute,omitempty"`
	// DisplayNameAttribute is what pages call the person. Default: displayName.
	DisplayNameAttribute string `json:"display_name_attribute,omitempty"`
	// Attributes are further ones that applications may send, by the directory's own names, with all their values. GUIDs
	// and SIDs are sent as text; other values that are no text, pictures for one, are left out.
	Attributes []string `json:"attributes,omitempty"`
	// NamedAttributes are further ones by names of one's own: name to attribute of the directory.
	NamedAttributes map[string]string `json:"named_attributes,omitempty"`
	// GroupsFilter has patterns for the CN of groups, with * and ?; a group that fits none is not heard of. Default: all.
	GroupsFilter []string `json:"groups_filter,omitempty"`

	release func() error
}

// directories keeps the connections of sources over reloads. A source whose settings change, secrets and
// certificates included, is another one.
var directories = caddy.NewUsagePool()

// sharedDirectory is a source in the pool.
type sharedDirectory struct{ *ldap.Source }

// Destruct implements [caddy.Destructor].
func (d sharedDirectory) Destruct() error { return d.Close() }

// open returns the source, that of the configuration before if it is the same. The settings are those of the module;
// fill adds what is particular to the kind.
func (d *Directory) open(name string, settings any, fill func(*ldap.Config)) (idp.Source, error) {
	if d.release != nil {
		return nil, errors.New("the source is built already")
	}
	secret, err := resolveSecret("the password of "+d.BindUser, d.BindPassword)
	if err != nil {
		return nil, err
	}
	cfg := ldap.Config{
		Name: name, Servers: d.Servers, Resolvers: d.Resolvers, BaseDNs: d.BaseDNs, BindUser: d.BindUser, BindPassword: secret,
		Timeouts: ldap.Timeouts{
			Dial: time.Duration(d.DialTimeout), Operation: time.Duration(d.OperationTimeout), Wait: time.Duration(d.WaitTimeout),
		},
		Searches: d.Connections, Binds: d.Connections,
		Attributes: d.attributes(), GroupsFilter: d.GroupsFilter, Log: lastingLog(),
	}
	fill(&cfg)
	roots, pem, err := readCAFile(d.CAFile)
	if err != nil {
		return nil, err
	}
	cfg.RootCAs = roots
	key, err := identityOf(name, settings, secret, pem)
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
	d.release = func() error {
		_, err := directories.Delete(key)
		return err
	}
	return v.(sharedDirectory).Source, nil
}

func (d *Directory) attributes() ldap.Attributes {
	a := ldap.Attributes{
		Email: d.EmailAttribute, Username: d.UsernameAttribute, FirstName: d.FirstNameAttribute, LastName: d.LastNameAttribute,
		DisplayName: d.DisplayNameAttribute, More: d.Attributes,
	}
	for _, name := range slices.Sorted(maps.Keys(d.NamedAttributes)) {
		a.Own = append(a.Own, ldap.Attribute{Name: name, From: d.NamedAttributes[name]})
	}
	return a
}

// identityOf tells these settings from others.
func identityOf(name string, settings any, secret idp.Secret, pem []byte) (string, error) {
	raw, err := json.Marshal(settings)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, part := range []string{fmt.Sprintf("%T", settings), name, string(raw), secret.Reveal(), string(pem)} {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Cleanup gives the connections back.
func (d *Directory) Cleanup() error {
	if d.release == nil {
		return nil
	}
	return d.release()
}

// directoryOptions are what the block of every directory takes; those in the second list more than once.
var (
	directoryOptions = []string{
		"server", "resolver", "dial_timeout", "operation_timeout", "wait_timeout", "connections", "base_dn", "bind", "ca_file", "email_attribute", "username_attribute", "first_name_attribute",
		"last_name_attribute", "display_name_attribute", "attributes", "attribute", "groups_filter",
	}
	directoryRepeats = []string{"server", "base_dn", "attribute"}
)

// parse reads the option at hand.
func (d *Directory) parse(b *block, kind string) {
	switch b.option {
	case "server":
		b.list(&d.Servers, "ldaps://HOST…")
		b.wellFormed(ldap.Config{Kind: kind, Servers: d.Servers})
	case "resolver":
		b.list(&d.Resolvers, "ADDRESS[:PORT]…")
		b.wellFormed(ldap.Config{Kind: kind, Resolvers: d.Resolvers})
	case "dial_timeout":
		b.atLeast(&d.DialTimeout, leastTimeout)
	case "operation_timeout":
		b.atLeast(&d.OperationTimeout, leastTimeout)
	case "wait_timeout":
		b.atLeast(&d.WaitTimeout, leastTimeout)
	case "connections":
		b.number(&d.Connections, mostConnections)
	case "base_dn":
		b.list(&d.BaseDNs, "DN…")
		b.wellFormed(ldap.Config{Kind: kind, BaseDNs: d.BaseDNs})
	case "bind":
		d.parseBind(b)
	case "ca_file":
		b.text(&d.CAFile, "FILE")
	case "email_attribute":
		d.attribute(b, &d.EmailAttribute, kind)
	case "username_attribute":
		d.attribute(b, &d.UsernameAttribute, kind)
	case "first_name_attribute":
		d.attribute(b, &d.FirstNameAttribute, kind)
	case "last_name_attribute":
		d.attribute(b, &d.LastNameAttribute, kind)
	case "display_name_attribute":
		d.attribute(b, &d.DisplayNameAttribute, kind)
	case "attributes":
		b.list(&d.Attributes, "ATTRIBUTE…")
		b.wellFormed(ldap.Config{Kind: kind, Attributes: d.attributes()})
	case "attribute":
		d.parseAttribute(b)
		b.wellFormed(ldap.Config{Kind: kind, Attributes: d.attributes()})
	case "groups_filter":
		b.list(&d.GroupsFilter, "PATTERN…")
	}
}

// attribute reads where something is that every person has.
func (d *Directory) attribute(b *block, to *string, kind string) {
	b.text(to, "ATTRIBUTE")
	b.wellFormed(ldap.Config{Kind: kind, Attributes: d.attributes()})
}

func (d *Directory) parseBind(b *block) {
	args := b.leaf(2, 2, "USER {file./path/to/password}")
	if len(args) != 2 {
		return
	}
	d.BindUser, d.BindPassword = args[0], args[1]
	if err := checkSecretForm("the password of "+d.BindUser, d.BindPassword); err != nil {
		b.fail("%w", err)
	}
}

// bridged are the attributes that every person has; each has an option of its own.
var bridged = []string{"email", "username", "first_name", "last_name", "display_name"}

func (d *Directory) parseAttribute(b *block) {
	args := b.leaf(3, 3, "NAME from ATTRIBUTE")
	if len(args) != 3 {
		return
	}
	name := args[0]
	switch {
	case args[1] != "from":
		b.fail("attribute in %s takes: attribute NAME from ATTRIBUTE", b.where)
	case slices.Contains(bridged, name):
		b.fail("attribute in %s: every person has the attribute %s; write %s_attribute for where it is", b.where, name, name)
	case !validName(name):
		b.fail("attribute %q in %s: a name is lower-case letters, digits, - and _, at most 64", name, b.where)
	case d.NamedAttributes[name] != "" || slices.Contains(d.Attributes, name):
		b.fail("the attribute %s is written twice in %s", name, b.where)
	}
	if d.NamedAttributes == nil {
		d.NamedAttributes = map[string]string{}
	}
	d.NamedAttributes[name] = args[2]
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
