package caddymodule

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// policySections are the sections of a policy, as they are listed to whoever writes another.
var policySections = []string{
	"authentication", "new_user", "mfa", "remembered_devices", "factors", "passwordless", "rescue_codes", "prompt", "backup_factor",
	"outage", "groups", "enroll_first", "enroll_after_change", "networks", "anonymous_networks", "locations", "trusted_endpoints",
	"operating_systems", "browsers", "require", "shared_computers", "session", "hours",
}

// parsePolicy reads
//
//	policy <name> {
//		authentication enforce | bypass | deny
//		new_user enroll | deny | allow
//		mfa always | every <duration> [shared] | off
//		remembered_devices off | ask | auto
//		factors <name...>
//		passwordless off | <name...>
//		rescue_codes any | bypass | off
//		prompt universal | traditional
//		backup_factor require | suggest | off
//		outage <factor> use <factor...> | deny | allow <group...>
//		groups <group...>
//		enroll_first anywhere | from <network...> | with_code
//		enroll_after_change anywhere | from <network...> | with_code
//		networks { … }
//		anonymous_networks allow | mfa_always | deny
//		locations { … }
//		trusted_endpoints allow_all | require | mfa_always_without
//		operating_systems { … }
//		browsers { … }
//		require <name> { <matcher...> }
//		shared_computers <network...>
//		session { … }
//		hours { … }
//	}
func parsePolicy(d *caddyfile.Dispenser) (*PolicyConfig, error) {
	args := d.RemainingArgs()
	if len(args) != 1 {
		return nil, d.Errf("policy takes: policy NAME { … }")
	}
	p := &PolicyConfig{Name: args[0]}
	if err := checkName(d, "policy", p.Name); err != nil {
		return nil, err
	}
	b := newBlock(d, "policy "+p.Name, policySections...).repeatable("outage", "require")
	for b.next() {
		switch b.option {
		case "mfa":
			p.MFA = parseMFA(b)
		case "factors":
			b.list(&p.Factors, "FACTOR…")
			if twice := repeated(p.Factors); twice != "" {
				b.fail("factors in policy %s names %s twice", p.Name, twice)
			}
		case "passwordless":
			b.list(&p.Passwordless, "off | FACTOR…")
		case "groups":
			b.list(&p.Groups, "GROUP…")
		case "enroll_first":
			p.EnrollFirst = parseEnroll(b)
		case "enroll_after_change":
			p.EnrollAfterChange = parseEnroll(b)
		case "outage":
			p.parseOutage(b)
		case "shared_computers":
			b.list(&p.SharedComputers, "NETWORK…")
		case "networks", "locations", "operating_systems", "browsers", "require", "session", "hours":
			p.parseBlock(b)
		default:
			p.parseWord(b)
		}
	}
	return p, b.err
}

// parseBlock reads a section that is a block of its own.
func (p *PolicyConfig) parseBlock(b *block) {
	switch b.option {
	case "networks":
		p.Networks = parseNetworkRules(b)
	case "locations":
		p.Locations = parseLocations(b)
	case "operating_systems":
		p.OperatingSystems = parseAgentRules(b)
	case "browsers":
		p.Browsers = parseAgentRules(b)
	case "require":
		p.parseRequire(b)
	case "session":
		p.Session = parseSessionSection(b)
	case "hours":
		p.Hours = parseHours(b)
	}
}

// parseWord reads a section that is one word.
func (p *PolicyConfig) parseWord(b *block) {
	switch b.option {
	case "authentication":
		oneWord(b, &p.Authentication, idp.AuthenticationEnforce, idp.AuthenticationBypass, idp.AuthenticationDeny)
	case "new_user":
		oneWord(b, &p.NewUser, idp.NewUserEnroll, idp.NewUserDeny, idp.NewUserAllow)
	case "remembered_devices":
		oneWord(b, &p.RememberedDevices, idp.RememberOff, idp.RememberAsk, idp.RememberAuto)
	case "rescue_codes":
		oneWord(b, &p.RescueCodes, idp.RescueAny, idp.RescueBypass, idp.RescueOff)
	case "prompt":
		oneWord(b, &p.Prompt, idp.PromptUniversal, idp.PromptTraditional)
	case "backup_factor":
		oneWord(b, &p.BackupFactor, idp.BackupRequire, idp.BackupSuggest, idp.BackupOff)
	case "anonymous_networks":
		oneWord(b, &p.AnonymousNetworks, idp.PlaceAllow, idp.PlaceMFAAlways, idp.PlaceDeny)
	case "trusted_endpoints":
		oneWord(b, &p.TrustedEndpoints, idp.EndpointsAllowAll, idp.EndpointsRequire, idp.EndpointsMFAAlways)
	}
}

// oneWord is block.word for the words of package idp.
func oneWord[S ~string](b *block, to *S, words ...S) {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	var got string
	b.word(&got, list...)
	*to = S(got)
}

// OutageConfig is the plan for one factor: exactly one of Use, Deny and Allow.
type OutageConfig struct {
	// Factor that may not answer.
	Factor string `json:"factor"`
	// Use are factors that stand in for it, also where the policy does not take them otherwise.
	Use []string `json:"use,omitempty"`
	// Deny lets nobody in who needs the factor.
	Deny bool `json:"deny,omitempty"`
	// Allow lets members of these groups in with the password alone. Others are denied.
	Allow []string `json:"allow,omitempty"`
}

const outageUsage = "FACTOR use FACTOR… | FACTOR deny | FACTOR allow GROUP…"

func (p *PolicyConfig) parseOutage(b *block) {
	a := b.leaf(2, -1, outageUsage)
	if len(a) < 2 {
		return
	}
	o := OutageConfig{Factor: a[0]}
	if slices.ContainsFunc(p.Outage, func(have OutageConfig) bool { return have.Factor == o.Factor }) {
		b.fail("outage %s is written twice in %s", o.Factor, b.where)
		return
	}
	switch rest := a[2:]; {
	case a[1] == "use" && len(rest) > 0:
		o.Use = rest
		if slices.Contains(rest, o.Factor) {
			b.fail("outage %s in %s: a factor cannot stand in for itself", o.Factor, b.where)
		}
	case a[1] == "allow" && len(rest) > 0:
		o.Allow = rest
	case a[1] == "deny" && len(rest) == 0:
		o.Deny = true
	default:
		b.fail("%q is not understood; outage takes: %s", strings.Join(a, " "), outageUsage)
	}
	p.Outage = append(p.Outage, o)
}

func parseEnroll(b *block) *EnrollFirstConfig {
	a := b.leaf(1, -1, enrollUsage)
	if len(a) == 0 {
		return nil
	}
	e := &EnrollFirstConfig{Mode: idp.EnrollMode(a[0]), Networks: a[1:]}
	if err := e.check(b.option); err != nil {
		b.fail("%w", err)
	}
	return e
}

func parseMFA(b *block) *MFAConfig {
	a := b.leaf(1, 3, mfaUsage)
	if len(a) == 0 {
		return nil
	}
	m := &MFAConfig{Mode: idp.MFAMode(a[0])}
	rest := a[1:]
	if m.Mode == idp.MFAEvery && len(rest) > 0 {
		m.Every, _ = b.parseDuration(rest[0])
		rest = rest[1:]
		if len(rest) > 0 && rest[0] == "shared" {
			m.Shared, rest = true, rest[1:]
		}
	}
	if len(rest) > 0 {
		b.fail("%q is not understood; mfa takes: %s", strings.Join(rest, " "), mfaUsage)
	}
	if err := m.check(); err != nil {
		b.fail("%w", err)
	}
	return m
}

// repeated returns a value that is in the list twice, or "".
func repeated(list []string) string {
	for i, s := range list {
		if slices.Contains(list[:i], s) {
			return s
		}
	}
	return ""
}
