package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// tally is what a crowd saw.
type tally struct {
	requests, signIns, launches atomic.Int64
	resets, plainResets         atomic.Int64

	mu    sync.Mutex
	wrong []string
	why   map[string]int // kinds of resets
}

func (s *tally) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

func (s *tally) reset(where string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	s.why[where+": "+text]++
}

// paired sends each request to the gateway and, at the same moment and by a connection of the same kind and
// age, one like it to a site of plain Caddy. So both see the same reloads.
type paired struct {
	gateway, plain *http.Transport
	plainURL       string
	seen           *tally
}

// errReset says that the connection broke, which is Caddy's doing and not the gateway's.
var errReset = errors.New("transport")

// RoundTrip sends the two and returns the gateway's answer, read to its end.
func (p paired) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	again := func(ctx context.Context, address string) (*http.Request, error) {
		twin, err := http.NewRequestWithContext(ctx, r.Method, address, bytes.NewReader(body))
		if err == nil {
			twin.Header = r.Header.Clone()
		}
		return twin, err
	}
	var both sync.WaitGroup
	both.Go(func() {
		twin, err := again(r.Context(), p.plainURL)
		if err != nil {
			p.seen.fail("%v", err)
			return
		}
		_, text, err := whole(p.plain, twin)
		switch {
		case err != nil:
			p.seen.plainResets.Add(1)
			p.seen.reset("plain", err)
		case text != "plain":
			p.seen.fail("plain Caddy says %q", text)
		}
	})
	defer both.Wait()
	req, err := again(r.Context(), r.URL.String())
	if err != nil {
		return nil, err
	}
	res, text, err := whole(p.gateway, req)
	p.seen.requests.Add(1)
	if err != nil {
		p.seen.resets.Add(1)
		p.seen.reset("gateway", err)
		return nil, fmt.Errorf("%w: %w", errReset, err)
	}
	if res.StatusCode >= http.StatusInternalServerError {
		p.seen.fail("%s %s: %s: %.300s", r.Method, r.URL.Path, res.Status, text)
	}
	res.Request, res.Body = r, io.NopCloser(strings.NewReader(text))
	return res, nil
}

// CloseIdleConnections is for [http.Client.CloseIdleConnections].
func (p paired) CloseIdleConnections() {
	p.gateway.CloseIdleConnections()
	p.plain.CloseIdleConnections()
}

// whole reads an answer to its end; a body that breaks off is a broken connection too.
func whole(by http.RoundTripper, r *http.Request) (*http.Response, string, error) {
	res, err := by.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, string(text), err
}

// caller is one person of the crowd at a browser that keeps its connections.
type caller struct {
	*Client
	who    *Person
	portal string
	seen   *tally
	signed bool // has seen the tiles, and has not signed out since
}

// newCaller has HTTP/1.1 or HTTP/2.
func (c crowd) newCaller(who *Person, h1 bool, seen *tally) *caller {
	c.t.Helper()
	transport := func() *http.Transport {
		t := c.HTTP("").Transport.(*http.Transport)
		if h1 {
			t.ForceAttemptHTTP2, t.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
		}
		return t
	}
	hc := &http.Client{Timeout: patience, Transport: paired{transport(), transport(), c.URL("plain.example.test", "/"), seen}}
	return &caller{Client: NewClient(c.t, hc), who: who, portal: c.Portal("/"), seen: seen}
}

// shift signs in, launches a few times, and signs out.
func (c *caller) shift() error {
	tiles, err := c.tiles()
	if err != nil {
		return err
	}
	c.seen.signIns.Add(1)
	for range 4 {
		if err := c.launch(tiles); err != nil {
			return err
		}
		if tiles, err = c.tiles(); err != nil {
			return err
		}
	}
	out, err := tiles.Form("/logout", "f")
	if err != nil {
		return err
	}
	c.signed = false // whatever becomes of the answer
	_, err = c.send(tiles, out, nil)
	return err
}

// tiles opens the portal and signs in where that is to be expected.
func (c *caller) tiles() (*Page, error) {
	p, err := c.open(c.portal)
	if err != nil {
		return nil, err
	}
	if c.signed && p.Kind != "portal" {
		return nil, fmt.Errorf("%w: %s", errAsked, p)
	}
	if p, err = c.answerAll(p, c.who, "portal"); err != nil {
		return nil, err
	}
	if !strings.Contains(p.Body, c.who.Name+"@example.test") {
		return nil, fmt.Errorf("the portal of somebody else than %s: %s", c.who.Name, p)
	}
	c.signed = true
	return p, nil
}

func (c *caller) launch(tiles *Page) error {
	p, err := c.press(tiles, "connect")
	if err != nil {
		return err
	}
	if p.Kind == "login" || p.Kind == "password" {
		return fmt.Errorf("%w: %s", errAsked, p)
	}
	response, err := p.SAMLResponse()
	if err != nil {
		return fmt.Errorf("launch: %w", err)
	}
	if !bytes.Contains(response, []byte(">"+c.who.Name+"@example.test<")) || !bytes.HasSuffix(bytes.TrimSpace(response), []byte("Response>")) {
		return fmt.Errorf("the response of somebody else than %s: %s", c.who.Name, response)
	}
	c.seen.launches.Add(1)
	return nil
}

// work goes on until told to stop. A connection that breaks is what a person would mend by opening the
// portal again; anything else is wrong.
func (c *caller) work(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if err := c.shift(); err != nil && !errors.Is(err, errReset) {
			c.seen.fail("%s: %v", c.who.Name, err)
			return
		}
	}
}
