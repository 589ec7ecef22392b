package ldap_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// secured is a source with one server of that certificate.
func secured(t *testing.T, dir *directory, startTLS bool, ends time.Time, ip net.IP, trusted bool) site {
	t.Helper()
	a := newAuthority(t)
	d := dir.serve(t, a.server(t, ends, ip), startTLS)
	s := open(t, dir, 0, func(c *ldap.Config) {
		c.Servers = []string{d.url()}
		if trusted {
			c.RootCAs = a.pool
		}
	})
	s.dcs = []*dc{d}
	return s
}

var (
	here      = net.IPv4(127, 0, 0, 1)
	elsewhere = net.IPv4(127, 0, 0, 9)
)

// TestServerHasToProveItself is C-51.
func TestServerHasToProveItself(t *testing.T) {
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	for name, c := range map[string]struct {
		ends    time.Time
		ip      net.IP
		trusted bool
		cure    string
	}{
		"expired":           {past, here, true, "renew"},
		"another's":         {soon, elsewhere, true, "a name that is in its certificate"},
		"unknown authority": {soon, here, false, "ca_file"},
	} {
		for _, startTLS := range []bool{false, true} {
			t.Run(name+map[bool]string{false: " ldaps", true: " starttls"}[startTLS], func(t *testing.T) {
				dir := corp()
				s := secured(t, dir, startTLS, c.ends, c.ip, c.trusted)
				if _, err := s.Find(t.Context(), "alice"); err == nil || errors.Is(err, idp.ErrNoUser) {
					t.Errorf("find: %v", err)
				}
				err := s.Authenticate(t.Context(), &idp.User{Source: "corp", DN: alice}, "Us3r-Passw0rd!")
				if err == nil || errors.Is(err, idp.ErrBadCredentials) {
					t.Errorf("authenticate: %v", err)
				}
				if binds, searches := dir.seen(); len(binds)+len(searches) > 0 {
					t.Errorf("it was told %v %v", binds, searches)
				}
				f := s.Check(t.Context())
				if f[0].Level != idp.LevelError || !strings.Contains(f[0].Cure, c.cure) || !strings.Contains(f[0].Cure, "CN=dc1") {
					t.Errorf("check: %+v", f)
				}
			})
		}
	}
}

func TestStartTLS(t *testing.T) {
	s := secured(t, corp(), true, time.Now().Add(time.Hour), here, true)
	if err := s.Authenticate(t.Context(), s.find(t, "alice"), "Us3r-Passw0rd!"); err != nil {
		t.Error(err)
	}
}

// TestStartTLSStripped is C-51: somebody between who answers instead of the server, or who adds to its
// answer, is told nothing.
func TestStartTLSStripped(t *testing.T) {
	for name, do := range map[string]func(*dc, net.Conn, *ber.Packet){
		"refused": func(d *dc, c net.Conn, p *ber.Packet) {
			d.answer(c, p.Children[0].Value.(int64), goldap.ApplicationExtendedResponse, result{goldap.LDAPResultProtocolError, "unsupported"})
		},
		"unavailable": func(d *dc, c net.Conn, p *ber.Packet) {
			d.answer(c, p.Children[0].Value.(int64), goldap.ApplicationExtendedResponse, result{goldap.LDAPResultUnavailable, ""})
		},
		"yes, and then clear text": func(d *dc, c net.Conn, p *ber.Packet) {
			d.answer(c, p.Children[0].Value.(int64), goldap.ApplicationExtendedResponse, result{})
		},
		"yes, with an answer to come": func(d *dc, c net.Conn, p *ber.Packet) {
			d.answer(c, p.Children[0].Value.(int64), goldap.ApplicationExtendedResponse, result{})
			d.answer(c, 2, goldap.ApplicationBindResponse, result{})
		},
		"hang up": func(_ *dc, c net.Conn, _ *ber.Packet) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			dir := corp()
			d := dir.serve(t, a.server(t, time.Now().Add(time.Hour), here), true)
			d.misbehave(on(goldap.ApplicationExtendedRequest, func(c net.Conn, p *ber.Packet) { do(d, c, p) }))
			s := open(t, dir, 0, func(c *ldap.Config) {
				impatient(c)
				c.Servers, c.RootCAs = []string{d.url()}, a.pool
			})
			if _, err := s.Find(t.Context(), "alice"); err == nil || errors.Is(err, idp.ErrNoUser) {
				t.Errorf("%v", err)
			}
			if binds, searches := dir.seen(); len(binds)+len(searches) > 0 {
				t.Errorf("it was told %v %v", binds, searches)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	s := open(t, corp(), 2, func(c *ldap.Config) { c.BaseDNs = []string{people, "OU=Gone," + domain} })
	var got []string
	for _, f := range s.Check(t.Context()) {
		if f.Where != "source corp" {
			t.Errorf("%+v", f)
		}
		got = append(got, f.Level+" "+f.What)
	}
	s.dcs[1].stop()
	var want []string
	for _, dc := range s.dcs {
		want = append(want,
			"warning "+dc.url()+": connected to "+dc.ln.Addr().String()+`, whose certificate "CN=dc1" of "CN=test authority" fits and ends on `+time.Now().UTC().Add(time.Hour).Format(time.DateOnly)+"; it may be any machine's (no KDC Authentication)",
			"ok "+dc.url()+": signed in as the service account, "+service,
			`ok `+dc.url()+`: base DN "`+people+`" is there`,
			`error `+dc.url()+`: base DN "OU=Gone,`+domain+`": LDAP Result Code 32 "No Such Object": `,
			"ok "+dc.url()+": the clocks agree")
	}
	want = append(want, `ok the domain locks an account after 5 failures within 10m0s, by ["`+strings.ToLower(domain)+`"]; the gateway passes 3 on, or 2 and then 1 more from devices that the person called their own`,
		`ok people of the domain corp.example.test may sign in as CORP\NAME`)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if f := s.Check(t.Context())[5]; f.Level != idp.LevelError || !strings.Contains(f.What, "connecting") || f.Cure == "" {
		t.Errorf("a server that is down: %+v", f)
	}
}

func TestCheckClock(t *testing.T) {
	s := open(t, corp(), 1, func(c *ldap.Config) { c.Now = func() time.Time { return time.Now().Add(7 * time.Minute) } })
	if f := s.Check(t.Context())[3]; f.Level != idp.LevelWarning || !strings.Contains(f.What, "7m") {
		t.Errorf("%+v", f)
	}
}

// TestCheckCertificate: a certificate that ends soon is told before it does.
func TestCheckCertificate(t *testing.T) {
	for ends, want := range map[time.Duration]string{13 * 24 * time.Hour: idp.LevelWarning, 15 * 24 * time.Hour: idp.LevelOK} {
		s := secured(t, corp(), false, time.Now().Add(ends), here, true)
		if f := s.Check(t.Context())[0]; f.Level != want || (f.Cure == "") != (want == idp.LevelOK) {
			t.Errorf("a certificate that ends in %s: %+v", ends, f)
		}
	}
}

func TestCheckServiceAccount(t *testing.T) {
	s := open(t, corp(), 1, func(c *ldap.Config) { c.BindPassword = idp.NewSecret("canary-09b") })
	f := s.Check(t.Context())[0]
	if f.Level != idp.LevelError || !strings.Contains(f.What, "data 52e") || !strings.Contains(f.Cure, "service account") || strings.Contains(f.What, "canary-09b") {
		t.Errorf("%+v", f)
	}
}
