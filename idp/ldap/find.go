package ldap

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// mostName bounds a typed name; Active Directory's own names are shorter.
const mostName = 256

// Find implements [idp.PasswordSource]. The name may be a mail address, a userPrincipalName, a sAMAccountName or
// DOMAIN\name. It asks below every base DN, so that a name with two accounts is noticed.
func (s *Source) Find(ctx context.Context, name string) (*idp.User, error) {
	filter, ok := s.kind.filter(name)
	if !ok {
		return nil, idp.ErrNoUser
	}
	found := map[string]*goldap.Entry{}
	for _, base := range s.bases {
		entries, err := s.search(ctx, &goldap.SearchRequest{
			BaseDN: base, Scope: goldap.ScopeWholeSubtree, SizeLimit: 2, EnforceSizeLimit: true,
			Filter: filter, Attributes: s.personAttributes(),
		})
		if resultIs(err, goldap.LDAPResultSizeLimitExceeded) {
			return nil, fmt.Errorf("%w: more than two below %q", idp.ErrAmbiguous, base)
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			// One base DN may lie below another, so accounts are told apart by their id.
			id, err := s.kind.idText(e.GetRawAttributeValue(s.kind.id))
			if err != nil {
				return nil, fmt.Errorf("account %q: %w", e.DN, err)
			}
			found[id] = e
		}
	}
	switch len(found) {
	case 0:
		// As many requests as for a name that somebody has, so that the time does not tell.
		if _, err := s.tokenGroups(ctx, s.nobody()); err != nil && !resultIs(err, goldap.LDAPResultNoSuchObject) {
			return nil, err
		}
		return nil, idp.ErrNoUser
	case 1:
		for id, e := range found {
			return s.user(ctx, id, e)
		}
	}
	var dns []string
	for _, e := range found {
		dns = append(dns, fmt.Sprintf("%q", e.DN))
	}
	return nil, fmt.Errorf("%w: %s", idp.ErrAmbiguous, strings.Join(dns, ", "))
}

// filter finds the accounts that a typed name fits. Every name is escaped (RFC 4515 §3): "*)(uid=*" is a
// name that nobody has, not a filter that everybody fits.
func (k kind) filter(name string) (string, bool) {
	if len(name) > mostName || !utf8.ValidString(name) {
		return "", false
	}
	typed := k.typed
	if _, account, ok := strings.Cut(name, `\`); ok {
		name, typed = account, []string{k.account}
	}
	if name == "" {
		return "", false
	}
	return "(&" + k.person + anyOf(typed, goldap.EscapeFilter(name)) + ")", true
}

// anyOf is a filter for entries that have the value, which is escaped, in one of the attributes.
func anyOf(attributes []string, value string) string {
	var b strings.Builder
	b.WriteString("(|")
	for _, a := range attributes {
		b.WriteString("(" + a + "=" + value + ")")
	}
	b.WriteString(")")
	return b.String()
}

func (s *Source) personAttributes() []string {
	a := s.attributes
	names := []string{s.kind.id, a.Email, a.FirstName, a.LastName, a.DisplayName}
	return append(append(names, s.kind.names...), a.More...)
}

// user makes a person out of their entry.
func (s *Source) user(ctx context.Context, id string, e *goldap.Entry) (*idp.User, error) {
	u := &idp.User{
		Source: s.name, ID: id, DN: e.DN,
		Email:       text(e, s.attributes.Email),
		FirstName:   text(e, s.attributes.FirstName),
		LastName:    text(e, s.attributes.LastName),
		DisplayName: text(e, s.attributes.DisplayName),
	}
	for _, attribute := range s.kind.names {
		if u.Name == "" {
			u.Name = text(e, attribute)
		}
	}
	if u.Name == "" || u.DN == "" {
		return nil, fmt.Errorf("account %q has no name to sign in with", e.DN)
	}
	for _, attribute := range s.attributes.More {
		for _, v := range e.GetEqualFoldAttributeValues(attribute) {
			if utf8.ValidString(v) {
				if u.Attributes == nil {
					u.Attributes = map[string][]string{}
				}
				u.Attributes[attribute] = append(u.Attributes[attribute], v)
			}
		}
	}
	var err error
	u.Groups, err = s.groupsOf(ctx, e.DN)
	return u, err
}

// text returns the first value of an attribute that is text.
func text(e *goldap.Entry, attribute string) string {
	for _, v := range e.GetEqualFoldAttributeValues(attribute) {
		if v != "" && utf8.ValidString(v) {
			return v
		}
	}
	return ""
}

// nobody is a DN that no entry has.
func (s *Source) nobody() string { return "CN=" + rand.Text() + "," + s.bases[0] }
