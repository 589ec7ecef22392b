package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	mostConnections = 32
	// idleTime is how long a connection may wait to be used again. Active Directory closes one after
	// 15 minutes, a firewall sooner and without a word.
	idleTime = 4 * time.Minute
)

// Why a directory did not answer.
var (
	errHung = errors.New("no answer in time")
	errBusy = errors.New("all connections to the directory are in use")
)

// unansweredError says that no server answered. It hides what it holds from errors.As: the refusal of the service
// account, say, must never be read as the answer to somebody's password. It is [idp.ErrUnanswered], and nothing else,
// where something was sent that cannot be sent again.
type unansweredError struct {
	causes []error
	sent   bool
}

// Error names what each server did.
func (e *unansweredError) Error() string {
	return "no directory server answered: " + strings.ReplaceAll(errors.Join(e.causes...).Error(), "\n", "; ")
}

// Is implements the protocol of [errors.Is].
func (e *unansweredError) Is(target error) bool { return e.sent && target == idp.ErrUnanswered }

// conn is a connection to one server. One operation runs on it at a time.
type conn struct {
	server   *server
	ldap     *goldap.Conn
	secure   *tls.Conn // under it
	guard    *guard    // between the two
	wire     *wire     // under TLS
	doubtful bool      // must not be used again
	since    time.Time
}

// do runs one operation within its time. Unless the directory answered, the connection is not used
// again: an answer that comes late must not reach somebody else.
func (c *conn) do(ctx context.Context, f func(*goldap.Conn) error) error {
	return c.within(ctx, c.server.source.timeouts.Operation, f)
}

func (c *conn) within(ctx context.Context, d time.Duration, f func(*goldap.Conn) error) error {
	c.guard.begin()
	c.wire.begin(deadline(ctx, d))
	err := f(c.ldap)
	c.wire.end()
	if err == nil || judged(err) {
		return err
	}
	c.doubtful = true
	if c.wire.hung.Load() {
		return fmt.Errorf("%s: %w: %w", c.server.url, errHung, err)
	}
	return fmt.Errorf("%s: %w", c.server.url, err)
}

// probe asks what every server answers, and at once.
func (c *conn) probe(ctx context.Context) error {
	return c.within(ctx, min(mostProbe, c.server.source.timeouts.Operation), func(l *goldap.Conn) error {
		_, err := l.Search(&goldap.SearchRequest{Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
		return err
	})
}

// judged reports whether the error is the directory's answer to the request, and not that it could not
// answer: go-ldap's own codes begin at 200.
func judged(err error) bool {
	var r *goldap.Error
	return errors.As(err, &r) && r.ResultCode < goldap.ErrorNetwork &&
		r.ResultCode != goldap.LDAPResultBusy && r.ResultCode != goldap.LDAPResultUnavailable
}

func (c *conn) usable(now time.Time) bool {
	return !c.doubtful && !c.server.gone.Load() && !c.ldap.IsClosing() && c.ldap.GetLastError() == nil && now.Sub(c.since) < idleTime
}

func (c *conn) close() {
	c.wire.cut()
	_ = c.ldap.Close() // nothing hangs on how it goes
}

type backgroundKey struct{}

// background marks what is done for nobody who waits: reading again what became of people who have signed in. It
// has connections of its own, so that it neither keeps a sign-in waiting nor is kept out by many of them.
func background(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

func inBackground(ctx context.Context) bool { return ctx.Value(backgroundKey{}) != nil }

// pool keeps connections for one purpose, at most so many. It is never locked while something is on
// the network.
type pool struct {
	source *Source
	dial   func(*server, context.Context) (*conn, error)
	again  bool          // whether an operation without an answer may be sent to another server
	slots  chan struct{} // one for each connection that a sign-in uses
	low    chan struct{} // one for each that the background uses

	mu     sync.Mutex
	idle   map[*server][]*conn       // the last used last
	usual  map[*server]time.Duration // what a new connection takes
	doors  map[*server]*door
	closed bool
}

func newPool(s *Source, most int, again bool, dial func(*server, context.Context) (*conn, error)) *pool {
	if most <= 0 {
		most = mostConnections
	}
	return &pool{
		source: s, dial: dial, again: again, idle: map[*server][]*conn{}, usual: map[*server]time.Duration{}, doors: map[*server]*door{},
		slots: make(chan struct{}, most), low: make(chan struct{}, max(1, most/2)),
	}
}

// use runs an operation on a connection to the first server that answers. An error that is not the
// directory's judgement (see judged) says that none did.
//
// Once something is sent, the caller's leaving does not end it: whoever sends a wrong password and hangs up would
// have it counted by the directory and not by us, and so could lock the account (security.md C-21).
func (p *pool) use(ctx context.Context, f func(*goldap.Conn) error) error {
	slots := p.slots
	if inBackground(ctx) {
		slots = p.low
	}
	if err := p.enter(ctx, slots); err != nil {
		return err
	}
	defer func() { <-slots }()
	until := time.Now().Add(p.source.timeouts.all())
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	defer cancel()
	servers, err := p.source.inOrder(ctx)
	if err != nil {
		return &unansweredError{causes: []error{err}}
	}
	e := errand{pool: p, left: slices.Clone(servers)}
	return e.run(ctx, f)
}

// enter waits for a slot, not for long: a queue that nobody can wait through is better refused.
func (p *pool) enter(ctx context.Context, slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
		return nil
	default:
	}
	wait := time.NewTimer(p.source.timeouts.Wait)
	defer wait.Stop()
	select {
	case slots <- struct{}{}:
		return nil
	case <-wait.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pool) pop(sv *server) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle[sv]
	if len(idle) == 0 {
		return nil
	}
	c := idle[len(idle)-1]
	p.idle[sv] = idle[:len(idle)-1]
	return c
}

// put gives a connection back.
func (p *pool) put(c *conn) {
	c.since = p.source.now()
	if c.usable(c.since) && p.push(c) {
		return
	}
	c.close()
}

func (p *pool) push(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || c.server.gone.Load() {
		return false
	}
	if p.doorOf(c.server).hand(c) {
		return true
	}
	p.idle[c.server] = append(p.idle[c.server], c)
	return true
}

// drop closes the waiting connections to a server.
func (p *pool) drop(sv *server) {
	p.mu.Lock()
	idle := p.idle[sv]
	delete(p.idle, sv)
	if sv.gone.Load() {
		delete(p.usual, sv)
		delete(p.doors, sv)
	}
	p.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}

// close ends the waiting connections and keeps none from now on. What is under way is served: after a
// reload there are still requests of the old configuration.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, conns := range idle {
		for _, c := range conns {
			c.close()
		}
	}
}
