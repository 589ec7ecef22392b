package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
)

// TestCureNamesTheCertificate: it need not be the server's own that fails.
func TestCureNamesTheCertificate(t *testing.T) {
	named := func(name string) *x509.Certificate { return &x509.Certificate{Subject: pkix.Name{CommonName: name}} }
	leaf, above := named("dc1"), named("issuing authority")
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"leaf expired":      {x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}, []string{"renew the server's certificate", `The server shows "CN=dc1"`}},
		"authority expired": {x509.CertificateInvalidError{Cert: above, Reason: x509.Expired}, []string{"renew the authority's certificate", `The certificate that fails is "CN=issuing authority"`}},
		"unknown issuer":    {x509.UnknownAuthorityError{Cert: leaf}, []string{"ca_file", `The server shows "CN=dc1"`}},
		"unknown root":      {x509.UnknownAuthorityError{Cert: above}, []string{"ca_file", `The certificate that fails is "CN=issuing authority"`}},
		"another name":      {x509.HostnameError{Certificate: leaf, Host: "dc2"}, []string{"a name that is in its certificate", `The server shows "CN=dc1"`}},
		"no usage":          {x509.CertificateInvalidError{Cert: above, Reason: x509.IncompatibleUsage}, []string{"a certificate that fits", `"CN=issuing authority"`}},
	} {
		cure := cureOfTLS(&tls.CertificateVerificationError{UnverifiedCertificates: []*x509.Certificate{leaf, above}, Err: c.err})
		for _, want := range c.want {
			if !strings.Contains(cure, want) {
				t.Errorf("%s: %s lacks %s", name, cure, want)
			}
		}
	}
}
