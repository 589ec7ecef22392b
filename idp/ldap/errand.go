package ldap

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

const (
	// coldTime is how long a connection that was waiting is taken for alive. A password is sent only on one that is:
	// it cannot be sent a second time.
	coldTime = time.Second
	// A server that takes longer than this many times its usual time for a new connection, or than the least of
	// these, has the next one tried beside it. Where nothing is known of it, it is given firstPatience.
	patienceTimes                = 3
	leastPatience, firstPatience = 20 * time.Millisecond, 50 * time.Millisecond
	// overduePart of its time is what an operation may take before its server is overdue. Whoever comes until the
	// operation has failed would wait in vain as well, and a password that was sent is lost.
	overduePart = 10
)

// errand is one operation on its way from server to server.
type errand struct {
	pool   *pool
	left   []*server // to be tried, in order
	none   unansweredError
	stale  *server // whose waiting connections were found closed
	resent bool
}

// link is what came of reaching one server.
type link struct {
	server *server
	conn   *conn
	alive  bool // it is new, or has just answered
	err    error
}

// run tries the servers until one answers.
func (e *errand) run(ctx context.Context, f func(*goldap.Conn) error) error {
	p := e.pool
	for len(e.left) > 0 && ctx.Err() == nil {
		l, ok := e.connect(ctx)
		if !ok {
			break
		}
		wasSent, err := e.ask(ctx, l.conn, f)
		if p.settled(err) {
			return err
		}
		e.none.causes = append(e.none.causes, err)
		hung, refused := errors.Is(err, errHung), p.declined(err)
		if !refused {
			p.drop(l.server) // its other connections are gone as well, as a rule
		}
		if l.alive || hung || refused || e.stale == l.server {
			e.giveUp(l.server, err)
		}
		e.stale = l.server // asked once more where it may have been restarted
		if p.again || refused || !wasSent {
			continue
		}
		// A connection that the server closed while it waited was sent nothing that counted, as a rule; so a
		// bind is sent a second time, elsewhere if possible, and never a third. One that is not answered in time may yet
		// be judged.
		if e.none.sent = true; l.alive || hung || e.resent {
			break
		}
		e.resend(l.server)
	}
	if len(e.none.causes) == 0 {
		e.none.causes = append(e.none.causes, context.Cause(ctx))
	}
	return &e.none
}

// resend has another server asked first, if one is well: whatever broke the connection may do so again.
func (e *errand) resend(sv *server) {
	e.resent = true
	if e.hasOther(sv) {
		e.left = append(slices.DeleteFunc(e.left, func(o *server) bool { return o == sv }), sv)
	}
}

// ask runs the operation on a connection, and reports whether anything was sent.
func (e *errand) ask(ctx context.Context, c *conn, f func(*goldap.Conn) error) (sent bool, err error) {
	p, sv := e.pool, c.server
	began, op := p.source.now(), &trial{server: sv}
	slow := time.AfterFunc(p.source.timeouts.Operation/overduePart, op.late)
	err = c.within(ctx, e.patience(sv), f)
	slow.Stop()
	op.done()
	sent = c.wire.sent.Load()
	switch {
	case p.unable(err):
		c.doubtful = true
	case err == nil || judged(err):
		sv.answered(began)
	}
	p.put(c)
	return sent, err
}

// unable reports whether a server answered a search by something that is wrong with the server, or with the connection, which
// may have lost its bind ("000004DC" of Active Directory): another is asked. What it says to a password is its answer.
func (p *pool) unable(err error) bool {
	return p.again && (resultIs(err, goldap.LDAPResultOperationsError) || resultIs(err, goldap.LDAPResultOther))
}

// patience is how long an operation may take. A search is asked of the next server while there is time.
func (e *errand) patience(sv *server) time.Duration {
	d := e.pool.source.timeouts.Operation
	if e.pool.again && e.hasOther(sv) {
		return d / 2
	}
	return d
}

// hasOther reports whether another server is well.
func (e *errand) hasOther(sv *server) bool {
	return slices.ContainsFunc(e.left, func(o *server) bool { return o != sv && !o.health.aside() })
}

// settled reports whether the errand is over with this answer.
func (p *pool) settled(err error) bool { return err == nil || judged(err) && !p.unable(err) }

// declined reports whether the server has answered that it will not or cannot do it now, which leaves nothing behind.
func (p *pool) declined(err error) bool {
	return resultIs(err, goldap.LDAPResultBusy) || resultIs(err, goldap.LDAPResultUnavailable) || p.unable(err)
}

func (e *errand) giveUp(sv *server, err error) {
	sv.failed(err)
	e.left = slices.DeleteFunc(e.left, func(o *server) bool { return o == sv })
}

// connect returns a connection to the first server that gives one. They are tried in their order: the next as soon
// as one has failed, and beside one that takes its time. A connection that comes second waits for another errand.
func (e *errand) connect(ctx context.Context) (link, bool) {
	p := e.pool
	if c := p.warm(e.left[0]); c != nil {
		return link{server: e.left[0], conn: c}, true
	}
	links, over := make(chan link), make(chan struct{})
	defer close(over)
	slow := time.NewTimer(time.Hour)
	defer slow.Stop()
	rest, trying := slices.Clone(e.left), 0
	var last *trial
	next := func() {
		if len(rest) > 0 {
			last = &trial{server: rest[0]}
			slow.Reset(p.hedge(last.server))
			go p.try(context.WithoutCancel(ctx), last, links, over)
			rest, trying = rest[1:], trying+1
		}
	}
	for next(); trying > 0; {
		select {
		case l := <-links:
			if l.err == nil {
				return l, true
			}
			trying--
			e.none.causes = append(e.none.causes, l.err)
			e.left = slices.DeleteFunc(e.left, func(o *server) bool { return o == l.server })
			next()
		case <-slow.C:
			if len(rest) > 0 {
				last.late()
				next()
			}
		case <-ctx.Done():
			return link{}, false
		}
	}
	return link{}, false
}

// trial is an attempt to reach a server, or to have it answer. While one is overdue, everybody else asks the other
// servers first.
type trial struct {
	server *server
	state  atomic.Int32 // 0, then perhaps 1 for late, then 2 for over
}

func (t *trial) late() {
	if t.state.CompareAndSwap(0, 1) {
		t.server.health.overdue.Add(1)
	}
}

func (t *trial) done() {
	if t.state.Swap(2) == 1 {
		t.server.health.overdue.Add(-1)
	}
}

// try reaches one server and hands over what came of it, or keeps it where another was first.
func (p *pool) try(ctx context.Context, t *trial, links chan<- link, over <-chan struct{}) {
	defer t.done()
	sv := t.server
	l := p.reach(ctx, sv, over)
	if errors.Is(l.err, errLeft) {
		return
	}
	if l.err != nil {
		sv.failed(l.err)
	}
	select {
	case links <- l:
	case <-over:
		if l.err == nil {
			p.put(l.conn)
		}
	}
}

// reach returns a connection to the server: one that waits and is alive, or a new one.
func (p *pool) reach(ctx context.Context, sv *server, over <-chan struct{}) link {
	for c := p.pop(sv); c != nil; c = p.pop(sv) {
		switch now := p.source.now(); {
		case !c.usable(now):
			c.close()
			continue
		case c.hot(now):
			return link{server: sv, conn: c}
		}
		sent := p.source.now()
		err := c.probe(ctx)
		if err == nil || judged(err) {
			sv.answered(sent)
			return link{server: sv, conn: c, alive: true}
		}
		c.close()
		p.drop(sv) // they have waited longer
		if errors.Is(err, errHung) {
			return link{server: sv, err: err}
		}
	}
	return p.open(ctx, sv, over)
}

// warm returns a waiting connection that needs no probe.
func (p *pool) warm(sv *server) *conn {
	now := p.source.now()
	for c := p.pop(sv); c != nil; c = p.pop(sv) {
		switch {
		case !c.usable(now):
			c.close()
		case c.hot(now):
			return c
		default:
			if !p.push(c) {
				c.close()
			}
			return nil
		}
	}
	return nil
}

// hot reports whether the connection was in use a moment ago, by which it is alive. A server that is slow because very many
// ask it is not asked more by probes.
func (c *conn) hot(now time.Time) bool {
	return now.Sub(c.since) < coldTime && c.server.health.turn() < askedLast
}

// learn notes what a new connection to the server took.
func (p *pool) learn(sv *server, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if was, ok := p.usual[sv]; ok {
		took = (3*was + took) / 4
	}
	p.usual[sv] = took
}

// hedge is how long the server is waited for alone.
func (p *pool) hedge(sv *server) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	least, usual := p.source.timeouts.Hedge, p.usual[sv]
	switch {
	case least > 0:
	case usual > 0:
		least = leastPatience
	default:
		least = firstPatience
	}
	return max(least, patienceTimes*usual)
}
