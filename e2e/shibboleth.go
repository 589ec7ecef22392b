package e2e

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"text/template"
)

var apacheModules = []string{"mpm_event", "authn_core", "authz_core", "authz_host", "authz_user", "dir", "alias", "mime", "env", "headers"}

// Shibboleth is a service provider in an Apache of its own. Caddy answers for it on sp.third.test, so
// that browsers trust its certificate.
type Shibboleth struct {
	t     testing.TB
	dir   string
	caddy *Caddy
	log   *Log
}

// NewShibboleth prepares the provider that the configuration of a gateway names: it listens on the
// gateway's SPPort.
func NewShibboleth(c *Caddy) *Shibboleth {
	c.t.Helper()
	return &Shibboleth{t: c.t, dir: ShortDir(c.t, "shib"), caddy: c, log: NewLog(c.t, "apache and shibd")}
}

// URL is an address at the provider.
func (s *Shibboleth) URL(path string) string { return s.caddy.URL("sp.third.test", path) }

// Start runs shibd and Apache with the metadata of the gateway, which has to run already.
func (s *Shibboleth) Start() {
	t, idp := s.t, s.caddy.Metadata()
	t.Helper()
	WriteFile(t, filepath.Join(s.dir, "idp-metadata.xml"), string(idp.XML))
	WriteFile(t, filepath.Join(s.dir, "htdocs", "shib", "index.html"), "<!doctype html><html lang=en><title>Wiki</title><h1>The wiki knows you</h1>")
	for _, use := range []string{"signing", "encryption"} {
		Run(t, nil, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN="+use,
			"-keyout", filepath.Join(s.dir, use+"-key.pem"), "-out", filepath.Join(s.dir, use+"-cert.pem"))
	}
	tmpl, err := template.ParseGlob("testdata/shibboleth/*")
	if err != nil {
		t.Fatal(err)
	}
	port := s.caddy.values["SPPort"].(int)
	values := map[string]any{
		"Dir": s.dir, "Port": port, "URL": s.URL(""), "EntityID": s.URL("/shibboleth"),
		"IDP": idp.EntityID, "Root": os.Geteuid() == 0, "Modules": apacheModules,
	}
	for _, file := range tmpl.Templates() {
		var text bytes.Buffer
		if err := file.Execute(&text, values); err != nil {
			t.Fatal(err)
		}
		WriteFile(t, filepath.Join(s.dir, file.Name()), text.String())
	}
	socket := filepath.Join(s.dir, "shibd.sock")
	shibd := Start(t, s.log, []string{"SHIBSP_CFGDIR=" + s.dir}, "shibd", "-f", "-F", "-c", filepath.Join(s.dir, "shibboleth2.xml"), "-p", filepath.Join(s.dir, "shibd.pid"))
	shibd.Await("shibd's socket", func() error {
		info, err := os.Stat(socket)
		if err == nil && info.Mode()&os.ModeSocket == 0 {
			err = errors.New("not a socket")
		}
		return err
	})
	// Apache's workers are nobody.
	if err := os.Chmod(socket, 0o777); err != nil {
		t.Fatal(err)
	}
	apache := Start(t, s.log, nil, "apache2", "-f", filepath.Join(s.dir, "apache.conf"), "-D", "FOREGROUND")
	apache.Await("apache's port", func() error { return answers(port) })
}
