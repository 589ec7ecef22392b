package ldap_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// impatient is for servers that never answer.
func impatient(c *ldap.Config) {
	c.Timeouts = ldap.Timeouts{Dial: 2 * time.Second, Operation: 2 * time.Second, Wait: 2 * time.Second, Hedge: time.Hour}
}

// on does something instead of answering a kind of request.
func on(tag ber.Tag, do func(net.Conn, *ber.Packet)) func(net.Conn, *ber.Packet) bool {
	return func(c net.Conn, request *ber.Packet) bool {
		if request.Children[1].Tag != tag {
			return false
		}
		do(c, request)
		return true
	}
}

func hang(net.Conn, *ber.Packet) {}

func hangUp(c net.Conn, _ *ber.Packet) { _ = c.Close() }

func write(b []byte) func(net.Conn, *ber.Packet) {
	return func(c net.Conn, _ *ber.Packet) { _, _ = c.Write(b) }
}

// drip sends one byte after the other for as long as anybody reads.
func drip(c net.Conn, _ *ber.Packet) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, err := c.Write([]byte{0x30, 0x84, 0, 1, 0, 0}); err == nil; _, err = c.Write([]byte{4}) {
		<-tick.C
	}
}

// flood sends elements of two bytes without end, in one that says it is 2 GB long.
func flood(c net.Conn, _ *ber.Packet) {
	_, err := c.Write([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff})
	for part := bytes.Repeat([]byte{5, 0}, 1<<15); err == nil; {
		_, err = c.Write(part)
	}
}

// late answers rightly, after the client has given up.
func late(after chan struct{}) func(net.Conn, *ber.Packet) {
	return func(c net.Conn, request *ber.Packet) {
		<-after
		op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationBindResponse, nil, "")
		op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, 0, ""))
		op.AppendChild(octets(""))
		op.AppendChild(octets(""))
		m := ber.NewSequence("")
		m.AppendChild(request.Children[0])
		m.AppendChild(op)
		_, _ = c.Write(m.Bytes())
	}
}

// TestNoAnswerIsNoWrongPassword is F-01, F-03 and C-52: whatever a server does instead of answering, nobody's
// password was wrong, nobody waits long, and the connection is not used again.
func TestNoAnswerIsNoWrongPassword(t *testing.T) {
	gone := make(chan struct{})
	nested := append(bytes.Repeat([]byte{0x30, 0x80}, 1<<17), 5, 0)
	for name, do := range map[string]func(net.Conn, *ber.Packet){
		"hangs": hang, "hangs up": hangUp, "garbage": write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")), "one byte at a time": drip,
		"endless": flood, "nested": write(nested), "late": late(gone), "an empty message": write([]byte{0x30, 0}),
		"no operation": write([]byte{0x30, 3, 2, 1, 2}), "no result": write([]byte{0x30, 5, 2, 1, 1, 0x61, 0}),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, corp(), 1, impatient)
			u := s.find(t, "alice")
			before := runtime.NumGoroutine()
			s.dcs[0].misbehave(on(goldap.ApplicationBindRequest, do))
			began := time.Now()
			err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!")
			var state *idp.AccountState
			if err == nil || errors.Is(err, idp.ErrBadCredentials) || errors.As(err, &state) {
				t.Errorf("it is taken for an answer: %v", err)
			}
			if strings.Contains(err.Error(), "Us3r-Passw0rd!") {
				t.Errorf("the error has the password: %v", err)
			}
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("it took %s", took)
			}
			s.dcs[0].misbehave(nil)
			if name == "late" {
				close(gone)
			}
			if err := s.Authenticate(t.Context(), u, "wrong"); !errors.Is(err, idp.ErrBadCredentials) {
				t.Errorf("the next one is told: %v", err)
			}
			if err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!"); err != nil {
				t.Errorf("the next one but one: %v", err)
			}
			s.dcs[0].hangUp()
			await(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before+2 })
		})
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(until) {
			t.Fatalf("waiting for %s in vain", what)
		}
	}
}

// TestSearchWithoutAnswer: a search that one server does not answer is asked of the next.
func TestSearchWithoutAnswer(t *testing.T) {
	for name, do := range map[string]func(net.Conn, *ber.Packet){
		"hangs": hang, "hangs up": hangUp, "garbage": write([]byte("\x16\x03\x01")), "endless": flood,
	} {
		t.Run(name, func(t *testing.T) {
			var clock clock
			s := open(t, corp(), 2, func(c *ldap.Config) { impatient(c); c.Now = clock.now })
			s.dcs[0].misbehave(on(goldap.ApplicationSearchRequest, do))
			if u := s.find(t, "alice"); len(u.Groups) != 2 {
				t.Errorf("groups: %v", u.Groups)
			}
			dials := s.dcs[0].dials()
			s.find(t, "alice")
			if s.dcs[0].dials() > dials || s.Status()[0].Server != s.dcs[1].url() {
				t.Error("the bad server is asked first again")
			}
		})
	}
}

// TestFailover is F-01: a server that is gone loses nobody.
func TestFailover(t *testing.T) {
	now := time.Now()
	var log bytes.Buffer
	s := open(t, corp(), 2, func(c *ldap.Config) {
		c.Now = func() time.Time { return now }
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	signIn := func() {
		t.Helper()
		if err := s.Authenticate(t.Context(), s.find(t, "alice"), "Us3r-Passw0rd!"); err != nil {
			t.Error(err)
		}
	}
	signIn()
	if s.dcs[1].dials() > 0 {
		t.Error("the second server is asked although the first answers")
	}
	// A restart of the first: its waiting connections are found closed.
	s.dcs[0].hangUp()
	signIn()
	if s.dcs[1].dials() > 0 {
		t.Error("a closed connection is taken for a dead server")
	}
	s.dcs[0].stop()
	for range 3 {
		signIn()
	}
	if n := strings.Count(log.String(), "put aside"); n != 1 {
		t.Errorf("%d warnings, want one:\n%s", n, &log)
	}
	s.dcs[1].stop()
	_, err := s.Find(t.Context(), "alice")
	if err == nil || errors.Is(err, idp.ErrNoUser) {
		t.Errorf("with no server left: %v", err)
	}
	for _, dc := range s.dcs {
		if !strings.Contains(err.Error(), dc.url()) {
			t.Errorf("the error does not name %s: %v", dc.url(), err)
		}
	}
}

// TestServerThatTakesConnectionsOnly is F-02 and F-03: it costs a moment, and not the time of a dial.
func TestServerThatTakesConnectionsOnly(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := open(t, corp(), 1, func(c *ldap.Config) {
		patient(c)
		c.Timeouts.Hedge = 0
		c.Servers = append([]string{"ldaps://" + ln.Addr().String()}, c.Servers...)
	})
	s.signIn(t)
	s.signIn(t)
}

// TestBusyServer: a server that says that it is going down has not judged anybody.
func TestBusyServer(t *testing.T) {
	s := open(t, corp(), 2, nil)
	u := s.find(t, "alice")
	s.dcs[0].misbehave(on(goldap.ApplicationBindRequest, func(c net.Conn, request *ber.Packet) {
		s.dcs[0].answer(c, request.Children[0].Value.(int64), goldap.ApplicationBindResponse, result{goldap.LDAPResultUnavailable, "shutting down"})
	}))
	if err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!"); err != nil {
		t.Error(err)
	}
}

// TestBindsAreNotRepeated: the directory may have counted a wrong password that it has not answered.
func TestBindsAreNotRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(net.Conn, *ber.Packet)
		most int
	}{"hangs": {hang, 1}, "hangs up": {hangUp, 1}, "garbage": {write([]byte("HTTP/1.1 400\r\n\r\n")), 1}} {
		t.Run(name, func(t *testing.T) {
			s := open(t, corp(), 4, impatient)
			u := s.find(t, "alice")
			sent := make(chan struct{}, 10)
			for _, dc := range s.dcs {
				dc.misbehave(on(goldap.ApplicationBindRequest, func(conn net.Conn, p *ber.Packet) {
					sent <- struct{}{}
					c.do(conn, p)
				}))
			}
			err := s.Authenticate(t.Context(), u, "wrong")
			for sentinel, want := range map[error]bool{
				idp.ErrUnanswered: true, idp.ErrBadCredentials: false, idp.ErrNoUser: false, io.EOF: false, os.ErrDeadlineExceeded: false, context.DeadlineExceeded: false,
			} {
				if errors.Is(err, sentinel) != want {
					t.Errorf("%v is %v: %v", err, sentinel, !want)
				}
			}
			if n := len(sent); n > c.most {
				t.Errorf("the password was sent %d times", n)
			}
		})
	}
}

// TestPoolExhausted is F-06: who would wait long is refused soon.
func TestPoolExhausted(t *testing.T) {
	s := open(t, corp(), 1, func(c *ldap.Config) {
		c.Searches, c.Binds = 1, 1
		c.Timeouts = ldap.Timeouts{Operation: 5 * time.Second, Wait: 50 * time.Millisecond}
	})
	u := s.find(t, "alice")
	arrived, done := make(chan struct{}), make(chan error)
	s.dcs[0].misbehave(on(goldap.ApplicationBindRequest, func(net.Conn, *ber.Packet) { close(arrived) }))
	go func() { done <- s.Authenticate(context.Background(), u, "x") }()
	<-arrived
	began := time.Now()
	err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!")
	if err == nil || errors.Is(err, idp.ErrBadCredentials) || time.Since(began) > 2*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	s.find(t, "alice") // searches have connections of their own
	s.dcs[0].hangUp()
	if err := <-done; err == nil {
		t.Error("a bind without an answer succeeded")
	}
}

// TestChangePasswordUnjudged: where the answer to the old password is lost, the new one was not sent.
func TestChangePasswordUnjudged(t *testing.T) {
	dir := corp()
	s := open(t, dir, 2, func(c *ldap.Config) { c.Timeouts.Operation = time.Second })
	u := s.find(t, "alice")
	for _, d := range s.dcs {
		d.misbehave(on(goldap.ApplicationBindRequest, hang))
	}
	err := s.ChangePassword(t.Context(), u, "Us3r-Passw0rd!", "N3w-Passw0rd!")
	if !errors.Is(err, idp.ErrUnanswered) || !errors.Is(err, idp.ErrUnchanged) {
		t.Errorf("%v", err)
	}
	if got := dir.changed(); len(got) > 0 {
		t.Errorf("asked: %+v", got)
	}
}
