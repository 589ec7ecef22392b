package ldap_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// patient is for tests in which a timeout would be a failure.
func patient(c *ldap.Config) {
	c.Timeouts = ldap.Timeouts{Dial: time.Hour, Operation: time.Hour, Wait: time.Hour, Hedge: time.Hour}
}

// hedged is for tests of what a server that is slow to connect costs.
func hedged(n *network) func(*ldap.Config) {
	return func(c *ldap.Config) {
		patient(c)
		c.Timeouts.Hedge = 0
		c.Dial = n.dial
	}
}

// network stands between a source and its servers.
type network struct {
	mu    sync.Mutex
	rules map[string]func(context.Context) error // by address; an error, and nobody is reached
	dials map[string]int
}

func (n *network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	if n.dials == nil {
		n.dials = map[string]int{}
	}
	n.dials[address]++
	rule := n.rules[address]
	n.mu.Unlock()
	if rule != nil {
		if err := rule(ctx); err != nil {
			return nil, err
		}
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (n *network) rule(d *dc, f func(context.Context) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.rules == nil {
		n.rules = map[string]func(context.Context) error{}
	}
	n.rules[d.ln.Addr().String()] = f
}

func (n *network) dialsTo(d *dc) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[d.ln.Addr().String()]
}

func refused(context.Context) error { return errors.New("connection refused") }

func (s site) signIn(t *testing.T) {
	t.Helper()
	if err := s.Authenticate(t.Context(), s.find(t, "alice"), "Us3r-Passw0rd!"); err != nil {
		t.Error(err)
	}
}

func (s site) state(d *dc) string {
	for _, st := range s.Status() {
		if st.Server == d.url() {
			return st.State
		}
	}
	return ""
}

// TestBlackHole is F-02: a server that swallows packets costs a moment, once, and not the timeout of a dial.
func TestBlackHole(t *testing.T) {
	var n network
	s := open(t, corp(), 2, hedged(&n))
	before := runtime.NumGoroutine()
	back := make(chan struct{})
	n.rule(s.dcs[0], func(context.Context) error { <-back; return errors.New("no route to host") })
	for range 5 {
		s.signIn(t)
	}
	// Once for the searches; a second time for the binds only if the other server is slow as well.
	dials := n.dialsTo(s.dcs[0])
	if dials > 2 {
		t.Errorf("it is dialled %d times while the first dial hangs", dials)
	}
	close(back)
	await(t, "the dial to fail", func() bool { return s.state(s.dcs[0]) == "down" })
	s.signIn(t)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s.dcs[1].hangUp()
	await(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
}

// TestSlowServer: the connection that came second is not lost.
func TestSlowServer(t *testing.T) {
	var n network
	s := open(t, corp(), 2, hedged(&n))
	wait := make(chan struct{})
	n.rule(s.dcs[0], func(context.Context) error { <-wait; return nil })
	var served atomic.Int32
	s.dcs[0].misbehave(func(_ net.Conn, p *ber.Packet) bool {
		if p.Children[1].Tag == goldap.ApplicationSearchRequest {
			served.Add(1)
		}
		return false
	})
	s.find(t, "alice")
	close(wait)
	await(t, "the first server to serve", func() bool { s.find(t, "alice"); return served.Load() > 0 })
	if got := n.dialsTo(s.dcs[0]); got != 1 {
		t.Errorf("it is dialled %d times", got)
	}
}

// TestHangOnPasswords is F-03: a server that hangs on passwords costs those that were sent, is put aside, and
// comes back when it judges passwords again. Nobody waits while it is tried.
func TestHangOnPasswords(t *testing.T) {
	var clock clock
	s := open(t, corp(), 2, func(c *ldap.Config) {
		c.Now = clock.now
		c.Timeouts.Operation = time.Second
	})
	s.signIn(t)
	u := s.find(t, "alice")
	s.dcs[0].misbehave(on(goldap.ApplicationBindRequest, hang))
	if err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!"); !errors.Is(err, idp.ErrUnanswered) || errors.Is(err, idp.ErrBadCredentials) {
		t.Fatalf("%v", err)
	}
	if got := s.state(s.dcs[0]); got != "down" {
		t.Fatalf("it is %s", got)
	}
	for range 2 { // each time it is tried, and stays aside
		tried := s.dcs[0].dials()
		await(t, "the trial", func() bool {
			clock.advance(time.Minute)
			s.signIn(t)
			return s.dcs[0].dials() > tried
		})
	}
	s.dcs[0].misbehave(nil)
	await(t, "its return", func() bool {
		clock.advance(time.Minute)
		s.signIn(t)
		return s.state(s.dcs[0]) == "up"
	})
	served := make(chan struct{}, 10)
	s.dcs[0].misbehave(func(_ net.Conn, p *ber.Packet) bool {
		if p.Children[1].Tag == goldap.ApplicationBindRequest {
			served <- struct{}{}
		}
		return false
	})
	s.signIn(t)
	if len(served) == 0 {
		t.Error("it is back, and not asked")
	}
}

// TestProbe: a password is sent on a connection that waited only when the server has just answered on it; a connection
// in use costs nothing more.
func TestProbe(t *testing.T) {
	var clock clock
	s := open(t, corp(), 2, func(c *ldap.Config) { c.Now = clock.now })
	probes := func() int {
		s.dir.mu.Lock()
		defer s.dir.mu.Unlock()
		return s.dir.probes
	}
	s.signIn(t)
	s.signIn(t)
	if n := probes(); n > 0 {
		t.Errorf("%d probes on connections in use", n)
	}
	clock.advance(time.Second)
	s.signIn(t)
	if n := probes(); n != 2 {
		t.Errorf("%d probes, want one for the search and one for the bind", n)
	}
	s.signIn(t)
	if n := probes(); n != 2 {
		t.Errorf("%d probes", n)
	}
	u := s.find(t, "alice")
	clock.advance(time.Second)
	var passwords atomic.Int32
	s.dcs[0].misbehave(func(_ net.Conn, p *ber.Packet) bool { // it has frozen
		if p.Children[1].Tag == goldap.ApplicationBindRequest {
			passwords.Add(1)
		}
		return true
	})
	if err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!"); err != nil {
		t.Error(err)
	}
	if n := passwords.Load(); n > 0 {
		t.Errorf("%d passwords were sent to a server that had frozen", n)
	}
}

// TestAllDown is F-04: an answer at once that nobody counts, and no pause after the first server is back.
func TestAllDown(t *testing.T) {
	var n network
	s := open(t, corp(), 3, func(c *ldap.Config) { patient(c); c.Dial = n.dial })
	s.signIn(t)
	u := s.find(t, "alice")
	for _, d := range s.dcs {
		n.rule(d, refused)
		d.hangUp()
	}
	for i := range 3 {
		err := s.Authenticate(t.Context(), u, "wrong")
		if err == nil || errors.Is(err, idp.ErrBadCredentials) {
			t.Errorf("%v", err)
		}
		// The first may have been sent before the end of its connection was seen.
		if i > 0 && errors.Is(err, idp.ErrUnanswered) {
			t.Errorf("nothing was sent, and it is called unanswered: %v", err)
		}
		if _, err := s.Find(t.Context(), "alice"); err == nil || errors.Is(err, idp.ErrNoUser) {
			t.Errorf("%v", err)
		}
	}
	for _, st := range s.Status() {
		if st.State != "down" || st.Error == "" || st.Since.IsZero() {
			t.Errorf("%+v", st)
		}
	}
	n.rule(s.dcs[2], nil)
	s.signIn(t)
	if got := s.Status()[0]; got.Server != s.dcs[2].url() || got.State != "up" || got.Error != "" {
		t.Errorf("asked first is %+v", got)
	}
}

// TestNoTLS: whatever a server says instead of TLS, the next one is asked, and it is told nothing.
func TestNoTLS(t *testing.T) {
	for name, do := range map[string]func(net.Conn){
		"hangs": func(net.Conn) {}, "hangs up": func(c net.Conn) { _ = c.Close() }, "garbage": func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
		"one byte at a time": func(c net.Conn) { drip(c, nil) }, "endless": func(c net.Conn) { flood(c, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var group sync.WaitGroup
			group.Go(func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					t.Cleanup(func() { _ = c.Close() })
					go do(c)
				}
			})
			s := open(t, corp(), 1, func(c *ldap.Config) {
				c.Timeouts.Dial, c.Timeouts.Hedge = time.Second, 0
				c.Servers = append([]string{"ldaps://" + ln.Addr().String()}, c.Servers...)
			})
			s.signIn(t)
			await(t, "it to be put aside", func() bool { return s.Status()[0].Server == s.dcs[0].url() && s.Status()[1].State == "down" })
			_ = ln.Close()
			group.Wait()
		})
	}
}

// TestOverduePassword is F-03: while a server keeps one password waiting, the next ones are not sent to it. They could not
// be sent a second time.
func TestOverduePassword(t *testing.T) {
	s := open(t, corp(), 2, func(c *ldap.Config) {
		patient(c)
		c.Timeouts.Operation = 2 * time.Second
	})
	s.signIn(t)
	u := s.find(t, "alice")
	s.dcs[0].misbehave(on(goldap.ApplicationBindRequest, hang))
	done := make(chan error)
	go func() { done <- s.Authenticate(context.WithoutCancel(t.Context()), u, "Us3r-Passw0rd!") }()
	await(t, "the other server to be asked first", func() bool { return s.Status()[0].Server == s.dcs[1].url() })
	s.signIn(t)
	if got := s.state(s.dcs[0]); got != "up" {
		t.Errorf("before its time is over the first server is %s", got)
	}
	s.dcs[0].misbehave(nil)
	s.dcs[0].hangUp()
	if err := <-done; err != nil {
		t.Errorf("what the first server did not answer: %v", err)
	}
	await(t, "it to be asked first again", func() bool { return s.Status()[0].Server == s.dcs[0].url() })
	s.signIn(t)
}

// TestResentElsewhere: a password that is sent a second time, since the connection to the first server broke, is sent to
// another one: whatever broke the connection may do so again, and there is no third time.
func TestResentElsewhere(t *testing.T) {
	s := open(t, corp(), 2, patient)
	s.signIn(t)
	u := s.find(t, "alice")
	var passwords atomic.Int32
	s.dcs[0].misbehave(on(goldap.ApplicationBindRequest, func(c net.Conn, _ *ber.Packet) {
		passwords.Add(1)
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		_ = c.Close()
	}))
	if err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!"); err != nil {
		t.Error(err)
	}
	if n := passwords.Load(); n != 1 {
		t.Errorf("the first server was sent %d passwords", n)
	}
}

// TestStatusLooksAgain: who watches the servers learns that one is back, though nobody signs in.
func TestStatusLooksAgain(t *testing.T) {
	var n network
	var clock clock
	s := open(t, corp(), 2, func(c *ldap.Config) { patient(c); c.Dial, c.Now = n.dial, clock.now })
	s.signIn(t)
	for _, d := range s.dcs {
		n.rule(d, refused)
		d.hangUp()
	}
	if _, err := s.Find(t.Context(), "alice"); err == nil {
		t.Fatal("somebody is found")
	}
	dials := n.dialsTo(s.dcs[1])
	for range 10 {
		s.Status()
	}
	if got := n.dialsTo(s.dcs[1]); got != dials {
		t.Errorf("before its pause is over it is dialled %d times", got-dials)
	}
	for _, d := range s.dcs {
		n.rule(d, nil)
	}
	clock.advance(time.Minute)
	await(t, "both to be up", func() bool { return s.state(s.dcs[0]) == "up" && s.state(s.dcs[1]) == "up" })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
