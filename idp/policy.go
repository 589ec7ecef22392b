package idp

import (
	"net/netip"
	"time"
)

// Policy says what an application asks of a visit. A section that is nil is inherited from the
// policy named default, and from [BuiltIn] where that leaves it out too.
type Policy struct {
	Name        string              `json:"name"`
	MFA         *MFASection         `json:"mfa,omitempty"`
	Factors     *FactorsSection     `json:"factors,omitempty"`
	Groups      *GroupsSection      `json:"groups,omitempty"`
	EnrollFirst *EnrollFirstSection `json:"enroll_first,omitempty"`
}

// MFASection says how often a second factor is asked.
type MFASection struct {
	Mode   MFAMode       `json:"mode"`
	Every  time.Duration `json:"every,omitempty"`  // with MFAEvery
	Shared bool          `json:"shared,omitempty"` // one proof for all applications that say shared
	From   string        `json:"-"`                // policy that wrote the section
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

// FactorsSection lists the factors that count, strongest first.
type FactorsSection struct {
	Names []string `json:"names"`
	From  string   `json:"-"`
}

// GroupsSection lets in only members of one of the groups.
type GroupsSection struct {
	Allow []GroupRef `json:"allow"`
	From  string     `json:"-"`
}

// EnrollFirstSection guards the first enrollment of somebody who has shown a password only.
type EnrollFirstSection struct {
	Mode     EnrollMode `json:"mode"`
	Networks []Network  `json:"networks,omitempty"` // with EnrollFrom
	From     string     `json:"-"`
}

// EnrollMode is the first word of the enroll_first section.
type EnrollMode string

// The modes of enroll_first.
const (
	EnrollAnywhere EnrollMode = "anywhere"
	EnrollFrom     EnrollMode = "from"
	EnrollWithCode EnrollMode = "with_code"
)

// Network is a named list of address ranges.
type Network struct {
	Name   string         `json:"name"`
	Ranges []netip.Prefix `json:"ranges"`
}
