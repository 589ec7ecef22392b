package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Fault is what a [FaultProxy] does to those who connect through it.
type Fault int

// The faults. Each holds for connections that are open already, too, and ends with the next Set: what was held
// back goes on its way then, late.
const (
	// Forward is no fault.
	Forward Fault = iota
	// Refuse is a server that has ended: connections are reset and new ones refused.
	Refuse
	// Unanswered is a host that is off: nobody answers, not even with a refusal, and open connections fall silent.
	Unanswered
	// BlackHole takes connections and then neither reads nor writes, not even a handshake.
	BlackHole
	// HangAfterTLS finishes the handshake, and then nothing comes. The proxy has to end the TLS.
	HangAfterTLS
	// HangAtBind forwards everything but bind requests: the server never sees them. The proxy has to end the TLS.
	HangAtBind
	// HangAtBindReply forwards bind requests and holds the answers: the server has counted the password. The
	// proxy has to end the TLS.
	HangAtBindReply
	// Trickle lets the server's bytes through one by one, one in each second.
	Trickle
	// Garbage answers every request with random bytes. The server sees none of it.
	Garbage
	// Oversized answers a request with a message that says it is 1 GiB long, and is sent as fast as it is read.
	Oversized
	// EndlessSearch answers a request with well-formed entries of a search that do not end. The proxy has to end the TLS.
	EndlessSearch

	// hangAfter is set by [FaultProxy.HangAfter], and slowly by [FaultProxy.SlowBy].
	hangAfter
	slowly
)

// state is the fault that holds, until changed is closed.
type state struct {
	fault   Fault
	after   int                    // of hangAfter
	only    func(name string) bool // whose binds hang; nil is everybody's
	every   time.Duration          // between two bytes of Trickle, or before each request of slowly
	changed chan struct{}
}

// holdsAll reports whether nothing passes.
func (s state) holdsAll() bool {
	return s.fault == Unanswered || s.fault == BlackHole || s.fault == HangAfterTLS
}

// isMeant reports whether a message is a bind that has to hang.
func (s state) isMeant(m ldapMessage) bool {
	if m.op != opBind || s.only == nil {
		return m.op == opBind
	}
	name, err := m.bindName()
	return err != nil || s.only(strings.ToLower(name))
}

// FaultProxy stands between the gateway and a directory server, and fails as servers and networks do.
type FaultProxy struct {
	// Host and Port are where it listens; Addr is both.
	Host string
	Port int
	Addr string
	// URL is where it answers over TLS.
	URL string

	t       testing.TB
	target  string
	pair    *tls.Config // of the side that faces the gateway; nil where the TLS goes through untouched
	trust   *tls.Config // of the side that faces the server
	log     bindLog
	setting sync.Mutex // held while a fault is set
	door    *door

	mu    sync.Mutex
	now   state
	paths map[*path]bool
	ended bool
	wg    sync.WaitGroup

	accepted, up, down atomic.Int64
}

// NewFaultProxy starts a proxy to a server, "HOST:636", on a free port of 127.0.0.1, until the test ends. With
// an authority it ends the TLS with a certificate of its own, which also names 127.0.0.1 and the other names,
// and so sees each message; without one it passes bytes on, TLS and StartTLS alike.
func NewFaultProxy(t testing.TB, target string, a *Authority, names ...string) *FaultProxy {
	t.Helper()
	return NewFaultProxyAt(t, "127.0.0.1", target, a, names...)
}

// NewFaultProxyAt is NewFaultProxy on another address of the loopback network.
func NewFaultProxyAt(t testing.TB, host, target string, a *Authority, names ...string) *FaultProxy {
	t.Helper()
	p := &FaultProxy{t: t, target: target, now: state{changed: make(chan struct{})}, paths: map[*path]bool{}}
	if a != nil {
		pair, err := a.Issue(append([]string{host, "localhost"}, names...)...)
		if err != nil {
			t.Fatal(err)
		}
		server, _, err := net.SplitHostPort(target)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(a.cert)
		p.pair = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		p.trust = &tls.Config{RootCAs: roots, ServerName: server, MinVersion: tls.VersionTLS12}
	}
	d, err := newDoor(host)
	if err != nil {
		t.Fatal(err)
	}
	p.door, p.Host, p.Port, p.Addr = d, host, d.addr.Port, d.addr.String()
	p.URL = "ldaps://" + net.JoinHostPort(host, strconv.Itoa(p.Port))
	p.admit()
	t.Cleanup(p.end)
	return p
}

// Set changes the fault, for connections that are open and for new ones.
func (p *FaultProxy) Set(f Fault) {
	p.t.Helper()
	p.set(state{fault: f, every: time.Second})
}

// HangAfter lets n bytes through to the server on each connection, and falls silent at the piece that would
// go beyond. Without an authority some thousand bytes end within a TLS handshake.
func (p *FaultProxy) HangAfter(n int) {
	p.t.Helper()
	p.set(state{fault: hangAfter, after: n})
}

// HangBinds is HangAtBind for those whose name in the bind request, in lower case, is meant; others pass.
func (p *FaultProxy) HangBinds(whose func(name string) bool) {
	p.t.Helper()
	p.set(state{fault: HangAtBind, only: whose})
}

// TrickleEvery is Trickle at another speed.
func (p *FaultProxy) TrickleEvery(pause time.Duration) {
	p.t.Helper()
	p.set(state{fault: Trickle, every: pause})
}

// SlowBy holds every request back for a while.
func (p *FaultProxy) SlowBy(pause time.Duration) {
	p.t.Helper()
	p.set(state{fault: slowly, every: pause})
}

// Cut resets the connections that are open, as a server does that restarts. New ones are let in at once.
func (p *FaultProxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for path := range p.paths {
		path.reset()
	}
}

// Connections counts those who connected so far.
func (p *FaultProxy) Connections() int { return int(p.accepted.Load()) }

// Open counts the connections that neither side has ended.
func (p *FaultProxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for path := range p.paths {
		if !path.gone() {
			n++
		}
	}
	return n
}

// Bytes counts what was written to the server and to the gateway, inside the TLS where the proxy ends it.
func (p *FaultProxy) Bytes() (toServer, toGateway int64) { return p.up.Load(), p.down.Load() }

func (p *FaultProxy) state() state {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *FaultProxy) set(next state) {
	p.t.Helper()
	f := next.fault
	if p.pair == nil && (f == HangAfterTLS || f == HangAtBind || f == HangAtBindReply || f == EndlessSearch) {
		p.t.Fatalf("fault %d needs a proxy that ends the TLS", f)
	}
	p.setting.Lock()
	defer p.setting.Unlock()
	// A door that is shut stays shut until what happens to those inside has changed.
	if f == Refuse || f == Unanswered {
		if err := p.door.shut(); err != nil {
			p.t.Error(err)
		}
	}
	next.changed = make(chan struct{})
	p.mu.Lock()
	close(p.now.changed)
	p.now = next
	p.mu.Unlock()
	if err := p.place(f); err != nil {
		p.t.Errorf("setting fault %d: %v", f, err)
	}
}

// place brings the door into the state that a fault asks for.
func (p *FaultProxy) place(f Fault) error {
	if f == Unanswered {
		if len(p.door.crowd) > 0 {
			return nil
		}
		return p.door.block()
	}
	if err := p.door.unblock(); err != nil {
		return err
	}
	if f == Refuse {
		p.Cut()
		return nil
	}
	if p.door.open != nil {
		return nil
	}
	if err := p.door.listen(); err != nil {
		return err
	}
	p.admit()
	return nil
}

// admit lets people in until the door is shut.
func (p *FaultProxy) admit() {
	open := p.door.open
	p.wg.Go(func() {
		for {
			c, err := open.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					p.t.Errorf("the fault proxy: %v", err)
				}
				return
			}
			p.accepted.Add(1)
			p.take(c.(*net.TCPConn))
		}
	})
}

// take begins a path, unless the proxy ends just now.
func (p *FaultProxy) take(c *net.TCPConn) {
	one := newPath(p, c)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.now.fault == Refuse {
		one.reset()
		return
	}
	p.paths[one] = true
	p.wg.Go(func() {
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.paths, one)
		}()
		if err := one.run(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
			p.t.Logf("the fault proxy: %v", err)
		}
	})
}

// end closes everything and waits until nothing is left of it.
func (p *FaultProxy) end() {
	p.setting.Lock()
	defer p.setting.Unlock()
	if err := p.door.close(); err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.Cut()
	p.wg.Wait()
}
