package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"path/filepath"
	"testing"
)

// Install puts a computer's certificate into the profile, to be shown to the sites of a pattern such as
// https://[*.]example.test without a question. Chromium asks in a window that no test can answer.
func (p Profile) Install(t testing.TB, certificate tls.Certificate, sites string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	both := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	dir := t.TempDir()
	p12 := filepath.Join(dir, "computer.p12")
	Run(t, nil, "openssl", "pkcs12", "-export", "-in", WriteFile(t, filepath.Join(dir, "computer.pem"), both), "-out", p12, "-passout", "pass:", "-name", "computer")
	Run(t, nil, "pk12util", "-i", p12, "-d", "sql:"+filepath.Join(p.home, ".pki", "nssdb"), "-W", "", "-K", "")
	chosen, err := json.Marshal(map[string]any{"profile": map[string]any{"content_settings": map[string]any{"exceptions": map[string]any{
		"auto_select_certificate": map[string]any{sites + ",*": map[string]any{"setting": map[string]any{"filters": []any{map[string]any{}}}}},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	WriteFile(t, filepath.Join(p.data, "Default", "Preferences"), string(chosen))
}
