package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// UpdateUser writes what a person was found to be into their live sessions. The rows are read and changed in
// one transaction, so that a session which ends meanwhile is not written back.
func (s *Store) UpdateUser(ctx context.Context, u idp.User, looked time.Time) (int, error) {
	o, err := s.enter()
	if err != nil {
		return 0, err
	}
	defer s.leave()
	var changed []*idp.Session
	defer func() { // whatever the error says, the rows may have changed
		for _, sess := range changed {
			o.cache.drop(sess.ID)
		}
	}()
	err = o.write(ctx, func(c conn) error {
		list, err := o.personSessions(ctx, c, "person = ? AND (expires = 0 OR expires > ?)", u.Key(), stamp(o.Now()))
		if err != nil {
			return err
		}
		for _, sess := range list {
			if !sess.Looked().Before(looked) {
				continue
			}
			changed = append(changed, sess)
			breakGlass := sess.User.BreakGlass
			sess.User, sess.Refreshed = u, looked
			sess.User.BreakGlass = breakGlass
			if err := o.reseal(ctx, c, sess); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("updating the sessions of %s: %w", u.Key(), err)
	}
	return len(changed), nil
}

// reseal writes person and sealed part of a session whose row is there.
func (o *state) reseal(ctx context.Context, c conn, sess *idp.Session) error {
	sealed, err := o.sealSession(sess)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, "UPDATE sessions SET person = ?, sealed = ? WHERE id = ?", sess.User.Key(), sealed, sess.ID[:])
	return err
}

// personSessions reads sessions. A damaged row is left out and logged: it signs nobody in.
func (o *state) personSessions(ctx context.Context, c conn, where string, args ...any) (list []*idp.Session, err error) {
	err = c.each(ctx, func(rows *sql.Rows) error {
		sess, err := o.scanSession(rows.Scan)
		if errors.Is(err, errTampered) {
			o.Log.WarnContext(ctx, "a stored session is damaged", "error", err)
			return nil
		}
		list = append(list, sess)
		return err
	}, "SELECT "+sessionColumns+" FROM sessions WHERE "+where, args...)
	return list, err
}

// ofSource picks the rows of a source's people. Names of sources have no colon, ids may.
const ofSource = "substr(person, 1, ?) = ?"

func sourceArgs(source string) []any { return []any{len(source) + 1, source + ":"} }

// KeptBySource counts what is kept, by the source in the user keys.
func (s *Store) KeptBySource(ctx context.Context) (map[string]idp.Kept, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	kept := map[string]idp.Kept{}
	for _, t := range []struct {
		table string
		add   func(*idp.Kept, int)
	}{
		{"enrollments", func(k *idp.Kept, n int) { k.Enrollments = n }},
		{"devices", func(k *idp.Kept, n int) { k.Devices = n }},
		{"sessions", func(k *idp.Kept, n int) { k.Sessions = n }},
	} {
		err := o.read().each(ctx, func(rows *sql.Rows) error {
			var source string
			var n int
			if err := rows.Scan(&source, &n); err != nil {
				return err
			}
			k := kept[source]
			t.add(&k, n)
			kept[source] = k
			return nil
		}, "SELECT substr(person, 1, instr(person, ':') - 1) AS source, count(*) FROM "+t.table+" GROUP BY source")
		if err != nil {
			return nil, fmt.Errorf("counting %s by source: %w", t.table, err)
		}
	}
	return kept, nil
}

// Holders counts enrollments person by person. It reads no more than the primary key, which nothing secret is in.
func (s *Store) Holders(ctx context.Context, after string, most int) ([]idp.Holder, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	var list []idp.Holder
	err = o.read().each(ctx, func(rows *sql.Rows) error {
		var person, factor string
		var n int
		if err := rows.Scan(&person, &factor, &n); err != nil {
			return err
		}
		if len(list) == 0 || list[len(list)-1].User != person {
			list = append(list, idp.Holder{User: person, Enrolled: map[string]int{}})
		}
		list[len(list)-1].Enrolled[factor] = n
		return nil
	}, `SELECT person, factor, count(*) FROM enrollments
		WHERE person IN (SELECT DISTINCT person FROM enrollments WHERE person > ? ORDER BY person LIMIT ?)
		GROUP BY person, factor ORDER BY person, factor`, after, most)
	if err != nil {
		return nil, fmt.Errorf("listing who has enrolled what: %w", err)
	}
	return list, nil
}

// MoveSource puts another source into the user keys. What is sealed is bound to its row's user key, so it
// is opened under the old one and sealed under the new.
func (s *Store) MoveSource(ctx context.Context, from, to string) (idp.Kept, error) {
	o, err := s.enter()
	if err != nil {
		return idp.Kept{}, err
	}
	defer s.leave()
	defer o.cache.dropAll() // rare, and right whatever happened to the transaction
	var moved idp.Kept
	err = o.write(ctx, func(c conn) (err error) {
		if from == to {
			return fmt.Errorf("%s is where they are: %w", to, idp.ErrTaken)
		}
		if err := o.refuseTaken(ctx, c, from, to); err != nil {
			return err
		}
		if moved.Enrollments, err = o.moveEnrollments(ctx, c, from, to); err != nil {
			return err
		}
		if moved.Devices, err = o.moveDevices(ctx, c, from, to); err != nil {
			return err
		}
		if moved.Sessions, err = o.moveSessions(ctx, c, from, to); err != nil {
			return err
		}
		// What they have still to be told. The seal of a memo is not bound to its owner.
		args := append([]any{to + ":", len(from) + 2}, sourceArgs(from)...)
		_, err = c.exec(ctx, "UPDATE memos SET owner = ? || substr(owner, ?) WHERE substr(owner, 1, ?) = ? AND "+boundToNone, args...)
		return err
	})
	if err != nil {
		return idp.Kept{}, fmt.Errorf("moving what is kept of source %s to %s: %w", from, to, err)
	}
	return moved, nil
}

// refuseTaken answers ErrTaken where an id has rows at both sources, and says how one of the two is cleared.
func (o *state) refuseTaken(ctx context.Context, c conn, from, to string) error {
	for _, of := range []struct{ table, cure string }{{"enrollments", "reset-mfa"}, {"devices", "revoke"}} {
		var person sql.NullString
		var n int
		args := append(sourceArgs(from), to+":", len(from)+2)
		err := c.row(ctx, "SELECT min(person), count(DISTINCT person) FROM "+of.table+" AS old WHERE "+ofSource+
			" AND EXISTS (SELECT 1 FROM "+of.table+" WHERE person = ? || substr(old.person, ?))", args...).Scan(&person, &n)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		others := ""
		if n > 1 {
			others = fmt.Sprintf(" and of %d more", n-1)
		}
		return fmt.Errorf("%w: both keep %s of %s%s; keep one of the two: caddy gatehouse user %s %s, or %s", idp.ErrTaken, of.table,
			movedKey(person.String, from, to), others, of.cure, person.String, movedKey(person.String, from, to))
	}
	return nil
}

// movedKey is a user key with the other source.
func movedKey(person, from, to string) string { return to + strings.TrimPrefix(person, from) }

func (o *state) moveEnrollments(ctx context.Context, c conn, from, to string) (int, error) {
	type row struct {
		person, factor, id string
		sealed             []byte
	}
	var list []row
	err := c.each(ctx, func(rows *sql.Rows) error {
		var r row
		err := rows.Scan(&r.person, &r.factor, &r.id, &r.sealed)
		list = append(list, r)
		return err
	}, "SELECT person, factor, id, sealed FROM enrollments WHERE "+ofSource, sourceArgs(from)...)
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		person := movedKey(r.person, from, to)
		sealed, err := o.seal.move(at("enrollments", r.person, r.factor, r.id), at("enrollments", person, r.factor, r.id), r.sealed)
		if err != nil {
			return 0, err
		}
		if _, err := c.exec(ctx, "UPDATE enrollments SET person = ?, sealed = ? WHERE person = ? AND factor = ? AND id = ?",
			person, sealed, r.person, r.factor, r.id); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

func (o *state) moveDevices(ctx context.Context, c conn, from, to string) (int, error) {
	type row struct {
		id, sealed []byte
		person     string
	}
	var list []row
	err := c.each(ctx, func(rows *sql.Rows) error {
		var r row
		err := rows.Scan(&r.id, &r.person, &r.sealed)
		list = append(list, r)
		return err
	}, "SELECT id, person, sealed FROM devices WHERE "+ofSource, sourceArgs(from)...)
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		person := movedKey(r.person, from, to)
		sealed, err := o.seal.move(at("devices", string(r.id), r.person), at("devices", string(r.id), person), r.sealed)
		if err != nil {
			return 0, err
		}
		if _, err := c.exec(ctx, "UPDATE devices SET person = ?, sealed = ? WHERE id = ? AND person = ?", person, sealed, r.id, r.person); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

func (o *state) moveSessions(ctx context.Context, c conn, from, to string) (int, error) {
	list, err := o.personSessions(ctx, c, ofSource, sourceArgs(from)...)
	if err != nil {
		return 0, err
	}
	for _, sess := range list {
		sess.User.Source = to
		if err := o.reseal(ctx, c, sess); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}
