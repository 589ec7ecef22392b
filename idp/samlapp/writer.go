package samlapp

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	// clockSkew is how far the other side's clock may be behind ours.
	clockSkew = 60 * time.Second
	// lifetime is how long a response may be redeemed; AWS STS refuses after five minutes.
	lifetime = 5 * time.Minute
	// maxResponse bounds one response before base64, so that a directory entry cannot fill memory.
	maxResponse = 1 << 20
)

// response is everything that one SAML response says.
type response struct {
	issuer       string
	recipient    string // form action, Destination and Recipient: never different from each other
	audience     string
	inResponseTo string // empty when nobody asked
	nameIDFormat string
	nameID       string
	now          time.Time
	signedIn     time.Time
	context      string // AuthnContextClassRef
	session      string // SessionIndex
	attributes   []attribute
	both         bool // sign the response too
}

// attribute is one Attribute of the statement. It is left out where it has no values.
type attribute struct {
	name   string
	format string // NameFormat, or empty for none
	values []string
}

// layout says where in a written response the parts are that signatures cover or leave out.
type layout struct {
	responseSig  span
	assertion    span
	declaration  span // xmlns:xs: in the document, not in the canonical form
	assertionSig span
}

type span struct{ from, to int }

const (
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
	nsExclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
	nsSchema    = "http://www.w3.org/2001/XMLSchema"
	nsInstance  = "http://www.w3.org/2001/XMLSchema-instance"
)

// write appends the whole response, with room for the signatures, which are filled in by sign.
func (r *response) write(c *canonical, responseID, assertionID string, room int) layout {
	var l layout
	c.raw(`<samlp:Response xmlns:samlp="` + nsProtocol + `" Destination="`)
	c.attr("acs", r.recipient)
	c.raw(`" ID="`)
	c.raw(responseID)
	if r.inResponseTo != "" {
		c.raw(`" InResponseTo="`)
		c.attr("the request's id", r.inResponseTo)
	}
	c.raw(`" IssueInstant="`)
	c.instant(r.now)
	c.raw(`" Version="2.0"><saml:Issuer xmlns:saml="` + nsAssertion + `">`)
	c.text("entity id", r.issuer)
	c.raw(`</saml:Issuer>`)
	if r.both {
		l.responseSig = c.room(room)
	}
	c.raw(`<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode></samlp:Status>`)
	l.assertion.from = len(c.b)
	c.raw(`<saml:Assertion xmlns:saml="` + nsAssertion + `"`)
	l.declaration.from = len(c.b)
	if len(r.attributes) > 0 {
		// xs is used in the value of xsi:type only, which exclusive C14N does not see (§1.1, "visibly
		// utilizes"): the document declares it for schema validators, the digest leaves it out.
		c.raw(` xmlns:xs="` + nsSchema + `"`)
	}
	l.declaration.to = len(c.b)
	c.raw(` ID="`)
	c.raw(assertionID)
	c.raw(`" IssueInstant="`)
	c.instant(r.now)
	c.raw(`" Version="2.0"><saml:Issuer>`)
	c.text("entity id", r.issuer)
	c.raw(`</saml:Issuer>`)
	l.assertionSig = c.room(room)
	r.writeSubject(c)
	r.writeStatements(c)
	c.raw(`</saml:Assertion>`)
	l.assertion.to = len(c.b)
	c.raw(`</samlp:Response>`)
	return l
}

// writeSubject names the person and binds the assertion to one receiver and five minutes. There is no
// Address: behind a proxy or a roaming agent it would only ever be wrong.
func (r *response) writeSubject(c *canonical) {
	c.raw(`<saml:Subject><saml:NameID Format="`)
	c.raw(r.nameIDFormat)
	c.raw(`">`)
	c.text("the NameID", r.nameID)
	c.raw(`</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData`)
	if r.inResponseTo != "" {
		c.raw(` InResponseTo="`)
		c.attr("the request's id", r.inResponseTo)
		c.raw(`"`)
	}
	c.raw(` NotOnOrAfter="`)
	c.instant(r.now.Add(lifetime))
	c.raw(`" Recipient="`)
	c.attr("acs", r.recipient)
	c.raw(`"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="`)
	c.instant(r.now.Add(-clockSkew))
	c.raw(`" NotOnOrAfter="`)
	c.instant(r.now.Add(lifetime))
	c.raw(`"><saml:AudienceRestriction><saml:Audience>`)
	c.text("audience", r.audience)
	c.raw(`</saml:Audience></saml:AudienceRestriction></saml:Conditions>`)
}

func (r *response) writeStatements(c *canonical) {
	c.raw(`<saml:AuthnStatement AuthnInstant="`)
	c.instant(r.signedIn)
	if r.session != "" {
		c.raw(`" SessionIndex="`)
		c.attr("the session's id", r.session)
	}
	c.raw(`"><saml:AuthnContext><saml:AuthnContextClassRef>`)
	c.text("the authentication context", r.context)
	c.raw(`</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`)
	if len(r.attributes) == 0 {
		return // an AttributeStatement must hold an attribute (SAML core §2.7.3)
	}
	c.raw(`<saml:AttributeStatement>`)
	for _, a := range r.attributes {
		c.raw(`<saml:Attribute Name="`)
		c.attr("the name of an attribute", a.name)
		if a.format != "" {
			c.raw(`" NameFormat="`)
			c.raw(a.format)
		}
		c.raw(`">`)
		for _, v := range a.values {
			c.raw(`<saml:AttributeValue xmlns:xsi="` + nsInstance + `" xsi:type="xs:string">`)
			c.text("attribute "+a.name, v)
			c.raw(`</saml:AttributeValue>`)
		}
		c.raw(`</saml:Attribute>`)
	}
	c.raw(`</saml:AttributeStatement>`)
}

// room leaves n bytes free.
func (c *canonical) room(n int) span {
	from := len(c.b)
	c.b = append(c.b, make([]byte, n)...)
	return span{from, from + n}
}

// size guesses how long the response will be, so that its buffer need not grow.
func (r *response) size(room int) int {
	n := 2048 + 2*len(r.issuer) + 2*len(r.recipient) + len(r.audience) + len(r.nameID) + room
	for _, a := range r.attributes {
		n += 64 + len(a.name) + len(a.format)
		for _, v := range a.values {
			n += 160 + len(v)
		}
	}
	if r.both {
		n += room
	}
	return n
}

// encode writes the response, signs it with k and returns it in base64.
func (r *response) encode(k *signingKey, responseID, assertionID string) (string, error) {
	room := k.room(len(assertionID))
	size := r.size(room)
	if size > maxResponse {
		return "", tooLarge(size)
	}
	work := workspaces.Get().(*[]byte)
	defer giveBack(work)
	*work = slices.Grow((*work)[:0], size+base64.StdEncoding.EncodedLen(size))
	c := canonical{b: *work}
	l := r.write(&c, responseID, assertionID, room)
	if c.err != nil {
		return "", c.err
	}
	if len(c.b) > maxResponse {
		return "", tooLarge(len(c.b))
	}
	if err := k.sign(c.b, assertionID, l.assertionSig, l.assertion, l.declaration, l.assertionSig); err != nil {
		return "", err
	}
	if r.both {
		// The outer signature covers the inner one, so that it comes second.
		if err := k.sign(c.b, responseID, l.responseSig, span{0, len(c.b)}, l.responseSig, l.declaration); err != nil {
			return "", err
		}
	}
	return string(base64.StdEncoding.AppendEncode(c.b[len(c.b):], c.b)), nil
}

// workspaces lend what a response is written and encoded in, some 10 KiB: nothing else that a launch allocates is as large.
var workspaces = sync.Pool{New: func() any { return new([]byte) }}

// giveBack keeps a workspace for the next response. It is wiped, because it holds an assertion, and a very large one is left to
// the collector.
func giveBack(work *[]byte) {
	clear((*work)[:cap(*work)])
	if cap(*work) <= 64<<10 {
		workspaces.Put(work)
	}
}

func tooLarge(n int) error {
	return &idp.Error{
		Status: http.StatusForbidden,
		Public: "Your account holds more text than can be passed on to this application. Ask the service desk to look at it.",
		Reason: "response_too_large",
		Err:    fmt.Errorf("the response would have %d bytes, more than %d", n, maxResponse),
	}
}

// digest hashes a part of b without the two cuts, which are in order and inside it.
func digest(b []byte, part, first, second span) [sha256.Size]byte {
	h := sha256.New()
	h.Write(b[part.from:first.from])
	h.Write(b[first.to:second.from])
	h.Write(b[second.to:part.to])
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}
