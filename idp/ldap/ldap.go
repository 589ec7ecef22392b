// Package ldap is people whose passwords live in a directory: Active Directory (activedirectory.go, adaccount.go), or
// OpenLDAP and its like (openldap.go, ppolicy.go). What tells them apart is a table, kind.go.
//
// A sign-in is two or three requests: a search for the name and now and then one for what the directory has
// to work out of the person, their groups above all, on connections that are signed in as the service
// account (find.go, gather.go, groups.go), and a bind as the person on a connection kept for binds
// (authenticate.go). Connections are pooled (pool.go), because a new one for each
// sign-in costs ten times as much, and so many are opened at once (door.go). The service account is spared where its
// password is wrong (service.go). Everything goes over TLS that proves who the server is
// (server.go); there is no option that turns this off. Servers are listed or found by DNS (discover.go, address.go,
// resolver.go); one that fails is left alone for a while (health.go), and the next is tried beside one that is
// slow (errand.go).
//
// What the directory says can be wrong in every way: late, cut off, endless, dear to read. The deadline and the
// bound on size belong to the network connection itself (wire.go), and the bound on what is made of it to the one above
// TLS (guard.go), both below go-ldap, which has neither. Only an answer of the directory is ever taken as a wrong password.
package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Config describes a directory. Servers or Domain, BindUser and BindPassword are required; with Servers alone
// BaseDNs are as well.
type Config struct {
	// Name of the source.
	Name string
	// Kind of directory: ActiveDirectory, also where it is empty, or OpenLDAP.
	Kind string
	// Servers in the order in which they are tried: ldaps://HOST[:636], or ldap://HOST[:389],
	// which means StartTLS before anything else is said.
	Servers []string
	// Domain finds the servers by DNS: corp.example.com. They are asked before the listed ones, over TLS that
	// proves the name that the DNS gave, which has to lie in the domain or be a listed server's.
	Domain string
	// Site is the one whose servers are asked before the other servers of the domain.
	Site string
	// StartTLS asks servers that were found on their LDAP port, and not on 636.
	StartTLS bool
	// Resolvers are the DNS servers to ask: ADDRESS[:PORT]; the next where one does not answer. None asks those of the machine.
	Resolvers []string
	// Lookup and Dial replace the resolver and the dialer of the network. Nil takes those.
	Lookup Lookup
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	// BaseDNs are where people are searched, with everything below. Default: the top of Domain.
	BaseDNs []string
	// BindUser searches: a userPrincipalName, DOMAIN\name or DN.
	BindUser     string
	BindPassword idp.Secret
	// RootCAs are who may vouch for the servers. Nil takes the machine's.
	RootCAs *x509.CertPool
	// ControllersOnly takes a server for one of the domain only where its certificate is for KDC Authentication.
	ControllersOnly bool
	// PersonFilter is what the accounts of people fit, in OpenLDAP. Default: (objectClass=person).
	PersonFilter string
	// LoginAttributes are where a typed name may be, in OpenLDAP. Default: uid and mail.
	LoginAttributes []string
	// GroupFilter is what groups fit, in OpenLDAP. Empty takes somebody's groups from their memberOf; otherwise
	// groups are searched for the one that names them.
	GroupFilter string
	// GroupBaseDN is below what groups are searched, in OpenLDAP. Default: the top of the tree, if its form tells
	// (DC=…), else the base DNs.
	GroupBaseDN string
	// PasswordPolicy is the DN of the policy of whoever has none of their own, in OpenLDAP; "none" says that nobody
	// is ever locked.
	PasswordPolicy string
	// NetBIOS is what the domain is called before a backslash. Default: as the directory says.
	NetBIOS string
	// GroupsFilter has patterns that the CN of a group must fit, one of them, to be heard of: * and ?. Default: all.
	GroupsFilter []string
	// Attributes of an account that the gateway reads.
	Attributes Attributes
	// Timeouts bound every step on the network.
	Timeouts Timeouts
	// Searches and Binds are the most connections for each. Default: 32 of each.
	Searches, Binds int
	// Now defaults to time.Now; Log to one that keeps nothing.
	Now func() time.Time
	Log *slog.Logger
}

// Attributes names attributes of the directory. Empty ones take the default of the kind; for Active
// Directory mail, givenName, sn and displayName.
type Attributes struct {
	Email, FirstName, LastName, DisplayName string
	// Username is what people are called. Default: the kind's, userPrincipalName for Active Directory.
	Username string
	// More are kept under their own names, Own under others.
	More []string
	Own  []Attribute
}

// Attribute is one of the directory's under a name of the gateway's.
type Attribute struct{ Name, From string }

// Timeouts bound what the network may take. Zero ones take the defaults.
type Timeouts struct {
	Dial      time.Duration // connection to one server, with its TLS handshake; 1.25 s
	Operation time.Duration // writing a request and reading its answer; 2 s; a search is asked of the next server after half of it
	Wait      time.Duration // for a connection while all are in use; 500 ms
	Hedge     time.Duration // the least time that a new connection has before the next server is tried beside it; 20 ms, and 50 ms for the first
}

// Source is a directory. It is safe for many logins at once.
type Source struct {
	name         string
	kind         kind
	bases        []string
	roots        []string // of the domains that the bases are in
	bindUser     string
	bindPassword idp.Secret
	attributes   Attributes
	brief, whole []string // attributes of a person that each sign-in reads, and those that show their state as well
	netBIOS      string
	groupFilter  string
	groupsFilter []string
	common       []string // DNs of the policies that hold for whoever has none of their own
	neverLocks   bool     // where there is none at all
	timeouts     Timeouts
	tls          *tls.Config
	now          func() time.Time
	log          *slog.Logger

	listed   []*server // in the configuration
	finder   *finder   // of more; nil where no domain is given
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	searches *pool
	binds    *pool
	changes  *pool // of passwords, as the service account

	service   service
	known     gatherings
	strangers strangers
	groups    groupCache
	policies  policies
	realms    realms
	pace      atomic.Int64 // what a wrong password takes of late, in nanoseconds
}

// New checks the configuration and returns a source. It reaches for nobody.
func New(c Config) (*Source, error) {
	k, err := kindOf(c)
	if err != nil {
		return nil, err
	}
	if err := c.complete(); err != nil {
		return nil, err
	}
	s := &Source{
		name: c.Name, kind: k, bases: c.BaseDNs, bindUser: c.BindUser, bindPassword: c.BindPassword,
		attributes: k.attributes(c.Attributes), netBIOS: c.NetBIOS, groupsFilter: c.GroupsFilter, timeouts: c.Timeouts.withDefaults(), now: c.Now, log: c.Log,
		tls: &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(64)},
	}
	s.brief, s.whole = s.personAttributes(k.counts), s.personAttributes(k.state)
	s.service.turn = make(chan struct{}, 1)
	if c.ControllersOnly {
		s.tls.VerifyConnection = controllerOnly
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.findServers(c); err != nil {
		return nil, err
	}
	for _, base := range s.bases {
		root, err := k.rootOf(base)
		if err != nil {
			return nil, fmt.Errorf("base DN %q: write it as OU=People,DC=corp,DC=example,DC=com: %w", base, err)
		}
		if !slices.ContainsFunc(s.roots, func(r string) bool { return sameDN(r, root) }) {
			s.roots = append(s.roots, root)
		}
	}
	if err := s.settle(c); err != nil {
		return nil, err
	}
	// A search can be asked again elsewhere when its answer does not come. A bind cannot: the
	// directory may have counted a wrong password already. Nor can a change.
	s.searches = newPool(s, c.Searches, true, (*server).dialService)
	s.binds = newPool(s, c.Binds, false, (*server).dial)
	s.changes = newPool(s, mostChanges, false, (*server).dialService)
	return s, nil
}

// complete reports what is missing.
func (c *Config) complete() error {
	switch {
	case c.Name == "":
		return errors.New("the source has no name")
	case len(c.Servers) == 0 && c.Domain == "":
		return errors.New("no server is given, and no domain to find one in")
	case c.Domain == "" && (c.Site != "" || c.StartTLS):
		return errors.New("site and StartTLS are about servers that a domain is asked for, and no domain is given")
	case len(c.BaseDNs) == 0 && c.Domain == "":
		return errors.New("no base DN is given")
	case c.BindUser == "" || c.BindPassword.Empty():
		// Without a password the bind would be an unauthenticated one (RFC 4513 §5.1.2).
		return errors.New("the service account needs a name and a password")
	case strings.ContainsFunc(c.NetBIOS, notInNetBIOS):
		return fmt.Errorf("%q is no NetBIOS name of a domain; write what stands before the backslash in CORP\\ann: CORP", c.NetBIOS)
	}
	return c.Attributes.check()
}

// notInNetBIOS is what Microsoft forbids in the NetBIOS name of a domain, and spaces.
func notInNetBIOS(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`\/:*?"<>|@`, r)
}

// check finds a name that no attribute can have. A directory leaves such a one out of its answer without a word.
func (a *Attributes) check() error {
	names := slices.Concat([]string{a.Email, a.FirstName, a.LastName, a.DisplayName, a.Username}, a.More)
	for _, own := range a.Own {
		names = append(names, own.From)
	}
	for _, name := range names {
		if name != "" && !attributeDescription.MatchString(name) {
			return fmt.Errorf("%q is no name of an attribute: those are letters, digits and hyphens", name)
		}
	}
	return nil
}

// settle notes where policies and groups are.
func (s *Source) settle(c Config) error {
	s.common = s.roots
	if s.kind.name != OpenLDAP {
		return nil
	}
	var err error
	s.groupFilter = c.GroupFilter
	if s.common, s.neverLocks, err = policyName(c.PasswordPolicy); err != nil {
		return err
	}
	if c.GroupBaseDN != "" {
		if !isDN(c.GroupBaseDN) {
			return fmt.Errorf("the base DN of groups %q is no DN", c.GroupBaseDN)
		}
		s.roots = []string{c.GroupBaseDN}
	}
	return nil
}

// findServers makes what the source reaches its servers with.
func (s *Source) findServers(c Config) error {
	resolver, err := newResolver(c.Resolvers)
	if err != nil {
		return err
	}
	if s.dial = c.Dial; s.dial == nil {
		s.dial = newAddresses(resolver, s.now).dial
	}
	for _, address := range c.Servers {
		sv, err := newServer(s, address)
		if err != nil {
			return err
		}
		s.listed = append(s.listed, sv)
	}
	if c.Domain == "" {
		return nil
	}
	if c.Lookup == nil {
		c.Lookup = resolver.servers
	}
	if len(s.bases) == 0 {
		s.bases = []string{baseOfDomain(c.Domain)}
	}
	s.finder, err = newFinder(s, c)
	return err
}

// Name implements [idp.Source].
func (s *Source) Name() string { return s.name }

// Close closes the connections: at once those that nobody uses, the others after their request. A
// source that is closed still answers, and keeps no connection.
func (s *Source) Close() error {
	s.searches.close()
	s.binds.close()
	s.changes.close()
	return nil
}

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		to *time.Duration
		is time.Duration
	}{{&t.Dial, 1250 * time.Millisecond}, {&t.Operation, 2 * time.Second}, {&t.Wait, 500 * time.Millisecond}} {
		if *d.to <= 0 {
			*d.to = d.is
		}
	}
	return t
}

// all is how long one answer may take, whatever servers have to be tried for it.
func (t Timeouts) all() time.Duration { return 2 * (t.Dial + t.Operation) }

// search asks for entries, as the service account. Referrals to other servers are not followed: nobody
// said that those may be trusted with a name. Active Directory adds three to every answer from the top of a domain, and is
// asked not to ([MS-ADTS] §3.1.1.3.4.1.4).
func (s *Source) search(ctx context.Context, r *goldap.SearchRequest) ([]*goldap.Entry, error) {
	r.Controls = s.kind.scope
	var entries []*goldap.Entry
	err := s.searches.use(ctx, func(c *goldap.Conn) error {
		found, err := c.Search(r)
		if found != nil {
			entries = found.Entries
		}
		return err
	})
	if err != nil {
		return entries, fmt.Errorf("searching %q: %w", r.BaseDN, err)
	}
	return entries, nil
}

// resultIs reports whether the directory answered with this result code.
func resultIs(err error, code uint16) bool {
	var r *goldap.Error
	return errors.As(err, &r) && r.ResultCode == code
}

var (
	_ idp.PasswordSource = (*Source)(nil)
	_ idp.LimitReader    = (*Source)(nil)
	_ idp.Checker        = (*Source)(nil)
	_ idp.GroupFinder    = (*Source)(nil)

	_ idp.PasswordChanger = (*Source)(nil)
	_ idp.Refresher       = (*Source)(nil)
)
