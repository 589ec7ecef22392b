package idp

import (
	"testing"
	"time"
)

func TestHoursSection(t *testing.T) {
	weekdays := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	hours := func(zone string, from, to int, days ...time.Weekday) Policy {
		return Policy{Hours: &HoursSection{Zone: zone, Rules: []HoursRule{{Days: days, From: from * 60, To: to * 60}}}}
	}
	at := func(rfc3339 string) func(*Visit) {
		return func(v *Visit) {
			var err error
			if v.Now, err = time.Parse(time.RFC3339, rfc3339); err != nil {
				panic(err)
			}
			v.SignedIn, v.Seen = v.Now, v.Now
		}
	}
	work := hours("Europe/Berlin", 7, 19, weekdays...)
	const workRule = "hours mon tue wed thu fri 07:00-19:00 Europe/Berlin"
	night := hours("Europe/Berlin", 22, 6, time.Friday)
	const nightRule = "hours fri 22:00-06:00 Europe/Berlin"
	split := Policy{Hours: &HoursSection{Zone: "UTC", Rules: []HoursRule{{Days: weekdays, From: 8 * 60, To: 12 * 60}, {Days: []time.Weekday{time.Sunday}, From: 0, To: 24 * 60}}}}
	const splitRule = "hours mon tue wed thu fri 08:00-12:00 UTC"
	early := Policy{Hours: &HoursSection{Zone: "Europe/Berlin", Rules: []HoursRule{{Days: []time.Weekday{time.Sunday}, From: 150, To: 180}}}}
	const earlyRule = "hours sun 02:30-03:00 Europe/Berlin"
	checkSection(t, "hours", []sectionCase{
		{name: "the first minute", write: work, visit: at("2026-03-02T07:00:00+01:00"), want: Allow},
		{name: "a second before", write: work, visit: at("2026-03-02T06:59:59+01:00"), want: Deny, rule: workRule, reason: "hours"},
		{name: "the last second", write: work, visit: at("2026-03-02T18:59:59+01:00"), want: Allow},
		{name: "the end", write: work, visit: at("2026-03-02T19:00:00+01:00"), want: Deny, rule: workRule, reason: "hours"},
		{name: "another day", write: work, visit: at("2026-03-07T12:00:00+01:00"), want: Deny, rule: workRule, reason: "hours"},
		{name: "the clock on that wall counts, not ours", write: work, visit: at("2026-03-01T23:30:00-08:00"), want: Allow},
		{name: "in summer the wall is an hour on", write: work, visit: at("2026-07-06T05:00:00Z"), want: Allow},
		{name: "in winter it is not", write: work, visit: at("2026-01-05T05:00:00Z"), want: Deny, rule: workRule, reason: "hours"},
		{name: "over midnight: before", write: night, visit: at("2026-03-06T21:59:59+01:00"), want: Deny, rule: nightRule, reason: "hours"},
		{name: "over midnight: that evening", write: night, visit: at("2026-03-06T22:00:00+01:00"), want: Allow},
		{name: "over midnight: the next morning", write: night, visit: at("2026-03-07T05:59:59+01:00"), want: Allow},
		{name: "over midnight: after", write: night, visit: at("2026-03-07T06:00:00+01:00"), want: Deny, rule: nightRule, reason: "hours"},
		{name: "over midnight: the morning of the same day", write: night, visit: at("2026-03-06T03:00:00+01:00"), want: Deny, rule: nightRule, reason: "hours"},
		{name: "any of the rules opens", write: split, visit: at("2026-03-08T23:59:59Z"), want: Allow},
		{name: "none of them", write: split, visit: at("2026-03-02T13:00:00Z"), want: Deny, rule: splitRule, reason: "hours"},
		{name: "from and to are one: all of the day and of the night", write: hours("UTC", 6, 6, time.Monday), visit: at("2026-03-03T05:59:00Z"), want: Allow},
		{name: "the hour that is skipped in spring: before it", write: early, visit: at("2026-03-29T00:59:59Z"), want: Deny, rule: earlyRule, reason: "hours"},
		{name: "the hour that is skipped in spring: after it", write: early, visit: at("2026-03-29T01:00:00Z"), want: Deny, rule: earlyRule, reason: "hours"},
		{name: "the hour that comes twice in autumn: first", write: early, visit: at("2026-10-25T00:30:00Z"), want: Allow},
		{name: "the hour that comes twice in autumn: again", write: early, visit: at("2026-10-25T01:30:00Z"), want: Allow},
		{name: "the hour that comes twice in autumn: between", write: early, visit: at("2026-10-25T01:00:00Z"), want: Deny, rule: earlyRule, reason: "hours"},
	})
}

// A section that was not checked knows no zone: nothing opens by it.
func TestHoursWithoutAZone(t *testing.T) {
	v := usual()
	s := &HoursSection{Zone: "UTC", Rules: []HoursRule{{Days: []time.Weekday{time.Monday}, From: 0, To: 24 * 60}}}
	if f := s.judge(&v); f.effect != refuse || f.reason != "incomplete" {
		t.Errorf("%+v", f)
	}
	for _, zone := range []string{"", "Local", "Europe/Atlantis", "../etc/passwd"} {
		s := &HoursSection{Zone: zone, Rules: s.Rules}
		if err := s.check(); err == nil {
			t.Errorf("%q is a zone", zone)
		}
	}
}

func TestSessionSection(t *testing.T) {
	limits := func(idle, absolute time.Duration) Policy {
		return Policy{Session: &SessionSection{Idle: idle, Absolute: absolute}}
	}
	session := func(age, idle time.Duration) func(*Visit) {
		return func(v *Visit) { v.SignedIn, v.Seen = v.Now.Add(-age), v.Now.Add(-idle) }
	}
	both := limits(30*time.Minute, 8*time.Hour)
	checkSection(t, "session", []sectionCase{
		{name: "young and in use", write: both, visit: session(time.Hour, time.Minute), want: Allow},
		{name: "to the last second", write: both, visit: session(8*time.Hour-time.Second, 30*time.Minute-time.Second), want: Allow},
		{name: "absolute", write: both, visit: session(8*time.Hour, 0), want: Ask, rule: "session absolute 8h", reason: AskSession},
		{name: "idle", write: both, visit: session(time.Hour, 30*time.Minute), want: Ask, rule: "session idle 30m", reason: AskSession},
		{name: "idle alone", write: limits(30*time.Minute, 0), visit: session(40*day, time.Minute), want: Allow},
		{name: "absolute alone", write: limits(0, 8*time.Hour), visit: session(time.Hour, 40*day), want: Allow},
		{name: "nobody knows when", write: both, visit: func(v *Visit) { v.SignedIn = time.Time{} }, want: Ask, rule: "session absolute 8h", reason: AskSession},
		{name: "nobody knows when it was used", write: both, visit: func(v *Visit) { v.Seen = time.Time{} }, want: Ask, rule: "session idle 30m", reason: AskSession},
		{name: "a sign-in that is to come", write: both, visit: session(-time.Hour, 0), want: Ask, rule: "session absolute 8h", reason: AskSession},
		{name: "a use that is to come", write: both, visit: session(time.Hour, -time.Hour), want: Ask, rule: "session idle 30m", reason: AskSession},
		{name: "clocks of two nodes that differ a little", write: both, visit: session(-30*time.Second, -30*time.Second), want: Allow},
		{name: "nobody knows when, with idle alone", write: limits(30*time.Minute, 0), visit: func(v *Visit) { v.SignedIn = time.Time{} }, want: Ask, rule: "session idle 30m", reason: AskSession},
		{name: "the password comes before the factor", write: Policy{Session: both.Session, MFA: &MFASection{Mode: MFAAlways}}, visit: session(9*time.Hour, 0), want: Ask, rule: "session absolute 8h", reason: AskSession},
	})
}

// What a policy denies stays denied, however old the session; and a password that must be changed comes before the
// question for it.
func TestWhatComesBeforeTheSession(t *testing.T) {
	old := func(v *Visit) { v.SignedIn = v.Now.Add(-9 * time.Hour) }
	p := sectioned(t, Policy{Session: &SessionSection{Absolute: 8 * time.Hour}, Endpoints: &EndpointsSection{Mode: EndpointsRequire}, MFA: &MFASection{Mode: MFAAlways}})
	v := usual()
	old(&v)
	v.MustChange = "password_expired"
	if d := p.Decide(v); d.Verdict != Ask || d.Reason != "password_expired" || d.Rule != changeRule {
		t.Errorf("%+v", d)
	}
	v.Certificate = ""
	if d := p.Decide(v); d.Verdict != Deny || d.Section != "trusted_endpoints" {
		t.Errorf("%+v", d)
	}
}
