package idp

import (
	"net/netip"
	"time"
)

// Visit is everything a policy may look at. It is a value: [Policy.Decide] has no clock, store or request. As JSON it
// is what an audit line keeps of it, so that the decision can be made again. Its times are in UTC and have no monotonic
// reading: they are the ones that are read back.
type Visit struct {
	Now      time.Time  `json:"now"`
	User     *User      `json:"user,omitempty"`
	App      string     `json:"app,omitempty"`      // "" is the portal
	Flow     []Proof    `json:"flow,omitempty"`     // passed on this very way to the application
	Session  []Passed   `json:"session,omitempty"`  // passed in this session
	Device   []Passed   `json:"device,omitempty"`   // passed on this device, where the person called it their own
	SignedIn time.Time  `json:"signed_in,omitzero"` // when the session began
	Seen     time.Time  `json:"seen,omitzero"`      // when the session was used before this, as far as it was noted
	Client   netip.Addr `json:"client,omitzero"`

	// MustChange is why the password has to be changed first; see [Session].
	MustChange string `json:"must_change,omitempty"`
	// Holding is nil where nobody has asked the factors yet. They are asked where a decision needs it.
	Holding *Holding `json:"holding,omitempty"`

	Facts
}

// Facts are what is known of the browser and of where it is. What no policy reads may be left out.
type Facts struct {
	Networks  []string `json:"networks,omitempty"`  // names of the networks that hold the client
	Anonymous Answer   `json:"anonymous,omitempty"` // whether an anonymising service lends the address
	// Country is ISO 3166-1 alpha-2, or [CountryUnknown] where the country file does not have the address, or empty
	// where there is nothing that could tell.
	Country string `json:"country,omitempty"`
	Agent   Agent  `json:"agent,omitzero"`
	// Certificate is the subject of the client certificate that was verified; empty where none was.
	Certificate string   `json:"certificate,omitempty"`
	Met         []string `json:"met,omitempty"` // names of the conditions that are met
}

// Answer is yes, no, or that nobody can tell.
type Answer string

// The answers.
const (
	Unanswered Answer = ""
	Yes        Answer = "yes"
	No         Answer = "no"
)

// Agent is what a browser says of itself, in the words of a policy. An empty word is not known.
type Agent struct {
	System         string `json:"system,omitempty"` // "windows"
	SystemVersion  string `json:"system_version,omitempty"`
	Frozen         bool   `json:"frozen,omitempty"`  // the system is SystemVersion or newer, and the browser does not tell
	Browser        string `json:"browser,omitempty"` // "chrome"
	BrowserVersion string `json:"browser_version,omitempty"`
}
