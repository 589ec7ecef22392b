package caddymodule

import "github.com/gatehouse-sso/gatehouse/idp"

// GroupPolicyConfig is the policy for some groups of one application, or of the portal.
type GroupPolicyConfig struct {
	// Policy is the name of a policy, not default.
	Policy string `json:"policy"`
	// Groups whose members it is for.
	Groups []string `json:"groups"`
}

// parsePolicyName reads
//
//	policy <name> [for <group...>]
//
// Without groups it is for everybody else, and there is one.
func parsePolicyName(b *block, everybody *string, groups *[]GroupPolicyConfig) {
	const usage = "NAME [for GROUP…]"
	a := b.leaf(1, -1, usage)
	switch {
	case len(a) == 0:
	case len(a) == 1 && *everybody != "":
		b.fail("policy is written twice in %s for everybody; say for whom: policy %s for GROUP…", b.where, a[0])
	case len(a) == 1:
		*everybody = a[0]
	case a[1] != "for" || len(a) == 2:
		b.fail("policy in %s takes: policy %s", b.where, usage)
	case a[0] == "default":
		b.fail("policy default is under every other policy already; name another one for groups")
	default:
		*groups = append(*groups, GroupPolicyConfig{Policy: a[0], Groups: a[2:]})
	}
}

// checkGroupPolicies finds the first name that nothing has.
func (n names) checkGroupPolicies(policies []GroupPolicyConfig, within ...string) *mistake {
	for _, p := range policies {
		if m := find("policy", p.Policy, n.policies, within...); m != nil {
			return m
		}
		for _, g := range p.Groups {
			if err := n.checkGroup(g); err != nil {
				return &mistake{within: [2]string{within[0], within[1]}, name: g, text: err.Error()}
			}
		}
	}
	return nil
}

// groupPolicies builds what idp wants.
func groupPolicies(policies []GroupPolicyConfig, group func(string) (idp.GroupRef, error)) ([]idp.GroupPolicyName, error) {
	var out []idp.GroupPolicyName
	for _, p := range policies {
		refs, err := groupRefs(p.Groups, group)
		if err != nil {
			return nil, err
		}
		out = append(out, idp.GroupPolicyName{Policy: p.Policy, For: refs})
	}
	return out, nil
}
