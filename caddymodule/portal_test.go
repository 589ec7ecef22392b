package caddymodule

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// deadlines is a response writer that remembers what bounds it was given.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write int
}

func (d *deadlines) SetReadDeadline(time.Time) error {
	d.read++
	return nil
}

func (d *deadlines) SetWriteDeadline(time.Time) error {
	d.write++
	return nil
}

// A sender that trickles and a reader that stalls are bounded, by Caddy or by us, whatever Caddy is set to.
func TestRequestsAreBoundedInTime(t *testing.T) {
	bounded := &caddyhttp.Server{ReadIdleTimeout: caddy.Duration(time.Minute), WriteIdleTimeout: caddy.Duration(time.Minute)}
	const form = "f=1234567890"
	whole := func() io.Reader { return strings.NewReader(form) }
	trickle := func() io.Reader { return iotest.OneByteReader(strings.NewReader(form)) }
	for name, c := range map[string]struct {
		server      *caddyhttp.Server
		path        string
		body        func() io.Reader
		length      int64
		read, write int
	}{
		"a form in one piece":      {bounded, "/login", whole, int64(len(form)), 0, 0},
		"a form byte by byte":      {bounded, "/login", trickle, int64(len(form)), 1, 0},
		"a form of unknown length": {bounded, "/login", whole, -1, 1, 0},
		"no form":                  {bounded, "/", func() io.Reader { return http.NoBody }, 0, 0, 0},
		"a picture":                {bounded, "/assets/logo.svg", func() io.Reader { return http.NoBody }, 0, 0, 1},
		"Caddy bounds nothing":     {&caddyhttp.Server{ReadIdleTimeout: -1, WriteIdleTimeout: -1}, "/login", whole, int64(len(form)), 1, 1},
		"Caddy is patient":         {&caddyhttp.Server{ReadIdleTimeout: caddy.Duration(time.Hour), WriteIdleTimeout: caddy.Duration(time.Hour)}, "/login", whole, int64(len(form)), 1, 1},
		"no server of Caddy":       {nil, "/login", whole, int64(len(form)), 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if c.server != nil {
				ctx = context.WithValue(ctx, caddyhttp.ServerCtxKey, c.server)
			}
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "https://sso.example.test"+c.path, nil)
			r.Body, r.ContentLength = io.NopCloser(c.body()), c.length
			w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
			limitTime(w, r)
			if body, err := io.ReadAll(r.Body); err != nil || len(body) != 0 && string(body) != form {
				t.Errorf("%q, %v", body, err)
			}
			if w.read != c.read || w.write != c.write {
				t.Errorf("%d bounds for reading and %d for writing, want %d and %d", w.read, w.write, c.read, c.write)
			}
		})
	}
}

// The room is on the stack or it is no room.
func TestGrowStackAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(10, growStack); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
