package awssignin

import (
	"errors"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/gatehouse-sso/gatehouse/idp/samlguard"
)

// Namespaces and values of SAML 2.0 that are read here.
const (
	nsAssertion   = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsMetadata    = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsProtocol    = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsDSig        = "http://www.w3.org/2000/09/xmldsig#"
	nsEnc         = "http://www.w3.org/2001/04/xmlenc#"
	statusSuccess = "urn:oasis:names:tc:SAML:2.0:status:Success"
	bearer        = "urn:oasis:names:tc:SAML:2.0:cm:bearer" //nolint:gosec // G101: the name of a method, no token
)

func children(el *etree.Element, space, tag string) []*etree.Element {
	if el == nil {
		return nil
	}
	var out []*etree.Element
	for _, c := range el.ChildElements() {
		if c.Tag == tag && c.NamespaceURI() == space {
			out = append(out, c)
		}
	}
	return out
}

// child returns the first child of that name, or nil. The guard has refused a second one of those that
// must not repeat.
func child(el *etree.Element, space, tag string) *etree.Element {
	if c := children(el, space, tag); len(c) > 0 {
		return c[0]
	}
	return nil
}

// text returns an element's character data, and "" for nil and for elements that hold other elements:
// what is not plain text fits no rule.
func text(el *etree.Element) string {
	if el == nil || len(el.ChildElements()) > 0 {
		return ""
	}
	var b strings.Builder
	for _, t := range el.Child {
		if c, ok := t.(*etree.CharData); ok {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// instant reads a time attribute. SAML times are UTC (Core §1.3.3).
func instant(el *etree.Element, name string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, el.SelectAttrValue(name, ""))
	if err != nil {
		return time.Time{}, false
	}
	_, offset := t.Zone()
	return t.UTC(), offset == 0
}

func nameID(assertion *etree.Element) *etree.Element {
	return child(child(assertion, nsAssertion, "Subject"), nsAssertion, "NameID")
}

func asRefused(err error) *samlguard.Refused {
	if refused, ok := errors.AsType[*samlguard.Refused](err); ok {
		return refused
	}
	return &samlguard.Refused{Reason: samlguard.Malformed, Detail: err.Error()}
}
