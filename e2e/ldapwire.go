package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// The operations of LDAP messages that the tests tell apart: the tag of the protocolOp (RFC 4511 §4.2 and on).
const (
	opBind          = 0x60
	opBindResponse  = 0x61
	opUnbind        = 0x42
	opSearch        = 0x63
	opSearchEntry   = 0x64
	opSearchDone    = 0x65
	opModify        = 0x66
	opExtended      = 0x77
	mostLDAPMessage = 64 << 20
)

// opNames says what a client asked for.
var opNames = map[byte]string{
	opBind: "bind", opUnbind: "unbind", opSearch: "search", opModify: "modify", 0x68: "add", 0x4a: "delete", 0x6c: "rename",
	0x6e: "compare", 0x50: "abandon", opExtended: "extended",
}

// ldapMessage is one message as it was sent, and as far as the tests look into it.
type ldapMessage struct {
	raw []byte
	// number is the whole element of the message id, which an answer repeats.
	number []byte
	op     byte
	// body is what the operation holds.
	body []byte
}

// readLDAP reads the next message of a connection.
func readLDAP(r *bufio.Reader) (ldapMessage, error) {
	head, err := r.Peek(2)
	if err != nil {
		return ldapMessage{}, err
	}
	size, long := int(head[1]), 0
	if size >= 0x80 {
		if long = size & 0x7f; long == 0 || long > 4 {
			return ldapMessage{}, fmt.Errorf("a length of %d bytes", long)
		}
		if head, err = r.Peek(2 + long); err != nil {
			return ldapMessage{}, err
		}
		size = 0
		for _, b := range head[2:] {
			size = size<<8 | int(b)
		}
	}
	if size > mostLDAPMessage {
		return ldapMessage{}, fmt.Errorf("a message of %d bytes", size)
	}
	raw := make([]byte, 2+long+size)
	if _, err := io.ReadFull(r, raw); err != nil {
		return ldapMessage{}, err
	}
	return parseLDAP(raw)
}

// parseLDAP takes LDAPMessage ::= SEQUENCE { messageID INTEGER, protocolOp CHOICE, controls OPTIONAL } apart.
func parseLDAP(raw []byte) (ldapMessage, error) {
	m := ldapMessage{raw: raw}
	tag, inside, _, err := element(raw)
	if err != nil || tag != 0x30 {
		return m, errors.Join(err, fmt.Errorf("a message begins with %#x", tag))
	}
	tag, _, rest, err := element(inside)
	if err != nil || tag != 0x02 {
		return m, errors.Join(err, fmt.Errorf("a message id begins with %#x", tag))
	}
	m.number = inside[:len(inside)-len(rest)]
	m.op, m.body, _, err = element(rest)
	return m, err
}

// bindName is whom a bind request names: BindRequest ::= { version INTEGER, name OCTET STRING, … }.
func (m ldapMessage) bindName() (string, error) {
	_, _, rest, err := element(m.body)
	if err != nil {
		return "", err
	}
	_, name, _, err := element(rest)
	return string(name), err
}

// result is how an operation ended: LDAPResult ::= { resultCode ENUMERATED, matchedDN, diagnosticMessage, … }.
func (m ldapMessage) result() (code int, says string, err error) {
	_, number, rest, err := element(m.body)
	if err != nil {
		return 0, "", err
	}
	for _, b := range number {
		code = code<<8 | int(b)
	}
	_, _, rest, err = element(rest)
	if err != nil {
		return code, "", err
	}
	_, text, _, err := element(rest)
	return code, string(text), err
}

// element takes the first BER element off b; its tag is one byte, as all of LDAP's are.
func element(b []byte) (tag byte, content, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, io.ErrUnexpectedEOF
	}
	size, at := int(b[1]), 2
	if size >= 0x80 {
		long := size & 0x7f
		if long == 0 || long > 4 || len(b) < 2+long {
			return 0, nil, nil, io.ErrUnexpectedEOF
		}
		size, at = 0, 2+long
		for _, v := range b[2:at] {
			size = size<<8 | int(v)
		}
	}
	if size > len(b)-at {
		return 0, nil, nil, io.ErrUnexpectedEOF
	}
	return b[0], b[at : at+size], b[at+size:], nil
}

// wrap makes a BER element; the form of its length is the one of four bytes, which is always allowed.
func wrap(tag byte, parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	out := []byte{tag, 0x84, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
