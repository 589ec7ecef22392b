package idp

import (
	"net/netip"
	"time"
)

// Event is one audit line. It never holds a password, code, seed, cookie or response.
type Event struct {
	ID     int64      `json:"id,omitempty"` // rises with time; set by the store
	Time   time.Time  `json:"time"`
	Kind   string     `json:"kind"` // one of the Event… constants
	Result string     `json:"result"`
	Reason string     `json:"reason,omitempty"` // why, in one word: "bad_credentials"
	Detail string     `json:"detail,omitempty"` // cause for the admin, never shown to the person
	By     string     `json:"by,omitempty"`     // who did it, where that is not the person: somebody of the help desk, an administrator
	Ref    string     `json:"ref"`              // the reference number that the person was shown
	User   string     `json:"user,omitempty"`   // user key
	Name   string     `json:"name,omitempty"`   // name as typed, or the user's name
	Source string     `json:"source,omitempty"`
	App    string     `json:"app,omitempty"` // empty for the portal
	Factor string     `json:"factor,omitempty"`
	Client netip.Addr `json:"client,omitzero"`
	Agent  string     `json:"agent,omitempty"` // User-Agent, shortened

	Section    string        `json:"section,omitempty"` // of the policy, that decided
	Policy     string        `json:"policy,omitempty"`
	Rule       string        `json:"rule,omitempty"`   // section that decided and its text
	Digest     string        `json:"digest,omitempty"` // of the whole policy text in force
	Visit      *Visit        `json:"visit,omitempty"`  // what was decided on, with those facts that the policy reads
	Launch     *LaunchRecord `json:"launch,omitempty"`
	CrossSite  bool          `json:"cross_site,omitempty"`  // a deep link followed from another site
	BreakGlass bool          `json:"break_glass,omitempty"` // local account while a directory was down

	session *Session // within which it happened, for [news]; nil where there is none
}

// Kinds of events.
const (
	EventLogin    = "login"
	EventLogout   = "logout"
	EventDecision = "decision"
	EventMFA      = "mfa"
	EventEnroll   = "enroll"
	EventLockout  = "lockout"
	EventLaunch   = "launch"
	EventDevice   = "device"
	EventOutage   = "outage"   // a factor could not be asked, and the plan for that decided
	EventPassword = "password" // a change of a password was begun, was made, or was not; see Begun
	EventInvite   = "invite"
	EventKeys     = "keys"
	EventConfig   = "config"
)

// Results of events.
const (
	Success = "success"
	Failure = "failure"
	Denied  = "denied"
	// Begun stands before what another system does, which may be done without our hearing of it. The line of the outcome has the
	// same reference number. Where there is none, the other system knows what came of it.
	Begun = "begun"
)
