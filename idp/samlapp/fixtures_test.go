package samlapp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

var update = flag.Bool("update", false, "write the golden files anew")

const testEntityID = "https://sso.example.com/saml/metadata"

var testNow = time.Date(2026, 10, 5, 8, 30, 15, 123456789, time.FixedZone("CEST", 2*60*60))

// testKey reads a key that was made for these tests and is used nowhere else.
func testKey(t testing.TB, name string, state idp.KeyState) idp.SAMLKey {
	t.Helper()
	read := func(kind string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", "test-only-"+name+"."+kind+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(b)
		if block == nil {
			t.Fatalf("%s.%s is not PEM", name, kind)
		}
		return block.Bytes
	}
	key, err := x509.ParsePKCS8PrivateKey(read("key"))
	if err != nil {
		t.Fatal(err)
	}
	return idp.SAMLKey{ID: name, State: state, Signer: key.(crypto.Signer), Certificate: read("cert")}
}

func testKeys(t testing.TB) []idp.SAMLKey {
	return []idp.SAMLKey{testKey(t, "active", idp.KeyActive), testKey(t, "next", idp.KeyNext)}
}

// counted is a source of bytes that everybody can foretell: 0, 1, 2…
type counted struct{ n byte }

func (c *counted) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = c.n
		c.n++
	}
	return len(p), nil
}

func testIssuer(t testing.TB) *Issuer {
	keys := testKeys(t)
	return &Issuer{EntityID: testEntityID, Keys: func() ([]idp.SAMLKey, error) { return keys, nil }, Rand: &counted{}}
}

func testLaunch() idp.Launch {
	return idp.Launch{
		Now: testNow, SignedInAt: testNow.Add(-10 * time.Minute), Session: "s-0f1e2d3c",
		Proofs: []idp.Proof{
			{Factor: idp.PasswordFactor, At: testNow.Add(-10 * time.Minute)},
			{Factor: "totp", ACR: contextTimeSync, At: testNow.Add(-9 * time.Minute)},
		},
	}
}

func testUser() *idp.User {
	return &idp.User{
		Source: "corp", ID: "0b7c2f7e-1d8e-4a55-9c53-0a1c8f0e6b11", Name: "jane@corp.example.com", Email: "Jane.Doe@example.com",
		FirstName: "Jane", LastName: "Doe", DisplayName: "Jane “JD” Doe & Söhne <x>",
		Groups:     []idp.Group{{Names: []string{"Contact Centre Agents", "cc-agents"}}, {Names: []string{"Domain Users"}}},
		Attributes: map[string][]string{"telephoneNumber": {"+44 20 7946 0000", "+44 20 7946 0001"}},
	}
}

func signIn(t testing.TB, s idp.SAMLSender, u *idp.User, l idp.Launch) *idp.Form {
	t.Helper()
	f, err := s.SignIn(context.Background(), u, l)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func field(f *idp.Form, name string) string {
	for _, x := range f.Fields {
		if x.Name == name {
			return x.Value
		}
	}
	return ""
}

func responseOf(t testing.TB, f *idp.Form) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(field(f, "SAMLResponse"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// refusal demands an *idp.Error with that reason and a sentence for the person.
func refusal(t *testing.T, err error, reason string) *idp.Error {
	t.Helper()
	var e *idp.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a refusal %s", err, reason)
	}
	if e.Reason != reason || e.Status < 400 || !strings.HasSuffix(e.Public, ".") {
		t.Fatalf("got %+v, want reason %s", e, reason)
	}
	return e
}

// refused is refusal for those who do not look closer.
func refused(t *testing.T, err error, reason string) {
	t.Helper()
	_ = refusal(t, err, reason).Reason
}

// misconfigured demands a *FieldError about that option, which also says each of the words.
func misconfigured(t *testing.T, err error, field string, words ...string) {
	t.Helper()
	var e *FieldError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an error about %s", err, field)
	}
	if e.Field != field || e.Problem == "" || e.Cure == "" {
		t.Fatalf("got %#v, want one about %s", e, field)
	}
	for _, w := range words {
		if !strings.Contains(e.Error(), w) {
			t.Errorf("%q does not say %q", e, w)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; see go test -update and git diff\ngot:\n%s", name, got)
	}
}

// run runs a program that the tests need; where it is missing, they fail.
func run(t *testing.T, env []string, stdin []byte, name string, args ...string) ([]byte, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env = append(os.Environ(), env...)
	c.Stdin = bytes.NewReader(stdin)
	var out, stderr bytes.Buffer
	c.Stdout, c.Stderr = &out, &stderr
	err := c.Run()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("%s is needed: install xmlsec1, libxml2-utils, opensaml-schemas, xmltooling-schemas", name)
	}
	if err != nil {
		return out.Bytes(), errors.Join(err, errors.New(stderr.String()))
	}
	return out.Bytes(), nil
}

// schemas is a directory in which xmllint finds the OASIS schemas off line.
func schemas(t *testing.T) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	for _, f := range []string{
		"/usr/share/xml/opensaml/saml-schema-protocol-2.0.xsd", "/usr/share/xml/opensaml/saml-schema-assertion-2.0.xsd",
		"/usr/share/xml/opensaml/saml-schema-metadata-2.0.xsd", "/usr/share/xml/xmltooling/xmldsig-core-schema.xsd",
		"/usr/share/xml/xmltooling/xenc-schema.xsd", "/usr/share/xml/xmltooling/xml.xsd",
	} {
		if _, err := os.Stat(f); err != nil {
			t.Fatalf("install opensaml-schemas and xmltooling-schemas: %v", err)
		}
		if err := os.Symlink(f, filepath.Join(dir, filepath.Base(f))); err != nil {
			t.Fatal(err)
		}
	}
	catalog := `<?xml version="1.0"?><catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog">
<system systemId="http://www.w3.org/TR/2002/REC-xmldsig-core-20020212/xmldsig-core-schema.xsd" uri="file:///usr/share/xml/xmltooling/xmldsig-core-schema.xsd"/>
<system systemId="http://www.w3.org/TR/2002/REC-xmlenc-core-20021210/xenc-schema.xsd" uri="file:///usr/share/xml/xmltooling/xenc-schema.xsd"/>
<system systemId="http://www.w3.org/2001/xml.xsd" uri="file:///usr/share/xml/xmltooling/xml.xsd"/>
</catalog>`
	if err := os.WriteFile(filepath.Join(dir, "catalog.xml"), []byte(catalog), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, []string{"XML_CATALOG_FILES=" + filepath.Join(dir, "catalog.xml")}
}

// valid holds a document against one of the schemas.
func valid(t *testing.T, doc []byte, schema string) {
	t.Helper()
	dir, env := schemas(t)
	if _, err := run(t, env, doc, "xmllint", "--nonet", "--noout", "--schema", filepath.Join(dir, schema), "-"); err != nil {
		t.Errorf("not valid: %v", err)
	}
}

// xmlsec verifies the signature of the element with that id by the certificate alone.
func xmlsec(t *testing.T, doc []byte, id, cert string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "response.xml")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := run(t, nil, nil, "xmlsec1", "--verify", "--enabled-key-data", "x509", "--pubkey-cert-pem", "testdata/test-only-"+cert+".cert.pem",
		"--id-attr:ID", nsProtocol+":Response", "--id-attr:ID", nsAssertion+":Assertion",
		"--node-xpath", "//*[@ID='"+id+"']/*[local-name()='Signature']", file)
	return err
}
