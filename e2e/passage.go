package e2e

import (
	"io"
	"net"
	"sync"
	"testing"
)

// passage is how a browser comes to a port of this machine: by an address of the loopback network that can be changed
// on the way, as when somebody closes the laptop in the office and opens it at home. Bytes pass as they are.
type passage struct {
	// Port is where the browser knocks.
	Port int

	t        testing.TB
	to       string
	mu       sync.Mutex
	from     net.IP
	open     map[net.Conn]bool
	listener net.Listener
}

// newPassage opens a way from an address to a port, until the test ends.
func newPassage(t testing.TB, from, to string) *passage {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &passage{Port: l.Addr().(*net.TCPAddr).Port, t: t, to: to, from: net.ParseIP(from), open: map[net.Conn]bool{}, listener: l}
	t.Cleanup(func() {
		_ = l.Close()
		p.Move(from)
	})
	go p.serve()
	return p
}

// Move has everybody come from another address from now on. What was connected from the one before is cut off.
func (p *passage) Move(from string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from = net.ParseIP(from)
	for c := range p.open {
		_ = c.Close()
	}
	clear(p.open)
}

func (p *passage) serve() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.pass(near)
	}
}

// pass carries one connection until either side ends it.
func (p *passage) pass(near net.Conn) {
	p.mu.Lock()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: p.from}}
	far, err := d.DialContext(p.t.Context(), "tcp", p.to)
	if err != nil {
		p.mu.Unlock()
		_ = near.Close()
		return
	}
	p.open[near], p.open[far] = true, true
	p.mu.Unlock()
	carry := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = near.Close()
		_ = far.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, near)
		delete(p.open, far)
	}
	go carry(near, far)
	carry(far, near)
}
