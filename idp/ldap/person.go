package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// personAttributes are read of somebody's entry. What the directory has to work out is read apart, see gather.
func (s *Source) personAttributes(further []string) []string {
	a := s.attributes
	names := slices.Concat(s.kind.ids, s.kind.names, further, a.More,
		[]string{a.Email, a.Username, a.FirstName, a.LastName, a.DisplayName})
	for _, o := range a.Own {
		names = append(names, o.From)
	}
	slices.SortFunc(names, func(x, y string) int { return strings.Compare(fold(x), fold(y)) })
	names = slices.CompactFunc(names, strings.EqualFold)
	return slices.DeleteFunc(names, func(n string) bool { return n == "" })
}

// user makes a person out of their entry. Fresh asks the directory for what is otherwise believed for a while.
func (s *Source) user(ctx context.Context, id string, e *goldap.Entry, fresh bool) (*idp.User, error) {
	u := &idp.User{
		Source: s.name, ID: id, DN: e.DN,
		Name:        readable(e, s.attributes.Username),
		Email:       readable(e, s.attributes.Email),
		FirstName:   readable(e, s.attributes.FirstName),
		LastName:    readable(e, s.attributes.LastName),
		DisplayName: readable(e, s.attributes.DisplayName),
	}
	for _, attribute := range s.kind.names {
		if u.Name == "" {
			u.Name = readable(e, attribute)
		}
	}
	if u.Name == "" || u.DN == "" {
		return nil, fmt.Errorf("account %q has no name to sign in with", e.DN)
	}
	if err := s.further(ctx, u, e); err != nil {
		return nil, err
	}
	g, err := s.gathered(ctx, id, e, fresh)
	if err != nil {
		return nil, err
	}
	if u.Groups, err = s.groupsOf(ctx, e.DN, g.groups); err != nil {
		return nil, err
	}
	u.PasswordExpires = g.expires
	u.Failures = s.failures(ctx, g.policy, e)
	return u, nil
}

// further adds the attributes of the configuration's own.
func (s *Source) further(ctx context.Context, u *idp.User, e *goldap.Entry) error {
	add := func(name, attribute string) error {
		values, err := s.values(ctx, e, attribute)
		if err != nil || len(values) == 0 {
			return err
		}
		if u.Attributes == nil {
			u.Attributes = map[string][]string{}
		}
		u.Attributes[name] = values
		return nil
	}
	for _, name := range s.attributes.More {
		if err := add(name, name); err != nil {
			return err
		}
	}
	for _, o := range s.attributes.Own {
		if err := add(o.Name, o.From); err != nil {
			return err
		}
	}
	return nil
}

// readable returns the first value of an attribute that can be written for people and applications.
func readable(e *goldap.Entry, attribute string) string {
	for _, v := range e.GetEqualFoldRawAttributeValues(attribute) {
		if written, ok := textOf(attribute, v); ok {
			return written
		}
	}
	return ""
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

// recent counts the moments that are within the window; all of them where it is not known.
func recent(moments []time.Time, window time.Duration, now time.Time) (n int) {
	for _, m := range moments {
		if window <= 0 || now.Sub(m) < window {
			n++
		}
	}
	return n
}
