package awssignin

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

var testNow = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

const (
	testIssuer   = "https://sso.example.com/saml/metadata"
	testACS      = "https://eu-west-2.signin.aws.amazon.com/saml"
	testInstance = "12345678-90ab-cdef-1234-567890abcdef"
	testRelay    = "https://eu-west-2.console.aws.amazon.com/connect/federate/" + testInstance + "?destination=%2Fccp-v2&new_domain=true"
	testRole     = "arn:aws:iam::123456789012:role/ConnectFederation,arn:aws:iam::123456789012:saml-provider/Gatehouse"
)

// signer is a key of a test identity provider.
type signer struct {
	key  *rsa.PrivateKey
	cert []byte
}

var (
	ours   = sync.OnceValue(func() signer { return newSigner("gatehouse") })
	theirs = sync.OnceValue(func() signer { return newSigner("attacker") })
)

// newSigner makes the same key for a name in every process, because the fuzzer's workers must trust what
// its coordinator signed. crypto/rsa makes no key from a seed, so the primes are searched for here.
func newSigner(name string) signer {
	prime := func(label string) *big.Int {
		var seed []byte
		for i := range byte(4) {
			sum := sha256.Sum256(append([]byte(name+label), i))
			seed = append(seed, sum[:]...)
		}
		seed[0], seed[127] = seed[0]|0xc0, seed[127]|1
		n := new(big.Int).SetBytes(seed)
		for !n.ProbablyPrime(20) {
			n.Add(n, big.NewInt(2))
		}
		return n
	}
	one, e := big.NewInt(1), 65537
	p, q := prime("p"), prime("q")
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: e},
		D:         new(big.Int).ModInverse(big.NewInt(int64(e)), phi),
		Primes:    []*big.Int{p, q},
	}
	key.Precompute()
	if err := key.Validate(); err != nil {
		panic(err)
	}
	return signer{key, certificate(name, &key.PublicKey, key)}
}

// certificate makes one for any public key, signed by some RSA key: IAM looks at no chain.
func certificate(name string, pub crypto.PublicKey, by *rsa.PrivateKey) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    testNow.AddDate(-1, 0, 0),
		NotAfter:     testNow.AddDate(9, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: name}}, pub, by)
	if err != nil {
		panic(err)
	}
	return der
}

// exchange is one sign-in as a test can bend it: each hook is called where its thing is still soft.
type exchange struct {
	expect   Expect
	relay    string
	signer   signer
	method   string
	certs    [][]byte            // in the metadata
	metadata func(string) string // on the document's text

	assertion func(*etree.Element) // before it is signed
	response  func(*etree.Element) // after the assertion was signed
	wholly    bool                 // sign the response as well
	posted    func(string) string  // on the base64 text
}

func golden() *exchange {
	return &exchange{
		expect: Expect{ACS: testACS, Now: func() time.Time { return testNow }},
		relay:  testRelay,
		signer: ours(),
		method: dsig.RSASHA256SignatureMethod,
		certs:  [][]byte{ours().cert},
	}
}

func stamp(d time.Duration) string { return testNow.Add(d).Format(time.RFC3339) }

func goldenAssertion() *etree.Element {
	doc := etree.NewDocument()
	text := fmt.Sprintf(`<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" Version="2.0" IssueInstant="%s">`+
		`<saml:Issuer>%s</saml:Issuer><saml:Subject>`+
		`<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">f3a9c1</saml:NameID>`+
		`<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">`+
		`<saml:SubjectConfirmationData NotOnOrAfter="%s" Recipient="%s"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>`+
		`<saml:Conditions NotBefore="%s" NotOnOrAfter="%s"><saml:AudienceRestriction><saml:Audience>urn:amazon:webservices</saml:Audience></saml:AudienceRestriction></saml:Conditions>`+
		`<saml:AuthnStatement AuthnInstant="%s"></saml:AuthnStatement><saml:AttributeStatement></saml:AttributeStatement></saml:Assertion>`,
		stamp(0), testIssuer, stamp(5*time.Minute), testACS, stamp(-time.Minute), stamp(5*time.Minute), stamp(0))
	if err := doc.ReadFromString(text); err != nil {
		panic(err)
	}
	a := doc.Root()
	addAttribute(a, attrRole, testRole)
	addAttribute(a, attrSessionName, "anna@example.com")
	addAttribute(a, attrDuration, "43200")
	return a
}

func addAttribute(assertion *etree.Element, name string, values ...string) {
	attr := assertion.FindElement("//saml:AttributeStatement").CreateElement("saml:Attribute")
	attr.CreateAttr("Name", name)
	for _, v := range values {
		attr.CreateElement("saml:AttributeValue").SetText(v)
	}
}

func setAttribute(assertion *etree.Element, name string, values ...string) {
	for _, attr := range assertion.FindElements("//saml:Attribute") {
		if attr.SelectAttrValue("Name", "") == name {
			attr.Parent().RemoveChild(attr)
		}
	}
	addAttribute(assertion, name, values...)
}

func at(el *etree.Element, path string) *etree.Element {
	found := el.FindElement(path)
	if found == nil {
		panic("no " + path)
	}
	return found
}

// sign puts an enveloped signature behind the Issuer.
func (x *exchange) sign(el *etree.Element) *etree.Element {
	ctx, err := dsig.NewSigningContext(x.signer.key, [][]byte{x.signer.cert})
	if err != nil {
		panic(err)
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := ctx.SetSignatureMethod(x.method); err != nil {
		panic(err)
	}
	sig, err := ctx.ConstructSignature(el, true)
	if err != nil {
		panic(err)
	}
	signed := el.Copy()
	signed.InsertChildAt(1, sig)
	return signed
}

func (x *exchange) form() string {
	a := goldenAssertion()
	if x.assertion != nil {
		x.assertion(a)
	}
	doc := etree.NewDocument()
	r := doc.CreateElement("samlp:Response")
	r.CreateAttr("xmlns:samlp", nsProtocol)
	r.CreateAttr("xmlns:saml", nsAssertion)
	r.CreateAttr("ID", "_r1")
	r.CreateAttr("Version", "2.0")
	r.CreateAttr("IssueInstant", stamp(0))
	r.CreateAttr("Destination", testACS)
	r.CreateElement("saml:Issuer").SetText(testIssuer)
	r.CreateElement("samlp:Status").CreateElement("samlp:StatusCode").CreateAttr("Value", statusSuccess)
	r.AddChild(x.sign(a))
	if x.response != nil {
		x.response(r)
	}
	if x.wholly {
		doc.SetRoot(x.sign(r))
	}
	text, err := doc.WriteToBytes()
	if err != nil {
		panic(err)
	}
	posted := base64.StdEncoding.EncodeToString(text)
	if x.posted != nil {
		posted = x.posted(posted)
	}
	return posted
}

func (x *exchange) document() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="%s">`+
		`<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">`, testIssuer)
	for _, c := range x.certs {
		fmt.Fprintf(&b, `<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>%s</X509Certificate></X509Data></KeyInfo></KeyDescriptor>`,
			base64.StdEncoding.EncodeToString(c))
	}
	b.WriteString(`<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://sso.example.com/saml/sso"/></IDPSSODescriptor></EntityDescriptor>`)
	if x.metadata != nil {
		return []byte(x.metadata(b.String()))
	}
	return []byte(b.String())
}

func (x *exchange) validator(t testing.TB) *Validator {
	x.expect.Metadata = x.document()
	v, err := New(x.expect)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (x *exchange) judge(t testing.TB) Verdict {
	return x.validator(t).Judge(x.form(), x.relay)
}
