package caddymodule

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A form that never ends is not waited for, and the connection serves the next request all the same under
// HTTP/2, where others share it.
func TestEndlessFormsAreCutOff(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(version, func(t *testing.T) {
			read := make(chan error, 2)
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer limitTime(w, r, 50*time.Millisecond)()
				_, err := io.ReadAll(r.Body)
				read <- err
			}))
			srv.EnableHTTP2 = version == "HTTP/2.0"
			srv.StartTLS()
			defer srv.Close()
			body, sender := io.Pipe()
			defer sender.Close()
			go func() { _, _ = sender.Write([]byte("username=alice")) }()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				if res, err := srv.Client().Do(r); err == nil {
					_ = res.Body.Close()
				}
			}()
			if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("reading ended with %v", err)
			}
			res, err := srv.Client().Post(srv.URL, "text/plain", strings.NewReader("whole"))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if err := <-read; err != nil || res.Proto != version {
				t.Errorf("the next form, by %s: %v", res.Proto, err)
			}
		})
	}
}

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

// What Caddy bounds has no second bound, and what it was told to leave alone has ours.
func TestWritingIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		server *caddyhttp.Server
		want   int
	}{
		"by Caddy":               {&caddyhttp.Server{WriteIdleTimeout: caddy.Duration(time.Minute)}, 0},
		"Caddy is patient":       {&caddyhttp.Server{WriteIdleTimeout: caddy.Duration(time.Hour)}, 1},
		"Caddy bounds nothing":   {&caddyhttp.Server{WriteIdleTimeout: -1}, 1},
		"behind no Caddy server": {nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if c.server != nil {
				ctx = context.WithValue(ctx, caddyhttp.ServerCtxKey, c.server)
			}
			w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
			limitTime(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "https://sso.example.test/", nil), time.Hour)()
			if w.write != c.want || w.read != 0 {
				t.Errorf("%d bounds for writing, want %d; %d for reading", w.write, c.want, w.read)
			}
		})
	}
}

// A limit that strikes when its request is over leaves the connection to the next one.
func TestLimitEndsWithItsRequest(t *testing.T) {
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	l := &readLimit{control: http.NewResponseController(w)}
	l.expire()
	l.end()
	l.expire()
	if w.read != 1 {
		t.Errorf("%d bounds for reading, want the one before the end", w.read)
	}
}
