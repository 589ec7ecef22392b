package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// ear is what passes between browsers and the gateway: every password that people type, and every answer.
type ear struct {
	mu      sync.Mutex
	typed   map[string]bool
	answers strings.Builder
}

// listening is a transport that the ear hears.
func (e *ear) listening(by http.RoundTripper) http.RoundTripper { return overheard{by, e} }

type overheard struct {
	by  http.RoundTripper
	ear *ear
}

// RoundTrip sends the request, and keeps what was typed and what came.
func (o overheard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if fields, err := url.ParseQuery(string(body)); err == nil {
			o.ear.note(fields["password"], fields["old"], fields["new"], fields["again"])
		}
	}
	res, err := o.by.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	o.ear.mu.Lock()
	defer o.ear.mu.Unlock()
	fmt.Fprintln(&o.ear.answers, r.URL, res.Status, res.Header, string(body))
	return res, nil
}

// CloseIdleConnections is for [http.Client.CloseIdleConnections].
func (o overheard) CloseIdleConnections() {
	if c, ok := o.by.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// note keeps passwords that were typed.
func (e *ear) note(typed ...[]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.typed == nil {
		e.typed = map[string]bool{}
	}
	for _, field := range typed {
		for _, p := range field {
			if p != "" {
				e.typed[p] = true
			}
		}
	}
}

// said is every answer so far, with the addresses that were asked.
func (e *ear) said() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.answers.String()
}
