package caddymodule

import (
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// PolicyConfig says what an application asks of a visit. The policy named default is the global one;
// every other policy replaces only the sections that it writes.
type PolicyConfig struct {
	// Name of the policy.
	Name string `json:"name"`
	// MFA says how often a second factor is asked. Default: always.
	MFA *MFAConfig `json:"mfa,omitempty"`
	// Factors that count, strongest first, by their names. Default: all, in the order of the configuration.
	Factors []string `json:"factors,omitempty"`
	// Passwordless are the factors that may stand in the place of the password, or off. Default: those that can.
	Passwordless []string `json:"passwordless,omitempty"`
	// RescueCodes is any (recovery codes of the person's own and bypass codes of the service desk stand in for a
	// factor), bypass, or off. Default: any.
	RescueCodes idp.RescueMode `json:"rescue_codes,omitempty"`
	// Prompt is universal (one factor is asked for, the one that was used last, with the others behind it) or
	// traditional (all of them on one page, as Duo's older prompt has them). Default: universal.
	Prompt idp.PromptMode `json:"prompt,omitempty"`
	// BackupFactor says what becomes of somebody with one second step only: require (they add another, or make recovery
	// codes, before they go on), suggest ("not now" is asked again after 30 days) or off. Default: off.
	BackupFactor idp.BackupMode `json:"backup_factor,omitempty"`
	// Groups let in their members only, each as "source/name"; the source may be left out where there
	// is one source only. Default: everybody who can sign in.
	Groups []string `json:"groups,omitempty"`
	// EnrollFirst guards the first enrollment of somebody who has shown a password only. Default: anywhere.
	EnrollFirst *EnrollFirstConfig `json:"enroll_first,omitempty"`
	// EnrollAfterChange guards it further where the person changed an expired or first password, or any, here and had
	// no factor to show before. Default: the networks of enroll_first where it names some, else with_code.
	EnrollAfterChange *EnrollFirstConfig `json:"enroll_after_change,omitempty"`
	// Authentication is enforce, bypass (no second factor; what denies still denies) or deny. Default: enforce.
	Authentication idp.AuthenticationMode `json:"authentication,omitempty"`
	// NewUser is what becomes of somebody without any second factor: enroll, deny, or allow with the password alone.
	// Default: enroll.
	NewUser idp.NewUserMode `json:"new_user,omitempty"`
	// RememberedDevices is off, ask ("Is this your device?") or auto. Default: ask.
	RememberedDevices idp.RememberMode `json:"remembered_devices,omitempty"`
	// Outage says what is done while a factor cannot be asked. Default: people wait.
	Outage []OutageConfig `json:"outage,omitempty"`
	// Networks look at the client's address. All rules are asked. Default: none.
	Networks []NetworkRuleConfig `json:"networks,omitempty"`
	// AnonymousNetworks is allow, mfa_always or deny, for the addresses of the file of the option
	// anonymous_networks. Default: allow.
	AnonymousNetworks idp.PlaceAction `json:"anonymous_networks,omitempty"`
	// Locations look at the country of the client's address, which the file of the option countries tells. The first
	// rule that names it decides. Default: none.
	Locations *LocationsConfig `json:"locations,omitempty"`
	// TrustedEndpoints is allow_all, require (a client certificate that Caddy verified) or mfa_always_without.
	// Default: allow_all.
	TrustedEndpoints idp.EndpointMode `json:"trusted_endpoints,omitempty"`
	// OperatingSystems look at what the browser says of the system. All rules are asked. Default: none.
	OperatingSystems []AgentRuleConfig `json:"operating_systems,omitempty"`
	// Browsers look at what the browser says of itself. All rules are asked. Default: none.
	Browsers []AgentRuleConfig `json:"browsers,omitempty"`
	// Require holds conditions, each a set of Caddy's request matchers. All must be met. Default: none.
	Require []*ConditionConfig `json:"require,omitempty"`
	// SharedComputers are names of networks with hot desks: nothing is remembered there, and a session ends 5 minutes
	// after its last launch, or after the sign-in where there was none. Default: none.
	SharedComputers []string `json:"shared_computers,omitempty"`
	// Session bounds how long ago the password may have been shown. Default: only the portal's limits.
	Session *SessionSectionConfig `json:"session,omitempty"`
	// Hours let people in at certain hours of the week only. Default: always.
	Hours *HoursConfig `json:"hours,omitempty"`
}

// MFAConfig says how often a second factor is asked.
type MFAConfig struct {
	// Mode is always (at every sign-in to the application), every (a proof is kept for a while on a
	// device that the person called their own) or off.
	Mode idp.MFAMode `json:"mode"`
	// Every is how long a proof is good for; with mode every only.
	Every caddy.Duration `json:"every,omitempty"`
	// Shared makes one proof count for all applications whose policy says shared; with mode every only.
	Shared bool `json:"shared,omitempty"`
}

// EnrollFirstConfig guards the first enrollment.
type EnrollFirstConfig struct {
	// Mode is anywhere, from (one of Networks, elsewhere with a code) or with_code (a code that `caddy gatehouse user invite`
	// makes).
	Mode idp.EnrollMode `json:"mode"`
	// Networks are names of networks; with mode from only.
	Networks []string `json:"networks,omitempty"`
}

// policy builds what idp wants. Names were checked before.
func (p *PolicyConfig) policy(networks map[string]idp.Network, group func(string) (idp.GroupRef, error)) (*idp.Policy, error) {
	out := &idp.Policy{Name: p.Name}
	for _, build := range []func(*idp.Policy, map[string]idp.Network, func(string) (idp.GroupRef, error)) error{
		p.buildFactors, p.buildPeople, p.buildGates, p.buildPlaces, p.buildDevices, p.buildTimes,
	} {
		if err := build(out, networks, group); err != nil {
			return nil, fmt.Errorf("policy %s: %w", p.Name, err)
		}
	}
	return out, nil
}

func (p *PolicyConfig) buildFactors(out *idp.Policy, _ map[string]idp.Network, group func(string) (idp.GroupRef, error)) error {
	if p.MFA != nil {
		if err := p.MFA.check(); err != nil {
			return err
		}
		out.MFA = &idp.MFASection{Mode: p.MFA.Mode, Every: time.Duration(p.MFA.Every), Shared: p.MFA.Shared}
	}
	if len(p.Factors) > 0 {
		out.Factors = &idp.FactorsSection{Names: p.Factors}
	}
	if len(p.Passwordless) > 0 {
		out.Passwordless = &idp.PasswordlessSection{}
		if p.Passwordless[0] != "off" {
			out.Passwordless.Names = p.Passwordless
		}
	}
	if p.RescueCodes != "" {
		out.Rescue = &idp.RescueSection{Mode: p.RescueCodes}
	}
	if p.Prompt != "" {
		out.Prompt = &idp.PromptSection{Mode: p.Prompt}
	}
	if p.BackupFactor != "" {
		out.Backup = &idp.BackupSection{Mode: p.BackupFactor}
	}
	if p.RememberedDevices != "" {
		out.Remembered = &idp.RememberedSection{Mode: p.RememberedDevices}
	}
	if len(p.Outage) == 0 {
		return nil
	}
	out.Outage = &idp.OutageSection{}
	for _, o := range p.Outage {
		allow, err := groupRefs(o.Allow, group)
		if err != nil {
			return err
		}
		out.Outage.Rules = append(out.Outage.Rules, idp.OutageRule{Factor: o.Factor, Use: o.Use, Deny: o.Deny, Allow: allow})
	}
	return nil
}

func (p *PolicyConfig) buildPeople(out *idp.Policy, _ map[string]idp.Network, group func(string) (idp.GroupRef, error)) error {
	if p.Authentication != "" {
		out.Authentication = &idp.AuthenticationSection{Mode: p.Authentication}
	}
	if p.NewUser != "" {
		out.NewUser = &idp.NewUserSection{Mode: p.NewUser}
	}
	if len(p.Groups) == 0 {
		return nil
	}
	allow, err := groupRefs(p.Groups, group)
	out.Groups = &idp.GroupsSection{Allow: allow}
	return err
}

func groupRefs(names []string, group func(string) (idp.GroupRef, error)) ([]idp.GroupRef, error) {
	var refs []idp.GroupRef
	for _, n := range names {
		ref, err := group(n)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

func (p *PolicyConfig) buildGates(out *idp.Policy, networks map[string]idp.Network, _ func(string) (idp.GroupRef, error)) error {
	var err error
	if out.EnrollFirst, err = p.EnrollFirst.section("enroll_first", networks); err != nil {
		return err
	}
	after, err := p.EnrollAfterChange.section("enroll_after_change", networks)
	if after != nil {
		out.EnrollAfterChange = &idp.EnrollAfterChangeSection{EnrollFirstSection: *after}
	}
	return err
}

const mfaUsage = "always | every DURATION [shared] | off"

func (m *MFAConfig) check() error {
	switch m.Mode {
	case idp.MFAEvery:
		if m.Every <= 0 {
			return fmt.Errorf("mfa every needs a duration; mfa takes: %s", mfaUsage)
		}
		return nil
	case idp.MFAAlways, idp.MFAOff:
		if m.Every != 0 || m.Shared {
			return fmt.Errorf("mfa %s takes nothing else; mfa takes: %s", m.Mode, mfaUsage)
		}
		return nil
	}
	return fmt.Errorf("mfa %q is unknown; mfa takes: %s", m.Mode, mfaUsage)
}

const enrollUsage = "anywhere | from NETWORK… | with_code"

// check judges a gate under the name of its section.
func (e *EnrollFirstConfig) check(section string) error {
	switch e.Mode {
	case idp.EnrollFrom:
		if len(e.Networks) == 0 {
			return fmt.Errorf("%s from needs a network; %[1]s takes: %[2]s", section, enrollUsage)
		}
		return nil
	case idp.EnrollAnywhere, idp.EnrollWithCode:
		if len(e.Networks) > 0 {
			return fmt.Errorf("%s %s takes nothing else; %[1]s takes: %[3]s", section, e.Mode, enrollUsage)
		}
		return nil
	}
	return fmt.Errorf("%s %q is unknown; %[1]s takes: %[3]s", section, e.Mode, enrollUsage)
}

// section builds what idp wants of a gate, nil where it is not written.
func (e *EnrollFirstConfig) section(name string, networks map[string]idp.Network) (*idp.EnrollFirstSection, error) {
	if e == nil {
		return nil, nil
	}
	if err := e.check(name); err != nil {
		return nil, err
	}
	s := &idp.EnrollFirstSection{Mode: e.Mode}
	for _, n := range e.Networks {
		s.Networks = append(s.Networks, networks[n])
	}
	return s, nil
}

// networkNames returns the names of the networks that the sections name.
func (p *PolicyConfig) networkNames() (names []string) {
	for _, e := range []*EnrollFirstConfig{p.EnrollFirst, p.EnrollAfterChange} {
		if e != nil {
			names = append(names, e.Networks...)
		}
	}
	for _, r := range p.Networks {
		names = append(names, r.Networks...)
	}
	return append(names, p.SharedComputers...)
}

// readsAddress reports whether the address of a client decides anything.
func (p *PolicyConfig) readsAddress() bool {
	return len(p.networkNames()) > 0 || p.AnonymousNetworks != "" || p.Locations != nil
}

// groupNames returns the groups that the sections name.
func (p *PolicyConfig) groupNames() (names []string) {
	names = append(names, p.Groups...)
	for _, o := range p.Outage {
		names = append(names, o.Allow...)
	}
	return names
}

// factorNames returns the factors that the sections name.
func (p *PolicyConfig) factorNames() (names []string) {
	names = append(names, p.Factors...)
	if !slices.Equal(p.Passwordless, []string{"off"}) {
		names = append(names, p.Passwordless...)
	}
	for _, o := range p.Outage {
		names = append(append(names, o.Factor), o.Use...)
	}
	return names
}
