package idp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Policy says what an application asks of a visit. A section that is nil is inherited from the
// policy named default, and from [BuiltIn] where that leaves it out too.
type Policy struct {
	Name           string                 `json:"name"`
	Authentication *AuthenticationSection `json:"authentication,omitempty"`
	NewUser        *NewUserSection        `json:"new_user,omitempty"`
	MFA            *MFASection            `json:"mfa,omitempty"`
	Remembered     *RememberedSection     `json:"remembered_devices,omitempty"`
	Factors        *FactorsSection        `json:"factors,omitempty"`
	Passwordless   *PasswordlessSection   `json:"passwordless,omitempty"`
	Rescue         *RescueSection         `json:"rescue_codes,omitempty"`
	Prompt         *PromptSection         `json:"prompt,omitempty"`
	Backup         *BackupSection         `json:"backup_factor,omitempty"`
	Outage         *OutageSection         `json:"outage,omitempty"`
	Groups         *GroupsSection         `json:"groups,omitempty"`
	EnrollFirst    *EnrollFirstSection    `json:"enroll_first,omitempty"`
	// EnrollAfterChange guards it further where the password was changed here before. Nil is the networks of
	// EnrollFirst where it names some, else a code.
	EnrollAfterChange *EnrollAfterChangeSection `json:"enroll_after_change,omitempty"`
	Networks          *NetworksSection          `json:"networks,omitempty"`
	Anonymous         *AnonymousSection         `json:"anonymous_networks,omitempty"`
	Locations         *LocationsSection         `json:"locations,omitempty"`
	Endpoints         *EndpointsSection         `json:"trusted_endpoints,omitempty"`
	Systems           *AgentSection             `json:"operating_systems,omitempty"`
	Browsers          *AgentSection             `json:"browsers,omitempty"`
	Require           *RequireSection           `json:"require,omitempty"`
	SharedComputers   *SharedSection            `json:"shared_computers,omitempty"`
	Session           *SessionSection           `json:"session,omitempty"`
	Hours             *HoursSection             `json:"hours,omitempty"`

	sum string // see digest
}

// sections returns those that are written, in the order in which they are shown.
func (p *Policy) sections() []section {
	var out []section
	add(&out, p.Authentication)
	add(&out, p.NewUser)
	add(&out, p.MFA)
	add(&out, p.Remembered)
	add(&out, p.Factors)
	add(&out, p.Passwordless)
	add(&out, p.Rescue)
	add(&out, p.Prompt)
	add(&out, p.Backup)
	add(&out, p.Outage)
	add(&out, p.Groups)
	add(&out, p.EnrollFirst)
	add(&out, p.EnrollAfterChange)
	add(&out, p.Networks)
	add(&out, p.Anonymous)
	add(&out, p.Locations)
	add(&out, p.Endpoints)
	add(&out, p.Systems)
	add(&out, p.Browsers)
	add(&out, p.Require)
	add(&out, p.SharedComputers)
	add(&out, p.Session)
	add(&out, p.Hours)
	return out
}

// add appends a section that is written.
func add[T any, S interface {
	*T
	section
}](out *[]section, s S) {
	if s != nil {
		*out = append(*out, s)
	}
}

// Over returns p with each section that it leaves out taken from under.
func (p Policy) Over(under Policy) Policy {
	inherit(&p.Authentication, under.Authentication)
	inherit(&p.NewUser, under.NewUser)
	inherit(&p.MFA, under.MFA)
	inherit(&p.Remembered, under.Remembered)
	inherit(&p.Factors, under.Factors)
	inherit(&p.Passwordless, under.Passwordless)
	inherit(&p.Rescue, under.Rescue)
	inherit(&p.Prompt, under.Prompt)
	inherit(&p.Backup, under.Backup)
	inherit(&p.Outage, under.Outage)
	inherit(&p.Groups, under.Groups)
	inherit(&p.EnrollFirst, under.EnrollFirst)
	inherit(&p.EnrollAfterChange, under.EnrollAfterChange)
	inherit(&p.Networks, under.Networks)
	inherit(&p.Anonymous, under.Anonymous)
	inherit(&p.Locations, under.Locations)
	inherit(&p.Endpoints, under.Endpoints)
	inherit(&p.Systems, under.Systems)
	inherit(&p.Browsers, under.Browsers)
	inherit(&p.Require, under.Require)
	inherit(&p.SharedComputers, under.SharedComputers)
	inherit(&p.Session, under.Session)
	inherit(&p.Hours, under.Hours)
	return p
}

func inherit[T any](s **T, under *T) {
	if *s == nil {
		*s = under
	}
}

// signed returns a copy whose sections name the policy that wrote them.
func (p Policy) signed() Policy {
	for _, copied := range []func(){
		own(&p.Authentication), own(&p.NewUser), own(&p.MFA), own(&p.Remembered), own(&p.Factors), own(&p.Passwordless),
		own(&p.Rescue), own(&p.Prompt), own(&p.Backup), own(&p.Outage), own(&p.Groups), own(&p.EnrollFirst),
		own(&p.EnrollAfterChange), own(&p.Networks), own(&p.Anonymous), own(&p.Locations), own(&p.Endpoints),
		own(&p.Systems), own(&p.Browsers), own(&p.Require), own(&p.SharedComputers), own(&p.Session), own(&p.Hours),
	} {
		copied()
	}
	for _, s := range p.sections() {
		s.writtenIn(p.Name)
	}
	return p
}

// own puts a copy in the place of a section, so that what is written into it is not written into the caller's.
func own[T any](s **T) func() {
	return func() {
		if *s != nil {
			c := **s
			*s = &c
		}
	}
}

// BuiltIn is the policy under the one named default: a second factor at every sign-in, any factor, no
// limit by group, first enrollment from anywhere, and "Is this your device?" where an answer is worth something.
func BuiltIn() Policy {
	return Policy{
		Name:        builtIn,
		NewUser:     &NewUserSection{Written: Written{builtIn}, Mode: NewUserEnroll},
		MFA:         &MFASection{Written: Written{builtIn}, Mode: MFAAlways},
		Remembered:  &RememberedSection{Written: Written{builtIn}, Mode: RememberAsk},
		EnrollFirst: &EnrollFirstSection{Written: Written{builtIn}, Mode: EnrollAnywhere},
	}
}

const builtIn = "built-in"

// check reports the first section that a configuration must not hold.
func (p *Policy) check() error {
	for _, s := range p.sections() {
		if err := s.check(); err != nil {
			return fmt.Errorf("policy %q: %w", p.Name, err)
		}
	}
	return nil
}

// Text returns the whole policy, one rule a line with the policy that wrote it. Its digest is in
// each audit line.
func (p *Policy) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "policy %s\n", p.Name)
	full := *p
	full.EnrollAfterChange = p.afterChange()
	for _, s := range full.sections() {
		for _, l := range s.lines() {
			fmt.Fprintf(&b, "%s # %s\n", l, s.from())
		}
	}
	if p.Require != nil {
		for _, c := range p.Require.Conditions {
			if d := p.Require.Definitions[c]; d != "" {
				fmt.Fprintf(&b, "condition %s %s\n", c, d)
			}
		}
	}
	for _, n := range p.networks() {
		fmt.Fprintf(&b, "network %s %v\n", n.Name, n.Ranges)
	}
	return b.String()
}

// Network is a named list of address ranges.
type Network struct {
	Name   string         `json:"name"`
	Ranges []netip.Prefix `json:"ranges,omitempty"`
	// List holds further addresses, of a file that may change while the gateway runs. A nil List holds none.
	List AddressList `json:"-"`
}

// AddressList is a set of addresses.
type AddressList interface{ Contains(a netip.Addr) bool }

// Contains reports whether the network holds an address. An unknown address is in no network, and
// IPv4 in IPv6 clothes counts as IPv4 (security.md C-57).
func (n Network) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return false
	}
	return slices.ContainsFunc(n.Ranges, func(p netip.Prefix) bool { return p.Contains(a) }) || n.List != nil && n.List.Contains(a)
}

// networks returns those that the sections name, each once.
func (p *Policy) networks() []Network {
	var named []Network
	add := func(more []Network) {
		for _, n := range more {
			if !slices.ContainsFunc(named, func(have Network) bool { return have.Name == n.Name }) {
				named = append(named, n)
			}
		}
	}
	if p.EnrollFirst != nil {
		add(p.EnrollFirst.Networks)
	}
	add(p.afterChange().Networks)
	if p.Networks != nil {
		for _, r := range p.Networks.Rules {
			add(r.Networks)
		}
	}
	if p.SharedComputers != nil {
		add(p.SharedComputers.Networks)
	}
	return named
}
