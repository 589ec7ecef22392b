package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
)

// openHall starts testdata/transport.Caddyfile with one person. Its site serves the portal's host only, or
// every host, as a careless admin may write it.
func openHall(t *testing.T, everyHost bool) crowd {
	t.Helper()
	c := newCrowd(t, 1)
	c.Configure("transport", map[string]any{"EveryHost": everyHost})
	c.Start()
	return c
}

// dial opens a TLS connection to the portal's site.
func (c crowd) dial(config *tls.Config) (*tls.Conn, error) {
	pem, err := os.ReadFile(c.RootCA())
	if err != nil {
		return nil, err
	}
	config.RootCAs, config.ServerName = x509.NewCertPool(), "sso.example.test"
	config.RootCAs.AppendCertsFromPEM(pem)
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: config}
	conn, err := d.DialContext(c.t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", c.Port))
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

// TestC01WhatTLSCaddySpeaks writes down what the built binary does. It is Caddy's, and nothing is claimed.
func TestC01WhatTLSCaddySpeaks(t *testing.T) {
	c := openHall(t, false)
	var cbc, rsa []uint16
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if strings.Contains(s.Name, "_CBC_") {
			cbc = append(cbc, s.ID)
		}
		if strings.HasPrefix(s.Name, "TLS_RSA_") {
			rsa = append(rsa, s.ID)
		}
	}
	for _, offer := range []struct {
		what   string
		config *tls.Config
	}{
		{"TLS 1.0", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}},
		{"TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}},
		{"TLS 1.2 with CBC suites only", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: cbc}},
		{"TLS 1.2 with RSA key exchange only", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: rsa}},
		{"TLS 1.2", &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}},
		{"TLS 1.3", &tls.Config{MinVersion: tls.VersionTLS13}},
	} {
		conn, err := c.dial(offer.config)
		if err != nil {
			t.Logf("%s: refused: %v", offer.what, err)
			continue
		}
		s := conn.ConnectionState()
		t.Logf("%s: %s, %s", offer.what, tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite))
		_ = conn.Close()
	}
}

// TestC02NothingOverHTTP: what Caddy does with plain http is written down. What is asserted: a password that
// comes that way is not tried.
func TestC02NothingOverHTTP(t *testing.T) {
	for name, everyHost := range map[string]bool{"site of the portal's host": false, "site of every host": true} {
		t.Run(name, func(t *testing.T) { overHTTP(t, openHall(t, everyHost)) })
	}
}

func overHTTP(t *testing.T, c crowd) {
	who := c.people[0]
	base := fmt.Sprintf("http://127.0.0.1:%v", c.Caddy.values["HTTPPort"])
	plain := &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(plain.CloseIdleConnections)
	form := url.Values{"username": {who.Name}, "password": {who.Password}, "f": {"x"}}.Encode()
	for _, try := range []struct{ method, path, host, body string }{
		{http.MethodGet, "/", "sso.example.test", ""},
		{http.MethodGet, "/any?x=1", "evil.example", ""},
		{http.MethodPost, "/login", "sso.example.test", form},
		{http.MethodPost, "/login", "evil.example", form},
		{http.MethodPost, "/apps/connect", "sso.example.test", form},
	} {
		req, err := http.NewRequest(try.method, base+try.path, strings.NewReader(try.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = try.host
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := plain.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		t.Logf("%s http://%s%s: %s, Location %q", try.method, try.host, try.path, res.Status, res.Header.Get("Location"))
		if res.StatusCode < 300 || len(res.Cookies()) > 0 {
			t.Errorf("%s %s over http is answered: %s %v", try.method, try.path, res.Status, res.Header)
		}
	}
	for _, l := range c.audit() {
		if l.Kind != "config" {
			t.Errorf("a request over http came as far as the gateway: %+v", l)
		}
	}
}

// TestC07Smuggling: how Caddy reads requests that two servers could read in two ways is written down. What is
// asserted: whatever the reading, no request in them is served more than once.
func TestC07Smuggling(t *testing.T) {
	c := openHall(t, false)
	for i, s := range []struct{ what, head, body string }{
		{"Content-Length and Transfer-Encoding", "POST /login HTTP/1.1\r\nHost: HOST\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nGET /MARK HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"Transfer-Encoding and a long Content-Length", "POST /login HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 200\r\n", "0\r\n\r\nGET /MARK HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"two Content-Lengths", "POST /login HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: 44\r\n", "GET /MARK HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"an unknown Transfer-Encoding", "POST /login HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\nContent-Length: 0\r\n", "GET /MARK HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"a folded header line", "GET /login HTTP/1.1\r\nHost: HOST\r\nX-Folded: a\r\n b\r\n", "GET /MARK HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"a space before the colon", "POST /login HTTP/1.1\r\nHost: HOST\r\nContent-Length : 44\r\n", "GET /MARK HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"bare line feeds", "GET /login HTTP/1.1\nHost: HOST\n", "GET /MARK HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"a chunk that ends in a bare line feed", "POST /login HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n", "1;x\nA\r\n0\r\n\r\nGET /MARK HTTP/1.1\r\nHost: HOST\r\n\r\n"},
		{"two hosts", "GET /login HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\n", "GET /MARK HTTP/1.1\r\nHost: HOST\r\n\r\n"},
	} {
		mark := fmt.Sprintf("smuggled-%d-end", i)
		fill := strings.NewReplacer("HOST", fmt.Sprintf("sso.example.test:%d", c.Port), "MARK", mark)
		end := "\r\n"
		if !strings.Contains(s.head, "\r\n") {
			end = "\n"
		}
		answers, after := c.raw(fill.Replace(s.head + end + s.body))
		n := strings.Count(c.Log.String(), `"uri":"/`+mark+`"`)
		t.Logf("%s: %q, then %s; the request behind it was served %d times", s.what, answers, after, n)
		if n > 1 {
			t.Errorf("%s: one request was served %d times", s.what, n)
		}
		if len(answers) > 2 {
			t.Errorf("%s: %d answers to two requests: %v", s.what, len(answers), answers)
		}
	}
	for _, l := range c.audit() {
		if l.Kind == "login" || l.Kind == "launch" {
			t.Errorf("something was done: %+v", l)
		}
	}
	// The access log is what was counted above.
	if !strings.Contains(c.Log.String(), `"uri":"/login"`) {
		t.Error("no request is in the access log: this test proves nothing")
	}
}

// raw sends bytes by HTTP/1.1 and returns the statuses that come back, and what comes after them: the end of
// the connection, or nothing.
func (c crowd) raw(bytes string) (statuses []string, after string) {
	c.t.Helper()
	conn, err := c.dial(&tls.Config{NextProtos: []string{"http/1.1"}})
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, bytes); err != nil {
		c.t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			c.t.Fatal(err)
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			var slow net.Error
			switch {
			case errors.As(err, &slow) && slow.Timeout():
				return statuses, "silence"
			case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
				return statuses, "the end"
			}
			return statuses, err.Error()
		}
		_, err = io.Copy(io.Discard, res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return statuses, err.Error()
		}
		statuses = append(statuses, res.Status)
	}
}

// TestForeignHostIsMisdirected: a site that catches every host does not make the gateway answer for one that
// is not its own (RFC 9110 §7.4): cookies and links would be of another origin.
func TestForeignHostIsMisdirected(t *testing.T) {
	c := openHall(t, true)
	hc := c.HTTP("")
	for host, want := range map[string]int{
		fmt.Sprintf("sso.example.test:%d", c.Port): http.StatusOK, "evil.example": http.StatusMisdirectedRequest,
		"sso.example.test.evil.example": http.StatusMisdirectedRequest, "sso.example.test:1": http.StatusMisdirectedRequest, "10.0.0.7": http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/login", "/saml/metadata"} {
			req, err := http.NewRequest(http.MethodGet, c.Portal(path), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			res, err := hc.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(res.Body)
			if err := errors.Join(err, res.Body.Close()); err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != want || want != http.StatusOK && (len(res.Cookies()) > 0 || strings.Contains(string(text), "evil")) {
				t.Errorf("%s of the host %s: %s, want %d: %v %.300s", path, host, res.Status, want, res.Header, text)
			}
		}
	}
}

// framer is a page of another site with our pages in frames, and one of its own as a control.
const framer = `<!doctype html><html lang="en"><title>Free prizes</title>
<iframe src="%s"></iframe><iframe src="%s"></iframe><iframe src="%s"></iframe><iframe src="/own.html"></iframe></html>`

// TestC05Framing: a page of another site that puts ours into frames, to have clicks meant for it land on
// them, shows none of them. The person is signed in, so that there would be something to click on.
func TestC05Framing(t *testing.T) {
	c := openHall(t, false)
	ours := []string{c.Portal("/login"), c.Portal("/apps/connect"), c.Portal("/")}
	WriteFile(t, filepath.Join(c.Dir, "intranet", "index.html"), fmt.Sprintf(framer, ours[0], ours[1], ours[2]))
	WriteFile(t, filepath.Join(c.Dir, "intranet", "own.html"), "<!doctype html><title>Own</title><p>own frame</p>")
	b := OpenBrowser(t, c.NewProfile())
	b.SignIn(c.Caddy, c.people[0])

	refused := make(chan string, 16)
	err := chromedp.Listen(b.ctx, func(ev any) {
		if e, ok := ev.(*log.EventEntryAdded); ok {
			select {
			case refused <- e.Entry.Text + " " + e.Entry.URL:
			default:
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Open(c.URL("intranet.other.test", "/"))
	var said []string
	Await(t, "the frames to be refused", func() error {
		for {
			select {
			case s := <-refused:
				said = append(said, s)
				continue
			default:
			}
			break
		}
		n := 0
		for _, s := range said {
			if strings.Contains(s, "frame") {
				n++
			}
		}
		if n < len(ours) {
			return fmt.Errorf("Chromium says %q; the page is %s", said, b.Describe())
		}
		return nil
	})
	t.Logf("Chromium says %q", said)
	// A page that may be framed is: the last frame is of the same site, so its text can be read.
	if got := Eval[string](b, `frames[3].document.body.innerText`); got != "own frame" {
		t.Errorf("the control frame shows %q: this test proves nothing", got)
	}
}
