package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	garbageSize    = 512
	oversizedClaim = 1 << 30
	// mostFlood is where an endless answer stops: a client that keeps it all must not take the machine along.
	mostFlood = 256 << 20
)

// path is a connection through a [FaultProxy].
type path struct {
	p      *FaultProxy
	client *net.TCPConn
	// near faces the gateway and far the server; over TLS or bare.
	near, far net.Conn
	left      chan struct{} // closed when either side has ended
	leave     func()
	sent      int        // to the server
	by        string     // whom the last bind request named
	writing   sync.Mutex // to the gateway
	noise     *rand.ChaCha8

	mu    sync.Mutex
	asked map[string]*Bind // bind requests without an answer, by message id
}

func newPath(p *FaultProxy, c *net.TCPConn) *path {
	h := &path{p: p, client: c, left: make(chan struct{}), asked: map[string]*Bind{}}
	h.leave = sync.OnceFunc(func() { close(h.left) })
	var seed [32]byte // the same bytes in every run
	seed[0] = byte(p.accepted.Load())
	h.noise = rand.NewChaCha8(seed)
	return h
}

// reset ends both sides at once, the gateway's with a reset.
func (h *path) reset() {
	_ = h.client.SetLinger(0)
	_ = h.client.Close()
	h.leave()
}

func (h *path) gone() bool {
	select {
	case <-h.left:
		return true
	default:
		return false
	}
}

// run carries a connection until one side ends it.
func (h *path) run() error {
	defer h.leave()
	defer h.client.Close()
	in := bufio.NewReaderSize(h.client, 16<<10)
	if !h.admit(in) {
		return nil
	}
	h.near = buffered{h.client, in}
	if h.p.pair != nil {
		secure := tls.Server(h.near, h.p.pair)
		if secure.Handshake() != nil {
			return nil // a gateway that gives up within a handshake is what some tests are about
		}
		h.near = secure
	}
	var err error
	if h.far, err = h.dial(); err != nil {
		h.reset()
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { h.pump(h.near, h.far, h.noteRequest, h.request) })
	wg.Go(func() { h.pump(h.far, h.near, h.noteAnswer, h.answer) })
	wg.Wait()
	return nil
}

// buffered is a connection that is read through a buffer.
type buffered struct {
	*net.TCPConn
	in *bufio.Reader
}

// Read reads from the buffer.
func (b buffered) Read(p []byte) (int, error) { return b.in.Read(p) }

func (h *path) dial() (net.Conn, error) {
	d := &net.Dialer{Timeout: patience}
	if h.p.trust != nil {
		return tls.DialWithDialer(d, "tcp", h.p.target, h.p.trust)
	}
	return d.Dial("tcp", h.p.target)
}

// admit waits until somebody answers at all, and reports whether the gateway has waited, too.
func (h *path) admit(in *bufio.Reader) bool {
	for {
		f := h.p.state()
		if f.fault != BlackHole && f.fault != Unanswered {
			return true
		}
		gaveUp := make(chan bool, 1)
		go func() {
			_, err := in.Peek(in.Size())
			gaveUp <- err != nil
		}()
		select {
		case gone := <-gaveUp:
			if gone {
				return false
			}
			<-f.changed
		case <-f.changed:
			_ = h.client.SetReadDeadline(time.Unix(1, 0))
			<-gaveUp
			_ = h.client.SetReadDeadline(time.Time{})
		}
	}
}

// pump carries one direction. It reads ahead of what it writes, so that it sees a side that ends while its
// bytes are held back.
func (h *path) pump(from, to net.Conn, note func(ldapMessage), pass func(ldapMessage) bool) {
	pieces := make(chan ldapMessage, 64)
	go func() {
		defer close(pieces)
		defer h.leave()
		in := bufio.NewReaderSize(from, 16<<10)
		for {
			m, err := h.next(in)
			if err != nil {
				return
			}
			note(m)
			pieces <- m
		}
	}()
	for m := range pieces {
		if !pass(m) {
			break
		}
	}
	h.leave()
	_ = to.Close()
	for range pieces { // so that the reader ends, too
	}
}

// next is a message where the proxy ends the TLS, else what is there.
func (h *path) next(in *bufio.Reader) (ldapMessage, error) {
	if h.p.pair != nil {
		return readLDAP(in)
	}
	if _, err := in.Peek(1); err != nil {
		return ldapMessage{}, err
	}
	raw := make([]byte, in.Buffered())
	_, err := in.Read(raw)
	return ldapMessage{raw: raw}, err
}

func (h *path) noteRequest(m ldapMessage) {
	if h.p.pair == nil {
		return
	}
	if b := h.p.log.asked(m, h.by); b != nil {
		h.by = b.DN
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asked[string(m.number)] = b
	}
}

func (h *path) noteAnswer(m ldapMessage) {
	if m.op != opBindResponse {
		return
	}
	h.mu.Lock()
	b := h.asked[string(m.number)]
	delete(h.asked, string(m.number))
	h.mu.Unlock()
	if b != nil {
		h.p.log.answered(b, m)
	}
}

// request passes a piece on to the server, or does what the fault says. It reports whether to go on.
func (h *path) request(m ldapMessage) bool {
	for {
		f := h.p.state()
		switch {
		case f.holdsAll(), f.holdsChange(m), f.fault == HangAtBind && f.isMeant(m), f.fault == hangAfter && h.sent+len(m.raw) > f.after:
			if !h.wait(f) {
				return false
			}
			continue
		case f.fault == Garbage:
			junk := make([]byte, garbageSize)
			_, _ = h.noise.Read(junk)
			return h.reply(junk)
		case f.fault == Oversized:
			return h.flood(f, m)
		case f.fault == EndlessSearch && m.op == opSearch:
			return h.entries(f, m)
		case f.fault == slowly && !h.pause(f):
			return false
		}
		n, err := h.far.Write(m.raw)
		h.sent += n
		h.p.up.Add(int64(n))
		return err == nil
	}
}

// answer passes a piece on to the gateway, or does what the fault says. It reports whether to go on.
func (h *path) answer(m ldapMessage) bool {
	for {
		f := h.p.state()
		switch {
		case f.holdsAll(), f.holdsChanged(m), f.fault == HangAtBindReply && m.op == opBindResponse:
			if !h.wait(f) {
				return false
			}
		case f.fault == Garbage, f.fault == Oversized:
			return true
		case f.fault == Trickle:
			if !h.reply(m.raw[:1]) {
				return false
			}
			if m.raw = m.raw[1:]; len(m.raw) == 0 {
				return true
			}
			if !h.pause(f) {
				return false
			}
		default:
			return h.reply(m.raw)
		}
	}
}

// wait holds what comes until the fault changes, or reports that nobody waits for it any more.
func (h *path) wait(f state) bool {
	select {
	case <-f.changed:
		return true
	case <-h.left:
		return false
	}
}

// pause is wait that ends after the fault's pause, too.
func (h *path) pause(f state) bool {
	select {
	case <-time.After(f.every):
		return true
	case <-f.changed:
		return true
	case <-h.left:
		return false
	}
}

func (h *path) reply(raw []byte) bool {
	h.writing.Lock()
	defer h.writing.Unlock()
	n, err := h.near.Write(raw)
	h.p.down.Add(int64(n))
	return err == nil
}

// flood answers with an entry that claims more bytes than anybody should take.
func (h *path) flood(f state, m ldapMessage) bool {
	number := m.number
	if number == nil {
		number = []byte{0x02, 0x01, 0x01}
	}
	claim := func(tag byte, size int) []byte {
		return []byte{tag, 0x84, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}
	}
	head := claim(0x30, oversizedClaim)
	head = append(head, number...)
	head = append(head, claim(opSearchEntry, oversizedClaim-len(number)-6)...)
	head = append(head, claim(0x04, oversizedClaim-len(number)-12)...)
	if !h.reply(head) {
		return false
	}
	h.pour(f, func(int) []byte { return make([]byte, 64<<10) })
	return false // in the middle of a message nothing else can follow
}

// entries answers a search with entries that do not end.
func (h *path) entries(f state, m ldapMessage) bool {
	h.pour(f, func(i int) []byte {
		value := wrap(0x04, []byte(strings.Repeat("x", 1000)))
		attribute := wrap(0x30, wrap(0x04, []byte("description")), wrap(0x31, value))
		name := wrap(0x04, fmt.Appendf(nil, "CN=entry %d,DC=corp,DC=example,DC=test", i))
		return wrap(0x30, m.number, wrap(opSearchEntry, name, wrap(0x30, attribute)))
	})
	return false
}

// pour replies as long as the fault holds and somebody reads, and then keeps the connection until the fault changes.
func (h *path) pour(f state, next func(i int) []byte) {
	for i, n := 0, 0; n < mostFlood; i++ {
		select {
		case <-f.changed:
			return
		default:
		}
		raw := next(i)
		if n += len(raw); !h.reply(raw) {
			return
		}
	}
	h.wait(f)
}
