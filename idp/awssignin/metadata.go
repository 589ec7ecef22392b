package awssignin

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// metadata is an identity provider's document as IAM reads it.
type metadata struct {
	raw      []byte
	broken   error // it is not XML
	entities []entity
	until    []string // every validUntil
}

type entity struct {
	id        string
	idp       bool // has an IDPSSODescriptor for SAML 2.0
	keys      []metadataKey
	endpoints int // SingleSignOnService
}

type metadataKey struct {
	use   string // "", "signing" or "encryption"
	cert  *x509.Certificate
	wrong error
}

type xmlEntities struct {
	XMLName  xml.Name
	Until    string        `xml:"validUntil,attr"`
	EntityID string        `xml:"entityID,attr"`
	Nested   []xmlEntities `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntitiesDescriptor"`
	Entities []xmlEntities `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
	IDP      []struct {
		Until     string `xml:"validUntil,attr"`
		Protocols string `xml:"protocolSupportEnumeration,attr"`
		Keys      []struct {
			Use   string   `xml:"use,attr"`
			Certs []string `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo>X509Data>X509Certificate"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:metadata KeyDescriptor"`
		SSO []struct {
			Location string `xml:"Location,attr"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:metadata SingleSignOnService"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:metadata IDPSSODescriptor"`
}

// metadataMax is the longest document that IAM takes.
const metadataMax = 10_000_000

func readMetadata(raw []byte) *metadata {
	m := &metadata{raw: raw}
	if len(raw) > metadataMax {
		m.broken = errors.New("the document is too long")
		return m
	}
	var root xmlEntities
	if err := xml.Unmarshal(bytes.TrimPrefix(raw, []byte(byteOrderMark)), &root); err != nil {
		m.broken = fmt.Errorf("not well-formed: %w", err)
		return m
	}
	if root.XMLName.Space != nsMetadata {
		m.broken = errors.New("the root is not SAML metadata")
		return m
	}
	m.add(root)
	return m
}

func (m *metadata) add(x xmlEntities) {
	if x.Until != "" {
		m.until = append(m.until, x.Until)
	}
	for _, n := range x.Nested {
		m.add(n)
	}
	for _, n := range x.Entities {
		m.add(n)
	}
	if x.XMLName.Local != "EntityDescriptor" {
		return
	}
	e := entity{id: x.EntityID}
	for _, d := range x.IDP {
		if d.Until != "" {
			m.until = append(m.until, d.Until)
		}
		if !strings.Contains(" "+d.Protocols+" ", " "+nsProtocol+" ") {
			continue
		}
		e.idp = true
		e.endpoints += len(d.SSO)
		for _, k := range d.Keys {
			for _, c := range k.Certs {
				cert, err := readCertificate(c)
				e.keys = append(e.keys, metadataKey{k.Use, cert, err})
			}
		}
	}
	m.entities = append(m.entities, e)
}

func readCertificate(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, errors.New("not base64")
	}
	return x509.ParseCertificate(der) // refuses repeated extensions, as IAM does
}

// entity returns the entity of that name, or nil.
func (m *metadata) entity(id string) *entity {
	for i := range m.entities {
		if m.entities[i].id == id {
			return &m.entities[i]
		}
	}
	return nil
}

func (m *metadata) ids() string {
	var out []string
	for _, e := range m.entities[:min(len(m.entities), 3)] {
		out = append(out, e.id)
	}
	return strings.Join(out, ", ")
}

// signing returns the certificates that may sign, at most the ten that IAM takes.
func (e *entity) signing(onlyFirst bool) []*x509.Certificate {
	var out []*x509.Certificate
	for _, k := range e.keys {
		if k.use != "encryption" && k.cert != nil {
			out = append(out, k.cert)
		}
	}
	if onlyFirst {
		return out[:min(len(out), 1)]
	}
	return out[:min(len(out), keysMax)]
}

// Quotas of a SAML provider in IAM.
const (
	keysMax     = 10
	entitiesMax = 10
)

const byteOrderMark = "\xef\xbb\xbf"

func checkMetadataText(r *reading, o *outcome) {
	raw := r.metadata.raw
	least := r.expect.Assumptions.MetadataMinimum
	if least <= 0 {
		least = 1000
	}
	if bytes.HasPrefix(raw, []byte(byteOrderMark)) {
		o.fail("the document begins with a byte order mark")
	}
	if !utf8.Valid(raw) {
		o.fail("the document is not UTF-8")
	}
	if n := utf8.RuneCount(raw); n < least || n > metadataMax {
		o.fail("the document has %d characters, IAM takes %d to %d", n, least, metadataMax)
	}
}

func checkMetadataShape(r *reading, o *outcome) {
	if r.metadata.broken != nil {
		o.fail("%s", shorten(r.metadata.broken.Error(), 200))
		return
	}
	for _, e := range r.metadata.entities {
		switch {
		case e.id == "":
			o.fail("an EntityDescriptor has no entityID")
		case !e.idp:
			o.fail("%s has no IDPSSODescriptor for SAML 2.0", quote(e.id))
		case len(e.keys) == 0 || !anySigning(e.keys):
			o.fail("%s has no signing certificate", quote(e.id))
		case e.endpoints == 0:
			o.fail("%s has no SingleSignOnService", quote(e.id))
		}
	}
	if len(r.metadata.entities) == 0 {
		o.fail("there is no EntityDescriptor")
	}
}

func anySigning(keys []metadataKey) bool {
	for _, k := range keys {
		if k.use != "encryption" {
			return true
		}
	}
	return false
}

// eachKey calls f for every key of the document.
func (m *metadata) eachKey(f func(metadataKey)) {
	for _, e := range m.entities {
		for _, k := range e.keys {
			f(k)
		}
	}
}

func checkCertificates(r *reading, o *outcome) {
	r.metadata.eachKey(func(k metadataKey) {
		if k.wrong != nil {
			o.fail("a certificate cannot be read: %s", shorten(k.wrong.Error(), 160))
			return
		}
		if pub, ok := k.cert.PublicKey.(*rsa.PublicKey); ok && pub.N.BitLen() < 1024 {
			o.fail("a certificate has an RSA key of %d bits", pub.N.BitLen())
		}
	})
}

func checkKeyTypes(r *reading, o *outcome) {
	r.metadata.eachKey(func(k metadataKey) {
		if k.cert == nil || k.use == "encryption" {
			return
		}
		switch pub := k.cert.PublicKey.(type) {
		case *rsa.PublicKey:
			if n := pub.N.BitLen(); n >= 1024 && n < 2048 {
				o.fail("a signing certificate has an RSA key of %d bits", n)
			}
		case *ecdsa.PublicKey:
			if r.expect.Assumptions.ECDSAKeys {
				o.warn("a signing certificate has an ECDSA key")
				return
			}
			o.fail("a signing certificate has an ECDSA key")
		default:
			o.fail("a signing certificate has a key that is not RSA")
		}
	})
}

func checkQuotas(r *reading, o *outcome) {
	n := 0
	r.metadata.eachKey(func(metadataKey) { n++ })
	if n > keysMax {
		o.fail("there are %d keys, IAM takes %d", n, keysMax)
	}
	if n := len(r.metadata.entities); n > entitiesMax {
		o.fail("there are %d EntityDescriptors, IAM takes %d", n, entitiesMax)
	}
}

// Days before an expiry that count as near, and the least life of a document.
const (
	expiryNear   = 30 * 24 * time.Hour
	untilAtLeast = 365 * 24 * time.Hour
)

func checkExpiry(r *reading, o *outcome) {
	r.metadata.eachKey(func(k metadataKey) {
		if k.cert == nil {
			return
		}
		switch {
		case r.now.After(k.cert.NotAfter):
			o.fail("a certificate expired on %s", k.cert.NotAfter.Format(time.DateOnly))
		case r.now.Add(expiryNear).After(k.cert.NotAfter):
			o.fail("a certificate expires on %s", k.cert.NotAfter.Format(time.DateOnly))
		}
	})
}

func checkValidUntil(r *reading, o *outcome) {
	for _, u := range r.metadata.until {
		t, err := time.Parse(time.RFC3339Nano, u)
		if err != nil || t.Sub(r.now) < untilAtLeast {
			o.fail("the document’s validUntil is %s", quote(u))
		}
	}
}
