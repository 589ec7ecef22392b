package e2e

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// tap listens in on a connection to a server as whoever sits on the wire does.
type tap struct {
	addr string

	mu   sync.Mutex
	sent bytes.Buffer
}

// newTap passes bytes on to a server until the test ends.
func newTap(t *testing.T, target string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w := &tap{addr: l.Addr().String()}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				_ = near.Close()
				continue
			}
			pass := func(to io.WriteCloser, from io.Reader) {
				defer to.Close()
				_, _ = io.Copy(to, from) // whichever side ends it, the other hears of it
			}
			go pass(far, io.TeeReader(near, w))
			go pass(near, far)
		}
	}()
	return w
}

// Write keeps what a client sent.
func (w *tap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent.Write(p)
}

// overTLS: also where the address is that of the port without TLS, nothing is said before TLS has begun.
func (r *renewal) overTLS(t *testing.T) {
	wire := newTap(t, net.JoinHostPort(r.domain.Host, "389"))
	use := func(servers string) {
		r.Configure("passwords", map[string]any{"Servers": servers})
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	use("ldap://" + wire.addr)
	defer use(r.servers)
	who, client := r.person("theo"), r.browser(inside)
	p := r.due(client, who)
	next := word("New-")
	if p = r.choose(client, p, who.Password, next, next); p.Kind != "enroll" {
		t.Errorf("after the change: %s", p)
	}
	r.judge("theo", who.Password, next)
	wire.mu.Lock()
	defer wire.mu.Unlock()
	const startTLS = "1.3.6.1.4.1.1466.20037"
	if said := wire.sent.String(); !strings.Contains(said, startTLS) || wire.sent.Len() < 1000 {
		t.Errorf("%d bytes went to the domain, with StartTLS: %v", wire.sent.Len(), strings.Contains(said, startTLS))
	}
	for _, secret := range []string{who.Password, next, bindWord} {
		if said := wire.sent.String(); strings.Contains(said, secret) || strings.Contains(said, unicodePwd(secret)) {
			t.Errorf("the password %q went over the wire", secret)
		}
	}
}
