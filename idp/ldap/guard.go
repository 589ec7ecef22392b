package ldap

import (
	"errors"
	"net"
	"sync/atomic"
)

const (
	// mostElements bounds the BER elements of the answers to one operation. The parser makes up to 800 bytes out of one
	// that has three, so that this and not the length is what a hostile server can make us use: 20 MB. The largest
	// honest answer is a thousand groups with their names, which are some twenty elements each; a person with twenty
	// thousand values or groups has as many.
	mostElements = 25_000
	// mostDepth is how deep elements lie in each other: six in the entry of a search. The parser copies what it reads
	// once for each.
	mostDepth = 8
	// mostControls bounds the part of a message after its operation. Controls hold BER inside of strings, which is
	// parsed without being seen here; the honest ones have less than a hundred bytes.
	mostControls = 2 << 10
)

// Why an answer is not parsed.
var (
	errTooMuch = errors.New("the answer is too long")
	errNotLDAP = errors.New("the answer is not LDAP")
)

// guard is the connection between TLS and go-ldap. It follows the elements of what is read, and lets nothing through to
// the parser that would cost out of proportion.
type guard struct {
	net.Conn
	left atomic.Int64 // elements that the operation may still receive

	// Of what has been read. Only the one who reads touches these.
	at      int64            // bytes
	ends    [mostDepth]int64 // where the elements that are not over end
	depth   int              // how many those are
	parts   int              // of the message
	header  header
	content int64 // bytes of a string to come
}

// header is as much as was read of an element's type and length.
type header struct {
	begun       bool
	constructed bool
	more        int // bytes of the length to come; -1 before the first
	length      int64
}

func newGuard(c net.Conn) *guard {
	g := &guard{Conn: c}
	g.begin()
	return g
}

// begin starts an operation.
func (g *guard) begin() { g.left.Store(mostElements) }

// Read implements [net.Conn].
func (g *guard) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if wrong := g.follow(p[:n]); wrong != nil {
		return 0, wrong
	}
	return n, err
}

func (g *guard) follow(p []byte) error {
	for len(p) > 0 {
		n := min(g.content, int64(len(p)))
		if n == 0 {
			g.at++
			if err := g.headed(p[0]); err != nil {
				return err
			}
			p = p[1:]
			continue
		}
		g.at, g.content, p = g.at+n, g.content-n, p[n:]
		g.leave()
	}
	return nil
}

// headed takes the next byte of a header. LDAP has no indefinite lengths (RFC 4511 §5.1), and no types of more than one
// byte.
func (g *guard) headed(b byte) error {
	h := &g.header
	switch {
	case !h.begun:
		const sequence, highTag, constructed = 0x30, 0x1f, 0x20
		if g.depth == 0 && b != sequence || b&highTag == highTag {
			return errNotLDAP
		}
		if g.depth == mostDepth || g.left.Add(-1) < 0 {
			return errTooMuch
		}
		*h = header{begun: true, constructed: b&constructed != 0, more: -1}
		return nil
	case h.more < 0:
		if b < 0x80 {
			h.length = int64(b)
			return g.enter()
		}
		if h.more = int(b & 0x7f); h.more == 0 || h.more > 4 {
			return errNotLDAP
		}
		return nil
	}
	h.length = h.length<<8 | int64(b)
	if h.more--; h.more > 0 {
		return nil
	}
	return g.enter()
}

// enter begins the content of an element whose header is complete.
func (g *guard) enter() error {
	end := g.at + g.header.length
	switch g.depth {
	case 0:
		g.parts = 0
	case 1:
		if g.parts++; g.parts > 2 && g.header.length > mostControls {
			return errTooMuch
		}
	}
	if g.depth > 0 && end > g.ends[g.depth-1] {
		return errNotLDAP
	}
	if g.header.begun = false; g.header.constructed {
		g.ends[g.depth] = end
		g.depth++
	} else {
		g.content = g.header.length
	}
	g.leave()
	return nil
}

// leave ends the elements that are over.
func (g *guard) leave() {
	for g.content == 0 && g.depth > 0 && g.ends[g.depth-1] == g.at {
		g.depth--
	}
}
