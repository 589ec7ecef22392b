package samlapp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// NameID says how an application knows a person.
type NameID struct {
	// Format is emailAddress (default), persistent, transient, unspecified, or a whole URN.
	Format string
	// Attribute is the bridge attribute that is sent: email (default for emailAddress), username
	// (default for every other), first_name… or one of the source's own. A persistent NameID without
	// one is an opaque id of this person at this application; a transient one never has one.
	Attribute string
}

// Formats of SAML core §8.3 by the short names of the configuration.
var nameIDFormats = map[string]string{
	"emailAddress": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
	"unspecified":  "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
	"persistent":   "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
	"transient":    "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
}

const (
	formatEmail      = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	formatPersistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	formatTransient  = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
)

// complete returns n with the whole URN and the default attribute.
func (n NameID) complete() (NameID, error) {
	if n.Format == "" {
		n.Format = "emailAddress"
	}
	if whole, ok := nameIDFormats[n.Format]; ok {
		n.Format = whole
	}
	if !strings.HasPrefix(n.Format, "urn:oasis:names:tc:SAML:") || strings.ContainsAny(n.Format, " \t\r\n\"<>&") {
		return n, &FieldError{"name_id", fmt.Sprintf("the format %q is not known", n.Format), "write emailAddress, persistent, transient, unspecified or a whole URN"}
	}
	switch {
	case n.Format == formatTransient && n.Attribute != "":
		return n, &FieldError{"name_id", "transient is a new random id at each sign-in and takes no attribute", "leave the attribute out or write persistent"}
	case n.Attribute != "" || n.Format == formatTransient || n.Format == formatPersistent:
	case n.Format == formatEmail:
		n.Attribute = "email"
	default:
		n.Attribute = "username"
	}
	return n, nil
}

// value returns the NameID of a person. One that is missing or manifold is refused: a guess would sign
// them in as somebody else.
func (n NameID) value(u *idp.User, issuer, sp string, random io.Reader) (string, error) {
	switch {
	case n.Format == formatTransient:
		var raw [24]byte
		if _, err := io.ReadFull(random, raw[:]); err != nil {
			return "", internal("no_random", err)
		}
		return base64.RawURLEncoding.EncodeToString(raw[:]), nil
	case n.Attribute == "":
		return pairwiseID(u.Key(), issuer, sp), nil
	}
	values := u.Attribute(n.Attribute)
	if len(values) != 1 || strings.TrimSpace(values[0]) == "" {
		public := "Your account has no " + attributeLabel(n.Attribute) + " that this application could know you by. Ask the service desk to add it."
		if len(values) > 1 {
			public = "Your account has several values of " + attributeLabel(n.Attribute) + ", and this application would know you by one only. Ask the service desk to leave one."
		}
		return "", &idp.Error{
			Status: http.StatusForbidden,
			Public: public,
			Reason: "no_name_id",
			Err:    fmt.Errorf("name_id: attribute %s has %d values, one is needed", n.Attribute, len(values)),
		}
	}
	return values[0], nil
}

// attributeLabel is what a person would call a bridge attribute.
func attributeLabel(name string) string {
	switch name {
	case "email":
		return "e-mail address"
	case "username":
		return "user name"
	case "first_name":
		return "first name"
	case "last_name":
		return "last name"
	case "display_name":
		return "display name"
	}
	return "“" + name + "”"
}

// pairwiseID is the same for a person at every sign-in to one application, and another for every other
// application, so that two of them cannot compare their users (SAML core §8.3.7). It is a pseudonym
// and not a secret: who knows a person's immutable id can compute it. It outlives every key.
func pairwiseID(userKey, issuer, sp string) string {
	h := sha256.New()
	for _, part := range []string{"gatehouse persistent id", issuer, sp, userKey} {
		// Lengths go first, so that no two triples make the same bytes.
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
