package idp

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Visit is everything a policy may look at. It is a value: [Policy.Decide] has no clock, store or request.
type Visit struct {
	Now     time.Time
	User    *User
	App     string   // "" is the portal
	Flow    []Proof  // passed on this very way to the application
	Session []Passed // passed in this session
	Device  []Passed // passed on this device, where the person called it their own
	Client  netip.Addr

	// MustChange is why the password has to be changed first; see [Session].
	MustChange string
}

// Verdict is the outcome of a decision. The zero value denies.
type Verdict int

// The verdicts.
const (
	Deny Verdict = iota
	Ask          // a factor is missing
	Allow
)

// String returns the word for logs.
func (v Verdict) String() string {
	switch v {
	case Allow:
		return "allow"
	case Ask:
		return "ask"
	case Deny:
	}
	return "deny"
}

// Decision says what a policy makes of a visit, and which rule made it so.
type Decision struct {
	Verdict Verdict
	Factors []string      // with Ask: the factors that would do, strongest first
	Keep    time.Duration // how long a proof given now would count on the person's own device
	Policy  string        // policy that wrote the rule
	Rule    string        // the rule as the Caddyfile has it
	Digest  string        // of the whole policy; see [Policy.Text]
	Reason  string        // one word, with Deny and Ask
	Public  string        // with Deny: the sentence for the person
}

// Decide judges a visit. It is pure. What cannot be judged is denied.
//
// MFA freshness belongs to user, device, factor and time. "mfa always" counts only what was passed
// on this very way; for the portal, whose sign-in is the session, what was passed in the session.
// "mfa every D" counts what was passed less than D ago for this application, in this session or on
// the person's own device. With "shared" it counts what was passed for any application that says
// shared, and in this session whatever was passed: nobody is asked twice within a minute.
func (p Policy) Decide(v Visit) Decision {
	if v.User == nil || p.MFA == nil {
		return Decision{Reason: "incomplete", Public: "This sign-in cannot be judged. Ask the service desk."}
	}
	if p.Groups != nil && !v.User.InAny(p.Groups.Allow) {
		return Decision{
			Policy: p.Groups.From, Rule: p.Groups.String(), Digest: p.digest(), Reason: "group",
			Public: "Your account is not allowed to open this. If you need it, ask the service desk.",
		}
	}
	if v.MustChange != "" {
		// Whatever the policy asks for: nothing opens by a password that must not be used.
		return Decision{Verdict: Ask, Rule: changeRule, Digest: p.digest(), Reason: v.MustChange}
	}
	d := Decision{Policy: p.MFA.From, Rule: p.MFA.String(), Digest: p.digest()}
	switch p.MFA.Mode {
	case MFAOff:
		d.Verdict = Allow
		return d
	case MFAAlways:
		if p.counts(v.Flow) || v.App == "" && p.counts(bare(v.Session)) {
			d.Verdict = Allow
			return d
		}
	case MFAEvery:
		d.Keep = p.MFA.Every
		if p.counts(v.Flow) || p.fresh(v, v.Session, p.MFA.Shared) || p.fresh(v, v.Device, false) {
			d.Verdict = Allow
			return d
		}
	default:
		d.Reason, d.Public = "incomplete", "This sign-in cannot be judged. Ask the service desk."
		return d
	}
	d.Verdict, d.Reason = Ask, "mfa"
	if p.Factors != nil {
		d.Factors = slices.Clone(p.Factors.Names)
	}
	return d
}

// counts reports whether one of the proofs is by a factor that the policy takes. The password never is.
func (p Policy) counts(proofs []Proof) bool {
	return slices.ContainsFunc(proofs, p.takes)
}

func (p Policy) takes(proof Proof) bool {
	return proof.Factor != PasswordFactor && (p.Factors == nil || slices.Contains(p.Factors.Names, proof.Factor))
}

// fresh reports whether one of the proofs is young enough and was for this application, or for any.
// A proof from the future (a clock that was set back) counts for nothing.
func (p Policy) fresh(v Visit, proofs []Passed, anyScope bool) bool {
	scope := p.scope(v.App)
	return slices.ContainsFunc(proofs, func(o Passed) bool {
		age := v.Now.Sub(o.At)
		return (anyScope || o.Scope == scope) && p.takes(o.Proof) && age >= -time.Minute && age < p.MFA.Every
	})
}

// scope is what a proof given under this policy counts for.
func (p Policy) scope(app string) string {
	if p.MFA != nil && p.MFA.Shared {
		return SharedScope
	}
	return app
}

// asks says beforehand what an application will ask for, for its tile.
func (p Policy) asks(d Decision, factor string) string {
	switch {
	case p.MFA.Mode == MFAOff:
		return ""
	case p.MFA.Mode == MFAEvery && d.Verdict == Allow:
		return fmt.Sprintf("asks for your %s every %s", factor, long(p.MFA.Every))
	case p.MFA.Mode == MFAEvery:
		return fmt.Sprintf("will ask for your %s, then not for %s", factor, long(p.MFA.Every))
	}
	return fmt.Sprintf("asks for your %s: every sign-in", factor)
}

// long prints a duration in words: "7 days".
func long(d time.Duration) string {
	n, unit := int(d.Hours()/24), "day"
	if d%(24*time.Hour) != 0 {
		n, unit = int(d.Hours()), "hour"
		if d%time.Hour != 0 {
			n, unit = int(d.Minutes()), "minute"
		}
	}
	if n == 1 {
		return unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// hasFactor reports whether one of the proofs is by a factor, whichever.
func hasFactor(proofs []Proof) bool {
	return slices.ContainsFunc(proofs, func(p Proof) bool { return p.Factor != PasswordFactor })
}

func bare(passed []Passed) []Proof {
	out := make([]Proof, len(passed))
	for i, p := range passed {
		out[i] = p.Proof
	}
	return out
}
