package ldap

import (
	"context"
	"strings"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// realmTime is how long it is believed what the domains are called. They are renamed once in their lives, if at all.
const realmTime = time.Hour

// realms are the domains' short names, NetBIOS ones, by their roots.
type realms struct {
	mu    sync.Mutex
	names map[string]string // folded DN of the root to folded name
	until time.Time
}

// basesOf returns the base DNs that lie in a domain, which is named as before a backslash: by its short name, or
// as the DNS has it. Another domain's CORP\alice is nobody here, or else whoever owns alice in one domain
// could be asked for as the alice of another. Where nothing tells what the domain is called, every name is taken.
func (s *Source) basesOf(ctx context.Context, domain string) ([]string, error) {
	names, err := s.shortNames(ctx)
	if err != nil {
		return nil, err
	}
	var bases []string
	for _, base := range s.bases {
		root, err := domainOf(base)
		if err != nil {
			return nil, err
		}
		short, known := names[fold(root)]
		if !known || short == fold(domain) || dnsName(root) == fold(domain) {
			bases = append(bases, base)
		}
	}
	if len(bases) == 0 {
		return nil, idp.ErrNoUser
	}
	return bases, nil
}

// dnsName writes DC=corp,DC=example,DC=com as corp.example.com.
func dnsName(root string) string {
	dn, err := goldap.ParseDN(root)
	if err != nil {
		return ""
	}
	var labels []string
	for _, rdn := range dn.RDNs {
		for _, a := range rdn.Attributes {
			labels = append(labels, fold(a.Value))
		}
	}
	return strings.Join(labels, ".")
}

// shortNames returns what the domains are called, from the configuration or the directory.
func (s *Source) shortNames(ctx context.Context) (map[string]string, error) {
	if s.netBIOS != "" {
		names := map[string]string{}
		for _, root := range s.roots {
			names[fold(root)] = fold(s.netBIOS)
		}
		return names, nil
	}
	r := &s.realms
	r.mu.Lock()
	names, until := r.names, r.until
	r.mu.Unlock()
	if s.now().Before(until) {
		return names, nil
	}
	names, err := s.readShortNames(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names, r.until = names, s.now().Add(realmTime)
	return names, nil
}

// readShortNames reads the list of the forest's domains. A directory that does not show it leaves the names unknown.
func (s *Source) readShortNames(ctx context.Context) (map[string]string, error) {
	names := map[string]string{}
	top, err := s.search(ctx, &goldap.SearchRequest{
		Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"configurationNamingContext"},
	})
	if err != nil {
		return nil, err
	}
	if len(top) != 1 || text(top[0], "configurationNamingContext") == "" {
		return names, nil
	}
	entries, err := s.search(ctx, &goldap.SearchRequest{
		BaseDN: "CN=Partitions," + text(top[0], "configurationNamingContext"), Scope: goldap.ScopeWholeSubtree,
		Filter: "(&(objectClass=crossRef)(nETBIOSName=*))", Attributes: []string{"nCName", "nETBIOSName"},
	})
	if err != nil && !resultIs(err, goldap.LDAPResultNoSuchObject) && !resultIs(err, goldap.LDAPResultInsufficientAccessRights) {
		return nil, err
	}
	for _, e := range entries {
		for _, root := range s.roots {
			if name := text(e, "nETBIOSName"); name != "" && sameDN(root, text(e, "nCName")) {
				names[fold(root)] = fold(name)
			}
		}
	}
	return names, nil
}

// checkRealms tells which names before a backslash are taken.
func (s *Source) checkRealms(ctx context.Context) []idp.Finding {
	if s.kind.account == "" {
		return nil
	}
	names, err := s.shortNames(ctx)
	if err != nil {
		return []idp.Finding{s.finding("warning", "the domain's NetBIOS name cannot be read: %v", "write it: netbios NAME", err)}
	}
	var findings []idp.Finding
	for _, root := range s.roots {
		name, known := names[fold(root)]
		if !known {
			findings = append(findings, s.finding("warning", "the domain %s does not show its NetBIOS name, so that any name is taken before a backslash", "write it: netbios NAME", dnsName(root)))
			continue
		}
		findings = append(findings, s.finding("ok", `people of the domain %s may sign in as %s\NAME`, "", dnsName(root), strings.ToUpper(name)))
	}
	return findings
}
