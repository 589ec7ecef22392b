package caddymodule

import (
	"crypto/x509"
	"fmt"
	"os"
)

// readCAFile reads the authorities that may vouch for a server. Where no file is named it returns nil: then they are
// those that the machine trusts. The bytes are for telling one configuration from another.
func readCAFile(name string) (*x509.CertPool, []byte, error) {
	if name == "" {
		return nil, nil, nil
	}
	pem, err := os.ReadFile(name) //nolint:gosec // the admin names the file
	if err != nil {
		return nil, nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("ca_file %s holds no certificate in PEM", name)
	}
	return pool, pem, nil
}
