// Package samlguard refuses hostile XML before any SAML library sees it.
//
// It reads a strict subset of XML 1.0 in one pass with fixed bounds: UTF-8, no DOCTYPE, no processing
// instruction, no comment, no CDATA section, ASCII names. Everything that two XML parsers have been
// known to read differently is refused rather than interpreted, because a signature is checked by one
// reader and the name in it is taken by another. Then it holds the document against the shape of a SAML
// message: one assertion at its place, signatures at theirs, each covering exactly its parent.
//
// It verifies no signature. A document that passes is well-formed and cheap to parse; who wrote it is
// for the caller to find out.
package samlguard

import (
	"fmt"
	"strings"
)

// Kind is the local name of a document's root element.
type Kind string

// The roots that can be asked for. Assertion is for the plaintext of an EncryptedAssertion.
const (
	Response       Kind = "Response"
	Assertion      Kind = "Assertion"
	AuthnRequest   Kind = "AuthnRequest"
	LogoutRequest  Kind = "LogoutRequest"
	LogoutResponse Kind = "LogoutResponse"
)

// Limits bound what a document may cost. Zero fields take the defaults.
type Limits struct {
	Bytes      int // size of the document; default 128 KiB
	Elements   int // default 1000, which must stay below the node limit of goxmldsig
	Depth      int // of nested elements; default 24
	Attributes int // of one element, namespace declarations included; default 24
	Namespaces int // prefixes in scope at one place; default 32

	// SHA1 lets RSA-SHA1 and SHA-1 pass. It is for a caller that models what somebody else accepts and
	// must never be set where a signature means anything to us (SHAttered, 2017; RFC 9155).
	SHA1 bool
}

// Shape is what the guard learned about a document that it let pass. Nothing in it is verified.
type Shape struct {
	Kind            Kind
	ID              string   // of the root
	Status          string   // Value of the top StatusCode, of a Response
	Signed          bool     // the root has a Signature of its own
	AssertionID     string   // empty where the assertion is encrypted or there is none
	AssertionSigned bool     // the Assertion has a Signature of its own
	Encrypted       bool     // the one assertion is an EncryptedAssertion
	Methods         []string // SignatureMethod algorithms, in document order
	Elements        int
}

// Reason says in one word why a document was refused. Tests and audit lines compare it.
type Reason string

// The reasons.
const (
	TooLarge           Reason = "too-large"
	BadEncoding        Reason = "bad-encoding" // not UTF-8, or declared as something else, or a byte order mark
	BadCharacter       Reason = "bad-character"
	Malformed          Reason = "malformed"
	Doctype            Reason = "doctype"
	Instruction        Reason = "processing-instruction"
	Comment            Reason = "comment"
	CDATA              Reason = "cdata"
	TooManyElements    Reason = "too-many-elements"
	TooDeep            Reason = "too-deep"
	TooManyAttributes  Reason = "too-many-attributes"
	TooManyNamespaces  Reason = "too-many-namespaces"
	DuplicateAttribute Reason = "duplicate-attribute"
	BadNamespace       Reason = "bad-namespace"
	BadID              Reason = "bad-id"
	DuplicateID        Reason = "duplicate-id"
	TrailingContent    Reason = "trailing-content"
	WrongRoot          Reason = "wrong-root"
	AssertionCount     Reason = "assertion-count"
	Misplaced          Reason = "misplaced-element"
	Repeated           Reason = "repeated-element"
	SignatureShape     Reason = "signature-shape"
	BadReference       Reason = "bad-reference"
	BadAlgorithm       Reason = "bad-algorithm"
	BadDeflate         Reason = "bad-deflate"
)

// Refused is the error of every refusal. Its text holds nothing of the document but names of elements
// and attributes in ASCII, so that it can be logged.
type Refused struct {
	Reason Reason
	Offset int    // bytes read when the verdict fell
	Detail string // for the admin
}

// Error returns reason, place and detail.
func (r *Refused) Error() string {
	return fmt.Sprintf("samlguard: %s at byte %d: %s", r.Reason, r.Offset, r.Detail)
}

// Check reads doc once and returns its shape, or a *[Refused]. The document must be of the kind asked
// for: a caller that takes any root would let a signed document of one kind stand in for another.
func Check(doc []byte, kind Kind, limits Limits) (*Shape, error) {
	limits = limits.withDefaults()
	if len(doc) > limits.Bytes {
		return nil, &Refused{TooLarge, 0, fmt.Sprintf("%d bytes, at most %d", len(doc), limits.Bytes)}
	}
	s := &scanner{doc: doc, attributes: limits.Attributes}
	if err := s.begin(); err != nil {
		return nil, err
	}
	c := &checker{
		limits: limits,
		scan:   s,
		shape:  &Shape{Kind: kind},
		ids:    map[string]bool{},
		spaces: []binding{{"xml", nsXML}},
	}
	for {
		t, err := s.next()
		if err != nil {
			return nil, err
		}
		switch t.kind {
		case startTag:
			err = c.start(t)
		case endTag:
			err = c.end()
		case charData:
			err = c.text(t)
		case endOfDocument:
			return c.finish()
		}
		if err != nil {
			return nil, err
		}
	}
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.Bytes, 128 << 10},
		{&l.Elements, 1000},
		{&l.Depth, 24},
		{&l.Attributes, 24},
		{&l.Namespaces, 32},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return l
}

// ascii makes a string from the document fit for an error text.
func ascii(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
}
