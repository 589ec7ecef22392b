package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// mostChanges bounds the connections on which the service account changes passwords.
const mostChanges = 4

// ChangePassword implements [idp.PasswordChanger]. The old password is proved by a bind as the person, and
// the change is made on that connection, which nobody uses again. Where the directory knows the
// password and lets nobody in with it, because it has expired or must be changed, the service account asks
// for the same change: the old password goes with it, so that it is no reset and needs no right to one.
func (s *Source) ChangePassword(ctx context.Context, u *idp.User, old, replacement string) error {
	if !sendable(old) {
		return fmt.Errorf("%w: an empty password is not sent", idp.ErrBadCredentials)
	}
	if !sendable(replacement) || !utf8.ValidString(replacement) {
		// The Password Modify operation takes an empty one for the wish to be given one (RFC 3062 §2).
		return &idp.PasswordRefused{Reason: "policy", Detail: "it is empty, or not text"}
	}
	// A session may be older than the place where the account is now.
	id, e, err := s.byID(ctx, u.ID)
	if err != nil {
		return err
	}
	defer s.known.forget(id, e.DN)
	err = s.changeAs(ctx, e.DN, old, replacement)
	var state *idp.AccountState
	if errors.As(err, &state) && (state.State == "password_expired" || state.State == "must_change") {
		return s.changeFor(ctx, e.DN, old, replacement)
	}
	return err
}

// sendable reports whether a password may be sent at all: see Authenticate.
func sendable(password string) bool {
	return strings.Trim(password, " \t") != "" && !strings.ContainsRune(password, 0)
}

// changing is a change that is asked for once, whatever the pool does with a connection that fails.
type changing struct {
	kind                 kind
	dn, old, replacement string
	own                  bool // on the person's own connection
	sent                 bool
	err                  error
}

// ask sends the change, the first time that it is called.
func (c *changing) ask(l *goldap.Conn) error {
	c.sent = true
	c.err = c.kind.change(l, c.dn, c.old, c.replacement, c.own)
	return c.err
}

// outcome says what came of it; err is what the pool answered.
func (c *changing) outcome(err error) error {
	if !c.sent {
		return err // nothing was asked
	}
	if c.err == nil {
		return nil
	}
	if !judged(c.err) {
		// The directory may have made the change and not come to say so.
		return fmt.Errorf("changing the password of %q: %w: %w", c.dn, idp.ErrUnanswered, err)
	}
	if answer, ok := errors.AsType[*goldap.Error](c.err); ok {
		if refused := c.kind.changeRefused(answer); refused != nil {
			return refused
		}
	}
	return fmt.Errorf("changing the password of %q: %w", c.dn, c.err)
}

// changeAs changes it as the person. An *idp.AccountState says that they cannot.
func (s *Source) changeAs(ctx context.Context, dn, old, replacement string) error {
	change := &changing{kind: s.kind, dn: dn, old: old, replacement: replacement, own: true}
	var answered verdict
	err := s.binds.use(ctx, func(c *goldap.Conn) error {
		if change.sent {
			return nil
		}
		var err error
		if answered, err = s.bindAs(c, dn, old); err != nil {
			return err
		}
		defer c.Close() // it is signed in as the person
		return change.ask(c)
	})
	switch {
	case change.sent:
		return change.outcome(err)
	case errors.Is(err, idp.ErrUnanswered):
		return fmt.Errorf("%w: %w", idp.ErrUnchanged, err)
	}
	return s.judge(err, answered)
}

// changeFor changes it as the service account, for a person whose old password was found right.
func (s *Source) changeFor(ctx context.Context, dn, old, replacement string) error {
	change := &changing{kind: s.kind, dn: dn, old: old, replacement: replacement}
	err := s.changes.use(ctx, func(c *goldap.Conn) error {
		if change.sent {
			return nil
		}
		// A connection that was closed while it waited is noticed by this, and not by the change, after which nobody
		// could tell whether it was made.
		_, err := c.Search(&goldap.SearchRequest{BaseDN: dn, Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
		if err != nil {
			return err
		}
		return change.ask(c)
	})
	return change.outcome(err)
}

// PasswordRules implements [idp.PasswordChanger] by the fine-grained policy of the person, where there is one, or
// that of the domain.
func (s *Source) PasswordRules(ctx context.Context, u *idp.User) (idp.PasswordRules, error) {
	p, err := s.policyFor(ctx, u)
	if err != nil && !errors.Is(err, errNoPolicy) {
		return idp.PasswordRules{}, err
	}
	return p.rules, nil
}
