package ldap_test

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// passwordModify is the extended operation of RFC 3062.
const passwordModify = "1.3.6.1.4.1.4203.1.11.1"

// change is a change of a password, as it was asked for.
type change struct{ by, dn, form, old, replacement string }

func (d *directory) changed() []change {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]change(nil), d.changes...)
}

// control returns the control for password policies, where the test has set one.
func (d *directory) control() []*ber.Packet {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.policy == nil {
		return nil
	}
	return []*ber.Packet{d.policy}
}

// fault returns what goes with the answer to a change.
func (d *directory) fault() []*ber.Packet {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.faulty == nil {
		return nil
	}
	return []*ber.Packet{d.faulty}
}

// policyControl writes the control; a number below zero is left out.
func policyControl(expires, grace, fault int64) *ber.Packet {
	value := ber.NewSequence("")
	warning := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
	switch {
	case expires >= 0:
		warning.AppendChild(ber.NewInteger(ber.ClassContext, ber.TypePrimitive, 0, expires, ""))
		value.AppendChild(warning)
	case grace >= 0:
		warning.AppendChild(ber.NewInteger(ber.ClassContext, ber.TypePrimitive, 1, grace, ""))
		value.AppendChild(warning)
	}
	if fault >= 0 {
		value.AppendChild(ber.NewInteger(ber.ClassContext, ber.TypePrimitive, 1, fault, ""))
	}
	p := ber.NewSequence("")
	p.AppendChild(octets(goldap.ControlTypeBeheraPasswordPolicy))
	p.AppendChild(octets(string(value.Bytes())))
	return p
}

// modify makes a change of unicodePwd: delete the old value, add the new one.
func (d *directory) modify(who string, op *ber.Packet) result {
	c := change{by: who, dn: op.Children[0].Value.(string)}
	for _, m := range op.Children[1].Children {
		attribute := m.Children[1]
		value := attribute.Children[1].Children[0].Data.String()
		switch m.Children[0].Value.(int64) {
		case goldap.DeleteAttribute:
			c.form += "delete " + attribute.Children[0].Data.String() + " "
			c.old = unquoted(value)
		case goldap.AddAttribute:
			c.form += "add " + attribute.Children[0].Data.String() + " "
			c.replacement = unquoted(value)
		default:
			c.form += "other "
		}
	}
	return d.change(c, result{goldap.LDAPResultConstraintViolation, "00000056: Constraint violation - check_password_restrictions: The old password specified doesn't match!"})
}

func unquoted(value string) string {
	var units []uint16
	for at := 0; at+1 < len(value); at += 2 {
		units = append(units, binary.LittleEndian.Uint16([]byte(value[at:])))
	}
	text := string(utf16.Decode(units))
	if len(text) < 2 || !strings.HasPrefix(text, `"`) || !strings.HasSuffix(text, `"`) {
		return "not in quotes: " + text
	}
	return text[1 : len(text)-1]
}

// passwordModify makes a change by RFC 3062.
func (d *directory) passwordModify(who string, op *ber.Packet) result {
	c := change{by: who, dn: who, form: "password modify"}
	value, err := ber.DecodePacketErr(op.Children[1].Data.Bytes())
	if err != nil {
		return result{goldap.LDAPResultProtocolError, err.Error()}
	}
	for _, child := range value.Children {
		to := map[ber.Tag]*string{0: &c.dn, 1: &c.old, 2: &c.replacement}[child.Tag]
		if to == nil {
			return result{goldap.LDAPResultProtocolError, "an unknown field"}
		}
		*to = child.Data.String()
	}
	return d.change(c, result{goldap.LDAPResultUnwillingToPerform, "unwilling to verify old password"})
}

func (d *directory) change(c change, wrong result) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes = append(d.changes, c)
	switch {
	case d.passwords[c.dn] != c.old:
		return wrong
	case d.refused.code != 0:
		return d.refused
	}
	d.passwords[c.dn] = c.replacement
	delete(d.states, c.dn)
	return result{}
}

// fileTime writes a date as Active Directory does.
func fileTime(t time.Time) string {
	return strconv.FormatInt((t.Unix()+11_644_473_600)*10_000_000+int64(t.Nanosecond())/100, 10)
}
