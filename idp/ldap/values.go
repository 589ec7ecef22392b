package ldap

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
)

// mostParts bounds into how many answers the values of one attribute may be cut; Active Directory gives 1,500 a time.
const mostParts = 64

// values returns the values of an attribute as text. A GUID and a SID are written as Microsoft's tools do; other
// values that are no text, such as pictures and certificates, are left out.
func (s *Source) values(ctx context.Context, e *goldap.Entry, attribute string) ([]string, error) {
	raw, err := s.rawValues(ctx, e, attribute)
	if err != nil {
		return nil, err
	}
	var values []string
	for _, v := range raw {
		if text, ok := textOf(attribute, v); ok {
			values = append(values, text)
		}
	}
	return values, nil
}

// rawValues follows the parts in which the directory gives very many values ([MS-ADTS] §3.1.1.3.1.3.3).
func (s *Source) rawValues(ctx context.Context, e *goldap.Entry, attribute string) ([][]byte, error) {
	values := e.GetEqualFoldRawAttributeValues(attribute)
	part, next, more := partOf(e, attribute)
	values = append(values, part...)
	for n := 1; more; n++ {
		if n > mostParts {
			return nil, fmt.Errorf("account %q: %s has no end", e.DN, attribute)
		}
		name := attribute + ";range=" + strconv.Itoa(next) + "-*"
		entries, err := s.search(ctx, &goldap.SearchRequest{
			BaseDN: e.DN, Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{name},
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if len(entries) != 1 {
			return nil, fmt.Errorf("reading %s of %q: %d entries", name, e.DN, len(entries))
		}
		from := next
		part, next, more = partOf(entries[0], attribute)
		if more && next <= from {
			return nil, fmt.Errorf("account %q: %s goes in circles", e.DN, attribute)
		}
		values = append(values, part...)
	}
	return values, nil
}

// partOf finds the part of an attribute's values in an entry, and where the next begins.
func partOf(e *goldap.Entry, attribute string) (values [][]byte, next int, more bool) {
	for _, a := range e.Attributes {
		if last, ok := rangeOf(a.Name, attribute); ok {
			return a.ByteValues, last + 1, last >= 0
		}
	}
	return nil, 0, false
}

// rangeOf reads NAME;range=0-1499, and NAME;range=1500-* for the last part, where last is -1.
func rangeOf(name, attribute string) (last int, ok bool) {
	base, option, ok := strings.Cut(name, ";")
	if !ok || !strings.EqualFold(base, attribute) {
		return 0, false
	}
	const begins = "range="
	if len(option) < len(begins) || !strings.EqualFold(option[:len(begins)], begins) {
		return 0, false
	}
	first, end, ok := strings.Cut(option[len(begins):], "-")
	from, err := strconv.Atoi(first)
	if !ok || err != nil || from < 0 {
		return 0, false
	}
	if end == "*" {
		return -1, true
	}
	last, err = strconv.Atoi(end)
	return last, err == nil && last >= from && last < 1<<31-1
}

// textOf writes a value for people and applications.
func textOf(attribute string, v []byte) (string, bool) {
	switch fold(attribute) {
	case "objectguid", "ms-ds-consistencyguid":
		text, err := guidText(v)
		return text, err == nil
	case "objectsid", "sidhistory", "tokengroups":
		return sidText(v)
	}
	return string(v), isText(v)
}

// isText reports whether a value can be read, and written into XML (XML 1.0 §2.2): bytes below 0x20 are fine UTF-8,
// and the sign-in of whoever has some in an attribute would be refused for them.
func isText(v []byte) bool {
	for rest := v; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		switch {
		case r == utf8.RuneError && size == 1, r == 0xfffe, r == 0xffff:
			return false
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r':
			return false
		}
	}
	return len(v) > 0
}

// sidText writes a SID as S-1-5-21-… ([MS-DTYP] §2.4.2).
func sidText(b []byte) (string, bool) {
	if len(b) < 8 || b[0] != 1 || len(b) != 8+4*int(b[1]) {
		return "", false
	}
	authority, err := strconv.ParseUint(hex.EncodeToString(b[2:8]), 16, 64)
	if err != nil {
		return "", false
	}
	var text strings.Builder
	text.WriteString("S-1-" + strconv.FormatUint(authority, 10))
	for at := 8; at < len(b); at += 4 {
		part := uint64(b[at]) | uint64(b[at+1])<<8 | uint64(b[at+2])<<16 | uint64(b[at+3])<<24
		text.WriteString("-" + strconv.FormatUint(part, 10))
	}
	return text.String(), true
}
