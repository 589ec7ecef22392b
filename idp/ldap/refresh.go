package ldap

import (
	"context"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Refresh implements [idp.Refresher]. The person is found by the id that never changes, below the base DNs: whoever
// was moved out of them could not sign in either. Groups are asked for anew.
func (s *Source) Refresh(ctx context.Context, u *idp.User) (*idp.User, error) {
	ctx = background(ctx)
	id, e, err := s.byID(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	if err := s.kind.accountState(e, s.now()); err != nil {
		return nil, err
	}
	return s.user(ctx, id, e, true)
}
