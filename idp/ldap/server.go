package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
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
	if !sv.ldaps {
		if err := startTLS(w); err != nil {
			_ = raw.Close()
			return fail("starttls", err)
		}
	}
	config := s.tls.Clone()
	config.ServerName = sv.host
	secure := tls.Client(w, config)
	if err := secure.HandshakeContext(dialing); err != nil {
		_ = raw.Close()
		return fail("tls", err)
	}
	c := sv.start(secure, w)
	c.secure = secure
	return c, nil
}

// start has go-ldap talk over what is secured.
func (sv *server) start(secure net.Conn, w *wire) *conn {
	g := newGuard(secure)
	l := goldap.NewConn(g, true)
	l.SetTimeout(2 * sv.source.timeouts.Operation) // bounds Close; requests end at the deadline of the wire
	l.Start()
	return &conn{server: sv, ldap: l, guard: g, wire: w}
}

const (
	startTLSOID = "1.3.6.1.4.1.1466.20037"
	// mostStartTLS bounds the answer to StartTLS, which anybody on the way can write.
	mostStartTLS = 4 << 10
)

// startTLS asks the server to begin TLS (RFC 4511 §4.14), and reads not a byte beyond its answer. A server, or somebody
// between, that does not begin is refused: going on in clear text is what an attacker who strips StartTLS waits for.
func startTLS(w net.Conn) error {
	r := ber.NewSequence("LDAP Request")
	r.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, "MessageID"))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationExtendedRequest, nil, "Start TLS")
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, startTLSOID, "TLS Extended Command"))
	r.AppendChild(op)
	if _, err := w.Write(r.Bytes()); err != nil {
		return err
	}
	answer, err := ber.ReadPacket(io.LimitReader(newGuard(w), mostStartTLS))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return goldap.GetLDAPError(answer)
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
