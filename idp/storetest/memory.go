package storetest

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Memory is a store that forgets everything with the process, for tests of what stands on a store. It keeps the
// same promises: Run is run on it too.
type Memory struct {
	now func() time.Time

	mu          sync.Mutex
	closed      bool
	sessions    map[idp.Hash]idp.Session
	memos       map[memoKey]memoRow
	order       int
	enrollments []idp.Enrollment
	devices     map[deviceKey]idp.Device
	failures    map[string][]time.Time
	events      []idp.Event
	texts       map[string]ruleText
	keys        []idp.SAMLKey
	cookie      []byte
}

type memoKey struct {
	kind string
	id   idp.Hash
}

type memoRow struct {
	idp.Memo
	order int
}

// ruleText is in force from when it was put until the store is opened again.
type ruleText struct {
	text    string
	inForce bool
}

type deviceKey struct {
	id   idp.Hash
	user string
}

var _ idp.Store = (*Memory)(nil)

// NewMemory returns an empty store. Its SAML keys are made when they are first asked for.
func NewMemory(now func() time.Time) *Memory {
	m := &Memory{
		now: now, sessions: map[idp.Hash]idp.Session{}, memos: map[memoKey]memoRow{}, devices: map[deviceKey]idp.Device{},
		failures: map[string][]time.Time{}, texts: map[string]ruleText{}, cookie: make([]byte, 64),
	}
	rand.Read(m.cookie)
	return m
}

// use locks the store, or says why it cannot serve.
func (m *Memory) use() (func(), error) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, idp.ErrNotReady
	}
	return m.mu.Unlock, nil
}

// Ready returns nil until Close.
func (m *Memory) Ready() error {
	done, err := m.use()
	if err != nil {
		return err
	}
	done()
	return nil
}

// Close makes every method answer idp.ErrNotReady.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// Reopen undoes Close, as opening the same file again would.
func (m *Memory) Reopen() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = false
	for digest, t := range m.texts {
		t.inForce = false
		m.texts[digest] = t
	}
}

// Sweep forgets what has expired.
func (m *Memory) Sweep(context.Context) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	now := m.now()
	maps.DeleteFunc(m.memos, func(_ memoKey, r memoRow) bool { return !now.Before(r.Expires) })
	maps.DeleteFunc(m.devices, func(_ deviceKey, d idp.Device) bool { return !now.Before(d.Expires) })
	maps.DeleteFunc(m.sessions, func(_ idp.Hash, s idp.Session) bool { return ended(s, now) })
	m.sweepAudit(now)
	return nil
}

func ended(s idp.Session, now time.Time) bool { return !s.Expires.IsZero() && !now.Before(s.Expires) }

// PutSession implements idp.Sessions.
func (m *Memory) PutSession(_ context.Context, s *idp.Session) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	m.sessions[s.ID] = copied(*s)
	return nil
}

// ReplaceSession implements idp.Sessions.
func (m *Memory) ReplaceSession(_ context.Context, old idp.Hash, s *idp.Session) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	if was, ok := m.sessions[old]; !ok || ended(was, m.now()) {
		return idp.ErrNotFound
	}
	delete(m.sessions, old)
	m.sessions[s.ID] = copied(*s)
	return nil
}

// copied shares no memory with s.
func copied(s idp.Session) idp.Session {
	s.Proofs = slices.Clone(s.Proofs)
	s.User.Groups = slices.Clone(s.User.Groups)
	for i, g := range s.User.Groups {
		s.User.Groups[i].Names = slices.Clone(g.Names)
	}
	s.User.Attributes = maps.Clone(s.User.Attributes)
	for k, v := range s.User.Attributes {
		s.User.Attributes[k] = slices.Clone(v)
	}
	return s
}

// Session implements idp.Sessions.
func (m *Memory) Session(_ context.Context, id idp.Hash) (*idp.Session, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	s, ok := m.sessions[id]
	if !ok || ended(s, m.now()) {
		return nil, idp.ErrNotFound
	}
	return &s, nil
}

// TouchSession implements idp.Sessions.
func (m *Memory) TouchSession(_ context.Context, id idp.Hash, at time.Time) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	if s, ok := m.sessions[id]; ok && at.Truncate(time.Second).After(s.Seen) {
		s.Seen = at.Truncate(time.Second)
		m.sessions[id] = s
	}
	return nil
}

// DeleteSession implements idp.Sessions.
func (m *Memory) DeleteSession(_ context.Context, id idp.Hash) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	delete(m.sessions, id)
	return nil
}

// UserSessions implements idp.Sessions.
func (m *Memory) UserSessions(_ context.Context, userKey string) ([]*idp.Session, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	var out []*idp.Session
	for _, s := range m.sessions {
		if s.User.Key() == userKey && !ended(s, m.now()) {
			out = append(out, &s)
		}
	}
	slices.SortFunc(out, func(a, b *idp.Session) int { return b.SignedIn.Compare(a.SignedIn) })
	return out, nil
}

// DeleteUserSessions implements idp.Sessions.
func (m *Memory) DeleteUserSessions(_ context.Context, userKey string, keep idp.Hash) (int, error) {
	done, err := m.use()
	if err != nil {
		return 0, err
	}
	defer done()
	before := len(m.sessions)
	maps.DeleteFunc(m.sessions, func(id idp.Hash, s idp.Session) bool { return s.User.Key() == userKey && id != keep })
	return before - len(m.sessions), nil
}

// PutMemo implements idp.Memos.
func (m *Memory) PutMemo(_ context.Context, memo idp.Memo, most int) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	m.order++
	m.memos[memoKey{memo.Kind, memo.ID}] = memoRow{memo, m.order}
	if most <= 0 {
		return nil
	}
	var mine []memoRow
	for _, r := range m.memos {
		if r.Kind == memo.Kind && r.Browser == memo.Browser {
			mine = append(mine, r)
		}
	}
	slices.SortFunc(mine, func(a, b memoRow) int { return cmp.Compare(b.order, a.order) })
	for _, r := range mine[min(most, len(mine)):] {
		delete(m.memos, memoKey{r.Kind, r.ID})
	}
	return nil
}

// Memo implements idp.Memos.
func (m *Memory) Memo(_ context.Context, kind string, id idp.Hash, now time.Time) (idp.Memo, error) {
	return m.memo(kind, id, now, false)
}

// TakeMemo implements idp.Memos.
func (m *Memory) TakeMemo(_ context.Context, kind string, id idp.Hash, now time.Time) (idp.Memo, error) {
	return m.memo(kind, id, now, true)
}

func (m *Memory) memo(kind string, id idp.Hash, now time.Time, take bool) (idp.Memo, error) {
	done, err := m.use()
	if err != nil {
		return idp.Memo{}, err
	}
	defer done()
	r, ok := m.memos[memoKey{kind, id}]
	if !ok || !now.Before(r.Expires) {
		return idp.Memo{}, idp.ErrNotFound
	}
	if take {
		delete(m.memos, memoKey{kind, id})
	}
	return r.Memo, nil
}

// OwnedMemos implements idp.Memos.
func (m *Memory) OwnedMemos(_ context.Context, kind, owner string, now time.Time) ([]idp.Memo, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	var rows []memoRow
	for _, r := range m.memos {
		if r.Kind == kind && r.Owner == owner && r.Browser == (idp.Hash{}) && now.Before(r.Expires) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b memoRow) int { return cmp.Compare(a.order, b.order) })
	var out []idp.Memo
	for _, r := range rows {
		out = append(out, r.Memo)
	}
	return out, nil
}

// SAMLKeys implements idp.Keys.
func (m *Memory) SAMLKeys() ([]idp.SAMLKey, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	if m.keys == nil {
		for i, state := range []idp.KeyState{idp.KeyActive, idp.KeyNext} {
			k, err := newSAMLKey(state, int64(i+1), m.now())
			if err != nil {
				return nil, err
			}
			m.keys = append(m.keys, k)
		}
	}
	return slices.Clone(m.keys), nil
}

func newSAMLKey(state idp.KeyState, serial int64, now time.Time) (idp.SAMLKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return idp.SAMLKey{}, err
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "memory"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), crypto.Signer(key))
	return idp.SAMLKey{ID: strings.Repeat(string(rune('a'+serial)), 8), State: state, Signer: key, Certificate: der, Created: now}, err
}

// CookieKeys implements idp.Keys.
func (m *Memory) CookieKeys() ([][]byte, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	return [][]byte{m.cookie}, nil
}
