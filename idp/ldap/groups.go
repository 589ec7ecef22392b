package ldap

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	// groupTime is how long the names of a group are believed.
	groupTime = 5 * time.Minute
	// mostGroups bounds the cache; an entry has some three hundred bytes.
	mostGroups = 20_000
	// inOneSearch is how many groups one filter asks for.
	inOneSearch = 100
)

// groupCache keeps what groups are called by their SID, in its binary form. A group that the domain does not
// have has no names.
type groupCache struct {
	mu     sync.Mutex
	groups map[string]cachedGroup
}

type cachedGroup struct {
	names []string
	until time.Time
}

// groupsOf returns every group that the person is in, however deeply nested. tokenGroups is what the
// domain controller itself would put into their token, with the primary group.
func (s *Source) groupsOf(ctx context.Context, dn string) ([]idp.Group, error) {
	sids, err := s.tokenGroups(ctx, dn)
	if err != nil {
		return nil, err
	}
	names, missing := s.groups.lookup(sids, s.now())
	if len(missing) > 0 {
		root, err := domainOf(dn)
		if err != nil {
			return nil, fmt.Errorf("account %q: %w", dn, err)
		}
		fresh, err := s.resolve(ctx, root, missing)
		if err != nil {
			return nil, err
		}
		s.groups.keep(fresh, s.now())
		maps.Copy(names, fresh)
	}
	var groups []idp.Group
	for _, sid := range sids {
		if n := names[sid]; len(n) > 0 {
			groups = append(groups, idp.Group{Names: n})
		}
	}
	return groups, nil
}

// tokenGroups reads the SIDs. The attribute is made up on the spot, and for a base search only.
func (s *Source) tokenGroups(ctx context.Context, dn string) ([]string, error) {
	entries, err := s.search(ctx, &goldap.SearchRequest{
		BaseDN: dn, Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"tokenGroups"},
	})
	if err != nil {
		return nil, err
	}
	if len(entries) != 1 {
		return nil, fmt.Errorf("reading the groups of %q: %d entries", dn, len(entries))
	}
	var sids []string
	for _, raw := range entries[0].GetEqualFoldRawAttributeValues("tokenGroups") {
		sids = append(sids, string(raw))
	}
	return sids, nil
}

// resolve asks what groups are called. Groups of other domains are not found, and give nothing.
func (s *Source) resolve(ctx context.Context, root string, sids []string) (map[string][]string, error) {
	names := make(map[string][]string, len(sids))
	for _, sid := range sids {
		names[sid] = nil
	}
	var found []*goldap.Entry
	for part := range chunks(sids) {
		entries, err := s.findGroups(ctx, root, part, func(sid string) string { return "(objectSid=" + escapeBytes(sid) + ")" })
		if err != nil {
			return nil, err
		}
		found = append(found, entries...)
	}
	shared, err := s.sharedNames(ctx, found)
	if err != nil {
		return nil, err
	}
	for _, e := range found {
		sid := string(e.GetEqualFoldRawAttributeValue("objectSid"))
		if _, asked := names[sid]; asked {
			names[sid] = s.kind.namesOf(e, shared)
		}
	}
	return names, nil
}

// findGroups searches groups that fit one of the filters.
func (s *Source) findGroups(ctx context.Context, root string, values []string, filter func(string) string) ([]*goldap.Entry, error) {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(filter(v))
	}
	return s.search(ctx, &goldap.SearchRequest{
		BaseDN: root, Scope: goldap.ScopeWholeSubtree, Filter: "(&" + s.kind.group + "(|" + b.String() + "))",
		Attributes: append([]string{"objectSid"}, s.kind.shortly...),
	})
}

// sharedNames returns which short names of the groups another group has as well, folded. Whoever may make a
// group in some corner of the directory could otherwise call it "Contact Centre Supervisors", put
// themselves in, and have the role; so such a name means neither group, and only the DN does.
func (s *Source) sharedNames(ctx context.Context, groups []*goldap.Entry) (map[string]bool, error) {
	var names []string
	asked := map[string]bool{}
	owners := map[string]map[string]bool{} // DNs by folded name
	own := func(e *goldap.Entry) {
		for _, n := range s.kind.shortNames(e) {
			n = fold(n)
			if owners[n] == nil {
				owners[n] = map[string]bool{}
			}
			owners[n][fold(e.DN)] = true
		}
	}
	for _, e := range groups {
		own(e)
		for _, n := range s.kind.shortNames(e) {
			if !asked[fold(n)] {
				asked[fold(n)] = true
				names = append(names, n)
			}
		}
	}
	shared := map[string]bool{}
	for _, root := range s.roots {
		for part := range chunks(names) {
			entries, err := s.findGroups(ctx, root, part, func(n string) string { return anyOf(s.kind.shortly, goldap.EscapeFilter(n)) })
			switch {
			case resultIs(err, goldap.LDAPResultSizeLimitExceeded): // a thousand and more: who knows which
				for _, n := range part {
					shared[fold(n)] = true
				}
			case err != nil:
				return nil, err
			}
			for _, e := range entries {
				own(e)
			}
		}
	}
	for n, dns := range owners {
		if len(dns) > 1 {
			shared[n] = true
		}
	}
	return shared, nil
}

// shortNames returns what a group is called besides its DN.
func (k kind) shortNames(e *goldap.Entry) []string {
	var names []string
	for _, attribute := range k.shortly {
		n := text(e, attribute)
		if n != "" && (len(names) == 0 || !strings.EqualFold(names[0], n)) {
			names = append(names, n)
		}
	}
	return names
}

// namesOf returns every name that means this group and no other.
func (k kind) namesOf(e *goldap.Entry, shared map[string]bool) []string {
	var names []string
	for _, n := range k.shortNames(e) {
		if !shared[fold(n)] && !misleading(n) {
			names = append(names, n)
		}
	}
	return append(names, e.DN)
}

// misleading reports whether a short name could be taken for another group's: one that reads like a DN, or has one of
// the two letters that are equal to an ASCII one for Go and not for the directory.
func misleading(name string) bool {
	return isDN(name) || strings.ContainsAny(name, "\u017f\u212a")
}

func isDN(name string) bool {
	dn, err := goldap.ParseDN(name)
	return err == nil && len(dn.RDNs) > 0
}

func fold(name string) string { return strings.ToLower(name) }

// escapeBytes writes bytes for a filter (RFC 4515 §3).
func escapeBytes(b string) string {
	var out strings.Builder
	for _, c := range []byte(b) {
		fmt.Fprintf(&out, `\%02x`, c)
	}
	return out.String()
}

func chunks(all []string) func(func([]string) bool) {
	return func(yield func([]string) bool) {
		for len(all) > 0 {
			n := min(len(all), inOneSearch)
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

func (c *groupCache) lookup(sids []string, now time.Time) (names map[string][]string, missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	names = make(map[string][]string, len(sids))
	for _, sid := range sids {
		if g, ok := c.groups[sid]; ok && now.Before(g.until) {
			names[sid] = g.names
		} else {
			missing = append(missing, sid)
		}
	}
	return names, missing
}

func (c *groupCache) keep(fresh map[string][]string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.groups == nil || len(c.groups)+len(fresh) > mostGroups {
		c.groups = make(map[string]cachedGroup, len(fresh)) // all expire within minutes anyway
	}
	for sid, names := range fresh {
		c.groups[sid] = cachedGroup{names: names, until: now.Add(groupTime)}
	}
}

// FindGroup implements [idp.GroupFinder] for a CN, a sAMAccountName or a DN.
func (s *Source) FindGroup(ctx context.Context, name string) error {
	if isDN(name) {
		return s.groupWithDN(ctx, name)
	}
	var dns []string
	for _, root := range s.roots {
		entries, err := s.findGroups(ctx, root, []string{name}, func(n string) string { return anyOf(s.kind.shortly, goldap.EscapeFilter(n)) })
		if err != nil && !resultIs(err, goldap.LDAPResultSizeLimitExceeded) {
			return err
		}
		for _, e := range entries {
			dns = append(dns, fmt.Sprintf("%q", e.DN))
		}
	}
	switch {
	case len(dns) == 0:
		return idp.ErrNotFound
	case len(dns) > 1:
		return fmt.Errorf("%w: write the DN of the one that is meant: %s", idp.ErrAmbiguous, strings.Join(dns, ", "))
	case misleading(name):
		return fmt.Errorf("%w by this name, which could be taken for another group's: write %s", idp.ErrNotFound, dns[0])
	}
	return nil
}

func (s *Source) groupWithDN(ctx context.Context, dn string) error {
	entries, err := s.search(ctx, &goldap.SearchRequest{
		BaseDN: dn, Scope: goldap.ScopeBaseObject, Filter: s.kind.group, Attributes: []string{"cn"},
	})
	switch {
	case resultIs(err, goldap.LDAPResultNoSuchObject), resultIs(err, goldap.LDAPResultInvalidDNSyntax):
		return idp.ErrNotFound
	case err != nil:
		return err
	case len(entries) == 0:
		return fmt.Errorf("%w: this is no group", idp.ErrNotFound)
	case !strings.EqualFold(entries[0].DN, dn):
		// The directory reads spaces and escapes as it likes; a membership is compared as text.
		return fmt.Errorf("%w as it is written: write %q", idp.ErrNotFound, entries[0].DN)
	}
	return nil
}
