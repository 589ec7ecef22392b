package idp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// OutageSection says what is done while a factor cannot be asked. Whatever it lets pass is no second factor: nothing
// is remembered for it.
type OutageSection struct {
	Written
	Rules []OutageRule `json:"rules"` // one for a factor at most
}

// OutageRule is the plan for one factor: exactly one of Use, Deny and Allow.
type OutageRule struct {
	Factor string     `json:"factor"`
	Use    []string   `json:"use,omitempty"`   // factors that stand in for it, whether or not the policy takes them
	Deny   bool       `json:"deny,omitempty"`  // nobody who needs it comes in
	Allow  []GroupRef `json:"allow,omitempty"` // who may come in with the password alone
	text   string
}

func (r *OutageRule) String() string {
	switch {
	case r.Deny:
		return "outage " + r.Factor + " deny"
	case len(r.Allow) > 0:
		return "outage " + r.Factor + " allow " + groupWords(r.Allow)
	}
	return "outage " + r.Factor + " use " + strings.Join(r.Use, " ")
}

func (s *OutageSection) lines() []string {
	out := make([]string, len(s.Rules))
	for i := range s.Rules {
		out[i] = s.Rules[i].String()
	}
	return out
}

func (s *OutageSection) check() error {
	if len(s.Rules) == 0 {
		return errors.New("outage names no factor")
	}
	s.Rules = slices.Clone(s.Rules)
	seen := map[string]bool{}
	for i := range s.Rules {
		r := &s.Rules[i]
		plans := 0
		for _, has := range []bool{r.Deny, len(r.Allow) > 0, len(r.Use) > 0} {
			if has {
				plans++
			}
		}
		switch {
		case plans != 1:
			return fmt.Errorf("outage %s takes one of: use FACTOR… | deny | allow GROUP…", r.Factor)
		case seen[r.Factor]:
			return fmt.Errorf("outage %s is written twice", r.Factor)
		case slices.Contains(r.Use, r.Factor):
			return fmt.Errorf("outage %s: a factor cannot stand in for itself", r.Factor)
		}
		seen[r.Factor] = true
		r.text = r.String()
	}
	return nil
}

// Holding says which factors a person has set up, and which cannot be asked just now: those may be theirs.
type Holding struct {
	Enrolled    []string `json:"enrolled,omitempty"`
	Unreachable []string `json:"unreachable,omitempty"`
}

// standsIn reports whether a factor may be shown in the place of one that cannot be asked.
func (s *OutageSection) standsIn(v *Visit, factor string) bool {
	if s == nil || v.Holding == nil {
		return false
	}
	return slices.ContainsFunc(s.Rules, func(r OutageRule) bool {
		return slices.Contains(v.Holding.Unreachable, r.Factor) && slices.Contains(r.Use, factor)
	})
}

// plan returns the first rule that is for a factor that cannot be asked and that takes says the policy takes.
func (s *OutageSection) plan(v *Visit, takes func(string) bool) *OutageRule {
	if s == nil || v.Holding == nil {
		return nil
	}
	for i := range s.Rules {
		if r := &s.Rules[i]; takes(r.Factor) && slices.Contains(v.Holding.Unreachable, r.Factor) {
			return r
		}
	}
	return nil
}
