package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// UpdateUser implements idp.Sessions.
func (m *Memory) UpdateUser(_ context.Context, u idp.User, at time.Time) (int, error) {
	done, err := m.use()
	if err != nil {
		return 0, err
	}
	defer done()
	n := 0
	for id, s := range m.sessions {
		if s.User.Key() != u.Key() || ended(s, m.now()) || !s.Looked().Before(at) {
			continue
		}
		breakGlass := s.User.BreakGlass
		s.User, s.Refreshed = u, at
		s.User.BreakGlass = breakGlass
		m.sessions[id] = copied(s)
		n++
	}
	return n, nil
}

// KeptBySource implements idp.People.
func (m *Memory) KeptBySource(context.Context) (map[string]idp.Kept, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	kept := map[string]idp.Kept{}
	add := func(user string, more idp.Kept) {
		source, _, _ := strings.Cut(user, ":")
		k := kept[source]
		kept[source] = idp.Kept{Enrollments: k.Enrollments + more.Enrollments, Devices: k.Devices + more.Devices, Sessions: k.Sessions + more.Sessions}
	}
	for _, e := range m.enrollments {
		add(e.User, idp.Kept{Enrollments: 1})
	}
	for k := range m.devices {
		add(k.user, idp.Kept{Devices: 1})
	}
	for _, s := range m.sessions {
		add(s.User.Key(), idp.Kept{Sessions: 1})
	}
	return kept, nil
}

// Holders implements idp.People.
func (m *Memory) Holders(_ context.Context, after string, most int) ([]idp.Holder, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	by := map[string]map[string]int{}
	for _, e := range m.enrollments {
		if by[e.User] == nil {
			by[e.User] = map[string]int{}
		}
		by[e.User][e.Factor]++
	}
	var list []idp.Holder
	for _, user := range slices.Sorted(maps.Keys(by)) {
		if user > after && len(list) < most {
			list = append(list, idp.Holder{User: user, Enrolled: by[user]})
		}
	}
	return list, nil
}

// MoveSource implements idp.People.
func (m *Memory) MoveSource(_ context.Context, from, to string) (moved idp.Kept, err error) {
	done, err := m.use()
	if err != nil {
		return moved, err
	}
	defer done()
	renamed := func(user string) (string, bool) {
		id, ok := strings.CutPrefix(user, from+":")
		return to + ":" + id, ok
	}
	if err := m.refuseTaken(renamed); err != nil {
		return moved, err
	}
	for i := range m.enrollments {
		if user, ok := renamed(m.enrollments[i].User); ok {
			m.enrollments[i].User = user
			moved.Enrollments++
		}
	}
	for k, d := range m.devices {
		if user, ok := renamed(k.user); ok {
			delete(m.devices, k)
			d.User = user
			m.devices[deviceKey{k.id, user}] = d
			moved.Devices++
		}
	}
	for k, r := range m.memos {
		if user, ok := renamed(r.Owner); ok && r.Browser == (idp.Hash{}) {
			r.Owner = user
			m.memos[k] = r
		}
	}
	for id, s := range m.sessions {
		if _, ok := renamed(s.User.Key()); ok {
			s.User.Source = to
			m.sessions[id] = s
			moved.Sessions++
		}
	}
	return moved, nil
}

// refuseTaken answers ErrTaken where a renamed user has rows already.
func (m *Memory) refuseTaken(renamed func(string) (string, bool)) error {
	taken := map[string]bool{}
	for _, e := range m.enrollments {
		taken["enrollments of "+e.User] = true
	}
	for k := range m.devices {
		taken["devices of "+k.user] = true
	}
	for what := range taken {
		table, user, _ := strings.Cut(what, " of ")
		if now, ok := renamed(user); ok && taken[table+" of "+now] {
			return fmt.Errorf("%w: both keep %s of %s", idp.ErrTaken, table, now)
		}
	}
	return nil
}
