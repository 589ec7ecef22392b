package caddymodule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// PolicyConfig says what an application asks of a visit. The policy named default is the global one;
// every other policy replaces only the sections that it writes.
type PolicyConfig struct {
	// Name of the policy.
	Name string `json:"name"`
	// MFA says how often a second factor is asked. Default: always.
	MFA *MFAConfig `json:"mfa,omitempty"`
	// Factors that count, strongest first, by their names. Default: all, in the order of the configuration.
	Factors []string `json:"factors,omitempty"`
	// Groups let in their members only, each as "source/name"; the source may be left out where there
	// is one source only. Default: everybody who can sign in.
	Groups []string `json:"groups,omitempty"`
	// EnrollFirst guards the first enrollment of somebody who has shown a password only. Default: anywhere.
	EnrollFirst *EnrollFirstConfig `json:"enroll_first,omitempty"`
	// EnrollAfterChange guards it further where the person changed an expired or first password, or any, here and had
	// no factor to show before. Default: the networks of enroll_first where it names some, else with_code.
	EnrollAfterChange *EnrollFirstConfig `json:"enroll_after_change,omitempty"`
}

// MFAConfig says how often a second factor is asked.
type MFAConfig struct {
	// Mode is always (at every sign-in to the application), every (a proof is kept for a while on a
	// device that the person called their own) or off.
	Mode idp.MFAMode `json:"mode"`
	// Every is how long a proof is good for; with mode every only.
	Every caddy.Duration `json:"every,omitempty"`
	// Shared makes one proof count for all applications whose policy says shared; with mode every only.
	Shared bool `json:"shared,omitempty"`
}

// EnrollFirstConfig guards the first enrollment.
type EnrollFirstConfig struct {
	// Mode is anywhere, from (one of Networks) or with_code (a code that `caddy gatehouse user invite` makes).
	Mode idp.EnrollMode `json:"mode"`
	// Networks are names of networks; with mode from only.
	Networks []string `json:"networks,omitempty"`
}

// policy builds what idp wants. Names were checked before.
func (p *PolicyConfig) policy(networks map[string]idp.Network, group func(string) (idp.GroupRef, error)) (*idp.Policy, error) {
	out := &idp.Policy{Name: p.Name}
	if p.MFA != nil {
		if err := p.MFA.check(); err != nil {
			return nil, fmt.Errorf("policy %s: %w", p.Name, err)
		}
		out.MFA = &idp.MFASection{Mode: p.MFA.Mode, Every: time.Duration(p.MFA.Every), Shared: p.MFA.Shared}
	}
	if len(p.Factors) > 0 {
		out.Factors = &idp.FactorsSection{Names: p.Factors}
	}
	if len(p.Groups) > 0 {
		out.Groups = &idp.GroupsSection{}
		for _, g := range p.Groups {
			ref, err := group(g)
			if err != nil {
				return nil, fmt.Errorf("policy %s: %w", p.Name, err)
			}
			out.Groups.Allow = append(out.Groups.Allow, ref)
		}
	}
	var err error
	if out.EnrollFirst, err = p.EnrollFirst.section("enroll_first", networks); err != nil {
		return nil, fmt.Errorf("policy %s: %w", p.Name, err)
	}
	after, err := p.EnrollAfterChange.section("enroll_after_change", networks)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", p.Name, err)
	}
	if after != nil {
		out.EnrollAfterChange = &idp.EnrollAfterChangeSection{EnrollFirstSection: *after}
	}
	return out, nil
}

const mfaUsage = "always | every DURATION [shared] | off"

func (m *MFAConfig) check() error {
	switch m.Mode {
	case idp.MFAEvery:
		if m.Every <= 0 {
			return fmt.Errorf("mfa every needs a duration; mfa takes: %s", mfaUsage)
		}
		return nil
	case idp.MFAAlways, idp.MFAOff:
		if m.Every != 0 || m.Shared {
			return fmt.Errorf("mfa %s takes nothing else; mfa takes: %s", m.Mode, mfaUsage)
		}
		return nil
	}
	return fmt.Errorf("mfa %q is unknown; mfa takes: %s", m.Mode, mfaUsage)
}

const enrollUsage = "anywhere | from NETWORK… | with_code"

// check judges a gate under the name of its section.
func (e *EnrollFirstConfig) check(section string) error {
	switch e.Mode {
	case idp.EnrollFrom:
		if len(e.Networks) == 0 {
			return fmt.Errorf("%s from needs a network; %[1]s takes: %[2]s", section, enrollUsage)
		}
		return nil
	case idp.EnrollAnywhere, idp.EnrollWithCode:
		if len(e.Networks) > 0 {
			return fmt.Errorf("%s %s takes nothing else; %[1]s takes: %[3]s", section, e.Mode, enrollUsage)
		}
		return nil
	}
	return fmt.Errorf("%s %q is unknown; %[1]s takes: %[3]s", section, e.Mode, enrollUsage)
}

// section builds what idp wants of a gate, nil where it is not written.
func (e *EnrollFirstConfig) section(name string, networks map[string]idp.Network) (*idp.EnrollFirstSection, error) {
	if e == nil {
		return nil, nil
	}
	if err := e.check(name); err != nil {
		return nil, err
	}
	s := &idp.EnrollFirstSection{Mode: e.Mode}
	for _, n := range e.Networks {
		s.Networks = append(s.Networks, networks[n])
	}
	return s, nil
}

func parseEnroll(b *block) *EnrollFirstConfig {
	a := b.leaf(1, -1, enrollUsage)
	if len(a) == 0 {
		return nil
	}
	e := &EnrollFirstConfig{Mode: idp.EnrollMode(a[0]), Networks: a[1:]}
	if err := e.check(b.option); err != nil {
		b.fail("%w", err)
	}
	return e
}

// readsNetworks reports whether the address of a client decides anything.
func (p *PolicyConfig) readsNetworks() bool {
	return len(p.networks()) > 0
}

// networks returns the names of those that the gates of the enrollment name.
func (p *PolicyConfig) networks() (names []string) {
	for _, e := range []*EnrollFirstConfig{p.EnrollFirst, p.EnrollAfterChange} {
		if e != nil {
			names = append(names, e.Networks...)
		}
	}
	return names
}

// parsePolicy reads
//
//	policy <name> {
//		mfa always | every <duration> [shared] | off
//		factors <name...>
//		groups <group...>
//		enroll_first anywhere | from <network...> | with_code
//		enroll_after_change anywhere | from <network...> | with_code
//	}
func parsePolicy(d *caddyfile.Dispenser) (*PolicyConfig, error) {
	args := d.RemainingArgs()
	if len(args) != 1 {
		return nil, d.Errf("policy takes: policy NAME { … }")
	}
	p := &PolicyConfig{Name: args[0]}
	if err := checkName(d, "policy", p.Name); err != nil {
		return nil, err
	}
	b := newBlock(d, "policy "+p.Name, "mfa", "factors", "groups", "enroll_first", "enroll_after_change")
	for b.next() {
		switch b.option {
		case "mfa":
			p.MFA = parseMFA(b)
		case "factors":
			b.list(&p.Factors, "FACTOR…")
			if twice := repeated(p.Factors); twice != "" {
				b.fail("factors in policy %s names %s twice", p.Name, twice)
			}
		case "groups":
			b.list(&p.Groups, "GROUP…")
		case "enroll_first":
			p.EnrollFirst = parseEnroll(b)
		case "enroll_after_change":
			p.EnrollAfterChange = parseEnroll(b)
		}
	}
	return p, b.err
}

func parseMFA(b *block) *MFAConfig {
	a := b.leaf(1, 3, mfaUsage)
	if len(a) == 0 {
		return nil
	}
	m := &MFAConfig{Mode: idp.MFAMode(a[0])}
	rest := a[1:]
	if m.Mode == idp.MFAEvery && len(rest) > 0 {
		m.Every, _ = b.parseDuration(rest[0])
		rest = rest[1:]
		if len(rest) > 0 && rest[0] == "shared" {
			m.Shared, rest = true, rest[1:]
		}
	}
	if len(rest) > 0 {
		b.fail("%q is not understood; mfa takes: %s", strings.Join(rest, " "), mfaUsage)
	}
	if err := m.check(); err != nil {
		b.fail("%w", err)
	}
	return m
}

// repeated returns a value that is in the list twice, or "".
func repeated(list []string) string {
	for i, s := range list {
		if slices.Contains(list[:i], s) {
			return s
		}
	}
	return ""
}
