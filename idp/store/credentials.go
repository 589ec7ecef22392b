package store

import (
	"context"
	"fmt"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// FindEnrollment returns the one enrollment of a factor that has the id.
func (s *Store) FindEnrollment(ctx context.Context, factor, id string) (idp.Enrollment, error) {
	o, err := s.enter()
	if err != nil {
		return idp.Enrollment{}, err
	}
	defer s.leave()
	list, err := o.listEnrollments(ctx, "factor = ? AND id = ? LIMIT 2", factor, id)
	switch {
	case err != nil:
	case len(list) == 0:
		err = idp.ErrNotFound
	case len(list) > 1:
		err = idp.ErrAmbiguous
	default:
		return list[0], nil
	}
	return idp.Enrollment{}, fmt.Errorf("finding an enrollment: %w", err)
}

// FactorEnrollments lists everybody's enrollments of a factor.
func (s *Store) FactorEnrollments(ctx context.Context, factor string) ([]idp.Enrollment, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	list, err := o.listEnrollments(ctx, "factor = ? ORDER BY person, created, id", factor)
	if err != nil {
		return nil, fmt.Errorf("listing the enrollments of factor %s: %w", factor, err)
	}
	return list, nil
}

// UseEnrollment writes what a use has changed. It is an update and no more: a row that is gone stays gone.
func (s *Store) UseEnrollment(ctx context.Context, e idp.Enrollment) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	sealed, err := o.seal.seal(at("enrollments", e.User, e.Factor, e.ID), e.Secret)
	if err != nil {
		return err
	}
	err = o.changeEnrollment(ctx, `UPDATE enrollments SET sealed = ?, used = CASE WHEN ? > used THEN ? ELSE used END
		WHERE person = ? AND factor = ? AND id = ?`, sealed, stamp(e.Used), stamp(e.Used), e.User, e.Factor, e.ID)
	if err != nil {
		return fmt.Errorf("using an enrollment: %w", err)
	}
	return nil
}

// RenameEnrollment changes what the person calls it.
func (s *Store) RenameEnrollment(ctx context.Context, userKey, factor, id, label string) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	err = o.changeEnrollment(ctx, "UPDATE enrollments SET label = ? WHERE person = ? AND factor = ? AND id = ?", label, userKey, factor, id)
	if err != nil {
		return fmt.Errorf("renaming an enrollment: %w", err)
	}
	return nil
}

// changeEnrollment changes one row, or answers ErrNotFound.
func (o *state) changeEnrollment(ctx context.Context, query string, args ...any) error {
	return o.write(ctx, func(c conn) error {
		n, err := c.exec(ctx, query, args...)
		if err == nil && n == 0 {
			err = idp.ErrNotFound
		}
		return err
	})
}
