package idp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Guard is everything that guards one application, or the portal: its policy, and policies of its own for some groups.
// The first group policy that has the person decides; what that leaves out the application's policy says, and what
// that leaves out the one named default (duo.md §4.2).
type Guard struct {
	Policy Policy        `json:"policy"`
	Groups []GroupPolicy `json:"groups,omitempty"`

	doc, sum string
	nets     []Network
	facts    bool // whether it reads anything of [Config.Facts]
}

// GroupPolicy is the policy for some groups of one application.
type GroupPolicy struct {
	For    []GroupRef `json:"for"`
	Policy Policy     `json:"policy"`
}

// GroupPolicyName names a policy for some groups.
type GroupPolicyName struct {
	Policy string
	For    []GroupRef
}

// guard builds what guards an application.
func (s policySet) guard(name string, groups []GroupPolicyName) (*Guard, error) {
	p, err := s.named(name)
	if err != nil {
		return nil, err
	}
	g := &Guard{Policy: p}
	for _, n := range groups {
		if n.Policy == defaultPolicy {
			return nil, fmt.Errorf("policy %s is under every other one already; name another for groups %s", defaultPolicy, groupWords(n.For))
		}
		own, ok := s.written[n.Policy]
		if !ok {
			_, err := s.named(n.Policy)
			return nil, err
		}
		if len(n.For) == 0 {
			return nil, fmt.Errorf("policy %s names no group", n.Policy)
		}
		over, err := own.Over(p).sealed()
		if err != nil {
			return nil, err
		}
		g.Groups = append(g.Groups, GroupPolicy{For: n.For, Policy: over})
	}
	doc, err := json.Marshal(g)
	if err != nil {
		return nil, fmt.Errorf("writing a policy down: %w", err)
	}
	g.doc, g.sum = string(doc), sumOf(doc)
	g.prepare()
	return g, nil
}

// ReadGuard reads what [AuditLog.RuleText] keeps of a guard.
func ReadGuard(doc string) (*Guard, error) {
	g := &Guard{doc: doc, sum: sumOf([]byte(doc))}
	if err := json.Unmarshal([]byte(doc), g); err != nil {
		return nil, fmt.Errorf("reading a policy: %w", err)
	}
	for p := range g.policies() {
		sealed, err := p.sealed()
		if err != nil {
			return nil, err
		}
		*p = sealed
	}
	g.prepare()
	return g, nil
}

// prepare works out what each visit would otherwise ask for again.
func (g *Guard) prepare() {
	g.facts = g.reads(func(p *Policy) bool {
		return readsAnonymous(p) || readsLocation(p) || readsAgent(p) || readsCertificate(p) || readsConditions(p)
	})
	for p := range g.policies() {
		for _, n := range p.networks() {
			if !slices.ContainsFunc(g.nets, func(have Network) bool { return have.Name == n.Name }) {
				g.nets = append(g.nets, n)
			}
		}
	}
}

// RuleText returns, for people, what [AuditLog.RuleText] keeps.
func RuleText(doc string) string {
	if g, err := ReadGuard(doc); err == nil {
		return g.Text()
	}
	return doc
}

// policies are all policies of the guard.
func (g *Guard) policies() func(yield func(*Policy) bool) {
	return func(yield func(*Policy) bool) {
		for i := range g.Groups {
			if !yield(&g.Groups[i].Policy) {
				return
			}
		}
		yield(&g.Policy)
	}
}

// Text returns the rules as the Caddyfile has them, one a line with the policy that wrote it.
func (g *Guard) Text() string {
	var b strings.Builder
	for i := range g.Groups {
		fmt.Fprintf(&b, "for %s: %s", groupWords(g.Groups[i].For), g.Groups[i].Policy.Text())
	}
	if len(g.Groups) > 0 {
		b.WriteString("for everybody else: ")
	}
	b.WriteString(g.Policy.Text())
	return b.String()
}

// For returns the policy that is in force for a person.
func (g *Guard) For(u *User) *Policy {
	if u == nil {
		return &g.Policy
	}
	for i := range g.Groups {
		if u.InAny(g.Groups[i].For) {
			return &g.Groups[i].Policy
		}
	}
	return &g.Policy
}

// Decide judges a visit by the policy that is in force for its person. It is pure.
func (g *Guard) Decide(v Visit) Decision {
	d, _ := g.For(v.User).decide(&v)
	d.Digest = g.sum
	return d
}

// names reports whether a group is one that the guard looks for.
func (g *Guard) names(source string, group Group) bool {
	u := User{Source: source, Groups: []Group{group}}
	for i := range g.Groups {
		if u.InAny(g.Groups[i].For) {
			return true
		}
	}
	for p := range g.policies() {
		if p.Groups != nil && u.InAny(p.Groups.Allow) || p.Outage != nil && slices.ContainsFunc(p.Outage.Rules, func(r OutageRule) bool { return u.InAny(r.Allow) }) {
			return true
		}
	}
	return false
}

// ruleTexts remembers which guards the store has been told.
type ruleTexts struct {
	mu   sync.Mutex
	told map[string]bool
}

// tell keeps the guard behind a digest in the store, once.
func (t *ruleTexts) tell(ctx context.Context, log AuditLog, g *Guard) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told[g.sum] {
		return nil
	}
	if err := log.PutRuleText(ctx, g.sum, g.doc); err != nil {
		return err
	}
	if t.told == nil {
		t.told = map[string]bool{}
	}
	t.told[g.sum] = true
	return nil
}
