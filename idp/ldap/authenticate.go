package ldap

import (
	"context"
	"errors"
	"fmt"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// mostPace bounds how long the answer about a name that nobody has is held back.
const mostPace = 250 * time.Millisecond

// Authenticate implements [idp.PasswordSource] by a bind as the person. It is never ended by the
// caller's going away, and the password is sent to a second server only where the connection to the
// first was found closed. Where the directory's answer says when the password expires, the user says it afterwards.
func (s *Source) Authenticate(ctx context.Context, u *idp.User, password string) error {
	// A simple bind with a name and an empty password is an unauthenticated one, which succeeds (RFC 4513
	// §5.1.2). A server in C may take one that begins with a zero byte for empty.
	if !sendable(password) {
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
	var answered verdict
	err := s.binds.use(ctx, func(c *goldap.Conn) (err error) {
		answered, err = s.bindAs(c, dn, password)
		return err
	})
	err = s.judge(err, answered)
	if u != nil {
		if errors.Is(err, idp.ErrBadCredentials) {
			s.learnPace(time.Since(began))
		}
		if left := expiresIn(answered); err == nil && left > 0 {
			u.PasswordExpires = s.now().Add(left)
		}
		return err
	}
	if err == nil || errors.Is(err, idp.ErrBadCredentials) {
		s.keepPace(ctx, began)
		return idp.ErrBadCredentials
	}
	return err
}

// verdict is what came with the answer to a bind.
type verdict []goldap.Control

// bindAs sends a password.
func (s *Source) bindAs(c *goldap.Conn, dn, password string) (verdict, error) {
	r, err := c.SimpleBind(&goldap.SimpleBindRequest{Username: dn, Password: password, Controls: s.kind.controls})
	if r == nil {
		return nil, err
	}
	return r.Controls, err
}

// judge says what the answer to a bind means.
func (s *Source) judge(err error, answered verdict) error {
	answer, ok := errors.AsType[*goldap.Error](err)
	if err != nil && !ok {
		return err
	}
	if refusal := s.kind.refusal(answer, answered); refusal != nil {
		return refusal
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
