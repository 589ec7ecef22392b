package ldap

import (
	"context"
	"errors"
	"time"
)

// mostDials is how many connections are opened to a server at once. At the beginning of a shift everybody comes with
// none open yet: a server that has to shake hands with all of them together does so with none of them in time, and
// most can be served on a connection that somebody before them gives back.
const mostDials = 4

// errLeft says that whoever wanted a connection has got one elsewhere.
var errLeft = errors.New("no longer wanted")

// door is where those who want a new connection to a server wait.
type door struct {
	dials  chan struct{} // one for each that is being opened
	handed chan *conn    // connections that are given back while somebody waits

	failed time.Time // when one could not be opened
	err    error
}

// doorOf returns the server's door. The pool is locked.
func (p *pool) doorOf(sv *server) *door {
	d := p.doors[sv]
	if d == nil {
		d = &door{dials: make(chan struct{}, mostDials), handed: make(chan *conn)}
		p.doors[sv] = d
	}
	return d
}

// hand gives a connection to somebody who waits, if anybody does.
func (d *door) hand(c *conn) bool {
	select {
	case d.handed <- c:
		return true
	default:
		return false
	}
}

// open returns a new connection, or one that is given back before its turn comes. When the server is found dead
// meanwhile, all who wait know it at once.
func (p *pool) open(ctx context.Context, sv *server, over <-chan struct{}) link {
	p.mu.Lock()
	d := p.doorOf(sv)
	p.mu.Unlock()
	came := time.Now()
	select {
	case d.dials <- struct{}{}:
	default:
		select {
		case d.dials <- struct{}{}:
		case c := <-d.handed:
			return link{server: sv, conn: c}
		case <-over:
			return link{server: sv, err: errLeft}
		}
		if err := p.failedSince(d, came); err != nil {
			<-d.dials
			return link{server: sv, err: err}
		}
		if c := p.warm(sv); c != nil {
			<-d.dials
			return link{server: sv, conn: c}
		}
	}
	began := time.Now()
	c, err := p.dial(sv, ctx)
	if err == nil {
		p.learn(sv, time.Since(began))
	} else {
		p.mu.Lock()
		d.failed, d.err = time.Now(), err
		p.mu.Unlock()
	}
	<-d.dials
	return link{server: sv, conn: c, alive: true, err: err}
}

// failedSince returns why a connection could not be opened since a moment.
func (p *pool) failedSince(d *door, since time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.failed.After(since) {
		return d.err
	}
	return nil
}
