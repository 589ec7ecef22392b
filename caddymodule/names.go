package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// mistake is a name that nothing in the configuration has, and where it was used.
type mistake struct {
	within [2]string // "policy", "weekly"
	name   string
	text   string
	prose  bool // the name may be in a line of textOptions
}

// textOptions begin lines whose words are no names of a policy, group, factor or network, whatever they look like.
var textOptions = []string{"label", "icon", "title", "help", "session_name", "name_id", "attribute"}

// Error says what is wrong and where in the configuration.
func (m *mistake) Error() string {
	return strings.TrimSpace(strings.Join(m.within[:], " ")) + ": " + m.text
}

// at adds file and line of the first place in the segment that the mistake can mean.
func (m *mistake) at(s caddyfile.Segment) error {
	t, _ := m.find(s)
	return tokenError(t, "%w", m)
}

// find returns the token that the mistake can mean, or where its section begins and false.
func (m *mistake) find(s caddyfile.Segment) (caddyfile.Token, bool) {
	from := m.section(s)
	for i := from; i < len(s); i++ {
		if s[i].Text == m.name && (m.prose || !slices.Contains(textOptions, s[lineStart(s, i)].Text)) {
			return s[i], true
		}
	}
	return s[from], false
}

// section returns where the section begins, or 0. Of the lines that begin like it one with a block is meant: "policy weekly"
// is a line of an application as well.
func (m *mistake) section(s caddyfile.Segment) int {
	first := -1
	for i := range s {
		if s[i].Text != m.within[0] || m.within[1] != "" && (i+1 >= len(s) || s[i+1].Text != m.within[1]) {
			continue
		}
		if first < 0 {
			first = i
		}
		for j := i; j < len(s) && lineStart(s, j) == lineStart(s, i); j++ {
			if s[j].Text == "{" {
				return i
			}
		}
	}
	return max(first, 0)
}

// lineStart returns where the line of a token begins: the place of the option whose value it is.
func lineStart(s caddyfile.Segment, i int) int {
	for i > 0 && s[i-1].File == s[i].File && s[i-1].Line == s[i].Line {
		i--
	}
	return i
}

// names are what the sections of a configuration may refer to.
type names struct {
	sources, factors, policies, networks []string
	groups                               map[string][]string // by source; nil where a source cannot say
}

func (a *App) names() names {
	n := names{groups: map[string][]string{}}
	for _, s := range a.Sources {
		n.sources = append(n.sources, s.Name)
		if l, ok := s.guest().(GroupLister); ok {
			n.groups[s.Name] = l.ListGroups()
		}
	}
	for _, f := range a.Factors {
		n.factors = append(n.factors, f.Name)
	}
	n.policies = []string{"default"} // there even where it is not written
	for _, p := range a.Policies {
		if p.Name != "default" {
			n.policies = append(n.policies, p.Name)
		}
	}
	for _, w := range a.Networks {
		n.networks = append(n.networks, w.Name)
	}
	return n
}

// crossCheck finds the first name that is used and not defined. It needs no loaded guests, so that it
// serves the adapter and, for configurations written as JSON, Validate.
func (a *App) crossCheck() *mistake {
	n := a.names()
	if a.Portal != nil {
		if m := find("policy", a.Portal.Policy, n.policies, "portal", ""); m != nil {
			return m
		}
		if m := n.checkGroupPolicies(a.Portal.GroupPolicies, "portal", ""); m != nil {
			return m
		}
	}
	if m := a.filesNeeded(); m != nil {
		return m
	}
	if m := a.shutsNobodyOut(); m != nil {
		return m
	}
	if m := a.sameConditions(); m != nil {
		return m
	}
	if m := cmp.Or(a.checkFactorLabels(), a.checkPasskeys()); m != nil {
		return m
	}
	for _, p := range a.Policies {
		if m := n.checkPolicy(p); m != nil {
			return m
		}
	}
	if m := a.checkRoutes(n); m != nil {
		return m
	}
	if m := a.checkHelpDesks(n); m != nil {
		return m
	}
	for _, e := range a.Applications {
		if m := find("policy", e.Policy, n.policies, "application", e.Name); m != nil {
			return m
		}
		if m := n.checkGroupPolicies(e.GroupPolicies, "application", e.Name); m != nil {
			return m
		}
		r, ok := e.guest().(GroupReferrer)
		if !ok {
			continue
		}
		for _, g := range r.GroupRefs() {
			if err := n.checkGroup(g); err != nil {
				return &mistake{within: [2]string{"application", e.Name}, name: g, text: err.Error()}
			}
		}
	}
	return a.checkAttributes()
}

func (n names) checkPolicy(p *PolicyConfig) *mistake {
	for _, f := range p.factorNames() {
		if m := find("factor", f, n.factors, "policy", p.Name); m != nil {
			return m
		}
	}
	for _, g := range p.groupNames() {
		if err := n.checkGroup(g); err != nil {
			return &mistake{within: [2]string{"policy", p.Name}, name: g, text: err.Error()}
		}
	}
	for _, w := range p.networkNames() {
		if m := find("network", w, n.networks, "policy", p.Name); m != nil {
			return m
		}
	}
	return nil
}

// find reports a mistake unless name is empty or known.
func find(what, name string, known []string, within ...string) *mistake {
	if name == "" || slices.Contains(known, name) {
		return nil
	}
	return &mistake{within: [2]string{within[0], within[1]}, name: name, text: fmt.Sprintf("no %s is named %q; there are: %s", what, name, listed(known))}
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// group reads "source/name", or "name" where there is one source only. What stands before the first
// slash is always a source: a misspelt source must not become part of a group's name.
func (n names) group(s string) (idp.GroupRef, error) {
	source, name, ok := strings.Cut(s, "/")
	switch {
	case ok && slices.Contains(n.sources, source) && name != "":
		return idp.GroupRef{Source: source, Name: name}, nil
	case ok && name != "":
		return idp.GroupRef{}, fmt.Errorf("group %q: no source is named %q; there are: %s", s, source, listed(n.sources))
	case ok || s == "":
		return idp.GroupRef{}, fmt.Errorf("group %q: write SOURCE/NAME", s)
	case len(n.sources) != 1:
		return idp.GroupRef{}, fmt.Errorf("group %q: write SOURCE/%s, because there is not one source only; there are: %s", s, s, listed(n.sources))
	}
	return idp.GroupRef{Source: n.sources[0], Name: s}, nil
}

// checkGroup is group, and where the source knows all its groups it must know this one.
func (n names) checkGroup(s string) error {
	ref, err := n.group(s)
	if err != nil {
		return err
	}
	known, ok := n.groups[ref.Source]
	if !ok || slices.ContainsFunc(known, func(g string) bool { return strings.EqualFold(g, ref.Name) }) {
		return nil
	}
	slices.Sort(known)
	return fmt.Errorf("no user of source %s is in a group %q; there are: %s", ref.Source, ref.Name, listed(slices.Compact(known)))
}

// guest returns the module, loaded or only decoded.
func (s *SourceEntry) guest() any {
	if s.module != nil {
		return s.module
	}
	return decodeGuest(SourceNamespace, s.SourceRaw)
}

// guest returns the module, loaded or only decoded.
func (a *ApplicationEntry) guest() any {
	if a.module != nil {
		return a.module
	}
	return decodeGuest(ApplicationNamespace, a.ApplicationRaw)
}

// decodeGuest makes a guest from its JSON without provisioning it; nil where it cannot be, which
// loading it reports better.
func decodeGuest(namespace string, raw json.RawMessage) any {
	var kind struct {
		Kind string `json:"kind"`
	}
	if json.Unmarshal(raw, &kind) != nil {
		return nil
	}
	info, err := caddy.GetModule(namespace + "." + kind.Kind)
	if err != nil {
		return nil
	}
	guest := info.New()
	if json.Unmarshal(raw, guest) != nil {
		return nil
	}
	return guest
}
