package idp

import (
	"fmt"
	"slices"
	"time"
)

// Verdict is the outcome of a decision. The zero value denies.
type Verdict int

// The verdicts.
const (
	Deny Verdict = iota
	Ask          // something is missing: see [Decision.Reason]
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

// Reasons of a verdict that asks.
const (
	AskMFA     = "mfa"         // a second factor
	AskSession = "session_old" // the password again
)

// Decision says what a policy makes of a visit, and which rule made it so.
type Decision struct {
	Verdict  Verdict
	Factors  []string      // with Ask: the factors that would do, strongest first; nil: any
	Keep     time.Duration // how long a proof given now would count on the person's own device; 0: for nothing
	Remember bool          // with Keep: the device is taken for the person's own without a question
	HotDesk  bool          // the computer is shared: the session ends soon after the launch
	Outage   string        // the factor that could not be asked, where the plan for that decided
	StoodIn  string        // the factor that could not be asked, where one that was shown in its place let in
	Mode     MFAMode       // how often a second factor is asked here, after every section was heard
	Section  string        // name of the section that decided
	Policy   string        // policy that wrote the rule
	Rule     string        // the rule as the Caddyfile has it
	Digest   string        // of everything that guards the application; see [Policy.Text]
	Reason   string        // one word, with Deny and Ask
	Public   string        // with Deny: the sentence for the person
	Warning  string        // a sentence for the person that stops nothing
}

// asksFactor reports whether a second factor is missing and nothing else.
func (d *Decision) asksFactor() bool { return d.Verdict == Ask && d.Reason == AskMFA }

// Decide judges a visit. It is pure. What cannot be judged is denied.
//
// A section that denies cannot be outvoted, whichever policy wrote it. Then a password that must be changed comes
// first, then a session that is too old, then the second factor: "authentication bypass" lets it be left out; else
// one section that asks for it at every sign-in outweighs any that does not; else the mfa section says.
//
// MFA freshness belongs to user, device, factor and time. "mfa always" counts only what was passed
// on this very way; for the portal, whose sign-in is the session, what was passed in the session.
// "mfa every D" counts what was passed less than D ago for this application, in this session or on
// the person's own device. With "shared" it counts what was passed for any application that says
// shared, and in this session whatever was passed: nobody is asked twice within a minute.
func (p *Policy) Decide(v Visit) Decision {
	d, _ := p.decide(&v)
	return d
}

func (p *Policy) decide(v *Visit) (Decision, [judging]finding) {
	if v.User == nil || p.MFA == nil || v.Now.IsZero() {
		return Decision{Reason: "incomplete", Public: cannotJudge, Digest: p.digest()}, [judging]finding{}
	}
	v.Now = v.Now.Round(0) // without a monotonic reading, times are compared as they are written
	fs := p.findings(v)
	d := Decision{Digest: p.digest(), HotDesk: fs[onShared].effect == hotDesk}
	for i := range fs {
		switch f := &fs[i]; {
		case f.effect == refuse:
			d.by(sectionNames[i], f)
			d.Reason, d.Public, d.Warning = f.reason, f.public, ""
			return d, fs
		case f.effect == warn && d.Warning == "":
			d.Warning = f.public
		}
	}
	if v.MustChange != "" {
		// Whatever the policy asks for: nothing opens by a password that must not be used.
		d.Verdict, d.Rule, d.Reason = Ask, changeRule, v.MustChange
		return d, fs
	}
	for i := range fs {
		if f := &fs[i]; f.effect == renew {
			d.by(sectionNames[i], f)
			d.Verdict, d.Reason = Ask, f.reason
			return d, fs
		}
	}
	p.secondFactor(v, &d, &fs)
	if d.Verdict == Deny {
		d.Warning = "" // one sentence is enough
	}
	if d.Verdict == Allow && d.Rule == "" {
		// A section that was never checked has no text for its rules, so that nobody could be told why.
		return Decision{Reason: "incomplete", Public: cannotJudge, Digest: d.Digest}, fs
	}
	return d, fs
}

// by writes down which rule decided.
func (d *Decision) by(section string, f *finding) {
	d.Section, d.Policy, d.Rule = section, f.from, f.rule
}

// mode finds how often a second factor is asked, and the rule that says so.
func (p *Policy) mode(d *Decision, fs *[judging]finding) {
	d.Mode = p.MFA.Mode
	d.Section, d.Policy, d.Rule = "mfa", p.MFA.From, p.MFA.String()
	for _, want := range [...]struct {
		effect effect
		mode   MFAMode
	}{{bypass, MFAOff}, {always, MFAAlways}, {skip, MFAOff}} {
		for i := range fs {
			if fs[i].effect == want.effect {
				d.Mode = want.mode
				d.by(sectionNames[i], &fs[i])
				return
			}
		}
	}
}

// secondFactor finishes a decision that nothing else stands in the way of.
func (p *Policy) secondFactor(v *Visit, d *Decision, fs *[judging]finding) {
	p.mode(d, fs)
	switch d.Mode {
	case MFAOff:
		d.Verdict = Allow
		return
	case MFAAlways:
	case MFAEvery:
		mode := p.Remembered.mode()
		if mode != RememberOff && !d.HotDesk {
			d.Keep, d.Remember = p.MFA.Every, mode == RememberAuto
		}
	default:
		d.Reason, d.Public = "incomplete", cannotJudge
		return
	}
	if p.passed(v, d) {
		d.Verdict = Allow
		return
	}
	if r := p.stoodIn(v); r != nil {
		d.Verdict, d.Keep, d.Remember = Allow, 0, false
		d.Section, d.Policy, d.Rule, d.StoodIn = "outage", p.Outage.From, r.text, r.Factor
		return
	}
	d.Verdict, d.Reason = Ask, AskMFA
	if p.Factors != nil {
		d.Factors = slices.Clone(p.Factors.Names)
	}
	p.withoutFactor(v, d)
}

// withoutFactor looks at somebody who cannot show the factor that is asked: because it cannot be asked, or because
// they have none. What the policy does not take cannot stand in the way of either.
func (p *Policy) withoutFactor(v *Visit, d *Decision) {
	switch {
	case v.Holding == nil || slices.ContainsFunc(v.Holding.Enrolled, p.lists):
	case slices.ContainsFunc(v.Holding.Unreachable, p.lists):
		p.inOutage(v, d)
	case len(v.Holding.Enrolled) == 0 && p.NewUser != nil:
		p.newUser(v, d)
	}
}

// newUser says what becomes of somebody who has none of the factors that could be asked. One that could not, and that
// the policy does not take, may still be theirs: then they are not new, so that nobody is let in without; but who has to
// have one set up before is turned away whatever it says.
func (p *Policy) newUser(v *Visit, d *Decision) {
	mode := p.NewUser.Mode
	if mode == NewUserEnroll || mode == NewUserAllow && len(v.Holding.Unreachable) > 0 {
		return
	}
	d.Section, d.Policy, d.Rule = "new_user", p.NewUser.From, p.NewUser.lines()[0]
	d.Keep, d.Remember = 0, false
	if mode == NewUserAllow {
		d.Verdict, d.Reason = Allow, ""
		return
	}
	d.Verdict, d.Factors = Deny, nil
	d.Reason, d.Public = "new_user", "You need a second step to open this, and have set up none. Ask the service desk."
}

// inOutage follows the plan for a factor that cannot be asked. Without one the person waits.
func (p *Policy) inOutage(v *Visit, d *Decision) {
	r := p.plan(v)
	if r == nil {
		return
	}
	d.Section, d.Policy, d.Rule, d.Outage = "outage", p.Outage.From, r.text, r.Factor
	d.Keep, d.Remember = 0, false
	switch {
	case len(r.Use) > 0:
		d.Factors = slices.Clone(r.Use)
	case !r.Deny && v.User.InAny(r.Allow):
		d.Verdict, d.Reason, d.Factors = Allow, "", nil
	default:
		d.Verdict, d.Factors = Deny, nil
		d.Reason, d.Public = "outage", "Your second step does not answer just now, and this does not open without it. Try again in a few minutes."
	}
}

// lists reports whether the policy takes a factor, outages aside.
func (p *Policy) lists(factor string) bool {
	return !ReservedFactor(factor) && (p.Factors == nil || slices.Contains(p.Factors.Names, factor))
}

// counts reports whether the policy takes a proof: by one of its factors, or by a code in the place of one.
func (p *Policy) counts(factor string) bool { return p.lists(factor) || p.Rescue.takes(factor) }

// passed reports whether a second factor counts that was passed on this way, in this session or on this device.
func (p *Policy) passed(v *Visit, d *Decision) bool {
	for i := range v.Flow {
		if p.counts(v.Flow[i].Factor) {
			return true
		}
	}
	return (d.Mode == MFAEvery || v.App == "") && p.fresh(v, v.Session, p.MFA.Shared) || d.Keep > 0 && p.fresh(v, v.Device, false)
}

// fresh reports whether one of the proofs is by a factor that the policy takes, and counts still.
func (p *Policy) fresh(v *Visit, proofs []Passed, anyScope bool) bool {
	for i := range proofs {
		if p.counts(proofs[i].Factor) && p.young(v, &proofs[i], anyScope) {
			return true
		}
	}
	return false
}

// young reports whether a proof is of less than the time that "mfa every" says, and was for this application, or for any.
// Where that is not written, a proof of the session is young for the portal; where it is, a section that asks at every
// sign-in must not make it last longer. A code from the paper is good for the whole session: whoever has one left has
// nothing else to show at the second tile.
func (p *Policy) young(v *Visit, o *Passed, anyScope bool) bool {
	return p.MFA.Mode != MFAEvery || (anyScope || o.Scope == p.scope(v.App) || isRescue(o.Factor)) && v.age(o.At) < p.MFA.Every
}

// scope is what a proof given under this policy counts for.
func (p *Policy) scope(app string) string {
	if p.MFA != nil && p.MFA.Shared {
		return SharedScope
	}
	return app
}

// asks says beforehand what an application will ask for, for its tile.
func (p *Policy) asks(d Decision, factor string) string {
	switch {
	case d.Reason == AskSession:
		return "will ask for your password"
	case d.Mode == MFAOff, d.Verdict == Allow && d.Section == "new_user", d.Outage != "" && d.Verdict == Allow:
		return ""
	case d.Mode == MFAEvery && d.Verdict == Allow && d.Keep == 0:
		return fmt.Sprintf("asks for your %s: once a session", factor)
	case d.Mode == MFAEvery && d.Verdict == Allow:
		return fmt.Sprintf("asks for your %s every %s", factor, long(p.MFA.Every))
	case d.Mode == MFAEvery && d.Keep > 0:
		return fmt.Sprintf("will ask for your %s, then not for %s", factor, long(p.MFA.Every))
	case d.Mode == MFAEvery:
		return fmt.Sprintf("will ask for your %s", factor)
	}
	switch d.Section {
	case "mfa":
		return fmt.Sprintf("asks for your %s: every sign-in", factor)
	case sectionNames[onEndpoints]:
		return fmt.Sprintf("asks for your %s: every sign-in on this computer", factor)
	}
	return fmt.Sprintf("asks for your %s: every sign-in from here", factor)
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
