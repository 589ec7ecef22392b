package idp

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Policy says what an application asks of a visit. A section that is nil is inherited from the
// policy named default, and from [BuiltIn] where that leaves it out too.
type Policy struct {
	Name        string              `json:"name"`
	MFA         *MFASection         `json:"mfa,omitempty"`
	Factors     *FactorsSection     `json:"factors,omitempty"`
	Groups      *GroupsSection      `json:"groups,omitempty"`
	EnrollFirst *EnrollFirstSection `json:"enroll_first,omitempty"`
	// EnrollAfterChange guards it further where the password was changed here before. Nil is the networks of
	// EnrollFirst where it names some, else a code.
	EnrollAfterChange *EnrollAfterChangeSection `json:"enroll_after_change,omitempty"`

	sum string // see digest
}

// MFASection says how often a second factor is asked.
type MFASection struct {
	Mode   MFAMode       `json:"mode"`
	Every  time.Duration `json:"every,omitempty"`  // with MFAEvery
	Shared bool          `json:"shared,omitempty"` // one proof for all applications that say shared
	From   string        `json:"-"`                // policy that wrote the section
}

// MFAMode is the first word of the mfa section.
type MFAMode string

// The modes. Always asks at every sign-in to the application; Every keeps a proof for a while,
// on a device that the person called their own; Off asks for the password alone.
const (
	MFAAlways MFAMode = "always"
	MFAEvery  MFAMode = "every"
	MFAOff    MFAMode = "off"
)

// FactorsSection lists the factors that count, strongest first.
type FactorsSection struct {
	Names []string `json:"names"`
	From  string   `json:"-"`
}

// GroupsSection lets in only members of one of the groups.
type GroupsSection struct {
	Allow []GroupRef `json:"allow"`
	From  string     `json:"-"`
}

// EnrollFirstSection guards the first enrollment of somebody who has shown a password only.
type EnrollFirstSection struct {
	Mode     EnrollMode `json:"mode"`
	Networks []Network  `json:"networks,omitempty"` // with EnrollFrom
	From     string     `json:"-"`
}

// EnrollAfterChangeSection guards the first enrollment of somebody who changed their password here with nothing but
// the old one: whoever learnt a password that was given out or left to expire must not make the account
// theirs with it (security.md C-39). It holds beside enroll_first.
type EnrollAfterChangeSection struct{ EnrollFirstSection }

// EnrollMode is the first word of the enroll_first section.
type EnrollMode string

// The modes of enroll_first.
const (
	EnrollAnywhere EnrollMode = "anywhere"
	EnrollFrom     EnrollMode = "from"
	EnrollWithCode EnrollMode = "with_code"
)

// Network is a named list of address ranges.
type Network struct {
	Name   string         `json:"name"`
	Ranges []netip.Prefix `json:"ranges"`
}

// Contains reports whether the network holds an address. An unknown address is in no network, and
// IPv4 in IPv6 clothes counts as IPv4 (security.md C-57).
func (n Network) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return false
	}
	for _, p := range n.Ranges {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// BuiltIn is the policy under the one named default: a second factor at every sign-in, any factor, no
// limit by group, first enrollment from anywhere.
func BuiltIn() Policy {
	return Policy{
		Name:        "built-in",
		MFA:         &MFASection{Mode: MFAAlways, From: "built-in"},
		EnrollFirst: &EnrollFirstSection{Mode: EnrollAnywhere, From: "built-in"},
	}
}

// Over returns p with each section that it leaves out taken from under.
func (p Policy) Over(under Policy) Policy {
	if p.MFA == nil {
		p.MFA = under.MFA
	}
	if p.Factors == nil {
		p.Factors = under.Factors
	}
	if p.Groups == nil {
		p.Groups = under.Groups
	}
	if p.EnrollFirst == nil {
		p.EnrollFirst = under.EnrollFirst
	}
	if p.EnrollAfterChange == nil {
		p.EnrollAfterChange = under.EnrollAfterChange
	}
	return p
}

// signed returns a copy whose sections name the policy that wrote them.
func (p Policy) signed() Policy {
	if p.MFA != nil {
		m := *p.MFA
		m.From = p.Name
		p.MFA = &m
	}
	if p.Factors != nil {
		f := *p.Factors
		f.From = p.Name
		p.Factors = &f
	}
	if p.Groups != nil {
		s := *p.Groups
		s.From = p.Name
		p.Groups = &s
	}
	if p.EnrollFirst != nil {
		e := *p.EnrollFirst
		e.From = p.Name
		p.EnrollFirst = &e
	}
	if p.EnrollAfterChange != nil {
		e := *p.EnrollAfterChange
		e.From = p.Name
		p.EnrollAfterChange = &e
	}
	return p
}

// String returns the section as the Caddyfile has it: "mfa every 7d shared".
func (m *MFASection) String() string {
	s := "mfa " + string(m.Mode)
	if m.Mode == MFAEvery {
		s += " " + days(m.Every)
		if m.Shared {
			s += " shared"
		}
	}
	return s
}

// String returns the section as the Caddyfile has it.
func (f *FactorsSection) String() string { return "factors " + strings.Join(f.Names, " ") }

// String returns the section as the Caddyfile has it.
func (s *GroupsSection) String() string {
	words := make([]string, len(s.Allow))
	for i, r := range s.Allow {
		words[i] = strconv.Quote(r.String())
	}
	return "groups " + strings.Join(words, " ")
}

// String returns the section as the Caddyfile has it.
func (e *EnrollFirstSection) String() string { return "enroll_first " + e.words() }

// String returns the section as the Caddyfile has it.
func (e *EnrollAfterChangeSection) String() string { return "enroll_after_change " + e.words() }

func (e *EnrollFirstSection) words() string {
	return strings.Join(append([]string{string(e.Mode)}, networkNames(e.Networks)...), " ")
}

// opens reports whether the gate lets in whoever comes from an address.
func (e *EnrollFirstSection) opens(client netip.Addr) bool {
	return e.Mode == EnrollAnywhere ||
		e.Mode == EnrollFrom && slices.ContainsFunc(e.Networks, func(n Network) bool { return n.Contains(client) })
}

// afterChange returns the section of that name, or what stands for it.
func (p Policy) afterChange() *EnrollAfterChangeSection {
	switch first := p.EnrollFirst; {
	case p.EnrollAfterChange != nil:
		return p.EnrollAfterChange
	case first != nil && first.Mode == EnrollFrom:
		return &EnrollAfterChangeSection{*first}
	}
	return &EnrollAfterChangeSection{EnrollFirstSection{Mode: EnrollWithCode, From: BuiltIn().Name}}
}

// Text returns the whole policy, one section a line with the policy that wrote it. Its digest is in
// each audit line.
func (p Policy) Text() string {
	var b strings.Builder
	line := func(section, from string) { fmt.Fprintf(&b, "%s # %s\n", section, from) }
	fmt.Fprintf(&b, "policy %s\n", p.Name)
	if p.MFA != nil {
		line(p.MFA.String(), p.MFA.From)
	}
	if p.Factors != nil {
		line(p.Factors.String(), p.Factors.From)
	}
	if p.Groups != nil {
		line(p.Groups.String(), p.Groups.From)
	}
	if p.EnrollFirst != nil {
		line(p.EnrollFirst.String(), p.EnrollFirst.From)
	}
	after := p.afterChange()
	line(after.String(), after.From)
	for _, n := range p.networks() {
		fmt.Fprintf(&b, "network %s %v\n", n.Name, n.Ranges)
	}
	return b.String()
}

// networks returns those that the sections name, each once.
func (p Policy) networks() []Network {
	var named []Network
	if p.EnrollFirst != nil {
		named = append(named, p.EnrollFirst.Networks...)
	}
	for _, n := range p.afterChange().Networks {
		if !slices.ContainsFunc(named, func(have Network) bool { return have.Name == n.Name }) {
			named = append(named, n)
		}
	}
	return named
}

// days prints a duration in the largest unit that fits: 7d, 12h, 90m.
func days(d time.Duration) string {
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= u.size && d%u.size == 0 {
			return strconv.FormatInt(int64(d/u.size), 10) + u.name
		}
	}
	return d.String()
}
