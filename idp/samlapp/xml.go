package samlapp

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// canonical is a growing document in the bytes of Exclusive XML Canonicalization 1.0: no space but in
// values, end tags always written, declarations before attributes, both sorted, and values escaped as
// Canonical XML 1.0 §2.3 says. What is given to raw must already be so.
type canonical struct {
	b   []byte
	err error // the first value that XML cannot hold
}

func (c *canonical) raw(s string) { c.b = append(c.b, s...) }

// instant writes a time in UTC, cut to the second.
func (c *canonical) instant(t time.Time) {
	c.b = t.UTC().AppendFormat(c.b, "2006-01-02T15:04:05Z")
}

// text writes the content of an element; what names it in the error.
func (c *canonical) text(what, s string) { c.escape(what, s, false) }

// attr writes the value of an attribute, without its quotes.
func (c *canonical) attr(what, s string) { c.escape(what, s, true) }

// escape writes s so that any parser reads it back unchanged. A value must never end its element and
// begin one of its own: that is how a display name would become a second Role (SAML injection).
func (c *canonical) escape(what, s string, attribute bool) {
	done := 0
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if !xmlChar(r, size) {
			c.refuse(what, r)
			return
		}
		if reference := characterReference(r, attribute); reference != "" {
			c.b = append(c.b, s[done:i]...)
			c.b = append(c.b, reference...)
			done = i + size
		}
		i += size
	}
	c.b = append(c.b, s[done:]...)
}

// refuse keeps the first error. The value itself may be personal and stays out of it.
func (c *canonical) refuse(what string, r rune) {
	if c.err != nil {
		return
	}
	c.err = &idp.Error{
		Status: http.StatusForbidden,
		Public: "Your account holds a character that can't be passed on to this application. Ask the service desk to correct it.",
		Reason: "bad_character",
		Err:    fmt.Errorf("%s holds %U, which XML 1.0 cannot carry", what, r),
	}
}

func characterReference(r rune, attribute bool) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '\r':
		return "&#xD;"
	case '>':
		if !attribute {
			return "&gt;"
		}
	case '"':
		if attribute {
			return "&quot;"
		}
	case '\t':
		if attribute {
			return "&#x9;"
		}
	case '\n':
		if attribute {
			return "&#xA;"
		}
	}
	return ""
}

// xmlChar is production 2 of XML 1.0. Broken UTF-8 (an error rune of one byte) is refused rather than
// replaced: two broken names must not become the same one.
func xmlChar(r rune, size int) bool {
	switch {
	case r == utf8.RuneError && size == 1:
		return false
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	}
	return r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
}

// checkText refuses configuration text that could not be written into a response.
func checkText(field, s string) error {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !xmlChar(r, size) || strings.ContainsRune("\r\n\t", r) {
			return &FieldError{field, fmt.Sprintf("holds the control character %U", r), "write plain text"}
		}
		i += size
	}
	return nil
}
