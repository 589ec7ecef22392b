package ldap_test

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

var kdc = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 5}

// TestControllersOnly: in many domains every machine has a certificate of the same authority for a name inside the domain.
// With a forged record of the DNS such a machine could be asked for passwords, unless a certificate has to be one that only
// controllers get.
func TestControllersOnly(t *testing.T) {
	for name, c := range map[string]struct {
		template x509.Certificate
		fits     bool
	}{
		"a controller":       {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, UnknownExtKeyUsage: []asn1.ObjectIdentifier{kdc}}, true},
		"a machine":          {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, false},
		"for every purpose":  {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}, false},
		"for no purpose":     {x509.Certificate{}, false},
		"for smart cards":    {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, UnknownExtKeyUsage: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}}}, false},
		"its Kerberos alone": {x509.Certificate{UnknownExtKeyUsage: []asn1.ObjectIdentifier{kdc}}, false}, // Go wants it for servers, too
	} {
		for _, startTLS := range []bool{false, true} {
			t.Run(name+map[bool]string{false: " ldaps", true: " starttls"}[startTLS], func(t *testing.T) {
				a, dir := newAuthority(t), corp()
				c.template.IPAddresses, c.template.NotAfter = append(c.template.IPAddresses, here), time.Now().Add(30*24*time.Hour)
				d := dir.serve(t, a.issue(t, c.template), startTLS)
				s := open(t, dir, 0, func(cfg *ldap.Config) {
					cfg.Servers, cfg.RootCAs, cfg.ControllersOnly = []string{d.url()}, a.pool, true
				})
				s.dcs = []*dc{d}
				for range 2 { // the second on a session that is resumed
					err := s.Authenticate(t.Context(), &idp.User{Source: "corp", DN: alice}, "Us3r-Passw0rd!")
					if (err == nil) != c.fits || errors.Is(err, idp.ErrBadCredentials) {
						t.Errorf("%v", err)
					}
					d.hangUp()
				}
				binds, _ := dir.seen()
				f := s.Check(t.Context())[0]
				if c.fits {
					if f.Level != idp.LevelOK || !strings.Contains(f.What, "it is for a domain controller") {
						t.Errorf("%+v", f)
					}
					return
				}
				if len(binds) > 0 || f.Level != idp.LevelError || f.Cure == "" {
					t.Errorf("it was told %v, and check says %+v", binds, f)
				}
				if name == "a machine" && (!strings.Contains(f.What, "no domain controller's") || !strings.Contains(f.Cure, "Kerberos Authentication") || !strings.Contains(f.Cure, "CN=dc1")) {
					t.Errorf("%+v", f)
				}
			})
		}
	}
}

// TestControllersOnlyAsked: whoever has servers found by DNS is told what that rests on.
func TestControllersOnlyAsked(t *testing.T) {
	for _, only := range []bool{false, true} {
		s, _ := discovered(t, 1, func(c *ldap.Config) { c.ControllersOnly = only })
		told := strings.Contains(strings.Join(levels(s.Check(t.Context())), "\n"), "warning any machine with a certificate for a name inside "+domainName)
		if told == only {
			t.Errorf("controllers only: %v, told: %v", only, told)
		}
	}
}
