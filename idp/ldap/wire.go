package ldap

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// mostReply bounds what one operation may receive, whatever the length in a header is. The largest honest answer, a
// thousand groups or some thousands of SIDs, has a quarter of it.
const mostReply = 1 << 20

// wire is the network connection under TLS. An operation has to write and read everything before one
// deadline, which a byte every second does not move.
type wire struct {
	net.Conn
	left atomic.Int64 // bytes that the operation may still receive
	hung atomic.Bool  // the deadline has passed
	sent atomic.Bool  // something of the operation was
}

// begin starts an operation.
func (w *wire) begin(until time.Time) {
	w.left.Store(mostReply)
	w.sent.Store(false)
	// A connection that is closed refuses; the operation finds that out by itself.
	_ = w.SetDeadline(until)
}

// end lets the connection wait for the next operation.
func (w *wire) end() { _ = w.SetDeadline(time.Time{}) }

// cut ends whatever waits on the connection.
func (w *wire) cut() { _ = w.SetDeadline(time.Unix(1, 0)) }

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) {
	left := w.left.Load()
	if left <= 0 {
		return 0, errTooMuch
	}
	n, err := w.Conn.Read(p[:min(int64(len(p)), left)])
	w.left.Add(-int64(n))
	return n, w.note(err)
}

// Write implements [net.Conn].
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if n > 0 {
		w.sent.Store(true)
	}
	return n, w.note(err)
}

func (w *wire) note(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.hung.Store(true)
	}
	return err
}
