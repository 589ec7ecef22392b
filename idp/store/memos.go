package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// nobodys is the browser of a memo that is bound to none.
var nobodys idp.Hash

// PutMemo inserts or replaces by kind and id. Anybody may start a sign-in, so the memos of all
// browsers together are bounded: the oldest of them go. A memo that is bound to no browser is of somebody's account, an
// invitation or a changed password; no flood of sign-ins pushes one out or keeps one from being put.
func (s *Store) PutMemo(ctx context.Context, m idp.Memo, most int) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	sealed, err := o.seal.seal(at("memos", m.Kind, string(m.ID[:])), m.Data)
	if err != nil {
		return err
	}
	err = o.write(ctx, func(c conn) error {
		bounded := m.Browser != nobodys
		if bounded && o.memos.Load() >= int64(o.MaxMemos) {
			if err := o.thinMemos(ctx, c); err != nil {
				return err
			}
		}
		gone, err := c.exec(ctx, "DELETE FROM memos WHERE kind = ? AND id = ?", m.Kind, m.ID[:])
		if err != nil {
			return err
		}
		if bounded {
			o.memos.Add(1 - gone)
		}
		_, err = c.exec(ctx, "INSERT INTO memos (kind, id, browser, owner, expires, sealed) VALUES (?, ?, ?, ?, ?, ?)",
			m.Kind, m.ID[:], m.Browser[:], m.Owner, stamp(m.Expires), sealed)
		if err != nil || most <= 0 || !bounded {
			return err
		}
		gone, err = c.exec(ctx, `DELETE FROM memos WHERE kind = ? AND browser = ? AND n NOT IN
			(SELECT n FROM memos WHERE kind = ? AND browser = ? ORDER BY n DESC LIMIT ?)`,
			m.Kind, m.Browser[:], m.Kind, m.Browser[:], most)
		o.memos.Add(-gone)
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping a memo: %w", err)
	}
	return nil
}

// thinMemos makes room: what has expired goes, then the oldest of all browsers, some at a time so that
// a flood does not pay for it at every memo.
func (o *state) thinMemos(ctx context.Context, c conn) error {
	if _, err := c.exec(ctx, "DELETE FROM memos WHERE expires <= ?", stamp(o.Now())); err != nil {
		return err
	}
	n, err := boundMemos(ctx, c)
	if err != nil {
		return err
	}
	if over := n + 1 - o.MaxMemos; over > 0 {
		gone, err := c.exec(ctx, "DELETE FROM memos WHERE n IN (SELECT n FROM memos WHERE browser <> ? ORDER BY n LIMIT ?)",
			nobodys[:], over+o.MaxMemos/64)
		if err != nil {
			return err
		}
		n -= int(gone)
	}
	o.memos.Store(int64(n))
	return nil
}

// countMemos sets the rough count right.
func (o *state) countMemos(ctx context.Context) error {
	n, err := boundMemos(ctx, o.read())
	if err != nil {
		return fmt.Errorf("counting memos: %w", err)
	}
	o.memos.Store(int64(n))
	return nil
}

// boundMemos counts the memos that are bound to browsers.
func boundMemos(ctx context.Context, c conn) (n int, err error) {
	err = c.row(ctx, "SELECT count(*) FROM memos WHERE browser <> ?", nobodys[:]).Scan(&n)
	return n, err
}

const memoColumns = "browser, owner, expires, sealed"

// scanMemo reads a row of memoColumns.
func (o *state) scanMemo(row *sql.Row, kind string, id idp.Hash) (idp.Memo, error) {
	m := idp.Memo{Kind: kind, ID: id}
	var browser, sealed []byte
	var expires int64
	err := row.Scan(&browser, &m.Owner, &expires, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return idp.Memo{}, idp.ErrNotFound
	}
	if err != nil {
		return idp.Memo{}, err
	}
	if m.Data, err = o.seal.open(at("memos", kind, string(id[:])), sealed); err != nil {
		return idp.Memo{}, err
	}
	copy(m.Browser[:], browser)
	m.Expires = moment(expires)
	return m, nil
}

// Memo returns the memo without spending it.
func (s *Store) Memo(ctx context.Context, kind string, id idp.Hash, now time.Time) (idp.Memo, error) {
	o, err := s.enter()
	if err != nil {
		return idp.Memo{}, err
	}
	defer s.leave()
	m, err := o.scanMemo(o.read().row(ctx, "SELECT "+memoColumns+" FROM memos WHERE kind = ? AND id = ? AND expires > ?",
		kind, id[:], stamp(now)), kind, id)
	if err != nil {
		return idp.Memo{}, fmt.Errorf("reading a memo: %w", err)
	}
	return m, nil
}

// boundToNone is nobodys as the index memos_owner says it: SQLite takes that index where the query says the same.
var boundToNone = fmt.Sprintf("browser = X'%x'", nobodys)

// OwnedMemos lists a person's memos of a kind. A damaged one is left out and logged: it must not keep the person from the
// others.
func (s *Store) OwnedMemos(ctx context.Context, kind, owner string, now time.Time) ([]idp.Memo, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	var list []idp.Memo
	err = o.read().each(ctx, func(rows *sql.Rows) error {
		m := idp.Memo{Kind: kind, Owner: owner}
		var id, sealed []byte
		var expires int64
		if err := rows.Scan(&id, &expires, &sealed); err != nil {
			return err
		}
		copy(m.ID[:], id)
		m.Expires = moment(expires)
		if m.Data, err = o.seal.open(at("memos", kind, string(id)), sealed); err != nil {
			o.Log.WarnContext(ctx, "a stored memo is damaged", "kind", kind, "owner", owner, "error", err)
			return nil //nolint:nilerr // one that is damaged is left out
		}
		list = append(list, m)
		return nil
	}, "SELECT id, expires, sealed FROM memos WHERE owner = ? AND kind = ? AND expires > ? AND "+boundToNone+" ORDER BY n", owner, kind, stamp(now))
	if err != nil {
		return nil, fmt.Errorf("listing the memos of %s: %w", owner, err)
	}
	return list, nil
}

// TakeMemo returns the memo and deletes it in one statement. It is spent once the deletion is
// durable, and before anybody sees it.
func (s *Store) TakeMemo(ctx context.Context, kind string, id idp.Hash, now time.Time) (m idp.Memo, err error) {
	o, err := s.enter()
	if err != nil {
		return idp.Memo{}, err
	}
	defer s.leave()
	var damaged error
	err = o.write(ctx, func(c conn) (err error) {
		m, err = o.scanMemo(c.row(ctx, "DELETE FROM memos WHERE kind = ? AND id = ? AND expires > ? RETURNING "+memoColumns,
			kind, id[:], stamp(now)), kind, id)
		if errors.Is(err, errTampered) {
			damaged, err = err, nil // it stays deleted
		}
		return err
	})
	if err = errors.Join(damaged, err); err != nil {
		return idp.Memo{}, fmt.Errorf("taking a memo: %w", err)
	}
	if m.Browser != nobodys {
		o.memos.Add(-1)
	}
	return m, nil
}
