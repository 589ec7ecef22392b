package store

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errTampered says that a sealed value was changed, or was copied from another row.
var errTampered = errors.New("a sealed value does not belong where it is")

// sealKeyLen is the length of the seal key in bytes.
const sealKeyLen = 32

// sealVersion is the first byte of a sealed value; the key id follows, then nonce and ciphertext.
const sealVersion = 1

// sealedTables are the tables with something sealed in them.
var sealedTables = [...]string{"seal", "saml_keys", "cookie_keys", "sessions", "memos", "enrollments", "devices"}

// sealer seals values with AES-256-GCM. Each table has a key of its own, derived from the seal key, so
// that the bound of 2^32 values under random nonces (NIST SP 800-38D §8.3) is each table's alone.
type sealer struct {
	id     [4]byte // which seal key; written into each value, so that values can be sealed anew
	tables map[string]cipher.AEAD
	rand   io.Reader
}

func newSealer(key []byte, rand io.Reader) (*sealer, error) {
	if len(key) != sealKeyLen {
		return nil, fmt.Errorf("the seal key has %d bytes and needs %d", len(key), sealKeyLen)
	}
	s := &sealer{tables: map[string]cipher.AEAD{}, rand: rand}
	id, err := hkdf.Key(sha256.New, key, nil, "gatehouse seal key id", len(s.id))
	if err != nil {
		return nil, err
	}
	copy(s.id[:], id)
	for _, table := range sealedTables {
		sub, err := hkdf.Key(sha256.New, key, nil, "gatehouse seal table "+table, sealKeyLen)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(sub)
		if err != nil {
			return nil, err
		}
		if s.tables[table], err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// place is where a sealed value lives. Without it in the associated data, somebody who can write to
// the database could copy their own TOTP seed into another person's row and sign in as them.
type place struct {
	table, column string
	row           []string // the primary key
}

// bytes writes the parts with their lengths, so that no two places give the same bytes.
func (p place) bytes() []byte {
	var b []byte
	for _, part := range append([]string{p.table, p.column}, p.row...) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part))) //nolint:gosec // far below 4 GiB
		b = append(b, part...)
	}
	return b
}

func at(table string, row ...string) place { return place{table, "sealed", row} }

func (s *sealer) seal(p place, plain []byte) ([]byte, error) {
	aead := s.tables[p.table]
	head := 1 + len(s.id)
	out := make([]byte, head+aead.NonceSize(), head+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0] = sealVersion
	copy(out[1:], s.id[:])
	if _, err := io.ReadFull(s.rand, out[head:]); err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	return aead.Seal(out, out[head:], plain, p.bytes()), nil //nolint:gosec // G407: the nonce was read from s.rand just above
}

// open returns what was sealed for the place. The error names the place's table, never its content.
func (s *sealer) open(p place, sealed []byte) ([]byte, error) {
	aead := s.tables[p.table]
	head := 1 + len(s.id)
	if len(sealed) < head+aead.NonceSize() || sealed[0] != sealVersion {
		return nil, fmt.Errorf("table %s: %w", p.table, errTampered)
	}
	if !bytes.Equal(sealed[1:head], s.id[:]) {
		return nil, fmt.Errorf("table %s: %w", p.table, ErrSealKey)
	}
	nonce, text := sealed[head:head+aead.NonceSize()], sealed[head+aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, text, p.bytes())
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", p.table, errTampered)
	}
	return plain, nil
}

// move seals anew what was sealed for one place, for another.
func (s *sealer) move(from, to place, sealed []byte) ([]byte, error) {
	plain, err := s.open(from, sealed)
	if err != nil {
		return nil, err
	}
	return s.seal(to, plain)
}

// makeSealKey is for a database that has no key yet; see [Config.MakeSealKey].
func (s *Store) makeSealKey(ctx context.Context) ([]byte, error) {
	sealed, err := s.engine.sealed(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking whether the database is sealed: %w", err)
	}
	if sealed || s.cfg.MakeSealKey == nil {
		return nil, fmt.Errorf("%w: %s", ErrSealLost, s.cfg.Places)
	}
	key, err := s.cfg.MakeSealKey(ctx)
	if err != nil {
		return nil, fmt.Errorf("making the seal key: %w", err)
	}
	return key, nil
}

// canary is what the first row of the seal table holds, sealed. It tells a wrong key at once, before
// anything is sealed with it.
const canary = "canary"

func (o *state) checkCanary(ctx context.Context) error {
	return o.write(ctx, func(c conn) error {
		var sealed []byte
		err := c.row(ctx, "SELECT sealed FROM seal WHERE id = ?", canary).Scan(&sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return o.putCanary(ctx, c)
		}
		if err != nil {
			return fmt.Errorf("reading the canary: %w", err)
		}
		_, err = o.seal.open(at("seal", canary), sealed)
		if errors.Is(err, ErrSealKey) {
			return fmt.Errorf("%w: one of the two is not the one that belongs to the other: %s", ErrSealKey, o.Places)
		}
		if err != nil {
			return fmt.Errorf("checking the seal key: %w", err)
		}
		return nil
	})
}

// putCanary takes the key for an empty database. Where keys are already sealed, a missing canary is
// not a first start but a damaged database.
func (o *state) putCanary(ctx context.Context, c conn) error {
	var keys int
	if err := c.row(ctx, "SELECT count(*) FROM saml_keys").Scan(&keys); err != nil {
		return fmt.Errorf("counting keys: %w", err)
	}
	if keys > 0 {
		return errors.New("the database holds keys but not the row that tells their seal key")
	}
	sealed, err := o.seal.seal(at("seal", canary), []byte(canary))
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, "INSERT INTO seal (id, sealed) VALUES (?, ?)", canary, sealed)
	return err
}
