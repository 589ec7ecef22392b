package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// AgentRuleConfig is one line of the operating_systems or browsers section.
type AgentRuleConfig struct {
	// Action is allow_only, block, minimum or warn.
	Action idp.AgentAction `json:"action"`
	// Names of operating systems or browsers.
	Names []string `json:"names"`
	// Version is the oldest that is let in, as 10.0.22000; with minimum only.
	Version string `json:"version,omitempty"`
	// From is the day, 2026-12-15, on which the rule begins to refuse; it warns before. UTC. Default: at once.
	From string `json:"from,omitempty"`
}

func (r *AgentRuleConfig) rule() (idp.AgentRule, error) {
	out := idp.AgentRule{Action: r.Action, Names: r.Names, Version: r.Version}
	if r.From == "" {
		return out, nil
	}
	var err error
	if out.From, err = time.Parse(time.DateOnly, r.From); err != nil {
		return out, fmt.Errorf("%q is no day; write it as 2026-12-15", r.From)
	}
	return out, nil
}

// ConditionConfig is a condition on requests, made of Caddy's request matchers.
type ConditionConfig struct {
	// Name of the condition, for the audit log. No two conditions share one.
	Name string `json:"name"`
	// MatchRaw are the matchers; all of them must match.
	MatchRaw caddy.ModuleMap `json:"match,omitempty" caddy:"namespace=http.matchers"`

	matchers   caddyhttp.MatcherSet
	definition string // MatchRaw, which is gone once it is loaded
}

// load makes the matchers.
func (c *ConditionConfig) load(ctx caddy.Context) error {
	raw, err := json.Marshal(c.MatchRaw)
	if err != nil {
		return fmt.Errorf("require %s: %w", c.Name, err)
	}
	c.definition = string(raw)
	loaded, err := ctx.LoadModule(c, "MatchRaw")
	if err != nil {
		return fmt.Errorf("require %s: %w", c.Name, err)
	}
	mods, _ := loaded.(map[string]any)
	if len(mods) == 0 {
		return fmt.Errorf("require %s has no matcher", c.Name)
	}
	for _, m := range mods {
		switch m := m.(type) {
		case caddyhttp.RequestMatcherWithError:
			c.matchers = append(c.matchers, m)
		case caddyhttp.RequestMatcher: //nolint:staticcheck // matchers of other plugins may know no other
			c.matchers = append(c.matchers, m)
		default:
			return fmt.Errorf("require %s: %T matches no requests", c.Name, m)
		}
	}
	return nil
}

// met reports whether a request meets the condition. A matcher that fails is not met.
func (c *ConditionConfig) met(r *http.Request) bool {
	ok, err := c.matchers.MatchWithError(r)
	return ok && err == nil
}

func (p *PolicyConfig) buildDevices(out *idp.Policy, _ map[string]idp.Network, _ func(string) (idp.GroupRef, error)) error {
	if p.TrustedEndpoints != "" {
		out.Endpoints = &idp.EndpointsSection{Mode: p.TrustedEndpoints}
	}
	var err error
	if out.Systems, err = agentSection(idp.SystemsSectionName, p.OperatingSystems); err != nil {
		return err
	}
	if out.Browsers, err = agentSection(idp.BrowsersSectionName, p.Browsers); err != nil {
		return err
	}
	if len(p.Require) > 0 {
		out.Require = &idp.RequireSection{Definitions: map[string]string{}}
		for _, c := range p.Require {
			out.Require.Conditions = append(out.Require.Conditions, c.Name)
			out.Require.Definitions[c.Name] = c.definition
		}
	}
	return nil
}

func agentSection(of string, rules []AgentRuleConfig) (*idp.AgentSection, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	s := &idp.AgentSection{Of: of}
	for i := range rules {
		r, err := rules[i].rule()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", of, err)
		}
		if err := checkAgents(of, &r); err != nil {
			return nil, err
		}
		s.Rules = append(s.Rules, r)
	}
	return s, nil
}

// parseAgentRules reads
//
//	operating_systems | browsers {
//		allow_only <name...>
//		block <name...>
//		minimum <name> <version> [from <day>]
//		warn <name...>
//	}
func parseAgentRules(b *block) (rules []AgentRuleConfig) {
	of := b.option
	inner := b.inner(of, "allow_only", "block", "minimum", "warn").repeatable("minimum")
	for inner.next() {
		r := AgentRuleConfig{Action: idp.AgentAction(inner.option)}
		if r.Action == idp.AgentMinimum {
			const usage = "NAME VERSION [from YYYY-MM-DD]"
			a := inner.leaf(2, 4, usage)
			switch {
			case len(a) < 2:
				continue
			case len(a) == 4 && a[2] == "from":
				r.From = a[3]
			case len(a) > 2:
				inner.fail("minimum in %s takes: minimum %s", inner.where, usage)
			}
			r.Names, r.Version = a[:1], a[1]
		} else {
			inner.list(&r.Names, "NAME…")
		}
		if _, err := agentSection(of, []AgentRuleConfig{r}); err != nil {
			inner.fail("%w", err)
		}
		rules = append(rules, r)
	}
	b.leave(inner, len(rules) > 0)
	return rules
}

// parseRequire reads
//
//	require <name> {
//		<matcher> <args...>
//	}
func (p *PolicyConfig) parseRequire(b *block) {
	const usage = "NAME { MATCHER… }"
	a := b.args(1, 1, usage)
	if len(a) != 1 {
		return
	}
	c := &ConditionConfig{Name: a[0]}
	if err := checkName(b.d, "require", c.Name); err != nil {
		b.take(err)
		return
	}
	if slices.ContainsFunc(p.Require, func(have *ConditionConfig) bool { return have.Name == c.Name }) {
		b.fail("require %s is written twice in %s", c.Name, b.where)
		return
	}
	set, err := caddyhttp.ParseCaddyfileNestedMatcherSet(b.d)
	if err != nil {
		b.take(err)
		return
	}
	if len(set) == 0 {
		b.fail("require %s has no matcher; it takes: require %s", c.Name, usage)
		return
	}
	c.MatchRaw = set
	p.Require = append(p.Require, c)
}

// sameConditions reports a name that two conditions share.
func (a *App) sameConditions() *mistake {
	seen := map[string]bool{}
	for _, p := range a.Policies {
		for _, c := range p.Require {
			if seen[c.Name] {
				return &mistake{within: [2]string{"policy", p.Name}, name: c.Name, text: fmt.Sprintf("require %s is in another policy already; give each condition a name of its own", c.Name)}
			}
			seen[c.Name] = true
		}
	}
	return nil
}
