package samlguard

import (
	"slices"
	"strconv"
	"strings"
)

// checker holds the tokens of a scanner against the shape of a SAML message.
type checker struct {
	limits Limits
	scan   *scanner
	shape  *Shape
	stack  []frame
	spaces []binding
	ids    map[string]bool
	found  int // assertions, plain or encrypted
}

// frame is an element that has begun.
type frame struct {
	node       node
	id         string
	seen       node // children that have a place
	transforms int
	filled     bool // DigestValue and SignatureValue: had their text
	spaces     int  // length of checker.spaces before this element
}

type binding struct{ prefix, uri string }

func (c *checker) refuse(r Reason, detail string) error { return c.scan.refuse(r, detail) }

func (c *checker) top() *frame {
	if len(c.stack) == 0 {
		return nil
	}
	return &c.stack[len(c.stack)-1]
}

func (c *checker) start(t token) error {
	if c.shape.Elements++; c.shape.Elements > c.limits.Elements {
		return c.refuse(TooManyElements, "more than "+strconv.Itoa(c.limits.Elements))
	}
	if len(c.stack) >= c.limits.Depth {
		return c.refuse(TooDeep, "deeper than "+strconv.Itoa(c.limits.Depth))
	}
	f := frame{spaces: len(c.spaces)}
	if err := c.declare(t.attrs); err != nil {
		return err
	}
	uri, ok := c.resolve(t.name.prefix)
	if !ok {
		return c.refuse(BadNamespace, "prefix of "+ascii(t.name.String())+" is not declared")
	}
	f.node = nodes[expanded{uri, t.name.local}]
	if err := c.attributes(&f, t.attrs); err != nil {
		return err
	}
	if err := c.place(&f, t); err != nil {
		return err
	}
	c.stack = append(c.stack, f)
	return nil
}

// declare takes the namespace declarations of one element into scope.
func (c *checker) declare(attrs []attr) error {
	for _, a := range attrs {
		var prefix string
		switch {
		case a.name.prefix == "xmlns":
			prefix = a.name.local
		case a.name == name{local: "xmlns"}:
		default:
			continue
		}
		if err := c.bindable(prefix, a); err != nil {
			return err
		}
		uri, bound := c.resolve(prefix)
		if bound && uri == a.value {
			continue
		}
		// The default namespace may change on the way down. A prefix that means two things has no honest
		// use, and readers that compare prefixes take one for the other (CVE-2025-25292).
		if bound && prefix != "" {
			return c.refuse(BadNamespace, "prefix "+ascii(prefix)+" is declared anew")
		}
		if len(c.spaces) >= c.limits.Namespaces {
			return c.refuse(TooManyNamespaces, "more than "+strconv.Itoa(c.limits.Namespaces)+" in scope")
		}
		c.spaces = append(c.spaces, binding{prefix, a.value})
	}
	return nil
}

// bindable refuses what Namespaces in XML §3 forbids, and names that are not plain absolute URIs:
// canonicalisation fails on relative ones, and a failed canonicalisation has been taken for an empty one.
func (c *checker) bindable(prefix string, a attr) error {
	switch {
	case prefix == "xml" || prefix == "xmlns" || a.value == nsXML || a.value == nsXMLNS:
		return c.refuse(BadNamespace, "a reserved prefix or name is declared")
	case a.value == "" && prefix == "":
		return nil
	case !a.raw || strings.IndexByte(a.value, ':') < 1:
		return c.refuse(BadNamespace, "not an absolute URI")
	}
	for i := range len(a.value) {
		if a.value[i] <= 0x20 || a.value[i] > 0x7e {
			return c.refuse(BadNamespace, "not an ASCII URI")
		}
	}
	return nil
}

func (c *checker) resolve(prefix string) (uri string, bound bool) {
	for _, v := range slices.Backward(c.spaces) {
		if v.prefix == prefix {
			return v.uri, true
		}
	}
	return "", prefix == ""
}

// attributes refuses doubles, also those that only the namespaces make equal, and ids that are not
// unique in the document: a reference must name one element for every reader.
func (c *checker) attributes(f *frame, attrs []attr) error {
	full := make([]expanded, 0, len(attrs))
	for _, a := range attrs {
		e := expanded{local: a.name.local}
		switch {
		case a.name.prefix == "xmlns":
			e.space = nsXMLNS
		case a.name.prefix != "":
			uri, ok := c.resolve(a.name.prefix)
			if !ok {
				return c.refuse(BadNamespace, "prefix of "+ascii(a.name.String())+" is not declared")
			}
			e.space = uri
		}
		if slices.Contains(full, e) {
			return c.refuse(DuplicateAttribute, ascii(a.name.String()))
		}
		full = append(full, e)
		if e.space == nsXML && e.local != "lang" && e.local != "space" {
			return c.refuse(BadID, "attribute xml:"+ascii(e.local))
		}
		if e.space != "" || !strings.EqualFold(e.local, "id") {
			continue
		}
		if !isID(a) {
			return c.refuse(BadID, "not a plain id")
		}
		if c.ids[a.value] {
			return c.refuse(DuplicateID, ascii(a.value))
		}
		c.ids[a.value] = true
		if e.local == "ID" {
			f.id = a.value
		}
	}
	return nil
}

// isID takes ids that goxmldsig and every other verifier read alike: ASCII NCNames without references
// (an entity in an ID was CVE-2025-23369).
func isID(a attr) bool {
	if a.value == "" || len(a.value) > 256 || !a.raw {
		return false
	}
	for i := range len(a.value) {
		if !isNameByte(a.value[i], i == 0) {
			return false
		}
	}
	return true
}

// place holds an element against its parent.
func (c *checker) place(f *frame, t token) error {
	written := ascii(t.name.String())
	p := c.top()
	if p == nil {
		return c.root(f, t)
	}
	if f.node == forbidden {
		return c.refuse(Misplaced, written+" is not used")
	}
	if f.node&(response|authnRequest|logoutRequest|logoutResponse) != 0 {
		return c.refuse(Misplaced, written+" is not the root")
	}
	if rule, strict := contents[p.node]; strict && f.node&(rule.must|rule.may) == 0 {
		return c.refuse(SignatureShape, written+" inside a signature")
	}
	if where, ok := parents[f.node]; ok && p.node&where == 0 {
		return c.refuse(Misplaced, written+" is not where it belongs")
	}
	if f.node&(assertion|encryptedAssertion) != 0 {
		if c.found++; c.found > 1 {
			return c.refuse(AssertionCount, "more than one assertion")
		}
	}
	if f.node != free && f.node != transform && p.seen&f.node != 0 {
		if _, strict := contents[p.node]; strict {
			return c.refuse(SignatureShape, written+" twice in a signature")
		}
		return c.refuse(Repeated, written+" twice in one place")
	}
	p.seen |= f.node
	return c.note(f, p, t)
}

func (c *checker) root(f *frame, t token) error {
	want := map[Kind]node{
		Response: response, Assertion: assertion, AuthnRequest: authnRequest,
		LogoutRequest: logoutRequest, LogoutResponse: logoutResponse,
	}[c.shape.Kind]
	if want == free || f.node != want {
		return c.refuse(WrongRoot, ascii(t.name.String())+" where "+string(c.shape.Kind)+" was expected")
	}
	if f.id == "" {
		return c.refuse(BadID, "the root has no ID")
	}
	c.shape.ID = f.id
	if f.node == assertion {
		c.shape.AssertionID = f.id
	}
	return nil
}

// note checks what a placed element says and keeps what the shape tells.
func (c *checker) note(f, p *frame, t token) error {
	switch f.node {
	case assertion:
		if f.id == "" {
			return c.refuse(BadID, "the assertion has no ID")
		}
		c.shape.AssertionID = f.id
	case encryptedAssertion:
		c.shape.Encrypted = true
	case statusCode:
		if p.node == status {
			c.shape.Status = value(t, "Value")
		}
	case signature:
		c.shape.Signed = c.shape.Signed || len(c.stack) == 1
		c.shape.AssertionSigned = c.shape.AssertionSigned || p.node == assertion
	case referenceElement:
		// Parent, Signature and SignedInfo are the three elements above; parents has seen to that.
		if id := c.stack[len(c.stack)-3].id; id == "" || value(t, "URI") != "#"+id {
			return c.refuse(BadReference, "the reference does not name the signature's parent")
		}
	case transform:
		// Enveloped first, then exclusive canonicalisation, and no third.
		if p.transforms >= 2 || value(t, "Algorithm") != algorithms[transform][p.transforms] {
			return c.refuse(BadAlgorithm, "transforms are not enveloped-signature, exc-c14n")
		}
		p.transforms++
	case c14nMethod, signatureMethod, digestMethod:
		return c.algorithm(f.node, p.node, t)
	default: // nothing that they say is checked here
	}
	return nil
}

func (c *checker) algorithm(n, parent node, t token) error {
	if parent == encryptionMethod {
		return nil // of a key transport, judged by who decrypts
	}
	alg := value(t, "Algorithm")
	if !slices.Contains(algorithms[n], alg) && (!c.limits.SHA1 || alg != sha1Algorithms[n]) {
		return c.refuse(BadAlgorithm, ascii(t.name.local)+" "+ascii(alg))
	}
	if n == signatureMethod {
		c.shape.Methods = append(c.shape.Methods, alg)
	}
	return nil
}

// value returns the value of an attribute without namespace.
func value(t token, local string) string {
	for _, a := range t.attrs {
		if a.name == (name{local: local}) {
			return a.value
		}
	}
	return ""
}

func (c *checker) text(t token) error {
	f := c.top()
	if _, strict := contents[f.node]; !strict {
		return nil
	}
	blank := strings.Trim(t.text, space) == ""
	switch f.node {
	case digestValue:
		// One line of base64: a digest that is split has been read two ways (CVE-2025-29775).
		if blank || !isBase64(t.text, "") {
			return c.refuse(SignatureShape, "DigestValue is not plain base64")
		}
		f.filled = true
	case signatureValue:
		// Line ends are allowed, because xmlsec1 and OpenSAML wrap long values (xs:base64Binary).
		if blank || !isBase64(t.text, "\r\n") {
			return c.refuse(SignatureShape, "SignatureValue is not base64")
		}
		f.filled = true
	default:
		if !blank {
			return c.refuse(SignatureShape, "text inside a signature")
		}
	}
	return nil
}

func isBase64(s, also string) bool {
	for i := range len(s) {
		b := s[i]
		if b != '_' && b != '-' && b != '.' && isNameByte(b, false) || b == '+' || b == '/' || b == '=' {
			continue
		}
		if strings.IndexByte(also, b) < 0 {
			return false
		}
	}
	return true
}

func (c *checker) end() error {
	f := c.top()
	if rule, strict := contents[f.node]; strict && f.seen&rule.must != rule.must {
		return c.refuse(SignatureShape, "a signature lacks a part")
	}
	if f.node == transforms && f.transforms != 2 {
		return c.refuse(BadAlgorithm, "transforms are not enveloped-signature, exc-c14n")
	}
	if f.node&(digestValue|signatureValue) != 0 && !f.filled {
		return c.refuse(SignatureShape, "a signature has an empty value")
	}
	c.spaces = c.spaces[:f.spaces]
	c.stack = c.stack[:len(c.stack)-1]
	return nil
}

// statusSuccess is the only status that comes with an assertion (SAML Core §3.2.2.2).
const statusSuccess = "urn:oasis:names:tc:SAML:2.0:status:Success"

func (c *checker) finish() (*Shape, error) {
	if c.shape.Kind == Response && c.found == 0 && (c.shape.Status == statusSuccess || c.shape.Status == "") {
		return nil, c.refuse(AssertionCount, "no assertion")
	}
	return c.shape, nil
}
