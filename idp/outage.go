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

// plan returns the first rule that is for a factor that the policy takes and that cannot be asked, for somebody who has
// no other that it takes.
func (p *Policy) plan(v *Visit) *OutageRule {
	if p.Outage == nil || v.Holding == nil || slices.ContainsFunc(v.Holding.Enrolled, p.lists) {
		return nil
	}
	for i := range p.Outage.Rules {
		if r := &p.Outage.Rules[i]; p.lists(r.Factor) && slices.Contains(v.Holding.Unreachable, r.Factor) {
			return r
		}
	}
	return nil
}

// stoodIn returns the plan by which a factor was shown in the place of one that cannot be asked: on this way or, to the
// portal, in this session. It counts for as long as the other cannot be asked, and for nothing after that.
func (p *Policy) stoodIn(v *Visit) *OutageRule {
	r := p.plan(v)
	if r == nil {
		return nil
	}
	does := func(factor string) bool { return factor != PasswordFactor && slices.Contains(r.Use, factor) }
	for i := range v.Flow {
		if does(v.Flow[i].Factor) {
			return r
		}
	}
	for i := range v.Session {
		if o := &v.Session[i]; v.App == "" && does(o.Factor) && p.young(v, o, p.MFA.Shared) {
			return r
		}
	}
	return nil
}
