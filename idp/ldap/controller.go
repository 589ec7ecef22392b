package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"slices"
)

// kdcPurpose is KDC Authentication (RFC 4556 §3.2.4), which an authority gives to domain controllers alone: in Active
// Directory Certificate Services by the template Kerberos Authentication, for which no other machine can enroll.
var kdcPurpose = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 5}

// machineError says that a server has proved its name, and not that it is a domain controller.
type machineError struct{ leaf *x509.Certificate }

// Error says what is wrong with the certificate.
func (*machineError) Error() string {
	return "the certificate is no domain controller's: its purposes lack KDC Authentication (1.3.6.1.5.2.3.5)"
}

// controllerOnly refuses whoever is no domain controller, after the name and the authority were found right. It is
// called for sessions that are resumed as well.
func controllerOnly(state tls.ConnectionState) error {
	for _, chain := range state.VerifiedChains {
		leaf, above := chain[0], chain[1:]
		if forKDC(leaf) && !slices.ContainsFunc(above, func(c *x509.Certificate) bool { return bounded(c) && !forKDC(c) }) {
			return nil
		}
	}
	return &machineError{state.PeerCertificates[0]}
}

// forKDC reports whether a certificate says that it is for a controller. One for any purpose does not say so.
func forKDC(c *x509.Certificate) bool {
	return slices.ContainsFunc(c.UnknownExtKeyUsage, kdcPurpose.Equal)
}

// bounded reports whether an authority may only issue for some purposes.
func bounded(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}
