package idp

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// SessionSection bounds how long ago the password may have been shown. The limits of the portal's own session
// hold beside it.
type SessionSection struct {
	Written
	Idle     time.Duration `json:"idle,omitempty"`     // since the session was last used; 0: no limit of this policy
	Absolute time.Duration `json:"absolute,omitempty"` // since the sign-in; 0: no limit of this policy

	idle, absolute string
}

func (s *SessionSection) lines() []string {
	var out []string
	if s.Idle > 0 {
		out = append(out, "session idle "+days(s.Idle))
	}
	if s.Absolute > 0 {
		out = append(out, "session absolute "+days(s.Absolute))
	}
	return out
}

func (s *SessionSection) check() error {
	if s.Idle < 0 || s.Absolute < 0 || s.Idle+s.Absolute == 0 {
		return errors.New("session needs a time above zero")
	}
	s.idle, s.absolute = "session idle "+days(s.Idle), "session absolute "+days(s.Absolute)
	return nil
}

// judge asks for the password again where it was shown too long ago, or nobody knows when.
func (s *SessionSection) judge(v *Visit) finding {
	if s == nil {
		return finding{}
	}
	f := finding{effect: renew, from: s.From, rule: s.absolute, reason: AskSession}
	if s.Absolute == 0 {
		f.rule = s.idle
	}
	switch {
	case v.SignedIn.IsZero():
	case s.Absolute > 0 && v.age(v.SignedIn) >= s.Absolute:
	case s.Idle > 0 && v.age(v.Seen) >= s.Idle:
		f.rule = s.idle
	default:
		f.effect, f.reason = consents, ""
	}
	return f
}

// clockSkew is how far the clocks of two nodes may differ.
const clockSkew = time.Minute

// age is how long ago something was. What is not known, or is yet to come (a clock that was set back), is older than
// anything.
func (v *Visit) age(at time.Time) time.Duration {
	age := v.Now.Sub(at)
	if at.IsZero() || age < -clockSkew {
		return math.MaxInt64
	}
	return age
}

// HoursSection lets people in at certain hours of the week. Each rule opens some; they never close.
type HoursSection struct {
	Written
	Zone  string      `json:"zone"` // IANA name, "Europe/Berlin"
	Rules []HoursRule `json:"rules"`

	location *time.Location
}

// HoursRule opens the time from From to before To on some days of the week.
type HoursRule struct {
	Days []time.Weekday `json:"days"`
	// From and To are minutes after midnight by the clock on the wall. Where To is not after From the rule ends on the
	// next day.
	From int `json:"from"`
	To   int `json:"to"`

	text string
}

// line returns the rule as the Caddyfile has it: "hours mon tue 07:00-19:00 Europe/Berlin".
func (s *HoursSection) line(r *HoursRule) string {
	w := []string{"hours"}
	for _, d := range r.Days {
		w = append(w, DayName(d))
	}
	w = append(w, fmt.Sprintf("%02d:%02d-%02d:%02d", r.From/60, r.From%60, r.To/60, r.To%60), s.Zone)
	return words(w...)
}

// DayName is what the Caddyfile calls a day of the week: "mon".
func DayName(d time.Weekday) string { return strings.ToLower(d.String()[:3]) }

func (s *HoursSection) lines() []string {
	out := make([]string, len(s.Rules))
	for i := range s.Rules {
		out[i] = s.line(&s.Rules[i])
	}
	return out
}

func (s *HoursSection) check() error {
	if len(s.Rules) == 0 {
		return errors.New("hours opens none")
	}
	var err error
	if s.location, err = time.LoadLocation(s.Zone); err != nil || s.Zone == "" || s.Zone == "Local" {
		return fmt.Errorf("hours: %q is no time zone; write one of the IANA database, such as Europe/Berlin", s.Zone)
	}
	s.Rules = slices.Clone(s.Rules)
	for i := range s.Rules {
		r := &s.Rules[i]
		if len(r.Days) == 0 || r.From < 0 || r.From >= 24*60 || r.To <= 0 || r.To > 24*60 {
			return errors.New("hours: write days and times, as in: mon-fri 07:00-19:00")
		}
		r.text = s.line(r)
	}
	return nil
}

func (s *HoursSection) judge(v *Visit) finding {
	if s == nil {
		return finding{}
	}
	f := finding{effect: refuse, from: s.From, reason: "hours", public: "This is closed at this hour. Try again in your working hours, or ask the service desk."}
	if len(s.Rules) > 0 {
		f.rule = s.Rules[0].text
	}
	if s.location == nil || v.Now.IsZero() {
		f.reason, f.public = "incomplete", cannotJudge
		return f
	}
	local := v.Now.In(s.location)
	minute := local.Hour()*60 + local.Minute()
	for i := range s.Rules {
		if r := &s.Rules[i]; r.open(local.Weekday(), minute) {
			return finding{effect: consents, from: s.From, rule: r.text}
		}
	}
	return f
}

// open reports whether the rule covers a minute of a day. After midnight, a rule that runs over it belongs to the
// day on which it began.
func (r *HoursRule) open(day time.Weekday, minute int) bool {
	if r.To > r.From {
		return slices.Contains(r.Days, day) && minute >= r.From && minute < r.To
	}
	return slices.Contains(r.Days, day) && minute >= r.From || slices.Contains(r.Days, (day+6)%7) && minute < r.To
}
