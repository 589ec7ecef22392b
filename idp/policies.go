package idp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// defaultPolicy is the name of the global policy.
const defaultPolicy = "default"

// policySet holds the policies of a configuration, each complete.
type policySet struct {
	byName  map[string]Policy
	written map[string]Policy // as written, with nothing inherited
	global  Policy
	files   map[string]Versioned // see [Config.Files]
}

// newPolicySet completes each policy from the one named default and that from [BuiltIn].
func newPolicySet(written []*Policy) (policySet, error) {
	set := policySet{byName: map[string]Policy{}, written: map[string]Policy{}}
	var err error
	if set.global, err = BuiltIn().sealed(); err != nil {
		return set, err
	}
	for _, p := range written {
		if p.Name == defaultPolicy {
			if _, twice := set.byName[defaultPolicy]; twice {
				return set, fmt.Errorf("policy %q is configured twice", p.Name)
			}
			if set.global, err = p.signed().Over(BuiltIn()).sealed(); err != nil {
				return set, err
			}
			set.byName[defaultPolicy] = set.global
		}
	}
	for _, p := range written {
		if p.Name == defaultPolicy {
			continue
		}
		if _, twice := set.byName[p.Name]; twice {
			return set, fmt.Errorf("policy %q is configured twice", p.Name)
		}
		own := p.signed()
		set.written[p.Name] = own
		if set.byName[p.Name], err = own.Over(set.global).sealed(); err != nil {
			return set, err
		}
	}
	return set, nil
}

// named returns a policy by name; "" is the global one.
func (s policySet) named(name string) (Policy, error) {
	if name == "" || name == defaultPolicy {
		return s.global, nil
	}
	p, ok := s.byName[name]
	if !ok {
		names := make([]string, 0, len(s.byName))
		for n := range s.byName {
			names = append(names, n)
		}
		slices.Sort(names)
		return Policy{}, fmt.Errorf("no policy named %q; there are: %s", name, strings.Join(names, ", "))
	}
	return p, nil
}

// all returns every policy, in no order.
func (s policySet) all() []Policy {
	out := []Policy{s.global}
	for _, p := range s.byName {
		out = append(out, p)
	}
	return out
}

// sealed returns the policy checked, with its digest worked out.
func (p Policy) sealed() (Policy, error) {
	if err := p.check(); err != nil {
		return p, err
	}
	p.sum = sumOf([]byte(p.Text()))
	return p, nil
}

// factorNames are the factors that the policy's sections name.
func (p *Policy) factorNames() []string {
	var names []string
	if p.Factors != nil {
		names = append(names, p.Factors.Names...)
	}
	if p.Passwordless != nil {
		names = append(names, p.Passwordless.Names...)
	}
	if p.Outage != nil {
		for _, r := range p.Outage.Rules {
			names = append(append(names, r.Factor), r.Use...)
		}
	}
	return names
}

// digest names the policy's whole text.
func (p *Policy) digest() string {
	if p.sum != "" {
		return p.sum
	}
	return sumOf([]byte(p.Text()))
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
