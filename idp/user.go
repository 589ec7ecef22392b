package idp

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// User is a person as one source knows them at one moment. A session keeps a copy.
type User struct {
	Source string `json:"source"` // name of the source that vouches for them
	ID     string `json:"id"`     // immutable within the source: objectGUID for Active Directory, the name for local users
	Name   string `json:"name"`   // what they are called when signing in: a userPrincipalName, a local name
	DN     string `json:"dn,omitempty"`

	Email       string `json:"email,omitempty"` // case kept as the source gives it
	FirstName   string `json:"first_name,omitempty"`
	LastName    string `json:"last_name,omitempty"`
	DisplayName string `json:"display_name,omitempty"`

	Groups     []Group             `json:"groups,omitempty"`
	Attributes map[string][]string `json:"attributes,omitempty"`  // further attributes by the source's own names
	BreakGlass bool                `json:"break_glass,omitempty"` // signed in by a local account while a directory could not answer

	PasswordExpires time.Time `json:"password_expires,omitzero"` // zero where it does not, or nobody can tell
	Failures        int       `json:"-"`                         // wrong passwords that the directory counted when the person was looked up
}

// Key identifies the person in every store: source and immutable id, never a name that can be
// renamed or typed in another case.
func (u *User) Key() string { return u.Source + ":" + u.ID }

// Label is what a page calls the person: display name, else mail, else name.
func (u *User) Label() string {
	for _, s := range []string{u.DisplayName, u.Email, u.Name} {
		if s != "" {
			return s
		}
	}
	return u.ID
}

// Attribute returns the values of a bridge attribute (email, username, first_name, last_name,
// display_name) or of one of the source's own. Empty values are left out.
func (u *User) Attribute(name string) []string {
	var v string
	switch name {
	case "email":
		v = u.Email
	case "username":
		v = u.Name
	case "first_name":
		v = u.FirstName
	case "last_name":
		v = u.LastName
	case "display_name":
		v = u.DisplayName
	default:
		return u.Attributes[name]
	}
	if v == "" {
		return nil
	}
	return []string{v}
}

// Group is a group of one source, under every name that an admin may write for it.
type Group struct {
	Names []string `json:"names"` // the first is for people; Active Directory adds sAMAccountName and DN
}

// GroupRef is a group as the configuration names it: "source/name".
// Source is never empty once a configuration is built.
type GroupRef struct {
	Source string `json:"source"`
	Name   string `json:"name"`
}

// String returns "source/name".
func (r GroupRef) String() string { return r.Source + "/" + r.Name }

// In reports whether the person is in the group. A group belongs to its source: the same name
// asserted by another source gives nothing. Names are compared without regard to case, as
// directories do.
func (u *User) In(ref GroupRef) bool {
	if u.Source != ref.Source {
		return false
	}
	for _, g := range u.Groups {
		for _, n := range g.Names {
			if sameName(n, ref.Name) {
				return true
			}
		}
	}
	return false
}

// sameName compares as directories do, without regard to case. Letters that are no two cases of one
// letter but fold alike (ſ and s, the sign for kelvin and k) stay apart: a directory takes them for two
// groups, and may let somebody make the second one.
func sameName(a, b string) bool {
	// Each launch compares some hundred pairs, and most differ in their first letter.
	if a != "" && b != "" && a[0]|b[0] < utf8.RuneSelf && (a[0]^b[0])&^0x20 != 0 {
		return false
	}
	//nolint:staticcheck // SA6005 wants EqualFold alone, which takes ſ for s
	return a == b || strings.EqualFold(a, b) && strings.ToLower(a) == strings.ToLower(b) && strings.ToUpper(a) == strings.ToUpper(b)
}

// InAny reports whether the person is in one of the groups.
func (u *User) InAny(refs []GroupRef) bool {
	return slices.ContainsFunc(refs, u.In)
}
