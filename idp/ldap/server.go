package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// server is one of the directory's.
type server struct {
	source  *Source
	url     string
	host    string
	address string // host:port
	ldaps   bool   // else StartTLS
	health  health
	gone    atomic.Bool // the DNS names it no more

	refusal refusal // of the service account
}

// newServer reads ldaps://HOST[:PORT] or ldap://HOST[:PORT].
func newServer(s *Source, address string) (*server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("server %q: write ldaps://HOST or ldap://HOST", address)
	}
	sv := &server{source: s, url: address, host: u.Hostname()}
	port := u.Port()
	switch u.Scheme {
	case "ldaps":
		sv.ldaps = true
		if port == "" {
			port = goldap.DefaultLdapsPort
		}
	case "ldap":
		if port == "" {
			port = goldap.DefaultLdapPort
		}
	default:
		return nil, fmt.Errorf("server %q: write ldaps://HOST, or ldap://HOST for StartTLS", address)
	}
	sv.address = net.JoinHostPort(sv.host, port)
	return sv, nil
}

// stageError says how far a connection came.
type stageError struct {
	server *server
	stage  string // "name", "connect", "tls", "starttls", "bind"
	err    error
}

// Error names the server and what failed.
func (e *stageError) Error() string {
	what := map[string]string{
		"name": "finding its address", "connect": "connecting", "tls": "the TLS handshake",
		"starttls": "StartTLS", "bind": "signing in as the service account",
	}[e.stage]
	return fmt.Sprintf("%s: %s: %v", e.server.url, what, e.err)
}

// Unwrap returns the cause.
func (e *stageError) Unwrap() error { return e.err }

// dial opens a connection over which anything may be said: the server has proved who it is.
func (sv *server) dial(ctx context.Context) (*conn, error) {
	fail := func(stage string, err error) (*conn, error) { return nil, &stageError{sv, stage, err} }
	s := sv.source
	dialing, cancel := context.WithTimeout(ctx, s.timeouts.Dial)
	defer cancel()
	raw, err := s.dial(dialing, "tcp", sv.address)
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return fail("name", err)
	}
	if err != nil {
		return fail("connect", err)
	}
	w := &wire{Conn: raw}
	w.begin(deadline(dialing, s.timeouts.Operation))
	defer w.end()
	config := s.tls.Clone()
	config.ServerName = sv.host // go-ldap hands the configuration on as it is
	if sv.ldaps {
		secure := tls.Client(w, config)
		if err := secure.HandshakeContext(dialing); err != nil {
			_ = raw.Close()
			return fail("tls", err)
		}
		return sv.start(goldap.NewConn(secure, true), w), nil
	}
	c := sv.start(goldap.NewConn(w, false), w)
	// A server, or somebody between, that does not begin TLS is refused: going on in clear text is
	// what an attacker who strips StartTLS waits for.
	if err := c.ldap.StartTLS(config); err != nil {
		c.close()
		return fail("starttls", err)
	}
	if _, secure := c.ldap.TLSConnectionState(); !secure {
		c.close()
		return fail("starttls", errors.New("the connection is not secured"))
	}
	return c, nil
}

func (sv *server) start(l *goldap.Conn, w *wire) *conn {
	l.SetTimeout(2 * sv.source.timeouts.Operation) // bounds Close; requests end at the deadline of the wire
	l.Start()
	return &conn{server: sv, ldap: l, wire: w}
}

// leave closes the connections to a server that is none of the domain's any more.
func (sv *server) leave() {
	sv.gone.Store(true)
	sv.source.searches.drop(sv)
	sv.source.binds.drop(sv)
	sv.source.changes.drop(sv)
}

// deadline of something that may take so long.
func deadline(ctx context.Context, within time.Duration) time.Time {
	until := time.Now().Add(within)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		return d
	}
	return until
}
