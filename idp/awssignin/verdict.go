package awssignin

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Level says what breaking a rule means.
type Level string

// The levels.
const (
	Error  Level = "E" // AWS documents that it refuses, or answers so
	Strict Level = "S" // AWS may take it; a safe response does not do it
	Warn   Level = "W" // it works, and somebody should look at it
)

// Finding is a rule that a response, its RelayState or the metadata breaks.
type Finding struct {
	Rule  string // id in Rules
	Level Level
	Seen  string // what was found
	Cure  string // what to do about it
	AWS   string // the text that AWS shows, or empty where none is known
}

// Verdict is what comes of judging one response.
type Verdict struct {
	Accepted bool // no finding of level E or S
	Findings []Finding
	Skipped  []string // rules that could not be judged because another one failed

	// What the response asks for. Empty unless its signature was good.
	Role        string // ARN of the first role
	Roles       int    // how many there are to pick from
	Provider    string // ARN of the SAML provider of the first role
	SessionName string
	NameID      string
	Issuer      string
	AssertionID string

	RelayState string // as posted, cut to a length that can be shown
	Connect    bool   // RelayState is meant for Amazon Connect
	ACS        string // address it was judged against
	Practice   bool   // ACS is not AWS's
	AWSAddress string // where AWS would expect this response
}

// Refused reports whether AWS itself would refuse, as against the house's stricter rules.
func (v Verdict) Refused() bool { return v.has(Error) }

func (v Verdict) has(l Level) bool {
	for _, f := range v.Findings {
		if f.Level == l {
			return true
		}
	}
	return false
}

// Rule is one line of what AWS sign-in checks.
type Rule struct {
	ID     string
	Level  Level  // the gravest that it can reach
	Where  string // "resp" for the response, "cfg" for metadata and RelayState
	What   string // what must hold
	Cure   string
	AWS    string // the text that AWS shows
	Source string // page or API model that says so

	needs []string
	check func(*reading, *outcome)
}

// Rules returns the table of rules in the order in which they are judged. What AWS checks and is not among them, as
// no response shows it:
//
//   - X3, a Connect user of exactly the session name: the gateway at every sign-in, and its check, by usernames_file.
//   - X7 of links and tiles: the gateway's check. Here it is judged of the destination alone.
//   - M2, the metadata's entityID is the gateway's: R6, of every response.
//   - E3, the keys of encryption: nobody. The gateway does not encrypt, and these keys are at AWS.
//   - T8, X5, G3, M7, P1, P2, P3, P4, P5, P6, P7, P8, what IAM and Connect have in store (the role and its policies, the
//     provider, the instance, its users): nobody, as nothing here asks AWS. What `caddy gatehouse aws` writes
//     makes role, policies and provider so that they hold.
func Rules() []Rule {
	out := make([]Rule, len(rules))
	copy(out, rules)
	return out
}

// outcome collects what one rule finds.
type outcome struct {
	rule     *Rule
	findings []Finding
	broken   bool // rules that build on this one are skipped
}

// fail reports the rule broken at its own level.
func (o *outcome) fail(format string, args ...any) { o.at(o.rule.Level, format, args...) }

// warn reports something that AWS accepts.
func (o *outcome) warn(format string, args ...any) { o.at(Warn, format, args...) }

func (o *outcome) at(l Level, format string, args ...any) {
	f := Finding{Rule: o.rule.ID, Level: l, Seen: fmt.Sprintf(format, args...), Cure: o.rule.Cure}
	if l != Warn {
		o.broken = true
	}
	if l == Error {
		f.AWS = o.rule.AWS
	}
	if len(o.findings) < findingsMax {
		o.findings = append(o.findings, f)
	}
}

// findingsMax bounds what one rule may report, so that a response of a thousand attributes makes no
// page of a thousand lines.
const findingsMax = 5

// skip says that the rule cannot be judged, without a finding of its own.
func (o *outcome) skip() { o.broken = true }

// quote shows a value from a response: short, on one line, printable.
func quote(s string) string {
	return "“" + shorten(s, 160) + "”"
}

func shorten(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r <= 0x9f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\ufffd'
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
