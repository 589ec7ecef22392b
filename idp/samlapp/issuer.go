package samlapp

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	idBytes      = 20               // 160 bits, the upper recommendation of SAML core §1.3.4
	maxWaiting   = 1024             // launches that may queue for a processor
	maxQueueTime = 10 * time.Second // where the request brings no deadline of its own
)

// Issuer writes and signs responses for all SAML applications of a gateway. Set EntityID and Keys
// before the first use; it must not be copied after that.
type Issuer struct {
	// EntityID is the address of the gateway's metadata; it is the Issuer of every response.
	EntityID string
	// Keys returns the signing keys, the active one first. It is asked for every response, so that
	// a promoted key signs at once.
	Keys func() ([]idp.SAMLKey, error)
	// Rand makes ids; default crypto/rand.
	Rand io.Reader
	// Signers is how many responses are signed at once; default GOMAXPROCS. An RSA signature keeps a
	// processor busy for milliseconds: more at once would only make each of them later.
	Signers int

	once    sync.Once
	slots   chan struct{}
	waiting atomic.Int32
	cache   sync.Map // key id → *signingKey
}

// check says whether the issuer can be used at all.
func (i *Issuer) check() error {
	switch {
	case i == nil || i.Keys == nil:
		return errors.New("no issuer with keys")
	case i.EntityID == "" || len(i.EntityID) > 1024: // SAML core §8.3.6
		return &FieldError{"entity_id", "the gateway's own must have 1 to 1024 characters", "use the address of /saml/metadata"}
	}
	return checkText("entity_id", i.EntityID)
}

func (i *Issuer) start() {
	i.once.Do(func() {
		n := i.Signers
		if n <= 0 {
			n = runtime.GOMAXPROCS(0)
		}
		i.slots = make(chan struct{}, n)
	})
}

// issue signs r and returns it in base64, with the assertion's id for the audit line.
func (i *Issuer) issue(ctx context.Context, r *response) (encoded, assertionID string, err error) {
	key, err := i.activeKey()
	if err != nil {
		return "", "", &idp.Error{
			Status: http.StatusServiceUnavailable,
			Public: "The gateway can't sign you in just now. Try again shortly.",
			Reason: "no_key", Err: err,
		}
	}
	responseID, assertionID, err := i.ids()
	if err != nil {
		return "", "", internal("no_random", err)
	}
	r.issuer = i.EntityID
	if err := i.acquire(ctx); err != nil {
		return "", "", err
	}
	defer i.release()
	encoded, err = r.encode(key, responseID, assertionID)
	var public *idp.Error
	if err != nil && !errors.As(err, &public) {
		err = internal("signing_failed", err)
	}
	return encoded, assertionID, err
}

// activeKey returns the key that signs. A key that is only next must not: the other side may not
// have its certificate yet.
func (i *Issuer) activeKey() (*signingKey, error) {
	keys, err := i.Keys()
	if err != nil {
		return nil, fmt.Errorf("reading the signing keys: %w", err)
	}
	for _, k := range keys {
		if k.State != idp.KeyActive {
			continue
		}
		if cached, ok := i.cache.Load(k.ID); ok {
			if made := cached.(*signingKey); made.is(k) {
				return made, nil
			}
		}
		made, err := newSigningKey(k, i.random())
		if err != nil {
			return nil, err
		}
		i.cache.Store(k.ID, made)
		return made, nil
	}
	return nil, errors.New("no signing key is active")
}

func (i *Issuer) random() io.Reader {
	if i.Rand != nil {
		return i.Rand
	}
	return rand.Reader
}

// ids makes the two ids of a response. They start with a letter or underscore, as xs:ID must.
func (i *Issuer) ids() (response, assertion string, err error) {
	var raw [2 * idBytes]byte
	if _, err := io.ReadFull(i.random(), raw[:]); err != nil {
		return "", "", fmt.Errorf("making ids: %w", err)
	}
	var text [1 + 2*idBytes]byte
	text[0] = '_'
	hex.Encode(text[1:], raw[:idBytes])
	response = string(text[:])
	hex.Encode(text[1:], raw[idBytes:])
	return response, string(text[:]), nil
}

// acquire waits for a processor until the request's deadline, or for ten seconds.
func (i *Issuer) acquire(ctx context.Context) error {
	i.start()
	if err := ctx.Err(); err != nil {
		return busy(err)
	}
	select {
	case i.slots <- struct{}{}:
		return nil
	default:
	}
	if i.waiting.Add(1) > maxWaiting {
		i.waiting.Add(-1)
		return busy(errors.New("too many launches are waiting for a signature"))
	}
	defer i.waiting.Add(-1)
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, maxQueueTime)
		defer cancel()
	}
	select {
	case i.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return busy(ctx.Err())
	}
}

func (i *Issuer) release() { <-i.slots }

func busy(err error) error {
	return &idp.Error{
		Status: http.StatusServiceUnavailable,
		Public: "Many people are signing in just now. Try again in a moment.",
		Reason: "busy", Err: err,
	}
}

// internal is a failure that nobody but the operator can cure.
func internal(reason string, err error) error {
	return &idp.Error{
		Status: http.StatusInternalServerError,
		Public: "The gateway can't sign you in to this application. Ask the service desk.",
		Reason: reason, Err: err,
	}
}
