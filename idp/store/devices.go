package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// deviceSecret is the sealed part of a device's row. Proofs are no secret, but whoever could write
// them would be spared the second factor.
type deviceSecret struct {
	Browser []byte       `json:"browser"`
	Label   string       `json:"label"`
	Proofs  []idp.Passed `json:"proofs,omitempty"`
}

// PutDevice inserts or replaces by ID and User.
func (s *Store) PutDevice(ctx context.Context, d *idp.Device) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	plain, err := json.Marshal(deviceSecret{Browser: d.Browser[:], Label: d.Label, Proofs: d.Proofs})
	if err != nil {
		return fmt.Errorf("encoding a device: %w", err)
	}
	sealed, err := o.seal.seal(at("devices", string(d.ID[:]), d.User), plain)
	if err != nil {
		return err
	}
	err = o.write(ctx, func(c conn) error {
		_, err := c.exec(ctx, `INSERT INTO devices (id, person, created, seen, expires, sealed) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (id, person) DO UPDATE SET created = excluded.created, seen = excluded.seen,
				expires = excluded.expires, sealed = excluded.sealed`,
			d.ID[:], d.User, stamp(d.Created), stamp(d.Seen), stamp(d.Expires), sealed)
		return err
	})
	if err != nil {
		return fmt.Errorf("storing a device: %w", err)
	}
	return nil
}

const deviceColumns = "id, person, created, seen, expires, sealed"

// scanDevice reads a row of deviceColumns.
func (o *state) scanDevice(scan func(...any) error) (*idp.Device, error) {
	d := &idp.Device{}
	var id, sealed []byte
	var created, seen, expires int64
	err := scan(&id, &d.User, &created, &seen, &expires, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, idp.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	plain, err := o.seal.open(at("devices", string(id), d.User), sealed)
	if err != nil {
		return nil, err
	}
	var x deviceSecret
	if err := json.Unmarshal(plain, &x); err != nil {
		return nil, fmt.Errorf("decoding a device: %w", err)
	}
	copy(d.ID[:], id)
	copy(d.Browser[:], x.Browser)
	d.Label, d.Proofs = x.Label, x.Proofs
	d.Created, d.Seen, d.Expires = moment(created), moment(seen), moment(expires)
	return d, nil
}

// Device returns the row of a device and person.
func (s *Store) Device(ctx context.Context, id idp.Hash, userKey string, now time.Time) (*idp.Device, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	d, err := o.scanDevice(o.read().row(ctx, "SELECT "+deviceColumns+" FROM devices WHERE id = ? AND person = ? AND expires > ?",
		id[:], userKey, stamp(now)).Scan)
	if err != nil {
		return nil, fmt.Errorf("reading a device: %w", err)
	}
	return d, nil
}

// DeviceBrowser returns the Browser of any row with this ID: they are all of one browser.
func (s *Store) DeviceBrowser(ctx context.Context, id idp.Hash, now time.Time) (idp.Hash, error) {
	o, err := s.enter()
	if err != nil {
		return idp.Hash{}, err
	}
	defer s.leave()
	d, err := o.scanDevice(o.read().row(ctx, "SELECT "+deviceColumns+
		" FROM devices WHERE id = ? AND expires > ? ORDER BY seen DESC LIMIT 1", id[:], stamp(now)).Scan)
	if err != nil {
		return idp.Hash{}, fmt.Errorf("reading a device: %w", err)
	}
	return d.Browser, nil
}

// UserDevices lists a person's devices, newest first. A damaged row is left out and logged: it
// spares nobody a factor.
func (s *Store) UserDevices(ctx context.Context, userKey string, now time.Time) ([]*idp.Device, error) {
	o, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer s.leave()
	var list []*idp.Device
	err = o.read().each(ctx, func(rows *sql.Rows) error {
		d, err := o.scanDevice(rows.Scan)
		if errors.Is(err, errTampered) {
			o.Log.WarnContext(ctx, "a stored device is damaged", "user", userKey, "error", err)
			return nil
		}
		list = append(list, d)
		return err
	}, "SELECT "+deviceColumns+" FROM devices WHERE person = ? AND expires > ? ORDER BY created DESC, id", userKey, stamp(now))
	if err != nil {
		return nil, fmt.Errorf("listing the devices of %s: %w", userKey, err)
	}
	return list, nil
}

// DeleteDevice forgets a device of a person.
func (s *Store) DeleteDevice(ctx context.Context, id idp.Hash, userKey string) error {
	o, err := s.enter()
	if err != nil {
		return err
	}
	defer s.leave()
	err = o.write(ctx, func(c conn) error {
		_, err := c.exec(ctx, "DELETE FROM devices WHERE id = ? AND person = ?", id[:], userKey)
		return err
	})
	if err != nil {
		return fmt.Errorf("forgetting a device: %w", err)
	}
	return nil
}
