package caddymodule

import (
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Bounds of one request. The longest form is a password; the longest page is the portal.
const (
	readTime  = 30 * time.Second
	writeTime = 60 * time.Second
)

// limitTime keeps a slow sender or reader from holding a request for ever. The form has to be there after
// the time for reading: Caddy bounds the pauses between bytes, not the whole. A page goes out in one write,
// the whole of which Caddy bounds, unless it is told not to. The caller calls over before it returns.
//
// Under HTTP/2 a deadline is a timer and two messages to the goroutine of the connection, which wakes for
// them; so there is none until the time is up. HTTP/3 has no deadlines to set, and Caddy's own limits there
// stay.
func limitTime(w http.ResponseWriter, r *http.Request, reading time.Duration) (over func()) {
	c := http.NewResponseController(w)
	s, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || s.WriteIdleTimeout <= 0 || time.Duration(s.WriteIdleTimeout) > writeTime {
		_ = c.SetWriteDeadline(time.Now().Add(writeTime))
	}
	if r.ContentLength == 0 {
		return func() {}
	}
	l := &readLimit{control: c}
	timer := time.AfterFunc(reading, l.expire)
	return func() {
		timer.Stop()
		l.end()
	}
}

// readLimit ends the reading of a body, but never after its request: the connection may be at the next.
type readLimit struct {
	mu      sync.Mutex
	control *http.ResponseController // nil once the request is over
}

func (l *readLimit) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.control != nil {
		_ = l.control.SetReadDeadline(time.Unix(1, 0))
	}
}

// end lets go of the request. The runtime keeps a timer that was stopped until its time would have come or
// there are many of them, and through it the request, its server and the whole configuration.
func (l *readLimit) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.control = nil
}
