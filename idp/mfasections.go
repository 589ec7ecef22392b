package idp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MFASection says how often a second factor is asked.
type MFASection struct {
	Written
	Mode   MFAMode       `json:"mode"`
	Every  time.Duration `json:"every,omitempty"`  // with MFAEvery
	Shared bool          `json:"shared,omitempty"` // one proof for all applications that say shared

	text string
}

// MFAMode is the first word of the mfa section.
type MFAMode string

// The modes. Always asks at every sign-in to the application; Every keeps a proof for a while,
// on a device that the person called their own; Off asks for the password alone.
const (
	MFAAlways MFAMode = "always"
	MFAEvery  MFAMode = "every"
	MFAOff    MFAMode = "off"
)

// String returns the section as the Caddyfile has it: "mfa every 7d shared".
func (m *MFASection) String() string {
	if m.text != "" {
		return m.text
	}
	s := "mfa " + string(m.Mode)
	if m.Mode == MFAEvery {
		s += " " + days(m.Every)
		if m.Shared {
			s += " shared"
		}
	}
	return s
}

func (m *MFASection) lines() []string { return []string{m.String()} }

func (m *MFASection) check() error {
	if m.Mode == MFAEvery && m.Every <= 0 {
		return errors.New("mfa every needs a time above zero")
	}
	m.text = m.String()
	return nil
}

// AuthenticationSection lets a second factor be left out, or nobody in, whatever the other sections say.
type AuthenticationSection struct {
	Written
	Mode AuthenticationMode `json:"mode"`
}

// AuthenticationMode is the word of the authentication section.
type AuthenticationMode string

// The modes. Enforce leaves it to the other sections; Bypass asks for no second factor, and whatever denies still
// denies; Deny lets nobody in.
const (
	AuthenticationEnforce AuthenticationMode = "enforce"
	AuthenticationBypass  AuthenticationMode = "bypass"
	AuthenticationDeny    AuthenticationMode = "deny"
)

func (a *AuthenticationSection) lines() []string { return []string{a.line()} }

func (a *AuthenticationSection) line() string {
	switch a.Mode { // constants, because launches pass here
	case AuthenticationEnforce:
		return "authentication enforce"
	case AuthenticationBypass:
		return "authentication bypass"
	case AuthenticationDeny:
	}
	return "authentication deny"
}

func (a *AuthenticationSection) check() error {
	return oneOf("authentication", a.Mode, AuthenticationEnforce, AuthenticationBypass, AuthenticationDeny)
}

func (a *AuthenticationSection) judge() finding {
	if a == nil {
		return finding{}
	}
	f := finding{effect: refuse, rule: a.line(), from: a.From, reason: "denied", public: notAllowed}
	switch a.Mode {
	case AuthenticationEnforce:
		return finding{effect: consents, rule: f.rule, from: f.from}
	case AuthenticationBypass:
		return finding{effect: bypass, rule: f.rule, from: f.from}
	case AuthenticationDeny:
	}
	return f
}

// notAllowed tells somebody that the administrator said no, and nothing that helps to get round it.
const notAllowed = "Your account is not allowed to open this. If you need it, ask the service desk."

// NewUserSection says what becomes of somebody who has no second factor at all.
type NewUserSection struct {
	Written
	Mode NewUserMode `json:"mode"`
}

// NewUserMode is the word of the new_user section.
type NewUserMode string

// The modes. Enroll has a factor set up on the way in; Deny turns them away; Allow lets them in with the password
// alone until they have one.
const (
	NewUserEnroll NewUserMode = "enroll"
	NewUserDeny   NewUserMode = "deny"
	NewUserAllow  NewUserMode = "allow"
)

func (n *NewUserSection) lines() []string { return []string{"new_user " + string(n.Mode)} }

func (n *NewUserSection) check() error {
	return oneOf("new_user", n.Mode, NewUserEnroll, NewUserDeny, NewUserAllow)
}

// RememberedSection says whether a device may be remembered.
type RememberedSection struct {
	Written
	Mode RememberMode `json:"mode"`
}

// RememberMode is the word of the remembered_devices section.
type RememberMode string

// The modes. Off counts a proof for the session it was given in; Ask asks "Is this your device?"; Auto takes it for
// the person's own without a question.
const (
	RememberOff  RememberMode = "off"
	RememberAsk  RememberMode = "ask"
	RememberAuto RememberMode = "auto"
)

func (r *RememberedSection) lines() []string { return []string{"remembered_devices " + string(r.Mode)} }

func (r *RememberedSection) check() error {
	return oneOf("remembered_devices", r.Mode, RememberOff, RememberAsk, RememberAuto)
}

// mode is Ask where nobody says.
func (r *RememberedSection) mode() RememberMode {
	if r == nil {
		return RememberAsk
	}
	return r.Mode
}

// FactorsSection lists the factors that count, strongest first.
type FactorsSection struct {
	Written
	Names []string `json:"names"`
}

// String returns the section as the Caddyfile has it.
func (f *FactorsSection) String() string { return "factors " + strings.Join(f.Names, " ") }

func (f *FactorsSection) lines() []string { return []string{f.String()} }

func (f *FactorsSection) check() error {
	if len(f.Names) == 0 {
		return errors.New("factors names none")
	}
	return nil
}

// GroupsSection lets in only members of one of the groups.
type GroupsSection struct {
	Written
	Allow []GroupRef `json:"allow"`

	text string
}

// String returns the section as the Caddyfile has it.
func (s *GroupsSection) String() string {
	if s.text != "" {
		return s.text
	}
	return "groups " + groupWords(s.Allow)
}

// groupWords quotes groups as the Caddyfile does.
func groupWords(refs []GroupRef) string {
	w := make([]string, len(refs))
	for i, r := range refs {
		w[i] = strconv.Quote(r.String())
	}
	return strings.Join(w, " ")
}

func (s *GroupsSection) lines() []string { return []string{s.String()} }

func (s *GroupsSection) check() error {
	if len(s.Allow) == 0 {
		return errors.New("groups names none")
	}
	s.text = s.String()
	return nil
}

func (s *GroupsSection) judge(v *Visit) finding {
	switch {
	case s == nil:
		return finding{}
	case v.User.InAny(s.Allow):
		return finding{effect: consents, rule: s.text, from: s.From}
	}
	return finding{effect: refuse, rule: s.String(), from: s.From, reason: "group", public: notAllowed}
}

// EnrollFirstSection guards the first enrollment of somebody who has shown a password only.
type EnrollFirstSection struct {
	Written
	Mode     EnrollMode `json:"mode"`
	Networks []Network  `json:"networks,omitempty"` // with EnrollFrom
}

// EnrollAfterChangeSection guards the first enrollment of somebody who changed their password here with nothing but
// the old one: whoever learnt a password that was given out or left to expire must not make the account
// theirs with it (security.md C-39). It holds beside enroll_first.
type EnrollAfterChangeSection struct{ EnrollFirstSection }

// EnrollMode is the first word of the enroll_first section.
type EnrollMode string

// The modes of enroll_first.
const (
	EnrollAnywhere EnrollMode = "anywhere"
	EnrollFrom     EnrollMode = "from"
	EnrollWithCode EnrollMode = "with_code"
)

// String returns the section as the Caddyfile has it.
func (e *EnrollFirstSection) String() string { return "enroll_first " + e.words() }

// String returns the section as the Caddyfile has it.
func (e *EnrollAfterChangeSection) String() string { return "enroll_after_change " + e.words() }

func (e *EnrollFirstSection) words() string {
	return strings.Join(append([]string{string(e.Mode)}, networkNames(e.Networks)...), " ")
}

func (e *EnrollFirstSection) lines() []string { return []string{e.String()} }

func (e *EnrollAfterChangeSection) lines() []string { return []string{e.String()} }

func (e *EnrollFirstSection) check() error {
	return oneOf("enroll_first", e.Mode, EnrollAnywhere, EnrollFrom, EnrollWithCode)
}

// opens reports whether the gate lets in whoever comes from an address.
func (e *EnrollFirstSection) opens(client netip.Addr) bool {
	return e.Mode == EnrollAnywhere ||
		e.Mode == EnrollFrom && slices.ContainsFunc(e.Networks, func(n Network) bool { return n.Contains(client) })
}

// afterChange returns the section of that name, or what stands for it.
func (p *Policy) afterChange() *EnrollAfterChangeSection {
	switch first := p.EnrollFirst; {
	case p.EnrollAfterChange != nil:
		return p.EnrollAfterChange
	case first != nil && first.Mode == EnrollFrom:
		return &EnrollAfterChangeSection{*first}
	}
	return &EnrollAfterChangeSection{EnrollFirstSection{Written: Written{builtIn}, Mode: EnrollWithCode}}
}

// oneOf reports a word that a section does not take.
func oneOf[S ~string](section string, got S, takes ...S) error {
	if slices.Contains(takes, got) {
		return nil
	}
	w := make([]string, len(takes))
	for i, t := range takes {
		w[i] = string(t)
	}
	return fmt.Errorf("%s %q is unknown; it takes: %s", section, got, strings.Join(w, " | "))
}

// days prints a duration in the largest unit that fits: 7d, 12h, 90m.
func days(d time.Duration) string {
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= u.size && d%u.size == 0 {
			return strconv.FormatInt(int64(d/u.size), 10) + u.name
		}
	}
	return d.String()
}
