package ldap_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

type entry struct {
	dn         string
	attributes map[string][]string
}

// matches evaluates a filter of and, or, equality and presence.
func (e entry) matches(p *ber.Packet) bool {
	switch p.Tag {
	case goldap.FilterAnd:
		return !slices.ContainsFunc(p.Children, func(c *ber.Packet) bool { return !e.matches(c) })
	case goldap.FilterOr:
		return slices.ContainsFunc(p.Children, e.matches)
	case goldap.FilterEqualityMatch:
		want := p.Children[1].Data.String()
		return slices.ContainsFunc(e.get(p.Children[0].Data.String()), func(v string) bool { return strings.EqualFold(v, want) })
	case goldap.FilterPresent:
		return true
	default:
		return false
	}
}

func (e entry) get(attribute string) []string {
	for k, v := range e.attributes {
		if strings.EqualFold(k, attribute) {
			return v
		}
	}
	return nil
}

func (e entry) packet() *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(octets(e.dn))
	attributes := ber.NewSequence("")
	for name, values := range e.attributes {
		a := ber.NewSequence("")
		a.AppendChild(octets(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range values {
			set.AppendChild(octets(v))
		}
		a.AppendChild(set)
		attributes.AppendChild(a)
	}
	p.AppendChild(attributes)
	return p
}

// partSize is how many values of an attribute are given at once. Active Directory's own number is 1,500.
const partSize = 1500

// part cuts the values of attributes that have very many into the part that was asked for.
func (e entry) part(asked *ber.Packet) entry {
	first := map[string]int{}
	for _, a := range asked.Children {
		if name, after, ok := strings.Cut(a.Data.String(), ";range="); ok {
			begin, _, _ := strings.Cut(after, "-")
			first[strings.ToLower(name)], _ = strconv.Atoi(begin)
		}
	}
	cut := entry{dn: e.dn, attributes: map[string][]string{}}
	for name, values := range e.attributes {
		from := first[strings.ToLower(name)]
		switch {
		case len(values) <= partSize:
			cut.attributes[name] = values
		case from+partSize < len(values):
			cut.attributes[fmt.Sprintf("%s;range=%d-%d", name, from, from+partSize-1)] = values[from : from+partSize]
		default:
			cut.attributes[fmt.Sprintf("%s;range=%d-*", name, from)] = values[from:]
		}
	}
	return cut
}
