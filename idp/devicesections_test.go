package idp

import (
	"strings"
	"testing"
	"time"
)

func TestEndpointsSection(t *testing.T) {
	mode := func(m EndpointMode) Policy { return Policy{Endpoints: &EndpointsSection{Mode: m}} }
	bare := func(v *Visit) { v.Certificate = "" }
	checkSection(t, "trusted_endpoints", []sectionCase{
		{name: "allow_all: no certificate", write: mode(EndpointsAllowAll), visit: bare, want: Allow},
		{name: "require: a certificate", write: mode(EndpointsRequire), want: Allow},
		{name: "require: none", write: mode(EndpointsRequire), visit: bare, want: Deny, rule: "trusted_endpoints require", reason: "endpoint"},
		{name: "require: none, and a factor does not make up for it", write: mode(EndpointsRequire), visit: func(v *Visit) { bare(v); proved(v) }, want: Deny, rule: "trusted_endpoints require", reason: "endpoint"},
		{name: "always without: a certificate", write: mode(EndpointsMFAAlways), want: Allow},
		{name: "always without: none", write: mode(EndpointsMFAAlways), visit: bare, want: Ask, rule: "trusted_endpoints mfa_always_without", reason: AskMFA},
		{name: "always without: none, passed", write: mode(EndpointsMFAAlways), visit: func(v *Visit) { bare(v); proved(v) }, want: Allow, rule: "trusted_endpoints mfa_always_without"},
	})
}

func TestBrowsersSection(t *testing.T) {
	of := func(r ...AgentRule) Policy {
		return Policy{Browsers: &AgentSection{Of: BrowsersSectionName, Rules: r}}
	}
	is := func(name, version string) func(*Visit) {
		return func(v *Visit) { v.Agent.Browser, v.Agent.BrowserVersion = name, version }
	}
	rule := func(a AgentAction, names ...string) AgentRule { return AgentRule{Action: a, Names: names} }
	least := AgentRule{Action: AgentMinimum, Names: []string{"chrome", "edge"}, Version: "139.0.10"}
	late := AgentRule{Action: AgentBlock, Names: []string{"safari"}, From: monday.Add(72 * time.Hour)}
	checkSection(t, "browsers", []sectionCase{
		{name: "allow_only: named", write: of(rule(AgentAllowOnly, "chrome", "edge")), want: Allow},
		{name: "allow_only: another", write: of(rule(AgentAllowOnly, "chrome", "edge")), visit: is("firefox", "99"), want: Deny, rule: "browsers allow_only chrome edge", reason: "browser_blocked"},
		{name: "block: another", write: of(rule(AgentBlock, "opera")), want: Allow},
		{name: "block: named", write: of(rule(AgentBlock, "opera")), visit: is("opera", "99"), want: Deny, rule: "browsers block opera", reason: "browser_blocked"},
		{name: "minimum: newer", write: of(least), want: Allow},
		{name: "minimum: the very same", write: of(least), visit: is("chrome", "139.0.10"), want: Allow},
		{name: "minimum: older by a number, not by a letter", write: of(least), visit: is("chrome", "139.0.9"), want: Deny, rule: "browsers minimum chrome edge 139.0.10", reason: "browser_old"},
		{name: "minimum: no version", write: of(least), visit: is("edge", ""), want: Deny, rule: "browsers minimum chrome edge 139.0.10", reason: "browser_version_unknown"},
		{name: "minimum: a version that is no number", write: of(least), visit: is("edge", "newest"), want: Deny, rule: "browsers minimum chrome edge 139.0.10", reason: "browser_old"},
		{name: "minimum: another browser", write: of(least), visit: is("firefox", "1"), want: Allow},
		{name: "unknown: allow_only", write: of(rule(AgentAllowOnly, "chrome")), visit: is("", ""), want: Deny, rule: "browsers allow_only chrome", reason: "browser_unknown"},
		{name: "unknown: block", write: of(rule(AgentBlock, "opera")), visit: is("", "7"), want: Deny, rule: "browsers block opera", reason: "browser_unknown"},
		{name: "warn: named", write: of(rule(AgentWarn, "chrome")), want: Allow, warning: "not one that your company likes. Use another one"},
		{name: "warn: another", write: of(rule(AgentWarn, "opera")), want: Allow},
		{name: "grace: three days", write: of(late), visit: is("safari", "18"), want: Allow, warning: "in 3 days"},
		{name: "grace: the last second", write: of(late), visit: func(v *Visit) { is("safari", "18")(v); v.Now = late.From.Add(-time.Second) }, want: Allow, warning: "from tomorrow on"},
		{name: "grace: over", write: of(late), visit: func(v *Visit) { is("safari", "18")(v); v.Now = late.From }, want: Deny, rule: "browsers block safari from 2026-03-05", reason: "browser_blocked"},
		{name: "a refusal outweighs a warning before it", write: of(rule(AgentWarn, "chrome"), rule(AgentBlock, "chrome")), want: Deny, rule: "browsers block chrome", reason: "browser_blocked"},
		{name: "the first warning is told", write: of(late, rule(AgentWarn, "safari")), visit: is("safari", "18"), want: Allow, warning: "in 3 days"},
	})
}

func TestSystemsSection(t *testing.T) {
	p := Policy{Systems: &AgentSection{Of: SystemsSectionName, Rules: []AgentRule{
		{Action: AgentAllowOnly, Names: []string{"windows", "macos"}},
		{Action: AgentMinimum, Names: []string{"windows"}, Version: "10.0.22000", From: monday.Add(day)},
		{Action: AgentMinimum, Names: []string{"macos"}, Version: "14"},
	}}}
	is := func(name, version string, after time.Duration) func(*Visit) {
		return func(v *Visit) { v.Agent.System, v.Agent.SystemVersion, v.Now = name, version, v.Now.Add(after) }
	}
	checkSection(t, "operating_systems", []sectionCase{
		{name: "new enough", write: p, want: Allow},
		{name: "old, before the day", write: p, visit: is("windows", "10.0.19045", 0), want: Allow, warning: "Your operating system is going to be too old: from tomorrow on"},
		{name: "old, after it", write: p, visit: is("windows", "10.0.19045", day), want: Deny, rule: "operating_systems minimum windows 10.0.22000 from 2026-03-03", reason: "system_old"},
		{name: "17 is 17.0", write: p, visit: is("macos", "14.0.0", 0), want: Allow},
		{name: "older", write: p, visit: is("macos", "13.6.9", 0), want: Deny, rule: "operating_systems minimum macos 14", reason: "system_old"},
		{name: "not listed", write: p, visit: is("linux", "6.1", 0), want: Deny, rule: "operating_systems allow_only windows macos", reason: "system_blocked"},
		{name: "unknown", write: p, visit: is("", "", 0), want: Deny, rule: "operating_systems allow_only windows macos", reason: "system_unknown"},
		{name: "the browser says nothing of the system", write: p, visit: func(v *Visit) { v.Agent.Browser = "" }, want: Allow},
	})
}

// A warning that never refuses has no day from which it would: the days that are left would go below zero.
func TestWarnTakesNoDay(t *testing.T) {
	p := Policy{Name: "p", Browsers: &AgentSection{Of: BrowsersSectionName, Rules: []AgentRule{{Action: AgentWarn, Names: []string{"safari"}, From: monday}}}}
	if err := p.check(); err == nil || !strings.Contains(err.Error(), "browsers warn") {
		t.Errorf("%v", err)
	}
}

func TestCompareVersions(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"10.0.9", "10.0.10", -1},
		{"10.0.10", "10.0.9", 1},
		{"17", "17.0", 0},
		{"17", "17.0.1", -1},
		{"", "", 0},
		{"", "0.0", 0},
		{"", "1", -1},
		{"1a", "1", 0},
		{"a1", "0", 0},
		{"99999999999999999999", "1", 1},
		{"..1", "0.0.1", 0},
		{"-5", "0", 0},
		{"016", "16", 0},
	} {
		if got := CompareVersions(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := CompareVersions(c.b, c.a); got != -c.want {
			t.Errorf("%q to %q: %d, want %d", c.b, c.a, got, -c.want)
		}
	}
}

func TestRequireSection(t *testing.T) {
	p := Policy{Require: &RequireSection{Conditions: []string{"intranet", "managed"}}}
	met := func(names ...string) func(*Visit) { return func(v *Visit) { v.Met = names } }
	checkSection(t, "require", []sectionCase{
		{name: "all are met", write: p, visit: met("managed", "other", "intranet"), want: Allow},
		{name: "one is not", write: p, visit: met("intranet"), want: Deny, rule: "require managed", reason: "condition"},
		{name: "none is", write: p, visit: met(), want: Deny, rule: "require intranet", reason: "condition"},
		{name: "a name in another case is another one", write: p, visit: met("Intranet", "managed"), want: Deny, rule: "require intranet", reason: "condition"},
	})
}
