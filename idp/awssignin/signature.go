package awssignin

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// checkAlgorithms reports what the guard refused about a signature, and algorithms that are stronger
// or, under an assumption, weaker than the usual one.
func checkAlgorithms(r *reading, o *outcome) {
	if r.refused != nil {
		o.fail("%s: %s", r.refused.Reason, r.refused.Detail)
		return
	}
	for _, m := range r.shape.Methods {
		if !strings.HasSuffix(m, "#rsa-sha256") {
			o.warn("signed with %s; AWS publishes no list, rsa-sha256 is known to work", quote(m))
		}
	}
}

// checkSignature verifies the assertion, and the Response where it is signed as well, with the
// certificates of the metadata. From here on only the element that was parsed anew from the verified
// bytes is read, so that nothing can be verified in one place and read in another.
func checkSignature(r *reading, o *outcome) {
	posted := child(r.response, nsAssertion, "Assertion")
	issuer := text(child(posted, nsAssertion, "Issuer"))
	r.entity = r.metadata.entity(issuer)
	signer := r.entity
	if signer == nil && len(r.metadata.entities) > 0 {
		signer = &r.metadata.entities[0] // R6 will say that the name is wrong
	}
	if signer == nil || len(signer.signing(r.expect.Assumptions.SingleCertificate)) == 0 {
		o.skip() // M3 and M4 say that there is nothing to verify with
		return
	}
	certs := signer.signing(r.expect.Assumptions.SingleCertificate)
	if !r.shape.AssertionSigned {
		o.fail("the assertion is not signed")
		return
	}
	if r.shape.Signed {
		if _, err := verified(r.response, certs); err != nil {
			o.fail("the Response’s own signature does not verify with a certificate of the metadata")
			return
		}
	}
	el, err := verified(posted, certs)
	if err != nil {
		o.fail("the assertion’s signature does not verify with a certificate of the metadata")
		return
	}
	if el.Tag != "Assertion" || el.NamespaceURI() != nsAssertion || el.SelectAttrValue("ID", "") != r.shape.AssertionID {
		o.fail("the signature covers something else than the assertion")
		return
	}
	r.assertion = el
	r.attrs = readAttributes(el)
}

var errNoCertificate = errors.New("no certificate fits")

// verified returns the element as read from the bytes that the signature covers. Each certificate is
// tried alone and without KeyInfo, so that the sender has no say in which key is trusted.
func verified(el *etree.Element, certs []*x509.Certificate) (*etree.Element, error) {
	ctx, err := etreeutils.NSBuildParentContext(el)
	if err != nil {
		return nil, err
	}
	detached, err := etreeutils.NSDetatch(ctx, el)
	if err != nil {
		return nil, err
	}
	if detached == nil { // goxmldsig 1.6 answers a broken limit this way
		return nil, errNoCertificate
	}
	sig := child(detached, nsDSig, "Signature")
	if info := child(sig, nsDSig, "KeyInfo"); info != nil {
		sig.RemoveChild(info)
	}
	last := errNoCertificate
	for _, cert := range certs {
		v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
		// IAM does not evaluate when a certificate expires; M6 warns.
		v.Clock = dsig.NewFakeClockAt(cert.NotBefore)
		out, err := v.Validate(detached)
		if err == nil && out != nil {
			return out, nil
		}
		if err != nil {
			last = err
		}
	}
	return nil, last
}

// encryptionMethods are what IAM decrypts; keyTransports how the key may travel.
var (
	encryptionMethods = []string{
		"http://www.w3.org/2001/04/xmlenc#aes128-cbc", "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
		"http://www.w3.org/2009/xmlenc11#aes128-gcm", "http://www.w3.org/2009/xmlenc11#aes256-gcm",
	}
	keyTransports = []string{
		"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", "http://www.w3.org/2009/xmlenc11#rsa-oaep",
	}
)

func checkEncryptionMode(r *reading, o *outcome) {
	required := r.expect.Encryption == "Required"
	switch {
	case required && !r.shape.Encrypted:
		o.fail("the provider requires encryption, the assertion is not encrypted")
	case required && !r.practice && !r.global:
		m := signInAddress().FindStringSubmatch(r.expect.ACS)
		if m[3] == "" || r.expect.ProviderID != "" && m[3] != r.expect.ProviderID {
			o.fail("the provider requires encryption, but %s does not end in /saml/acs/ and the provider’s id", quote(r.expect.ACS))
		}
	}
	if r.shape.Encrypted && r.global && !r.expect.Assumptions.GlobalResiliencyDecrypts {
		o.fail("Global Resiliency sign-in is not known to decrypt assertions")
	}
}

// checkEncryption judges the envelope. The private key is at AWS, so that what is inside an
// EncryptedAssertion cannot be read here, and what cannot be read is not accepted.
func checkEncryption(r *reading, o *outcome) {
	if !r.shape.Encrypted {
		return
	}
	data := child(child(r.response, nsAssertion, "EncryptedAssertion"), nsEnc, "EncryptedData")
	if data == nil {
		o.fail("EncryptedAssertion holds no EncryptedData")
		return
	}
	method := child(data, nsEnc, "EncryptionMethod")
	if alg := algorithm(method); !slices.Contains(encryptionMethods, alg) {
		o.fail("the assertion is encrypted with %s", quote(alg))
		return
	}
	key := child(child(data, nsDSig, "KeyInfo"), nsEnc, "EncryptedKey")
	if key == nil {
		key = child(child(r.response, nsAssertion, "EncryptedAssertion"), nsEnc, "EncryptedKey")
	}
	if alg := algorithm(child(key, nsEnc, "EncryptionMethod")); !slices.Contains(keyTransports, alg) {
		o.fail("the key is encrypted with %s", quote(alg))
		return
	}
	o.at(Strict, "the assertion is encrypted and cannot be read here: nothing inside it was judged")
}

func algorithm(el *etree.Element) string {
	if el == nil {
		return ""
	}
	return el.SelectAttrValue("Algorithm", "")
}
