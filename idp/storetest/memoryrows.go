package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// PutEnrollment implements idp.Enrollments.
func (m *Memory) PutEnrollment(_ context.Context, e idp.Enrollment) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	if old := m.enrollment(e.User, e.Factor, e.ID); old != nil {
		e.Step = max(e.Step, old.Step)
		if old.Used.After(e.Used) {
			e.Used = old.Used
		}
		e.Created = old.Created
		*old = e
		return nil
	}
	m.enrollments = append(m.enrollments, e)
	return nil
}

func (m *Memory) enrollment(user, factor, id string) *idp.Enrollment {
	for i := range m.enrollments {
		if e := &m.enrollments[i]; e.User == user && e.Factor == factor && e.ID == id {
			return e
		}
	}
	return nil
}

// UserEnrollments implements idp.Enrollments.
func (m *Memory) UserEnrollments(_ context.Context, userKey, factor string) ([]idp.Enrollment, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	var out []idp.Enrollment
	for _, e := range m.enrollments {
		if e.User == userKey && (factor == "" || e.Factor == factor) {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b idp.Enrollment) int { return a.Created.Compare(b.Created) })
	return out, nil
}

// SpendStep implements idp.Enrollments.
func (m *Memory) SpendStep(_ context.Context, userKey, factor, id string, step int64, at time.Time) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	e := m.enrollment(userKey, factor, id)
	switch {
	case e == nil:
		return idp.ErrNotFound
	case e.Step >= step:
		return idp.ErrSpent
	}
	e.Step, e.Used = step, at
	return nil
}

// ReplaceEnrollments implements idp.EnrollmentSets.
func (m *Memory) ReplaceEnrollments(_ context.Context, userKey, factor string, list []idp.Enrollment) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	if slices.ContainsFunc(list, func(e idp.Enrollment) bool { return e.User != userKey || e.Factor != factor }) {
		return errors.New("an enrollment of somebody or something else")
	}
	m.enrollments = slices.DeleteFunc(m.enrollments, func(e idp.Enrollment) bool { return e.User == userKey && e.Factor == factor })
	m.enrollments = append(m.enrollments, list...)
	return nil
}

// DeleteEnrollment implements idp.Enrollments.
func (m *Memory) DeleteEnrollment(_ context.Context, userKey, factor, id string) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	if m.enrollment(userKey, factor, id) == nil {
		return idp.ErrNotFound
	}
	m.enrollments = slices.DeleteFunc(m.enrollments, func(e idp.Enrollment) bool {
		return e.User == userKey && e.Factor == factor && e.ID == id
	})
	return nil
}

// PutDevice implements idp.Devices.
func (m *Memory) PutDevice(_ context.Context, d *idp.Device) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	m.devices[deviceKey{d.ID, d.User}] = *d
	return nil
}

// Device implements idp.Devices.
func (m *Memory) Device(_ context.Context, id idp.Hash, userKey string, now time.Time) (*idp.Device, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	d, ok := m.devices[deviceKey{id, userKey}]
	if !ok || !now.Before(d.Expires) {
		return nil, idp.ErrNotFound
	}
	return &d, nil
}

// DeviceBrowser implements idp.Devices.
func (m *Memory) DeviceBrowser(_ context.Context, id idp.Hash, now time.Time) (idp.Hash, error) {
	done, err := m.use()
	if err != nil {
		return idp.Hash{}, err
	}
	defer done()
	for k, d := range m.devices {
		if k.id == id && now.Before(d.Expires) {
			return d.Browser, nil
		}
	}
	return idp.Hash{}, idp.ErrNotFound
}

// UserDevices implements idp.Devices.
func (m *Memory) UserDevices(_ context.Context, userKey string, now time.Time) ([]*idp.Device, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	var out []*idp.Device
	for _, d := range m.devices {
		if d.User == userKey && now.Before(d.Expires) {
			out = append(out, &d)
		}
	}
	slices.SortFunc(out, func(a, b *idp.Device) int { return b.Created.Compare(a.Created) })
	return out, nil
}

// DeleteDevice implements idp.Devices.
func (m *Memory) DeleteDevice(_ context.Context, id idp.Hash, userKey string) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	delete(m.devices, deviceKey{id, userKey})
	return nil
}

// Fail implements idp.Counters.
func (m *Memory) Fail(_ context.Context, key string, at time.Time, window time.Duration) (int, error) {
	done, err := m.use()
	if err != nil {
		return 0, err
	}
	defer done()
	m.failures[key] = append(m.failures[key], at)
	return m.within(key, at, window), nil
}

// Failures implements idp.Counters.
func (m *Memory) Failures(_ context.Context, key string, at time.Time, window time.Duration) (int, error) {
	done, err := m.use()
	if err != nil {
		return 0, err
	}
	defer done()
	return m.within(key, at, window), nil
}

func (m *Memory) within(key string, at time.Time, window time.Duration) int {
	n := 0
	for _, t := range m.failures[key] {
		if t.After(at.Add(-window)) {
			n++
		}
	}
	return n
}

// Clear implements idp.Counters.
func (m *Memory) Clear(_ context.Context, key string) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	delete(m.failures, key)
	return nil
}

// Append implements idp.AuditLog.
func (m *Memory) Append(_ context.Context, e idp.Event) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	m.order++
	e.ID = int64(m.order)
	m.events = append(m.events, e)
	return nil
}

// Expect implements idp.Forecast. Nothing is shared here.
func (*Memory) Expect() (over func()) { return func() {} }

// Events implements idp.AuditLog.
func (m *Memory) Events(_ context.Context, q idp.EventQuery, yield func(idp.Event) bool) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	events := slices.Clone(m.events)
	done()
	slices.SortStableFunc(events, func(a, b idp.Event) int { return a.Time.Compare(b.Time) })
	for _, e := range events {
		if fits(q, e) && !yield(e) {
			return nil
		}
	}
	return nil
}

func fits(q idp.EventQuery, e idp.Event) bool {
	return (q.From.IsZero() || !e.Time.Before(q.From)) && (q.To.IsZero() || e.Time.Before(q.To)) &&
		(len(q.Users) == 0 || slices.ContainsFunc(q.Users, func(u string) bool { return e.User == u || strings.EqualFold(e.Name, u) })) &&
		(q.App == "" || e.App == q.App) && (q.Ref == "" || e.Ref == q.Ref)
}

// PutRuleText implements idp.AuditLog.
func (m *Memory) PutRuleText(_ context.Context, digest, text string) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	m.texts[digest] = ruleText{text, true}
	return nil
}

// RuleText implements idp.AuditLog.
func (m *Memory) RuleText(_ context.Context, digest string) (string, error) {
	done, err := m.use()
	if err != nil {
		return "", err
	}
	defer done()
	text, ok := m.texts[digest]
	if !ok {
		return "", idp.ErrNotFound
	}
	return text.text, nil
}

// auditKeep is how long lines are kept: the default.
const auditKeep = 400 * 24 * time.Hour

// sweepAudit forgets old lines, and the texts that neither a line nor the present policies name.
func (m *Memory) sweepAudit(now time.Time) {
	m.events = slices.DeleteFunc(m.events, func(e idp.Event) bool { return now.Sub(e.Time) > auditKeep })
	named := map[string]bool{}
	for _, e := range m.events {
		named[e.Digest] = true
	}
	maps.DeleteFunc(m.texts, func(digest string, t ruleText) bool { return !t.inForce && !named[digest] })
}
