package idp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// defaultPolicy is the name of the global policy.
const defaultPolicy = "default"

// policySet holds the policies of a configuration, each complete.
type policySet struct {
	byName map[string]Policy
	global Policy
	portal Policy
}

// newPolicySet completes each policy from the one named default and that from [BuiltIn].
func newPolicySet(written []*Policy) (policySet, error) {
	set := policySet{byName: map[string]Policy{}, global: BuiltIn().sealed()}
	for _, p := range written {
		if p.Name == defaultPolicy {
			set.global = p.signed().Over(BuiltIn()).sealed()
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
		if p.MFA != nil && p.MFA.Mode == MFAEvery && p.MFA.Every <= 0 {
			return set, fmt.Errorf("policy %q: mfa every needs a time above zero", p.Name)
		}
		set.byName[p.Name] = p.signed().Over(set.global).sealed()
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

// sealed returns the policy with its digest worked out.
func (p Policy) sealed() Policy {
	sum := sha256.Sum256([]byte(p.Text()))
	p.sum = hex.EncodeToString(sum[:8])
	return p
}

// digest names the policy's whole text.
func (p Policy) digest() string {
	if p.sum != "" {
		return p.sum
	}
	return p.sealed().sum
}

// ruleTexts remembers which policy texts the store has been told.
type ruleTexts struct {
	mu   sync.Mutex
	told map[string]bool
}

// tell keeps the text behind a digest in the store, once.
func (t *ruleTexts) tell(ctx context.Context, log AuditLog, p Policy) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told[p.digest()] {
		return nil
	}
	if err := log.PutRuleText(ctx, p.digest(), p.Text()); err != nil {
		return err
	}
	if t.told == nil {
		t.told = map[string]bool{}
	}
	t.told[p.digest()] = true
	return nil
}
