package ldap

import (
	"context"
	"fmt"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// kind is what tells one make of directory from another.
type kind struct {
	name      string
	person    string   // filter that the accounts of people fit
	group     string   // filter that groups fit
	typed     []string // attributes that a typed name may be in
	account   string   // attribute that a name typed as DOMAIN\name is in; empty where nobody types that
	addresses string   // attribute of further mail addresses, each after its type
	ids       []string // attributes that never change, the first that has a value
	names     []string // attributes that a person is called by, the first that has a value
	shortly   []string // attributes that a group is called by
	counts    []string // attributes that wrong passwords are counted in
	state     []string // attributes that the state of the account is read from, with those
	clock     string   // attribute of the root in which a server tells its time; empty where none does
	defaults  Attributes
	// idText writes the id for people.
	idText func([]byte) (string, error)
	// idFilter finds an account by it.
	idFilter func(string) (string, error)
	// apart says that gather asks the directory, and does not only read the entry.
	apart bool
	// rootOf returns the top of the tree that a base DN is in, below which groups are searched.
	rootOf func(string) (string, error)
	// gather returns what the directory works out for a person, see [gathering].
	gather func(context.Context, *Source, *goldap.Entry) (gathering, error)
	// groupEntries returns the groups that gather found, by what it tells them apart by.
	groupEntries func(ctx context.Context, s *Source, person string, groups []string) (map[string]*goldap.Entry, error)
	// accountState says why an account may not be used, from its entry: an *idp.AccountState, another error where the
	// entry does not show it, or nil.
	accountState func(*goldap.Entry, time.Time) error
	// mustChange reports whether the next sign-in asks for another password.
	mustChange func(*goldap.Entry) bool
	// lockIn returns the lock that wrong passwords have put on the account, nil for none; it may have ended.
	lockIn func(*goldap.Entry, policy) *lock
	// failures are the wrong passwords that the entry counts within a window, where that is known.
	failures func(*goldap.Entry, time.Duration, time.Time) int
	// policyAttributes are what readPolicy reads.
	policyAttributes []string
	readPolicy       func(*goldap.Entry) policy
	policyCure       string // of a policy that cannot be read
	// scope goes with a search.
	scope []goldap.Control
	// controls go with a bind.
	controls []goldap.Control
	// refusal says what the answer to a bind means; the error is nil where the password was right.
	refusal func(*goldap.Error, []goldap.Control) error
	// change asks for another password: on the person's own connection, or on that of the service account.
	change func(c *goldap.Conn, dn, old, replacement string, own bool) error
	// changeRefused says what the answer to that means; nil where it says nothing of the passwords.
	changeRefused func(*goldap.Error) error
}

func kindOf(c Config) (kind, error) {
	switch c.Kind {
	case "", ActiveDirectory:
		return activeDirectory(), nil
	case OpenLDAP:
		return openLDAP(c)
	}
	return kind{}, fmt.Errorf("no kind of directory is named %q; there are: %s, %s", c.Kind, ActiveDirectory, OpenLDAP)
}

func (k kind) attributes(a Attributes) Attributes {
	for _, d := range []struct {
		to *string
		is string
	}{
		{&a.Email, k.defaults.Email},
		{&a.FirstName, k.defaults.FirstName},
		{&a.LastName, k.defaults.LastName},
		{&a.DisplayName, k.defaults.DisplayName},
	} {
		if *d.to == "" {
			*d.to = d.is
		}
	}
	return a
}

// idOf returns what tells the account from every other, for good.
func (k kind) idOf(e *goldap.Entry) (string, error) {
	for _, attribute := range k.ids {
		if raw := e.GetEqualFoldRawAttributeValue(attribute); len(raw) > 0 {
			return k.idText(raw)
		}
	}
	return "", fmt.Errorf("it shows no %s", k.ids[0])
}

func sameDN(a, b string) bool {
	x, err := goldap.ParseDN(a)
	if err != nil {
		return false
	}
	y, err := goldap.ParseDN(b)
	return err == nil && x.EqualFold(y)
}
