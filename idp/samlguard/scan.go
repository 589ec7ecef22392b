package samlguard

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scanner reads the strict subset of XML. Unlike encoding/xml it never repairs, guesses or skips.
type scanner struct {
	doc        []byte
	pos        int
	attributes int    // most attributes of one element
	open       []name // elements that have begun and not ended
	selfClosed bool   // the start tag just returned ended in "/>"
	rooted     bool   // a root has begun
}

type tokenKind uint8

const (
	startTag tokenKind = iota
	endTag
	charData
	endOfDocument
)

type token struct {
	kind  tokenKind
	name  name
	attrs []attr
	text  string
}

// name is a qualified name as written.
type name struct{ prefix, local string }

type attr struct {
	name  name
	value string
	raw   bool // written without any reference
}

func (n name) String() string {
	if n.prefix == "" {
		return n.local
	}
	return n.prefix + ":" + n.local
}

func (s *scanner) refuse(r Reason, detail string) error {
	return &Refused{r, s.pos, detail}
}

const space = " \t\r\n"

var declaration = regexp.MustCompile(`^<\?xml[ \t\r\n]+version=(?:"1\.0"|'1\.0')` +
	`(?:[ \t\r\n]+encoding=(?:"([A-Za-z0-9._-]+)"|'([A-Za-z0-9._-]+)'))?` +
	`(?:[ \t\r\n]+standalone=(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>`)

// begin checks every character of the document and reads the XML declaration, if there is one.
// A declared encoding that is not the real one makes parsers disagree about what was signed.
func (s *scanner) begin() error {
	if bytes.HasPrefix(s.doc, []byte("\xef\xbb\xbf")) {
		return s.refuse(BadEncoding, "byte order mark")
	}
	for i := 0; i < len(s.doc); {
		r, n := rune(s.doc[i]), 1
		if r >= utf8.RuneSelf {
			if r, n = utf8.DecodeRune(s.doc[i:]); r == utf8.RuneError && n == 1 {
				s.pos = i
				return s.refuse(BadEncoding, "not UTF-8")
			}
		}
		if !isChar(r) {
			s.pos = i
			return s.refuse(BadCharacter, "not a character of XML 1.0")
		}
		i += n
	}
	if len(s.doc) < 6 || !bytes.HasPrefix(s.doc, []byte("<?xml")) || strings.IndexByte(space, s.doc[5]) < 0 {
		return nil
	}
	head := s.doc[:min(len(s.doc), 256)]
	m := declaration.FindSubmatch(head)
	if m == nil {
		return s.refuse(BadEncoding, "xml declaration that is not a plain one")
	}
	if e := string(m[1]) + string(m[2]); e != "" && !strings.EqualFold(e, "utf-8") {
		return s.refuse(BadEncoding, "declared as "+ascii(e))
	}
	s.pos = len(m[0])
	return nil
}

// isChar is the production Char of XML 1.0 §2.2.
func isChar(r rune) bool {
	return r >= 0x20 && r <= 0xd7ff || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= 0x10ffff
}

func (s *scanner) next() (token, error) {
	if s.selfClosed {
		s.selfClosed = false
		return s.closeTop(), nil
	}
	if len(s.open) == 0 {
		s.skipSpace()
	}
	if s.pos >= len(s.doc) {
		if len(s.open) > 0 || !s.rooted {
			return token{}, s.refuse(Malformed, "the document ends too early")
		}
		return token{kind: endOfDocument}, nil
	}
	if s.doc[s.pos] != '<' {
		if len(s.open) > 0 {
			return s.charData()
		}
		if s.rooted {
			return token{}, s.refuse(TrailingContent, "text after the root")
		}
		return token{}, s.refuse(Malformed, "text before the root")
	}
	rest := s.doc[s.pos+1:]
	switch {
	case len(rest) == 0:
		return token{}, s.refuse(Malformed, "the document ends in a tag")
	case rest[0] == '?':
		return token{}, s.refuse(Instruction, "processing instruction")
	case bytes.HasPrefix(rest, []byte("!--")):
		return token{}, s.refuse(Comment, "comment")
	case bytes.HasPrefix(rest, []byte("![CDATA[")):
		return token{}, s.refuse(CDATA, "CDATA section")
	case rest[0] == '!':
		return token{}, s.refuse(Doctype, "document type or another declaration")
	case rest[0] == '/':
		return s.endTag()
	case len(s.open) == 0 && s.rooted:
		return token{}, s.refuse(TrailingContent, "a second root")
	}
	return s.startTag()
}

func (s *scanner) skipSpace() int {
	from := s.pos
	for s.pos < len(s.doc) && strings.IndexByte(space, s.doc[s.pos]) >= 0 {
		s.pos++
	}
	return s.pos - from
}

func (s *scanner) closeTop() token {
	top := s.open[len(s.open)-1]
	s.open = s.open[:len(s.open)-1]
	return token{kind: endTag, name: top}
}

func (s *scanner) charData() (token, error) {
	n := bytes.IndexByte(s.doc[s.pos:], '<')
	if n < 0 {
		return token{}, s.refuse(Malformed, "the document ends in text")
	}
	raw := s.doc[s.pos : s.pos+n]
	if bytes.Contains(raw, []byte("]]>")) {
		return token{}, s.refuse(Malformed, "]]> in text")
	}
	// End-of-line handling comes before references are replaced (XML 1.0 §2.11).
	plain := strings.ReplaceAll(string(raw), "\r\n", "\n")
	text, err := s.expand(strings.ReplaceAll(plain, "\r", "\n"))
	if err != nil {
		return token{}, err
	}
	s.pos += n
	return token{kind: charData, text: text}, nil
}

func (s *scanner) endTag() (token, error) {
	s.pos += 2
	n, err := s.name()
	if err != nil {
		return token{}, err
	}
	s.skipSpace()
	if s.pos >= len(s.doc) || s.doc[s.pos] != '>' {
		return token{}, s.refuse(Malformed, "end tag is not closed")
	}
	if len(s.open) == 0 || s.open[len(s.open)-1] != n {
		return token{}, s.refuse(Malformed, "end tag "+ascii(n.String())+" does not fit")
	}
	s.pos++
	return s.closeTop(), nil
}

func (s *scanner) startTag() (token, error) {
	s.pos++
	n, err := s.name()
	if err != nil {
		return token{}, err
	}
	t := token{kind: startTag, name: n}
	for {
		spaced := s.skipSpace() > 0
		if s.pos >= len(s.doc) {
			return token{}, s.refuse(Malformed, "start tag is not closed")
		}
		switch s.doc[s.pos] {
		case '>':
			s.pos++
			s.open, s.rooted = append(s.open, n), true
			return t, nil
		case '/':
			if s.pos+1 >= len(s.doc) || s.doc[s.pos+1] != '>' {
				return token{}, s.refuse(Malformed, "stray / in a tag")
			}
			s.pos += 2
			s.open, s.rooted, s.selfClosed = append(s.open, n), true, true
			return t, nil
		}
		if !spaced {
			return token{}, s.refuse(Malformed, "no space before an attribute")
		}
		if len(t.attrs) >= s.attributes {
			return token{}, s.refuse(TooManyAttributes, "more than "+strconv.Itoa(s.attributes)+" on "+ascii(n.String()))
		}
		a, err := s.attribute()
		if err != nil {
			return token{}, err
		}
		t.attrs = append(t.attrs, a)
	}
}

func (s *scanner) attribute() (attr, error) {
	n, err := s.name()
	if err != nil {
		return attr{}, err
	}
	s.skipSpace()
	if s.pos >= len(s.doc) || s.doc[s.pos] != '=' {
		return attr{}, s.refuse(Malformed, "attribute without a value")
	}
	s.pos++
	s.skipSpace()
	if s.pos >= len(s.doc) || s.doc[s.pos] != '"' && s.doc[s.pos] != '\'' {
		return attr{}, s.refuse(Malformed, "attribute value without quotes")
	}
	quote := s.doc[s.pos]
	s.pos++
	end := bytes.IndexByte(s.doc[s.pos:], quote)
	if end < 0 {
		return attr{}, s.refuse(Malformed, "attribute value is not closed")
	}
	raw := string(s.doc[s.pos : s.pos+end])
	// A conforming parser turns line ends and tabs in an attribute into spaces (XML 1.0 §3.3.3), Go's
	// does not: the two would digest different bytes.
	if strings.ContainsAny(raw, "<\t\r\n") {
		return attr{}, s.refuse(Malformed, "raw <, tab or line end in an attribute value")
	}
	value, err := s.expand(raw)
	if err != nil {
		return attr{}, err
	}
	s.pos += end + 1
	return attr{name: n, value: value, raw: value == raw}, nil
}

// name reads an ASCII qualified name. SAML, XML Signature and XML Encryption define no other, and names
// like ":x" and "x:" are the round-trip holes of CVE-2020-29509 and its kin.
func (s *scanner) name() (name, error) {
	first, err := s.ncName()
	if err != nil {
		return name{}, err
	}
	if s.pos >= len(s.doc) || s.doc[s.pos] != ':' {
		return name{local: first}, nil
	}
	s.pos++
	second, err := s.ncName()
	if err != nil {
		return name{}, err
	}
	if s.pos < len(s.doc) && s.doc[s.pos] == ':' {
		return name{}, s.refuse(Malformed, "two colons in a name")
	}
	return name{prefix: first, local: second}, nil
}

func (s *scanner) ncName() (string, error) {
	from := s.pos
	for s.pos < len(s.doc) && isNameByte(s.doc[s.pos], s.pos == from) {
		s.pos++
	}
	if s.pos == from {
		return "", s.refuse(Malformed, "not a name")
	}
	return string(s.doc[from:s.pos]), nil
}

func isNameByte(b byte, first bool) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' ||
		!first && (b >= '0' && b <= '9' || b == '-' || b == '.')
}

// expand replaces the five predefined entities and character references. There are no others without a
// DOCTYPE, so that nothing can grow (billion laughs) or be fetched (XXE).
func (s *scanner) expand(raw string) (string, error) {
	if strings.IndexByte(raw, '&') < 0 {
		return raw, nil
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(raw, "&")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		ref, rest, closed := strings.Cut(after, ";")
		r, ok := reference(ref)
		if !closed || !ok {
			return "", s.refuse(Malformed, "unknown reference")
		}
		b.WriteRune(r)
		raw = rest
	}
}

func reference(ref string) (rune, bool) {
	switch ref {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "apos":
		return '\'', true
	case "quot":
		return '"', true
	}
	digits, base := strings.CutPrefix(ref, "#x")
	radix := 16
	if !base {
		if digits, base = strings.CutPrefix(ref, "#"); !base {
			return 0, false
		}
		radix = 10
	}
	n, err := strconv.ParseUint(digits, radix, 32)
	if err != nil || n > utf8.MaxRune || !isChar(rune(n)) {
		return 0, false
	}
	return rune(n), true
}
