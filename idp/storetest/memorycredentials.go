package storetest

import (
	"cmp"
	"context"
	"slices"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// FindEnrollment implements idp.Credentials.
func (m *Memory) FindEnrollment(_ context.Context, factor, id string) (idp.Enrollment, error) {
	done, err := m.use()
	if err != nil {
		return idp.Enrollment{}, err
	}
	defer done()
	var found []idp.Enrollment
	for _, e := range m.enrollments {
		if e.Factor == factor && e.ID == id {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return idp.Enrollment{}, idp.ErrNotFound
	case 1:
		return found[0], nil
	}
	return idp.Enrollment{}, idp.ErrAmbiguous
}

// FactorEnrollments implements idp.Credentials.
func (m *Memory) FactorEnrollments(_ context.Context, factor string) ([]idp.Enrollment, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	list := slices.DeleteFunc(slices.Clone(m.enrollments), func(e idp.Enrollment) bool { return e.Factor != factor })
	slices.SortStableFunc(list, func(a, b idp.Enrollment) int {
		return cmp.Or(cmp.Compare(a.User, b.User), a.Created.Compare(b.Created))
	})
	return list, nil
}

// UseEnrollment implements idp.Credentials.
func (m *Memory) UseEnrollment(_ context.Context, e idp.Enrollment) error {
	return m.changeEnrollment(e.User, e.Factor, e.ID, func(old *idp.Enrollment) {
		old.Secret = e.Secret
		if e.Used.After(old.Used) {
			old.Used = e.Used
		}
	})
}

// RenameEnrollment implements idp.Credentials.
func (m *Memory) RenameEnrollment(_ context.Context, userKey, factor, id, label string) error {
	return m.changeEnrollment(userKey, factor, id, func(old *idp.Enrollment) { old.Label = label })
}

func (m *Memory) changeEnrollment(user, factor, id string, change func(*idp.Enrollment)) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	e := m.enrollment(user, factor, id)
	if e == nil {
		return idp.ErrNotFound
	}
	change(e)
	return nil
}
