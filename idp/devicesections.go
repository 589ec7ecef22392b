package idp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// EndpointsSection looks for a client certificate that Caddy verified against the authorities of its TLS
// configuration. A certificate that nobody verified, or none, is the same (security.md C-55).
type EndpointsSection struct {
	Written
	Mode EndpointMode `json:"mode"`
}

// EndpointMode is the word of the trusted_endpoints section.
type EndpointMode string

// The modes.
const (
	EndpointsAllowAll  EndpointMode = "allow_all"
	EndpointsRequire   EndpointMode = "require"
	EndpointsMFAAlways EndpointMode = "mfa_always_without"
)

func (s *EndpointsSection) line() string {
	switch s.Mode {
	case EndpointsAllowAll:
		return "trusted_endpoints allow_all"
	case EndpointsMFAAlways:
		return "trusted_endpoints mfa_always_without"
	case EndpointsRequire:
	}
	return "trusted_endpoints require"
}

func (s *EndpointsSection) lines() []string { return []string{s.line()} }

func (s *EndpointsSection) check() error {
	return oneOf("trusted_endpoints", s.Mode, EndpointsAllowAll, EndpointsRequire, EndpointsMFAAlways)
}

func (s *EndpointsSection) judge(v *Visit) finding {
	if s == nil {
		return finding{}
	}
	f := finding{effect: consents, from: s.From, rule: s.line()}
	switch {
	case s.Mode == EndpointsAllowAll || v.Certificate != "":
	case s.Mode == EndpointsMFAAlways:
		f.effect = always
	default:
		f.effect, f.reason, f.public = refuse, "endpoint", "This opens on the company's own computers only. Use one of those, or ask the service desk."
	}
	return f
}

// AgentSection looks at the operating system or at the browser. All its rules are asked. A browser says of itself what
// it likes, so the section keeps old software out and not an attacker.
type AgentSection struct {
	Written
	// Of is "operating_systems" or "browsers".
	Of    string      `json:"of"`
	Rules []AgentRule `json:"rules"`
}

// AgentRule is one line of an [AgentSection].
type AgentRule struct {
	Action  AgentAction `json:"action"`
	Names   []string    `json:"names"`
	Version string      `json:"version,omitempty"` // with AgentMinimum: the oldest that is let in, as "10.0.22000"
	// From is when the rule begins to refuse; before that it warns. Zero: at once.
	From time.Time `json:"from_day,omitzero"`

	text string
}

// AgentAction is the first word of a line of an [AgentSection].
type AgentAction string

// The actions.
const (
	AgentAllowOnly AgentAction = "allow_only"
	AgentBlock     AgentAction = "block"
	AgentMinimum   AgentAction = "minimum"
	AgentWarn      AgentAction = "warn"
)

// The sections.
const (
	SystemsSectionName  = "operating_systems"
	BrowsersSectionName = "browsers"
)

func (s *AgentSection) line(r *AgentRule) string {
	w := []string{s.Of, string(r.Action), strings.Join(r.Names, " "), r.Version}
	if !r.From.IsZero() {
		w = append(w, "from", r.From.UTC().Format(time.DateOnly))
	}
	return words(w...)
}

func (s *AgentSection) lines() []string {
	out := make([]string, len(s.Rules))
	for i := range s.Rules {
		out[i] = s.line(&s.Rules[i])
	}
	return out
}

func (s *AgentSection) check() error {
	if s.Of != SystemsSectionName && s.Of != BrowsersSectionName {
		return fmt.Errorf("there is no section %q", s.Of)
	}
	if len(s.Rules) == 0 {
		return fmt.Errorf("%s has no rule", s.Of)
	}
	s.Rules = slices.Clone(s.Rules)
	for i := range s.Rules {
		r := &s.Rules[i]
		if err := oneOf(s.Of, r.Action, AgentAllowOnly, AgentBlock, AgentMinimum, AgentWarn); err != nil {
			return err
		}
		if len(r.Names) == 0 {
			return fmt.Errorf("%s %s names none", s.Of, r.Action)
		}
		if (r.Action == AgentMinimum) != (r.Version != "") {
			return fmt.Errorf("%s %s: a version belongs to minimum, and to nothing else", s.Of, r.Action)
		}
		if r.Action == AgentWarn && !r.From.IsZero() {
			return fmt.Errorf("%s warn: it never refuses, so that a day is of no use; write block or minimum with the day", s.Of)
		}
		r.text = s.line(r)
	}
	return nil
}

// judge asks each rule of a system or browser. The first that refuses decides; else the first that warns.
func (s *AgentSection) judge(v *Visit) finding {
	if s == nil {
		return finding{}
	}
	out := finding{effect: consents, from: s.From}
	if len(s.Rules) > 0 {
		out.rule = s.Rules[0].text
	}
	name, version, frozen := v.Agent.Browser, v.Agent.BrowserVersion, false
	if s.Of == SystemsSectionName {
		name, version, frozen = v.Agent.System, v.Agent.SystemVersion, v.Agent.Frozen
	}
	if name == "" {
		out.effect, out.reason, out.public = refuse, s.reason("unknown"), cannotJudge
		return out
	}
	for i := range s.Rules {
		r := &s.Rules[i]
		bad, reason := r.refuses(name, version, frozen)
		switch {
		case !bad:
		case r.Action == AgentWarn || v.Now.Before(r.From):
			if out.effect == consents {
				out = finding{effect: warn, from: s.From, rule: r.text, reason: s.reason(reason), public: s.warning(r, v.Now)}
			}
		default:
			return finding{effect: refuse, from: s.From, rule: r.text, reason: s.reason(reason), public: s.sentence(reason)}
		}
	}
	return out
}

// refuses reports whether a rule is against a name and version, without regard to the day.
func (r *AgentRule) refuses(name, version string, frozen bool) (bool, string) {
	named := slices.Contains(r.Names, name)
	switch r.Action {
	case AgentAllowOnly:
		return !named, "blocked"
	case AgentBlock, AgentWarn:
		return named, "blocked"
	case AgentMinimum:
		// A version that is not known may be any.
		old := named && (version == "" || CompareVersions(version, r.Version) < 0)
		if old && (version == "" || frozen) {
			return true, "version_unknown"
		}
		return old, "old"
	}
	return true, "incomplete"
}

func (s *AgentSection) reason(what string) string {
	if s.Of == BrowsersSectionName {
		return "browser_" + what
	}
	return "system_" + what
}

func (s *AgentSection) thing() string {
	if s.Of == BrowsersSectionName {
		return "browser"
	}
	return "operating system"
}

// whose is the thing as a browser speaks of it.
func (s *AgentSection) whose() string {
	if s.Of == BrowsersSectionName {
		return "it"
	}
	return "your " + s.thing()
}

func (s *AgentSection) sentence(reason string) string {
	if reason == "version_unknown" {
		return "Your browser does not tell how new " + s.whose() + " is. Use another browser here, or ask the service desk."
	}
	if reason == "old" {
		return "Your " + s.thing() + " is too old to open this. Update it, then try again."
	}
	return "This does not open with your " + s.thing() + ". Use another one, or ask the service desk."
}

func (s *AgentSection) warning(r *AgentRule, now time.Time) string {
	what := "Your " + s.thing() + " is going to be too old"
	if r.Action != AgentMinimum {
		what = "Your " + s.thing() + " is not one that your company likes"
	}
	if r.From.IsZero() {
		return what + ". Use another one where you can."
	}
	left := int((r.From.Sub(now) + day - 1) / day)
	if left <= 1 {
		return what + ": from tomorrow on it opens nothing here. Update it today."
	}
	return fmt.Sprintf("%s: in %d days it opens nothing here. Update it before.", what, left)
}

// CompareVersions compares versions part by part as numbers: "10.0.9" is before "10.0.10", and "17" is "17.0". What is
// no number counts as 0.
func CompareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y int
		x, a = leadingNumber(a)
		y, b = leadingNumber(b)
		if x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	return 0
}

func leadingNumber(s string) (n int, rest string) {
	part, rest, _ := strings.Cut(s, ".")
	for _, c := range []byte(part) {
		if c < '0' || c > '9' || n > 1<<30 {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n, rest
}

// RequireSection lets pass only whoever meets every condition. What a condition is, the gateway's surroundings know: with
// Caddy, any of its request matchers.
type RequireSection struct {
	Written
	Conditions []string `json:"conditions"` // names
}

func (s *RequireSection) lines() []string {
	out := make([]string, len(s.Conditions))
	for i, c := range s.Conditions {
		out[i] = "require " + c
	}
	return out
}

func (s *RequireSection) check() error {
	if len(s.Conditions) == 0 {
		return errors.New("require names no condition")
	}
	return nil
}

func (s *RequireSection) judge(v *Visit) finding {
	if s == nil {
		return finding{}
	}
	for _, c := range s.Conditions {
		if !slices.Contains(v.Met, c) {
			return finding{effect: refuse, from: s.From, rule: "require " + c, reason: "condition", public: "This cannot be opened in this way. Ask the service desk."}
		}
	}
	return finding{effect: consents, from: s.From, rule: "require"}
}

// SharedSection names the networks of hot desks, where one browser serves many people.
type SharedSection struct {
	Written
	Networks []Network `json:"networks"`

	text string
}

func (s *SharedSection) String() string {
	return words("shared_computers", strings.Join(networkNames(s.Networks), " "))
}

func (s *SharedSection) lines() []string { return []string{s.String()} }

func (s *SharedSection) check() error {
	if len(s.Networks) == 0 {
		return errors.New("shared_computers names no network")
	}
	s.text = s.String()
	return nil
}

// judge takes a computer whose address is not known for a shared one: that way nothing is remembered there.
func (s *SharedSection) judge(v *Visit) finding {
	switch {
	case s == nil:
		return finding{}
	case v.in(s.Networks) || !v.Client.IsValid():
		return finding{effect: hotDesk, from: s.From, rule: s.text}
	}
	return finding{effect: consents, from: s.From, rule: s.text}
}
