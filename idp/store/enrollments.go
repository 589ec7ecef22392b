package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// PutEnrollment inserts or replaces by user, factor and id; see the interface for Step.
func (s *Store) PutEnrollment(ctx context.Context, e idp.Enrollment) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	put, err := o.putEnrollment(e)
	if err != nil {
		return err
	}
	if err := o.write(ctx, func(c conn) error { return put(ctx, c) }); err != nil {
		return fmt.Errorf("storing an enrollment: %w", err)
	}
	return nil
}

// putEnrollment seals an enrollment and returns what writes it.
func (o *state) putEnrollment(e idp.Enrollment) (func(context.Context, conn) error, error) {
	sealed, err := o.seal.seal(at("enrollments", e.User, e.Factor, e.ID), e.Secret)
	return func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, `INSERT INTO enrollments (person, factor, id, label, sealed, created, used, step)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (person, factor, id) DO UPDATE SET label = excluded.label, sealed = excluded.sealed,
				created = excluded.created,
				used = CASE WHEN excluded.used > enrollments.used THEN excluded.used ELSE enrollments.used END,
				step = CASE WHEN excluded.step > enrollments.step THEN excluded.step ELSE enrollments.step END`,
			e.User, e.Factor, e.ID, e.Label, sealed, stamp(e.Created), stamp(e.Used), e.Step)
		return err
	}, err
}

// ReplaceEnrollments puts a list in the place of all that a person has of a factor, in one transaction.
func (s *Store) ReplaceEnrollments(ctx context.Context, userKey, factor string, list []idp.Enrollment) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	puts := make([]func(context.Context, conn) error, len(list))
	for i, e := range list {
		if e.User != userKey || e.Factor != factor {
			return fmt.Errorf("an enrollment of %s for %s is none of %s for %s", e.User, e.Factor, userKey, factor)
		}
		if puts[i], err = o.putEnrollment(e); err != nil {
			return err
		}
	}
	err = o.write(ctx, func(c conn) error {
		_, err := c.exec(ctx, "DELETE FROM enrollments WHERE person = ? AND factor = ?", userKey, factor)
		for _, put := range puts {
			if err == nil {
				err = put(ctx, c)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("replacing the enrollments of %s for %s: %w", userKey, factor, err)
	}
	return nil
}

// UserEnrollments lists a person's enrollments, oldest first. A damaged row is an error and is not
// left out: without it the person would seem to have no factor, and whoever knows the password
// could enroll one.
func (s *Store) UserEnrollments(ctx context.Context, userKey, factor string) ([]idp.Enrollment, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	list, err := o.listEnrollments(ctx, "person = ? AND (? = '' OR factor = ?) ORDER BY created, factor, id", userKey, factor, factor)
	if err != nil {
		return nil, fmt.Errorf("listing the enrollments of %s: %w", userKey, err)
	}
	return list, nil
}

// listEnrollments reads and opens the rows that fit.
func (o *state) listEnrollments(ctx context.Context, where string, args ...any) (list []idp.Enrollment, err error) {
	err = o.read().each(ctx, func(rows *sql.Rows) error {
		var e idp.Enrollment
		var sealed []byte
		var created, used int64
		err := rows.Scan(&e.User, &e.Factor, &e.ID, &e.Label, &sealed, &created, &used, &e.Step)
		if err != nil {
			return err
		}
		if e.Secret, err = o.seal.open(at("enrollments", e.User, e.Factor, e.ID), sealed); err != nil {
			return err
		}
		e.Created, e.Used = moment(created), moment(used)
		list = append(list, e)
		return nil
	}, "SELECT person, factor, id, label, sealed, created, used, step FROM enrollments WHERE "+where, args...)
	return list, err
}

// SpendStep moves Step up. The comparison and the change are one statement: two requests with one
// code cannot both find it unspent (RFC 6238 §5.2).
func (s *Store) SpendStep(ctx context.Context, userKey, factor, id string, step int64, when time.Time) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	err = o.write(ctx, func(c conn) error {
		n, err := c.exec(ctx, `UPDATE enrollments SET step = ?, used = ?
			WHERE person = ? AND factor = ? AND id = ? AND step < ?`, step, stamp(when), userKey, factor, id, step)
		if err != nil || n > 0 {
			return err
		}
		err = c.row(ctx, "SELECT count(*) FROM enrollments WHERE person = ? AND factor = ? AND id = ?",
			userKey, factor, id).Scan(&n)
		switch {
		case err != nil:
			return err
		case n > 0:
			return idp.ErrSpent
		}
		return idp.ErrNotFound
	})
	if err != nil {
		return fmt.Errorf("spending a step: %w", err)
	}
	return nil
}

// DeleteEnrollment removes one.
func (s *Store) DeleteEnrollment(ctx context.Context, userKey, factor, id string) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	err = o.changeEnrollment(ctx, "DELETE FROM enrollments WHERE person = ? AND factor = ? AND id = ?", userKey, factor, id)
	if err != nil {
		return fmt.Errorf("removing an enrollment: %w", err)
	}
	return nil
}
