package e2e

import (
	"slices"
	"strings"
)

// modifyKinds are the kinds of changes in a modify request (RFC 4511 §4.6).
var modifyKinds = map[byte]string{0: "add", 1: "delete", 2: "replace"}

// modify says what a modify request does, as "delete unicodePwd, add unicodePwd", and to which entry, in lower case:
// ModifyRequest ::= { object, changes SEQUENCE OF { operation ENUMERATED, modification { type, vals } } }.
func (m ldapMessage) modify() (dn, changes string, err error) {
	_, name, rest, err := element(m.body)
	if err != nil {
		return "", "", err
	}
	_, list, _, err := element(rest)
	var words []string
	for err == nil && len(list) > 0 {
		var change, kind, modification, attribute []byte
		if _, change, list, err = element(list); err != nil {
			break
		}
		if _, kind, modification, err = element(change); err != nil {
			break
		}
		if _, modification, _, err = element(modification); err != nil {
			break
		}
		if _, attribute, _, err = element(modification); err == nil && len(kind) == 1 {
			words = append(words, modifyKinds[kind[0]]+" "+string(attribute))
		}
	}
	return strings.ToLower(string(name)), strings.Join(words, ", "), err
}

// Modify is a modify request that came by.
type Modify struct {
	// By is who was signed in on the connection, and DN the entry, both in lower case.
	By, DN string
	// Changes are the kinds of changes and the attributes, as "delete unicodePwd, add unicodePwd".
	Changes string
}

// Modifies are the modify requests so far. Only a proxy that ends the TLS sees them.
func (p *FaultProxy) Modifies() []Modify {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return slices.Clone(p.log.modifies)
}
