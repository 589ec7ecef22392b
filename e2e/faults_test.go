package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// ldapClient speaks just enough LDAP to find out what a proxy does.
type ldapClient struct {
	net.Conn
	in *bufio.Reader
}

// shortly is how long silence is listened to.
const shortly = 150 * time.Millisecond

// dialLDAP connects and finishes the handshake, within the time.
func dialLDAP(s *Slapd, addr string, within time.Duration) (*ldapClient, error) {
	c, err := net.DialTimeout("tcp", addr, within)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(c, &tls.Config{RootCAs: s.Authority.Roots(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
	if err := errors.Join(c.SetDeadline(time.Now().Add(within)), secure.Handshake(), c.SetDeadline(time.Time{})); err != nil {
		_ = c.Close()
		return nil, err
	}
	return &ldapClient{secure, bufio.NewReader(secure)}, nil
}

// ask sends a bind request.
func (c *ldapClient) ask(dn, password string) error {
	_, err := c.Write(wrap(0x30, []byte{2, 1, 7}, wrap(opBind, []byte{2, 1, 3}, wrap(0x04, []byte(dn)), wrap(0x80, []byte(password)))))
	return err
}

// hear waits for the answer.
func (c *ldapClient) hear(within time.Duration) (code int, err error) {
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return 0, err
	}
	m, err := readLDAP(c.in)
	if err != nil {
		return 0, err
	}
	code, _, err = m.result()
	return code, err
}

// bindThrough signs in over a connection of its own.
func bindThrough(s *Slapd, addr, password string, within time.Duration) (int, error) {
	c, err := dialLDAP(s, addr, within)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.ask(s.UserDN("alice"), password); err != nil {
		return 0, err
	}
	return c.hear(within)
}

const alicesPassword = "Blue-Harbour-41x"

func newFaultySlapd(t *testing.T) *Slapd {
	return NewSlapd(t, Tree{Policy: PasswordPolicy{Lockout: 100}, Users: []TreeUser{{Name: "alice", Password: alicesPassword}, {Name: "bob", Password: alicesPassword}}})
}

func silent(err error) bool {
	e := net.Error(nil)
	return errors.As(err, &e) && e.Timeout()
}

// TestFaultProxy: each fault is what its name says, and ends when the next is set.
func TestFaultProxy(t *testing.T) {
	s := newFaultySlapd(t)
	for _, mode := range []struct {
		name string
		a    *Authority
	}{{"bytes", nil}, {"messages", s.Authority}} {
		t.Run(mode.name, func(t *testing.T) {
			p := NewFaultProxy(t, s.Addr, mode.a)
			bind := func(within time.Duration) (int, error) { return bindThrough(s, p.Addr, alicesPassword, within) }
			well := func(after string) {
				t.Helper()
				if code, err := bind(patience); code != 0 || err != nil {
					t.Fatalf("after %s: %d, %v", after, code, err)
				}
			}
			well("nothing")
			p.Set(Refuse)
			if _, err := bind(shortly); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("refuse: %v", err)
			}
			p.Set(Forward)
			well("refuse")
			p.Set(Unanswered)
			before := p.Connections()
			if c, err := net.DialTimeout("tcp", p.Addr, shortly); !silent(err) {
				t.Errorf("unanswered: %v, %v", c, err)
			}
			if p.Connections() != before {
				t.Error("unanswered: somebody connected")
			}
			p.Set(Forward)
			well("unanswered")
			p.Set(BlackHole)
			if _, err := bind(shortly); !silent(err) {
				t.Errorf("black hole: %v", err)
			}
			Await(t, "the one who gave up to be gone", func() error {
				if n := p.Open(); n > 0 {
					return fmt.Errorf("%d are open", n)
				}
				return nil
			})
			p.Set(Forward)
			well("black hole")
			p.HangAfter(40)
			if _, err := bind(shortly); !silent(err) {
				t.Errorf("hang after 40 bytes: %v", err)
			}
			p.Set(Forward)
			well("hanging")
			p.TrickleEvery(20 * time.Millisecond)
			_, down := p.Bytes()
			if _, err := bind(shortly); !silent(err) {
				t.Errorf("trickle: %v", err)
			}
			if _, now := p.Bytes(); now-down < 2 || now-down > 100 {
				t.Errorf("trickle: %d bytes came", now-down)
			}
			p.Set(Garbage)
			if _, err := bind(patience); err == nil || silent(err) {
				t.Errorf("garbage: %v", err)
			}
			p.Set(Forward)
			well("garbage")
			up, down := p.Bytes()
			if up < 100 || down < 100 || p.Connections() < 8 {
				t.Errorf("%d bytes up, %d down, %d connections", up, down, p.Connections())
			}
		})
	}
}

// TestFaultProxyLateReplies: what was held back comes once the fault has ended, and the open connections of a
// server that ends are reset.
func TestFaultProxyLateReplies(t *testing.T) {
	s := newFaultySlapd(t)
	p := NewFaultProxy(t, s.Addr, s.Authority)
	for _, f := range []Fault{Unanswered, BlackHole, HangAfterTLS, HangAtBind, HangAtBindReply} {
		c, err := dialLDAP(s, p.Addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		p.Set(f)
		if err := c.ask(s.UserDN("alice"), "Not-"+alicesPassword); err != nil {
			t.Fatal(err)
		}
		if _, err := c.hear(shortly); !silent(err) {
			t.Errorf("fault %d: %v", f, err)
		}
		p.Set(Forward)
		// A TLS connection is useless after a deadline within a record; here none had begun.
		if code, err := c.hear(patience); code != resultInvalidCredentials || err != nil {
			t.Errorf("after fault %d: %d, %v", f, code, err)
		}
		p.Cut()
		if _, err := c.hear(patience); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("cut after fault %d: %v", f, err)
		}
	}
	// The server has seen each of them by now, and the proxy counted them, whatever it did with them.
	if n := s.BadPasswords("alice"); n != 5 || p.FailedBinds()[s.UserDN("alice")] != 5 {
		t.Errorf("the server remembers %d wrong passwords, the proxy %v", n, p.FailedBinds())
	}
	p.Forget()
	p.HangBinds(func(name string) bool { return name == s.UserDN("bob") })
	if code, err := bindThrough(s, p.Addr, alicesPassword, patience); code != 0 || err != nil {
		t.Errorf("alice, while bob hangs: %d, %v", code, err)
	}
	c, err := dialLDAP(s, p.Addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.ask(s.UserDN("BOB"), alicesPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := c.hear(shortly); !silent(err) {
		t.Errorf("bob hangs: %v", err)
	}
	if n := p.BindsOf(); n[s.UserDN("bob")] != 1 || n[s.UserDN("alice")] != 1 || p.Operations()["bind"] != 2 {
		t.Errorf("bind requests: %v of %v", n, p.Operations())
	}
}

// TestFaultProxyFloods: answers without an end come as fast as they are read, and end with the fault.
func TestFaultProxyFloods(t *testing.T) {
	s := newFaultySlapd(t)
	p := NewFaultProxy(t, s.Addr, s.Authority)
	search := wrap(0x30, []byte{2, 1, 9}, wrap(opSearch, wrap(0x04, []byte(s.BaseDN)), []byte{10, 1, 2, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0},
		wrap(0x87, []byte("objectClass")), wrap(0x30)))
	for f, read := range map[Fault]func(*ldapClient) error{
		Oversized: func(c *ldapClient) error {
			if m, err := readLDAP(c.in); err == nil {
				return fmt.Errorf("a message of %d bytes", len(m.raw))
			}
			_, err := io.CopyN(io.Discard, c.in, 8<<20)
			return err
		},
		EndlessSearch: func(c *ldapClient) error {
			for range 2000 {
				m, err := readLDAP(c.in)
				if err != nil || m.op != opSearchEntry || string(m.number) != "\x02\x01\x09" {
					return fmt.Errorf("message %x, operation %#x: %w", m.number, m.op, err)
				}
			}
			return nil
		},
	} {
		c, err := dialLDAP(s, p.Addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		p.Set(f)
		if _, err := c.Write(search); err != nil {
			t.Fatal(err)
		}
		if err := read(c); err != nil {
			t.Errorf("fault %d: %v", f, err)
		}
		p.Set(Forward)
		if _, err := io.Copy(io.Discard, c.in); err != nil {
			t.Errorf("the end of fault %d: %v", f, err)
		}
		c.Close()
	}
}
