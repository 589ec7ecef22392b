package e2e

import (
	"bytes"
	"crypto/tls"
	"net"
	"sync"
	"testing"
)

// refusingDirectory is an LDAP server that takes any password and refuses it, as one does whose service
// account was locked. It keeps what it was sent.
type refusingDirectory struct {
	URL, CA string

	mu   sync.Mutex
	sent bytes.Buffer
}

// newRefusingDirectory listens until the test ends; its authority's certificate goes into dir.
func newRefusingDirectory(t *testing.T, dir string) *refusingDirectory {
	t.Helper()
	authority, err := NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	d := &refusingDirectory{URL: "ldaps://" + l.Addr().String(), CA: authority.CA}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go d.serve(c)
		}
	}()
	return d
}

// serve answers each message with a refused bind, resultCode invalidCredentials (RFC 4511 §4.2.2). A message
// comes in one piece: it is small, and TLS keeps records together.
func (d *refusingDirectory) serve(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		d.mu.Lock()
		d.sent.Write(buf[:n])
		d.mu.Unlock()
		// SEQUENCE, its length in one byte or more, then INTEGER messageID of one byte.
		at := 2
		if buf[1] >= 0x80 {
			at += int(buf[1] & 0x7f)
		}
		if at+2 >= n || buf[at] != 0x02 || buf[at+1] != 1 {
			return
		}
		if _, err := c.Write([]byte{0x30, 0x0c, 0x02, 0x01, buf[at+2], 0x61, 0x07, 0x0a, 0x01, 49, 0x04, 0x00, 0x04, 0x00}); err != nil {
			return
		}
	}
}

// was reports whether text was sent to the directory.
func (d *refusingDirectory) was(text string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Contains(d.sent.Bytes(), []byte(text))
}
