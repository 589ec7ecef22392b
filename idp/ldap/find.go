package ldap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// mostName bounds a typed name; Active Directory's own names are shorter.
const mostName = 256

// Find implements [idp.PasswordSource]. The name may be a mail address, one of several included, a userPrincipalName, a
// sAMAccountName or DOMAIN\name; other directories have a list of attributes. It asks below every base
// DN, so that a name with two accounts is noticed.
func (s *Source) Find(ctx context.Context, name string) (*idp.User, error) {
	bases, filter, err := s.asked(ctx, name)
	if err != nil {
		return nil, err
	}
	found, err := s.entries(ctx, bases, filter, s.brief)
	if err != nil {
		return nil, err
	}
	switch {
	case found.several():
		// As much work as for nobody, whom the answer makes of them.
		if err := s.foundNobody(ctx, name); !errors.Is(err, idp.ErrNoUser) {
			return nil, err
		}
		return nil, found.ambiguous()
	case len(found.byID) == 0:
		return nil, s.foundNobody(ctx, name)
	}
	for id, e := range found.byID {
		return s.user(ctx, id, e, false)
	}
	return nil, idp.ErrNoUser
}

// asked returns where a typed name is searched, and by what filter. It is ErrNoUser for one that nobody can have.
func (s *Source) asked(ctx context.Context, name string) (bases []string, filter string, err error) {
	filter, ok := s.kind.filter(name)
	if !ok {
		return nil, "", idp.ErrNoUser
	}
	domain, _, ok := s.kind.split(name)
	if !ok {
		return s.bases, filter, nil
	}
	bases, err = s.basesOf(ctx, domain)
	return bases, filter, err
}

// accounts are those that a filter fits, by their ids: one base DN may lie below another.
type accounts struct {
	byID map[string]*goldap.Entry
	more bool // the directory has more than it gave
}

// several reports whether there is more than one.
func (a accounts) several() bool { return len(a.byID) > 1 || a.more }

// first returns two of them for people to read, in the order of their DNs, and whether those are not all.
func (a accounts) first() ([]*goldap.Entry, bool) {
	all := slices.SortedFunc(maps.Values(a.byID), func(x, y *goldap.Entry) int { return strings.Compare(x.DN, y.DN) })
	return all[:min(len(all), 2)], a.more || len(all) > 2
}

// ambiguous names them.
func (a accounts) ambiguous() error {
	var dns []string
	named, more := a.first()
	for _, e := range named {
		dns = append(dns, fmt.Sprintf("%q", e.DN))
	}
	if more {
		dns = append(dns, "and more")
	}
	return fmt.Errorf("%w: %s", idp.ErrAmbiguous, strings.Join(dns, ", "))
}

// entries returns the accounts that fit the filter. Some servers give all, however few were asked for; that is no fault
// of theirs, or whoever types a name that three accounts have would take every server for broken.
func (s *Source) entries(ctx context.Context, bases []string, filter string, attributes []string) (accounts, error) {
	found := accounts{byID: map[string]*goldap.Entry{}}
	for _, base := range bases {
		entries, err := s.search(ctx, &goldap.SearchRequest{
			BaseDN: base, Scope: goldap.ScopeWholeSubtree, SizeLimit: 2,
			Filter: filter, Attributes: attributes,
		})
		if resultIs(err, goldap.LDAPResultSizeLimitExceeded) {
			found.more = true
		} else if err != nil {
			return accounts{}, err
		}
		for _, e := range entries {
			id, err := s.kind.idOf(e)
			if err != nil {
				return accounts{}, fmt.Errorf("account %q: %w", e.DN, err)
			}
			found.byID[id] = e
		}
	}
	return found, nil
}

// byID returns the account with an id, wherever below the base DNs it is by now.
func (s *Source) byID(ctx context.Context, id string) (string, *goldap.Entry, error) {
	filter, err := s.kind.idFilter(id)
	if err != nil {
		return "", nil, err
	}
	found, err := s.entries(ctx, s.bases, "(&"+filter+s.kind.person+")", s.whole)
	if err != nil {
		return "", nil, err
	}
	e := found.byID[id]
	if e == nil {
		return "", nil, idp.ErrNoUser
	}
	return id, e, nil
}

// foundNobody makes as many requests for a name that nobody has as for one that somebody has, so that the time does
// not tell: one more at first, and none for a while after that.
func (s *Source) foundNobody(ctx context.Context, name string) error {
	if !s.kind.apart || !s.strangers.first(fold(name), s.now()) {
		return idp.ErrNoUser
	}
	_, err := s.kind.gather(ctx, s, &goldap.Entry{DN: s.nobody()})
	if err != nil && !resultIs(err, goldap.LDAPResultNoSuchObject) {
		return err
	}
	return idp.ErrNoUser
}

// split takes a name of the form DOMAIN\name apart.
func (k kind) split(name string) (domain, account string, ok bool) {
	if k.account == "" {
		return "", "", false
	}
	return strings.Cut(name, `\`)
}

// filter finds the accounts that a typed name fits. Every name is escaped (RFC 4515 §3): "*)(uid=*" is a
// name that nobody has, not a filter that everybody fits.
func (k kind) filter(name string) (string, bool) {
	if len(name) > mostName || !utf8.ValidString(name) {
		return "", false
	}
	typed := k.typed
	_, account, ok := k.split(name)
	if ok {
		name, typed = account, []string{k.account}
	}
	if name == "" {
		return "", false
	}
	value := goldap.EscapeFilter(name)
	further := ""
	if k.addresses != "" && !ok && strings.Contains(name, "@") {
		// The type of the address stands before it, SMTP: for the main one; the directory compares without case.
		further = "(" + k.addresses + "=smtp:" + value + ")"
	}
	// The name first: Samba goes through the parts in their order until few are left, and that by which people are told from
	// other entries leaves everybody.
	return "(&" + anyOf(typed, value, further) + k.person + ")", true
}

// anyOf is a filter for entries that have the value, which is escaped, in one of the attributes, or fit one of the
// further filters.
func anyOf(attributes []string, value string, further ...string) string {
	var b strings.Builder
	b.WriteString("(|")
	for _, a := range attributes {
		b.WriteString("(" + a + "=" + value + ")")
	}
	b.WriteString(strings.Join(further, "") + ")")
	return b.String()
}

// nobody is a DN that no entry has.
func (s *Source) nobody() string { return "CN=" + rand.Text() + "," + s.bases[0] }
