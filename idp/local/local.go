// Package local is the source whose users are written in the configuration: name, argon2id hash,
// mail and groups. It needs nothing outside the process, which makes it the embedded default for
// small installations and for trying things out, and the way in while every directory is down.
//
// [New] checks all users at once. Passwords are compared as the bytes that were typed. A [Hasher],
// shared by all sources of a process, bounds what hashing may take of the machine.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Limits of what is looked up and hashed.
const (
	maxName     = 256  // bytes of a user name or mail address
	maxPassword = 1024 // bytes
)

// hashCommand is what an admin runs to get a hash.
const hashCommand = "caddy hash-password --algorithm argon2id"

// User is one person as the configuration writes them.
type User struct {
	Name        string // for signing in, in any case; its lower case is the immutable id
	Hash        string // what `caddy hash-password --algorithm argon2id` prints
	Email       string // signs in too, in any case
	FirstName   string
	LastName    string
	DisplayName string
	Groups      []string
}

// Config is what a source is built from.
type Config struct {
	Name   string // of the source
	Users  []User
	Hasher *Hasher // shared by all sources of the process
}

// Source is a set of users. It never changes and is safe for concurrent use.
type Source struct {
	name   string
	hasher *Hasher
	users  []*account
	byID   map[string]*account
	byName map[string][]*account // folded name or mail; more than one is ambiguous
	dummy  hash                  // hashed against when nobody has the name
}

type account struct {
	user idp.User
	hash hash
}

// New checks the users and returns the source. An error names the first user that cannot be, and
// what to do; it never repeats a hash.
func New(c Config) (*Source, error) {
	if c.Name == "" {
		return nil, errors.New("local source: it needs a name")
	}
	if c.Hasher == nil {
		return nil, fmt.Errorf("local source %s: it needs a hasher", c.Name)
	}
	s := &Source{
		name:   c.Name,
		hasher: c.Hasher,
		byID:   make(map[string]*account, len(c.Users)),
		byName: make(map[string][]*account, 2*len(c.Users)),
	}
	names := make(map[string]string, len(c.Users))
	for _, u := range c.Users {
		a, err := s.account(u)
		if err != nil {
			return nil, fmt.Errorf("local source %s: user %q: %w", c.Name, u.Name, err)
		}
		// Two letters can have one lower case and yet be different when folded (İ and i), so that
		// both are compared: nobody may share an id, nobody a name.
		for _, key := range []string{"id " + a.user.ID, "name " + fold(u.Name)} {
			if other, taken := names[key]; taken {
				return nil, fmt.Errorf("local source %s: user %q: the name is already that of user %q, case aside",
					c.Name, u.Name, other)
			}
			names[key] = u.Name
		}
		s.users = append(s.users, a)
		s.byID[a.user.ID] = a
		s.index(u.Name, a)
		s.index(u.Email, a)
	}
	var err error
	s.dummy, err = newDummy(s.commonParams())
	return s, err
}

// account checks one user.
func (s *Source) account(u User) (*account, error) {
	if u.Name == "" {
		return nil, errors.New("the name is empty")
	}
	if err := typable(u.Name); err != nil {
		return nil, fmt.Errorf("the name %w", err)
	}
	if err := typable(u.Email); err != nil {
		return nil, fmt.Errorf("the email %w", err)
	}
	if u.Email != "" && !isAddress(u.Email) {
		return nil, fmt.Errorf("the email %q is no mail address; write it as ann@example.com", u.Email)
	}
	h, err := parseHash(u.Hash)
	if err != nil {
		return nil, fmt.Errorf("the hash cannot be used: %w; run `%s` and put here what it prints", err, hashCommand)
	}
	groups := make([]idp.Group, 0, len(u.Groups))
	for _, g := range u.Groups {
		if g == "" {
			return nil, errors.New("a group has no name")
		}
		if err := typable(g); err != nil {
			return nil, fmt.Errorf("the group %q %w", g, err)
		}
		groups = append(groups, idp.Group{Names: []string{g}})
	}
	return &account{hash: h, user: idp.User{
		Source: s.name, ID: strings.ToLower(u.Name), Name: u.Name,
		Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, DisplayName: u.DisplayName,
		Groups: groups,
	}}, nil
}

// isAddress reports whether applications could take s for a mail address.
func isAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-1 && !strings.ContainsFunc(s, unicode.IsSpace)
}

// typable refuses text that nobody could type or tell from another on a page.
func typable(s string) error {
	switch {
	case len(s) > maxName:
		return fmt.Errorf("has %d bytes, and %d are allowed", len(s), maxName)
	case !utf8.ValidString(s):
		return errors.New("is not UTF-8")
	case strings.TrimSpace(s) != s:
		return errors.New("has a space at an end")
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }):
		return errors.New("has a control character")
	}
	return nil
}

func (s *Source) index(name string, a *account) {
	key := fold(name)
	if name == "" || slices.Contains(s.byName[key], a) {
		return
	}
	s.byName[key] = append(s.byName[key], a)
}

// commonParams returns the parameters that most users have, so that the work for a name that nobody
// has is the work for a name that somebody has.
func (s *Source) commonParams() params {
	count := make(map[params]int)
	best := caddyParams
	for _, a := range s.users {
		p := a.hash.params
		count[p]++
		if count[p] > count[best] {
			best = p
		}
	}
	return best
}

// newDummy makes a hash that no password has.
func newDummy(p params) (hash, error) {
	h := hash{params: p, saltBytes: make([]byte, p.salt), keyBytes: make([]byte, p.key)}
	for _, b := range [][]byte{h.saltBytes, h.keyBytes} {
		if _, err := rand.Read(b); err != nil {
			return hash{}, fmt.Errorf("making a dummy hash: %w", err)
		}
	}
	return h, nil
}

// fold maps names that strings.EqualFold finds equal, and only those, to one key.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}

// Name returns the name of the source.
func (s *Source) Name() string { return s.name }

// Find returns the user whose name or mail address this is, case aside. Nothing is trimmed.
func (s *Source) Find(_ context.Context, name string) (*idp.User, error) {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) {
		return nil, idp.ErrNoUser
	}
	switch found := s.byName[fold(name)]; len(found) {
	case 0:
		return nil, idp.ErrNoUser
	case 1:
		return found[0].person(), nil
	default:
		return nil, idp.ErrAmbiguous
	}
}

// Refresh returns the user as the configuration has them now. One whom a reload has taken away is gone.
func (s *Source) Refresh(_ context.Context, u *idp.User) (*idp.User, error) {
	if a, ok := s.byID[u.ID]; ok && u.Source == s.name {
		return a.person(), nil
	}
	return nil, idp.ErrNoUser
}

// person returns a copy that the caller may keep and change.
func (a *account) person() *idp.User {
	u := a.user
	u.Groups = make([]idp.Group, len(a.user.Groups))
	for i, g := range a.user.Groups {
		u.Groups[i] = idp.Group{Names: slices.Clone(g.Names)}
	}
	return &u
}

// Authenticate checks the password, byte for byte as it was typed. For a nil user, and for one that a
// reload has taken away, it hashes as well and answers as for a wrong password: neither the answer
// nor its time says whether the name exists. An *idp.Error with status 503 means that too many
// people sign in at once.
func (s *Source) Authenticate(ctx context.Context, u *idp.User, password string) error {
	// Both are refused for every name alike and before any work. Nobody can have an empty password,
	// whatever was hashed; and a body of megabytes is not worth hashing.
	if password == "" || len(password) > maxPassword {
		return idp.ErrBadCredentials
	}
	want, known := s.dummy, false
	if u != nil && u.Source == s.name {
		if a, ok := s.byID[u.ID]; ok {
			want, known = a.hash, true
		}
	}
	ok, err := s.hasher.matches(ctx, want, password)
	if err != nil {
		return fmt.Errorf("hashing a password: %w", err)
	}
	if !ok || !known {
		return idp.ErrBadCredentials
	}
	return nil
}

var (
	_ idp.PasswordSource = (*Source)(nil)
	_ idp.Checker        = (*Source)(nil)
	_ idp.Refresher      = (*Source)(nil)
)
