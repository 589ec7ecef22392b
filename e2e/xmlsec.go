package e2e

import (
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The directories of the schemas in Debian's opensaml-schemas and xmltooling-schemas.
const (
	samlSchemas = "/usr/share/xml/opensaml"
	xmlSchemas  = "/usr/share/xml/xmltooling"
)

// catalog keeps xmllint off the network: the schemas import each other by these addresses.
const catalog = `<?xml version="1.0"?>
<catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog">
 <system systemId="http://www.w3.org/TR/2002/REC-xmldsig-core-20020212/xmldsig-core-schema.xsd" uri="file://` + xmlSchemas + `/xmldsig-core-schema.xsd"/>
 <system systemId="http://www.w3.org/TR/2002/REC-xmlenc-core-20021210/xenc-schema.xsd" uri="file://` + xmlSchemas + `/xenc-schema.xsd"/>
 <system systemId="http://www.w3.org/2001/xml.xsd" uri="file://` + xmlSchemas + `/xml.xsd"/>
</catalog>
`

// Metadata is what the gateway publishes about itself.
type Metadata struct {
	XML          []byte
	EntityID     string
	Certificates []string // PEM, the active one first
}

// Metadata fetches /saml/metadata.
func (c *Caddy) Metadata() Metadata {
	c.t.Helper()
	p := c.Client().Get(c.Portal("/saml/metadata"))
	if p.Status != http.StatusOK {
		c.t.Fatalf("metadata: %s", p)
	}
	var doc struct {
		EntityID string `xml:"entityID,attr"`
		Keys     []struct {
			Certificate string `xml:"KeyInfo>X509Data>X509Certificate"`
		} `xml:"IDPSSODescriptor>KeyDescriptor"`
	}
	if err := xml.Unmarshal([]byte(p.Body), &doc); err != nil {
		c.t.Fatal(err)
	}
	m := Metadata{XML: []byte(p.Body), EntityID: doc.EntityID}
	for _, k := range doc.Keys {
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(k.Certificate), ""))
		if err != nil {
			c.t.Fatal(err)
		}
		m.Certificates = append(m.Certificates, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	if m.EntityID == "" || len(m.Certificates) == 0 {
		c.t.Fatalf("metadata without entityID or certificate: %s", m.XML)
	}
	return m
}

// SAMLResponse returns the response that a page posts, decoded.
func (p *Page) SAMLResponse() ([]byte, error) {
	f, err := p.Form("", "SAMLResponse")
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(f.Fields.Get("SAMLResponse"))
}

// Verify checks every signature of a document with xmlsec1 against one certificate, and returns the ids of
// what they sign. The key in the document's own KeyInfo is not believed.
func Verify(document []byte, certificate string) ([]string, error) {
	dir, err := os.MkdirTemp("", "gh-xmlsec-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	doc, cert := filepath.Join(dir, "document.xml"), filepath.Join(dir, "certificate.pem")
	for name, data := range map[string][]byte{doc: document, cert: []byte(certificate)} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return nil, err
		}
	}
	ids, err := signedIDs(document)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("no signature in %s", document)
	}
	for _, id := range ids {
		out, err := Try(nil, "xmlsec1", "--verify", "--enabled-key-data", "x509", "--pubkey-cert-pem", cert,
			"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response",
			"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
			"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor",
			"--node-xpath", "//*[@ID='"+id+"']/*[local-name()='Signature']", doc)
		if err != nil {
			return ids, fmt.Errorf("signature of %s: %w: %s", id, err, out)
		}
	}
	return ids, nil
}

// signedIDs returns the IDs of the elements that hold a signature, outermost first.
func signedIDs(document []byte) ([]string, error) {
	type element struct {
		ID         string     `xml:"ID,attr"`
		Signatures []struct{} `xml:"http://www.w3.org/2000/09/xmldsig# Signature"`
		Assertions []struct {
			ID         string     `xml:"ID,attr"`
			Signatures []struct{} `xml:"http://www.w3.org/2000/09/xmldsig# Signature"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:assertion Assertion"`
	}
	var root element
	if err := xml.Unmarshal(document, &root); err != nil {
		return nil, err
	}
	var ids []string
	if len(root.Signatures) > 0 {
		ids = append(ids, root.ID)
	}
	for _, a := range root.Assertions {
		if len(a.Signatures) > 0 {
			ids = append(ids, a.ID)
		}
	}
	return ids, nil
}

// Validate checks a document against a SAML schema, "protocol" or "metadata", without network.
func Validate(t testing.TB, document []byte, schema string) {
	t.Helper()
	dir := t.TempDir()
	doc := WriteFile(t, filepath.Join(dir, "document.xml"), string(document))
	cat := WriteFile(t, filepath.Join(dir, "catalog.xml"), catalog)
	// The two packages' schemas name each other without a directory, so they meet in one.
	for _, from := range []string{samlSchemas + "/saml-schema-*-2.0.xsd", xmlSchemas + "/*.xsd"} {
		files, err := filepath.Glob(from)
		if err != nil || len(files) == 0 {
			t.Fatalf("no schema %s: %v", from, err)
		}
		for _, f := range files {
			if err := os.Symlink(f, filepath.Join(dir, filepath.Base(f))); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := Try([]string{"XML_CATALOG_FILES=" + cat}, "xmllint", "--nonet", "--noout", "--schema", filepath.Join(dir, "saml-schema-"+schema+"-2.0.xsd"), doc)
	if err != nil {
		t.Errorf("xmllint, schema %s: %v: %s\n%s", schema, err, out, document)
	}
}
