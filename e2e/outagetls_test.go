package e2e

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// showing is a server that shows a certificate, and then says nothing.
func showing(t *testing.T, pair tls.Certificate) (url string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func(c net.Conn) {
				defer c.Close()
				_ = c.(*tls.Conn).Handshake()
			}(c)
		}
	}()
	return "ldaps://" + l.Addr().String()
}

// TestOutageByCertificate: where a server cannot prove itself, check says which certificate fails, why, and what to do
// about it; /readyz says why.
func TestOutageByCertificate(t *testing.T) {
	t.Parallel()
	dir, elsewhere := ShortDir(t, "ca"), ShortDir(t, "other-ca")
	ours, err := NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewAuthority(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(a *Authority, end time.Time, names ...string) string {
		t.Helper()
		pair, err := a.IssueUntil(end, names...)
		if err != nil {
			t.Fatal(err)
		}
		return showing(t, pair)
	}
	ended := time.Now().Add(-time.Hour)
	day := ended.UTC().Format(time.DateOnly)
	servers := []struct{ name, url, why, cure, shown string }{
		{"expired", issue(ours, ended, "old.corp.example.test", "127.0.0.1"), "has expired", "renew the server's certificate", ` to ` + day + `, issued by "CN=test authority`},
		{"another's", issue(ours, time.Time{}, "dc9.corp.example.test"), "cannot validate certificate for 127.0.0.1", "a name that is in its certificate", `"CN=dc9.corp.example.test", names [dc9.corp.example.test]`},
		{"no controller's", issue(ours, time.Time{}, "desk7.corp.example.test", "127.0.0.1"), "no domain controller's", "the template Kerberos Authentication", `"CN=desk7.corp.example.test"`},
		{"of an unknown authority", issue(other, time.Time{}, "dc1.corp.example.test", "127.0.0.1"), "unknown authority", "ca_file", `issued by "CN=test authority of ` + filepath.Base(elsewhere) + `"`},
	}
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.url)
	}
	o := &outage{Caddy: NewCaddy(t, "outage", map[string]any{
		"Options": []string{"server " + strings.Join(urls, " "), "base_dn DC=corp,DC=example,DC=test", "require_kdc_certificate"}, "CA": ours.CA, "Refresh": "1m",
	})}
	WriteFile(t, filepath.Join(o.Dir, "ad_bind"), servicePassword+"\n")
	o.Start()
	o.probe = o.HTTP("")
	d := &desk{o.Client(), &Person{Name: "alice"}}
	if a := d.login(o.Caddy, outagePassword); a.status != 503 {
		t.Errorf("somebody is told: %v", a.err)
	}
	found, err := o.check()
	if err == nil {
		t.Error("check finds no error")
	}
	for _, s := range servers {
		o.awaitState(s.url, "down", s.why)
		i := slices.IndexFunc(found, func(f checkLine) bool { return strings.Contains(f.What, s.url+":") })
		if i < 0 {
			t.Errorf("check does not name the server whose certificate is %s: %+v", s.name, found)
			continue
		}
		if f := found[i]; f.Level != "error" || !strings.Contains(f.What, s.why) || !strings.Contains(f.Cure, s.cure) || !strings.Contains(f.Cure, s.shown) {
			t.Errorf("of a certificate that is %s check says: %+v", s.name, f)
		}
	}
}
