package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// sessionSecret is the sealed part of a session's row.
type sessionSecret struct {
	User      idp.User     `json:"user"`
	Form      string       `json:"form"`
	Proofs    []idp.Passed `json:"proofs,omitempty"`
	Browser   []byte       `json:"browser"`
	NoDevice  bool         `json:"no_device,omitempty"`
	Client    netip.Addr   `json:"client,omitzero"`
	Refreshed time.Time    `json:"refreshed,omitzero"`
	UserAgent string       `json:"user_agent,omitempty"`
	// MustChange and Outage are the session's.
	MustChange string `json:"must_change,omitempty"`
	Outage     string `json:"outage,omitempty"`
}

// PutSession inserts or replaces by ID.
func (s *Store) PutSession(ctx context.Context, sess *idp.Session) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	// Whatever the error says, the row may have changed: drop in any case, and after the commit.
	defer o.cache.drop(sess.ID)
	defer o.touched.forget(sess.ID)
	err = o.write(ctx, func(c conn) error { return o.putSession(ctx, c, sess) })
	if err != nil {
		return fmt.Errorf("storing a session: %w", err)
	}
	return nil
}

// ReplaceSession puts a session in the place of one that has not ended.
func (s *Store) ReplaceSession(ctx context.Context, old idp.Hash, sess *idp.Session) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	defer o.cache.drop(old)
	defer o.cache.drop(sess.ID)
	defer o.touched.forget(sess.ID)
	err = o.write(ctx, func(c conn) error {
		gone, err := c.exec(ctx, "DELETE FROM sessions WHERE id = ? AND (expires = 0 OR expires > ?)", old[:], stamp(o.Now()))
		if err != nil {
			return err
		}
		if gone == 0 {
			return idp.ErrNotFound
		}
		return o.putSession(ctx, c, sess)
	})
	if err != nil {
		return fmt.Errorf("replacing a session: %w", err)
	}
	return nil
}

func (o *state) putSession(ctx context.Context, c conn, sess *idp.Session) error {
	sealed, err := o.sealSession(sess)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, `INSERT INTO sessions (id, person, signed_in, expires, seen, sealed) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET person = excluded.person, signed_in = excluded.signed_in,
			expires = excluded.expires, seen = excluded.seen, sealed = excluded.sealed`,
		sess.ID[:], sess.User.Key(), stamp(sess.SignedIn), stamp(sess.Expires), stamp(sess.Seen), sealed)
	return err
}

// sealSession returns the sealed part of the session's row.
func (o *state) sealSession(sess *idp.Session) ([]byte, error) {
	plain, err := json.Marshal(sessionSecret{
		User: sess.User, Form: sess.Form, Proofs: sess.Proofs, Browser: sess.Browser[:],
		NoDevice: sess.NoDevice, Client: sess.Client, Refreshed: sess.Refreshed, UserAgent: sess.UserAgent,
		MustChange: sess.MustChange, Outage: sess.Outage,
	})
	if err != nil {
		return nil, err
	}
	return o.seal.seal(at("sessions", string(sess.ID[:])), plain)
}

const sessionColumns = "id, person, signed_in, expires, seen, sealed"

// scanSession reads a row of sessionColumns.
func (o *state) scanSession(scan func(...any) error) (*idp.Session, error) {
	var id, sealed []byte
	var person string
	var signedIn, expires, seen int64
	if err := scan(&id, &person, &signedIn, &expires, &seen, &sealed); err != nil {
		return nil, err
	}
	plain, err := o.seal.open(at("sessions", string(id)), sealed)
	if err != nil {
		return nil, err
	}
	var x sessionSecret
	if err := json.Unmarshal(plain, &x); err != nil {
		return nil, fmt.Errorf("decoding a session: %w", err)
	}
	if x.User.Key() != person { // the column alone would let revocation miss it
		return nil, fmt.Errorf("table sessions: %w", errTampered)
	}
	s := &idp.Session{
		User: x.User, Form: x.Form, SignedIn: moment(signedIn), Expires: moment(expires), Seen: moment(seen),
		Refreshed: x.Refreshed, Proofs: x.Proofs, NoDevice: x.NoDevice, Client: x.Client, UserAgent: x.UserAgent,
		MustChange: x.MustChange, Outage: x.Outage,
	}
	copy(s.ID[:], id)
	copy(s.Browser[:], x.Browser)
	if t := o.touched.at(s.ID); t.After(s.Seen) {
		s.Seen = t
	}
	return s, nil
}

// Session returns the session, from memory where it can. One whose row is damaged is an error.
func (s *Store) Session(ctx context.Context, id idp.Hash) (*idp.Session, error) {
	o := s.state.Load()
	if o == nil {
		return nil, idp.ErrNotReady
	}
	sess, drops := o.cache.get(id)
	if sess == nil {
		var err error
		if sess, err = s.readSession(ctx, id, drops); err != nil {
			return nil, err
		}
	}
	if !sess.Expires.IsZero() && !o.Now().Before(sess.Expires) {
		return nil, idp.ErrNotFound
	}
	return sess, nil
}

func (s *Store) readSession(ctx context.Context, id idp.Hash, drops uint64) (*idp.Session, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	sess, err := o.scanSession(o.read().row(ctx, "SELECT "+sessionColumns+" FROM sessions WHERE id = ?", id[:]).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, idp.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading a session: %w", err)
	}
	o.cache.fill(sess, drops)
	return sess, nil
}

// TouchSession moves Seen forward to the second of at.
func (s *Store) TouchSession(_ context.Context, id idp.Hash, at time.Time) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	at = at.UTC().Truncate(time.Second)
	if sess, _ := o.cache.get(id); sess != nil && !sess.Seen.Before(at) {
		return nil
	}
	o.touched.add(id, at)
	o.cache.touch(id, at)
	return nil
}

// DeleteSession ends one.
func (s *Store) DeleteSession(ctx context.Context, id idp.Hash) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	defer o.cache.drop(id)
	err = o.write(ctx, func(c conn) error {
		_, err := c.exec(ctx, "DELETE FROM sessions WHERE id = ?", id[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return nil
}

// UserSessions lists the live sessions of a user, newest first. A damaged row is left out and
// logged: it signs nobody in, and the others must stay revocable.
func (s *Store) UserSessions(ctx context.Context, userKey string) ([]*idp.Session, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	var list []*idp.Session
	err = o.read().each(ctx, func(rows *sql.Rows) error {
		sess, err := o.scanSession(rows.Scan)
		if errors.Is(err, errTampered) {
			o.Log.WarnContext(ctx, "a stored session is damaged", "user", userKey, "error", err)
			return nil
		}
		list = append(list, sess)
		return err
	}, "SELECT "+sessionColumns+" FROM sessions WHERE person = ? AND (expires = 0 OR expires > ?) ORDER BY signed_in DESC, id",
		userKey, stamp(o.Now()))
	if err != nil {
		return nil, fmt.Errorf("listing the sessions of %s: %w", userKey, err)
	}
	return list, nil
}

// DeleteUserSessions ends all sessions of a user but the one kept, and returns how many.
func (s *Store) DeleteUserSessions(ctx context.Context, userKey string, keep idp.Hash) (int, error) {
	o, err := s.enter()
	if err != nil {
		return 0, err
	}
	defer s.leave()
	defer o.cache.dropAll() // rare, and right whatever happened to the statement
	var n int64
	err = o.write(ctx, func(c conn) (err error) {
		n, err = c.exec(ctx, "DELETE FROM sessions WHERE person = ? AND id <> ?", userKey, keep[:])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ending the sessions of %s: %w", userKey, err)
	}
	return int(n), nil
}

// touches are the moves of Seen that are not written yet.
type touches struct {
	mu    sync.Mutex
	seen  map[idp.Hash]int64
	bound int
}

func newTouches(bound int) *touches { return &touches{seen: map[idp.Hash]int64{}, bound: bound} }

// add drops the touch where the bound is reached: the session then ends a little early.
func (t *touches) add(id idp.Hash, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was, ok := t.seen[id]
	if n := stamp(at); (ok && was < n) || (!ok && len(t.seen) < t.bound) {
		t.seen[id] = n
	}
}

func (t *touches) at(id idp.Hash) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return moment(t.seen[id])
}

func (t *touches) forget(id idp.Hash) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, id)
}

// flushTouches writes what was touched, in one transaction. A touch stays readable until it is in
// the database.
func (o *state) flushTouches(ctx context.Context) error {
	o.touched.mu.Lock()
	batch := maps.Clone(o.touched.seen)
	o.touched.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := o.write(ctx, func(c conn) error {
		for id, at := range batch {
			if _, err := c.exec(ctx, "UPDATE sessions SET seen = ? WHERE id = ? AND seen < ?", at, id[:], at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("writing when sessions were last used: %w", err)
	}
	o.touched.mu.Lock()
	defer o.touched.mu.Unlock()
	for id, at := range batch {
		if o.touched.seen[id] == at {
			delete(o.touched.seen, id)
		}
	}
	return nil
}
