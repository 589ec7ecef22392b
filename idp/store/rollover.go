package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// ErrKeyState says that a key is not in the state that a step of a rollover needs.
var ErrKeyState = errors.New("the key is not in the right state")

// NotUploadedError refuses a promotion: these applications have not been told of the key, so they
// would refuse every sign-in from that moment on.
type NotUploadedError struct {
	Key  string
	Apps []string
}

// Error names the key and the applications.
func (e *NotUploadedError) Error() string {
	return fmt.Sprintf("key %s is not marked as uploaded to %s", e.Key, strings.Join(e.Apps, ", "))
}

// PromoteKey makes a next key the active one. The former active key becomes a next one and stays in
// the metadata, so that the step can be taken back; retire it when nothing needs it any more. Every
// application in apps must be marked as knowing the key (MarkUploaded), else *NotUploadedError.
// Promoting the active key does nothing; a retired one is ErrKeyState, an unknown one idp.ErrNotFound.
// Other processes on the same database follow within seconds.
func (s *Store) PromoteKey(ctx context.Context, id string, apps ...string) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	err = o.write(ctx, func(c conn) error {
		state, err := keyState(ctx, c, id)
		switch {
		case err != nil:
			return err
		case state == idp.KeyRetired:
			return fmt.Errorf("key %s is retired: %w", id, ErrKeyState)
		}
		missing, err := notUploaded(ctx, c, id, apps)
		switch {
		case err != nil:
			return err
		case len(missing) > 0:
			return &NotUploadedError{Key: id, Apps: missing}
		case state == idp.KeyActive:
			return nil
		}
		if _, err := c.exec(ctx, "UPDATE saml_keys SET state = 'next' WHERE state = 'active'"); err != nil {
			return err
		}
		_, err = c.exec(ctx, "UPDATE saml_keys SET state = 'active' WHERE id = ?", id)
		return err
	})
	return o.reloaded(ctx, "promoting a key", err)
}

// RetireKey takes a next key out of the metadata and destroys its private half. Where no next key
// is left a fresh one is made, so that two are always published. The active key is ErrKeyState:
// promote another first. An unknown or retired one is idp.ErrNotFound.
func (s *Store) RetireKey(ctx context.Context, id string) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	fresh, err := o.newSAMLKey(idp.KeyNext) // not inside the transaction: it takes long
	if err != nil {
		return err
	}
	err = o.write(ctx, func(c conn) error {
		state, err := keyState(ctx, c, id)
		switch {
		case err != nil:
			return err
		case state == idp.KeyActive:
			return fmt.Errorf("key %s signs; promote another first: %w", id, ErrKeyState)
		case state == idp.KeyRetired:
			return idp.ErrNotFound
		}
		// The private half goes with the retirement; a later thief of the seal key finds nothing.
		if _, err := c.exec(ctx, "UPDATE saml_keys SET state = 'retired', sealed = ? WHERE id = ?", []byte{}, id); err != nil {
			return err
		}
		var live int
		if err := c.row(ctx, "SELECT count(*) FROM saml_keys WHERE state <> 'retired'").Scan(&live); err != nil {
			return err
		}
		if live >= publishedKeys {
			return nil
		}
		return o.putSAMLKey(ctx, c, fresh)
	})
	return o.reloaded(ctx, "retiring a key", err)
}

// reloaded finishes a change of the keys.
func (o *state) reloaded(ctx context.Context, doing string, err error) error {
	if err == nil {
		err = o.loadKeys(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// MarkUploaded notes that an application has been told of a key. An unknown or retired key is
// idp.ErrNotFound.
func (s *Store) MarkUploaded(ctx context.Context, id, app string) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	err = o.write(ctx, func(c conn) error {
		state, err := keyState(ctx, c, id)
		if err != nil {
			return err
		}
		if state == idp.KeyRetired {
			return idp.ErrNotFound
		}
		_, err = c.exec(ctx, `INSERT INTO key_uploads (key_id, app, at) VALUES (?, ?, ?)
			ON CONFLICT (key_id, app) DO UPDATE SET at = excluded.at`, id, app, stamp(o.Now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("marking key %s as uploaded: %w", id, err)
	}
	return nil
}

// Uploaded returns the ids of the keys that an application has been told of.
func (s *Store) Uploaded(ctx context.Context, app string) ([]string, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	var ids []string
	err = o.read().each(ctx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, "SELECT key_id FROM key_uploads WHERE app = ? ORDER BY at, key_id", app)
	if err != nil {
		return nil, fmt.Errorf("listing uploaded keys: %w", err)
	}
	return ids, nil
}

// NotUploaded returns those of the applications that have not been told of a key, in their order.
func (s *Store) NotUploaded(ctx context.Context, id string, apps []string) ([]string, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	return notUploaded(ctx, o.read(), id, apps)
}

func notUploaded(ctx context.Context, c conn, id string, apps []string) ([]string, error) {
	var have []string
	err := c.each(ctx, func(rows *sql.Rows) error {
		var app string
		err := rows.Scan(&app)
		have = append(have, app)
		return err
	}, "SELECT app FROM key_uploads WHERE key_id = ?", id)
	if err != nil {
		return nil, fmt.Errorf("listing uploads of key %s: %w", id, err)
	}
	return slices.DeleteFunc(slices.Clone(apps), func(app string) bool { return slices.Contains(have, app) }), nil
}

func keyState(ctx context.Context, c conn, id string) (state idp.KeyState, err error) {
	err = c.row(ctx, "SELECT state FROM saml_keys WHERE id = ?", id).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return "", idp.ErrNotFound
	}
	return state, err
}
