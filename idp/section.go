package idp

import "strings"

// Written is what every section of a policy knows of where it was written.
type Written struct {
	From string `json:"from,omitempty"` // name of the policy
}

func (w *Written) writtenIn(policy string) { w.From = policy }

func (w *Written) from() string { return w.From }

// section is one section of a policy. A nil section is never asked.
type section interface {
	// lines are its rules as the Caddyfile has them, each with the section's name before it.
	lines() []string
	// check reports what a configuration must not hold. It is also where a section works out what its rules
	// are compared with, so that judging a visit allocates nothing.
	check() error
	writtenIn(policy string)
	from() string
}

// The sections that judge a visit by itself, in the order in which they refuse.
const (
	onAuthentication = iota
	onGroups
	onHours
	onNetworks
	onAnonymous
	onLocations
	onEndpoints
	onSystems
	onBrowsers
	onRequire
	onSession
	onPasswordless
	onShared
	judging // how many there are
)

// sectionNames are the words of the Caddyfile.
var sectionNames = [judging]string{
	"authentication", "groups", "hours", "networks", "anonymous_networks", "locations", "trusted_endpoints",
	"operating_systems", "browsers", "require", "session", "passwordless", "shared_computers",
}

// effect is what one section wants of a visit.
type effect int

const (
	silent   effect = iota // the section has nothing to say
	refuse                 // the visit is denied, whatever else is written
	renew                  // the password must be shown again
	always                 // a second factor at this very sign-in
	bypass                 // no second factor, whatever asks for one
	skip                   // no second factor, unless another section asks for one at every sign-in
	warn                   // let pass with a sentence for the person
	hotDesk                // nothing is remembered here
	consents               // the section was asked and lets pass
)

// String returns the word for an explanation.
func (e effect) String() string {
	return [...]string{"says nothing", "denies", "asks for the password again", "asks for a second factor at every sign-in", "asks for no second factor", "asks for no second factor", "warns", "remembers nothing", "lets pass"}[e]
}

// finding is what one section says of a visit.
type finding struct {
	effect effect
	rule   string // the line that spoke
	from   string // policy that wrote it
	reason string // one word, where it refuses or warns
	public string // the sentence for the person, where it refuses or warns
}

// refused is the finding as a refusal.
func (f finding) refused(reason, public string) finding {
	f.effect, f.reason, f.public = refuse, reason, public
	return f
}

// findings asks every section. The calls are written out because a call by interface would have the visit
// moved to the heap, at each launch.
func (p *Policy) findings(v *Visit) [judging]finding {
	return [judging]finding{
		onAuthentication: p.Authentication.judge(),
		onGroups:         p.Groups.judge(v),
		onHours:          p.Hours.judge(v),
		onNetworks:       p.Networks.judge(v),
		onAnonymous:      p.Anonymous.judge(v),
		onLocations:      p.Locations.judge(v),
		onEndpoints:      p.Endpoints.judge(v),
		onSystems:        p.Systems.judge(v),
		onBrowsers:       p.Browsers.judge(v),
		onRequire:        p.Require.judge(v),
		onSession:        p.Session.judge(v),
		onPasswordless:   p.Passwordless.judge(v),
		onShared:         p.SharedComputers.judge(v),
	}
}

// words joins what is not empty.
func words(w ...string) string {
	var b strings.Builder
	for _, s := range w {
		if s == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s)
	}
	return b.String()
}
