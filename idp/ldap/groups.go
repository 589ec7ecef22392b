package ldap

import (
	"context"
	"fmt"
	"maps"
	"slices"
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

// groupCache keeps what groups are called, by their SID in its binary form, or their DN. A group that the domain does
// not have has no names.
type groupCache struct {
	mu     sync.Mutex
	groups map[string]cachedGroup
}

type cachedGroup struct {
	names []string
	until time.Time
}

// groupsOf returns the groups that were gathered for a person, by name.
func (s *Source) groupsOf(ctx context.Context, dn string, gathered []string) ([]idp.Group, error) {
	names, missing := s.groups.lookup(gathered, s.now())
	if len(missing) > 0 {
		fresh, err := s.resolve(ctx, dn, missing)
		if err != nil {
			return nil, err
		}
		s.groups.keep(fresh, s.now())
		maps.Copy(names, fresh)
	}
	var groups []idp.Group
	for _, key := range gathered {
		if n := names[key]; len(n) > 0 {
			groups = append(groups, idp.Group{Names: n})
		}
	}
	return groups, nil
}

// resolve asks what groups are called. Groups of other domains are not found, and give nothing; nor does one that
// the configuration leaves out.
func (s *Source) resolve(ctx context.Context, dn string, keys []string) (map[string][]string, error) {
	names := make(map[string][]string, len(keys))
	for _, key := range keys {
		names[key] = nil
	}
	found, err := s.kind.groupEntries(ctx, s, dn, keys)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(found, func(_ string, e *goldap.Entry) bool { return !s.keeps(e) })
	shared, err := s.sharedNames(ctx, slices.Collect(maps.Values(found)))
	if err != nil {
		return nil, err
	}
	for key, e := range found {
		if _, asked := names[key]; asked {
			names[key] = s.kind.namesOf(e, shared)
		}
	}
	return names, nil
}

// keeps reports whether the configuration wants to hear of a group.
func (s *Source) keeps(group *goldap.Entry) bool {
	if len(s.groupsFilter) == 0 {
		return true
	}
	cn := []rune(fold(text(group, "cn")))
	return slices.ContainsFunc(s.groupsFilter, func(pattern string) bool { return fits([]rune(fold(pattern)), cn) })
}

// fits reports whether a name fits a pattern, in which * stands for any characters and ? for one.
func fits(pattern, name []rune) bool {
	star, from := -1, 0 // where to go on after the last *
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p, n = p+1, n+1
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// groupsBySID finds groups of the person's own domain.
func groupsBySID(ctx context.Context, s *Source, person string, sids []string) (map[string]*goldap.Entry, error) {
	root, err := domainOf(person)
	if err != nil {
		return nil, fmt.Errorf("account %q: %w", person, err)
	}
	found := map[string]*goldap.Entry{}
	for part := range chunks(sids) {
		entries, err := s.findGroups(ctx, root, part, func(sid string) string { return "(objectSid=" + escapeBytes(sid) + ")" })
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			found[string(e.GetEqualFoldRawAttributeValue("objectSid"))] = e
		}
	}
	return found, nil
}

// findGroups searches groups that fit one of the filters.
func (s *Source) findGroups(ctx context.Context, root string, values []string, filter func(string) string) ([]*goldap.Entry, error) {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(filter(v))
	}
	return s.search(ctx, &goldap.SearchRequest{
		BaseDN: root, Scope: goldap.ScopeWholeSubtree, Filter: "(&(|" + b.String() + ")" + s.kind.group + ")",
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
			owners[n][plainDN(e.DN)] = true
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

// plainDN writes a DN in the one form that is compared.
func plainDN(dn string) string {
	parsed, err := goldap.ParseDN(dn)
	if err != nil {
		return fold(dn)
	}
	return fold(parsed.String())
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

func (c *groupCache) lookup(keys []string, now time.Time) (names map[string][]string, missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	names = make(map[string][]string, len(keys))
	for _, key := range keys {
		if g, ok := c.groups[key]; ok && now.Before(g.until) {
			names[key] = g.names
		} else {
			missing = append(missing, key)
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
	for key, names := range fresh {
		c.groups[key] = cachedGroup{names: names, until: now.Add(groupTime)}
	}
}

// FindGroup implements [idp.GroupFinder] for a CN, a sAMAccountName or a DN.
func (s *Source) FindGroup(ctx context.Context, name string) error {
	if isDN(name) {
		return s.groupWithDN(ctx, name)
	}
	var dns []string
	var group *goldap.Entry
	for _, root := range s.roots {
		entries, err := s.findGroups(ctx, root, []string{name}, func(n string) string { return anyOf(s.kind.shortly, goldap.EscapeFilter(n)) })
		if err != nil && !resultIs(err, goldap.LDAPResultSizeLimitExceeded) {
			return err
		}
		for _, e := range entries {
			group = e
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
	case !s.keeps(group):
		return errLeftOut
	}
	return nil
}

// errLeftOut says that a group is there, and nobody is known to be in it.
var errLeftOut = fmt.Errorf("%w, because groups_filter leaves it out", idp.ErrNotFound)

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
	case !s.keeps(entries[0]):
		return errLeftOut
	}
	return nil
}
