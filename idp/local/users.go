package local

import (
	"slices"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
)

var _ idp.UserLister = (*Source)(nil)

// Users returns everybody, by name.
func (s *Source) Users() []*idp.User {
	out := make([]*idp.User, 0, len(s.users))
	for _, a := range s.users {
		u := a.user
		out = append(out, &u)
	}
	slices.SortFunc(out, func(a, b *idp.User) int { return strings.Compare(a.Name, b.Name) })
	return out
}
