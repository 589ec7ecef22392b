package e2e

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-sso/gatehouse/e2e/duoservice"
)

// DuoClientID is what an admin copies from Duo's panel.
const DuoClientID = "DI0123456789ABCDEFGH"

// Duo is Duo's service, on a site of its own: the gateway and browsers find it under localhost.
type Duo struct {
	*duoservice.Service
	Host   string // for api_hostname
	CA     string // for ca_file
	Secret string
	Way    *FaultProxy // to it, for those who are not to get there

	roots *x509.CertPool
	wrong atomic.Bool
}

// NewDuo starts the service, until the test ends.
func NewDuo(t testing.TB) *Duo {
	t.Helper()
	dir := t.TempDir()
	own, err := NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	strange, err := NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[bool]tls.Certificate{}
	for wrong, a := range map[bool]*Authority{false: own, true: strange} {
		if pairs[wrong], err = a.Issue("localhost"); err != nil {
			t.Fatal(err)
		}
	}
	d := &Duo{CA: own.CA, Secret: (rand.Text() + rand.Text())[:40], roots: own.Roots()}
	d.Service = duoservice.New(duoservice.Config{ClientID: DuoClientID, Secret: d.Secret})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler: d.Service, ReadHeaderTimeout: patience, ErrorLog: log.New(NewLog(t, "duo"), "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair := pairs[d.wrong.Load()]
			return &pair, nil
		}},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(l, "", "") // it says that it was closed
	}()
	t.Cleanup(func() {
		_ = server.Close() // whoever is still there has gone
		<-done
	})
	d.Way = NewFaultProxy(t, l.Addr().String(), nil)
	d.Host = fmt.Sprintf("localhost:%d", d.Way.Port)
	return d
}

// Roots are those who vouch for it.
func (d *Duo) Roots() *x509.CertPool { return d.roots }

// Origin is the service's site.
func (d *Duo) Origin() string { return "https://" + d.Host }

// Client asks the service as a browser does, and follows no redirect.
func (d *Duo) Client() *http.Client {
	return &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: d.roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var promptID = regexp.MustCompile(`name="id" value="(\w+)"`)

// Confirm approves the prompt that is at an address of the service's, and returns the address that it sends the browser back to.
func (d *Duo) Confirm(prompt string) (string, error) {
	hc := d.Client()
	shown, err := hc.Get(prompt)
	if err != nil {
		return "", err
	}
	page, err := readPage(shown)
	if err != nil {
		return "", err
	}
	id := promptID.FindStringSubmatch(page.Body)
	if id == nil {
		return "", fmt.Errorf("Duo shows no prompt: %s", page)
	}
	res, err := hc.PostForm(d.Origin()+"/prompt", url.Values{"id": id[1:], "verdict": {"approve"}})
	if err != nil {
		return "", err
	}
	return res.Header.Get("Location"), res.Body.Close()
}

// Impersonate shows a certificate from now on that nobody vouches for, also to those who are connected.
func (d *Duo) Impersonate(wrong bool) {
	d.wrong.Store(wrong)
	d.Way.Cut()
}
