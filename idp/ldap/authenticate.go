package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// mostPace bounds how long the answer about a name that nobody has is held back.
const mostPace = 250 * time.Millisecond

// Authenticate implements [idp.PasswordSource] by a bind as the person. It is never ended by the
// caller's going away, and the password is sent to a second server only where the connection to the
// first was found closed.
func (s *Source) Authenticate(ctx context.Context, u *idp.User, password string) error {
	// A simple bind with a name and an empty password is an unauthenticated one, which succeeds (RFC 4513
	// §5.1.2). A server in C may take one that begins with a zero byte for empty.
	if strings.Trim(password, " \t") == "" || strings.ContainsRune(password, 0) {
		return fmt.Errorf("%w: an empty password is not sent", idp.ErrBadCredentials)
	}
	dn := s.nobody()
	if u != nil {
		dn = u.DN
	}
	if dn == "" {
		return errors.New("the account has no DN") // a bind without a name is anonymous, and succeeds
	}
	began := time.Now()
	err := s.binds.use(ctx, func(c *goldap.Conn) error { return c.Bind(dn, password) })
	if answer, ok := errors.AsType[*goldap.Error](err); ok {
		if refusal := s.kind.refusal(answer); refusal != nil {
			err = refusal
		}
	}
	if u != nil {
		if errors.Is(err, idp.ErrBadCredentials) {
			s.learnPace(time.Since(began))
		}
		return err
	}
	if err == nil || errors.Is(err, idp.ErrBadCredentials) {
		s.keepPace(ctx, began)
		return idp.ErrBadCredentials
	}
	return err
}

// learnPace notes how long the directory takes over a wrong password: it counts it, which it has no
// need to do for a name that nobody has, and so answers that sooner.
func (s *Source) learnPace(took time.Duration) {
	took = min(took, mostPace)
	if was := s.pace.Load(); was > 0 {
		took = (3*time.Duration(was) + took) / 4
	}
	s.pace.Store(int64(took))
}

// keepPace waits until the answer takes as long as one about a wrong password (security.md C-23).
func (s *Source) keepPace(ctx context.Context, began time.Time) {
	wait := time.NewTimer(time.Duration(s.pace.Load()) - time.Since(began))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}
