package caddymodule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a host without the zones of the world must know when it is eight in Berlin

	"github.com/caddyserver/caddy/v2"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// SessionSectionConfig bounds how long ago the password may have been shown.
type SessionSectionConfig struct {
	// Idle asks for the password again where the session was not used for so long. Default: no limit of this policy.
	Idle caddy.Duration `json:"idle,omitempty"`
	// Absolute asks for the password again so long after the sign-in. Default: no limit of this policy.
	Absolute caddy.Duration `json:"absolute,omitempty"`
}

// HoursConfig opens hours of the week.
type HoursConfig struct {
	// Zone is the time zone, a name of the IANA database: Europe/Berlin. Required.
	Zone string `json:"zone"`
	// Open are the hours, as "mon-fri 07:00-19:00". At least one.
	Open []string `json:"open"`
}

func (p *PolicyConfig) buildTimes(out *idp.Policy, _ map[string]idp.Network, _ func(string) (idp.GroupRef, error)) error {
	if s := p.Session; s != nil {
		out.Session = &idp.SessionSection{Idle: time.Duration(s.Idle), Absolute: time.Duration(s.Absolute)}
	}
	if p.Hours == nil {
		return nil
	}
	var err error
	out.Hours, err = p.Hours.section()
	return err
}

// checkZone refuses what is no time zone, and the machine's own, which another machine would not have.
func (h *HoursConfig) checkZone() error {
	if _, err := time.LoadLocation(h.Zone); err != nil || h.Zone == "" || h.Zone == "Local" {
		return fmt.Errorf("hours: %q is no time zone; write a name of the IANA database, as in: zone Europe/Berlin", h.Zone)
	}
	return nil
}

func (h *HoursConfig) section() (*idp.HoursSection, error) {
	if err := h.checkZone(); err != nil {
		return nil, err
	}
	s := &idp.HoursSection{Zone: h.Zone}
	for _, o := range h.Open {
		r, err := parseOpen(o)
		if err != nil {
			return nil, err
		}
		s.Rules = append(s.Rules, r)
	}
	return s, nil
}

const openUsage = "DAYS HH:MM-HH:MM"

// parseOpen reads "mon-fri 07:00-19:00". Days are names of three letters, alone or as a range, several with spaces
// between; 24:00 is the end of a day; hours that end before they begin end on the next day.
func parseOpen(s string) (idp.HoursRule, error) {
	bad := fmt.Errorf("%q are no hours; open takes: %s, as in: open mon-fri sun 07:00-19:00", s, openUsage)
	words := strings.Fields(strings.ToLower(s))
	if len(words) < 2 {
		return idp.HoursRule{}, bad
	}
	var r idp.HoursRule
	for _, w := range words[:len(words)-1] {
		first, last, isRange := strings.Cut(w, "-")
		if !isRange {
			last = first
		}
		from, ok1 := weekday(first)
		to, ok2 := weekday(last)
		if !ok1 || !ok2 {
			return r, bad
		}
		for d := from; ; d = (d + 1) % 7 {
			r.Days = append(r.Days, d)
			if d == to {
				break
			}
		}
	}
	from, to, ok := strings.Cut(words[len(words)-1], "-")
	var ok1, ok2 bool
	r.From, ok1 = clock(from)
	r.To, ok2 = clock(to)
	if !ok || !ok1 || !ok2 || r.From == r.To || r.From == 24*60 {
		return r, bad
	}
	if r.To == 0 {
		r.To = 24 * 60
	}
	return r, nil
}

func weekday(s string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if idp.DayName(d) == s {
			return d, true
		}
	}
	return 0, false
}

// clock reads HH:MM as minutes after midnight.
func clock(s string) (int, bool) {
	h, m, ok := strings.Cut(s, ":")
	hours, err1 := strconv.ParseUint(h, 10, 8)
	minutes, err2 := strconv.ParseUint(m, 10, 8)
	if !ok || err1 != nil || err2 != nil || len(m) != 2 || minutes > 59 || hours*60+minutes > 24*60 {
		return 0, false
	}
	return int(hours*60 + minutes), true
}

// parseSessionSection reads
//
//	session {
//		idle <duration>
//		absolute <duration>
//	}
func parseSessionSection(b *block) *SessionSectionConfig {
	s := new(SessionSectionConfig)
	inner := b.inner("session", "idle", "absolute")
	for inner.next() {
		switch inner.option {
		case "idle":
			inner.duration(&s.Idle)
		case "absolute":
			inner.duration(&s.Absolute)
		}
	}
	b.leave(inner, s.Idle+s.Absolute > 0)
	return s
}

// parseHours reads
//
//	hours {
//		zone <name>
//		open <day...> <from>-<to>
//	}
func parseHours(b *block) *HoursConfig {
	h := new(HoursConfig)
	inner := b.inner("hours", "zone", "open").repeatable("open")
	for inner.next() {
		switch inner.option {
		case "zone":
			inner.text(&h.Zone, "NAME")
			if err := h.checkZone(); err != nil {
				inner.fail("%w", err)
			}
		case "open":
			a := inner.leaf(2, -1, openUsage)
			if len(a) == 0 {
				continue
			}
			text := strings.Join(a, " ")
			if _, err := parseOpen(text); err != nil {
				inner.fail("%w", err)
			}
			h.Open = append(h.Open, text)
		}
	}
	inner.need("zone", "open")
	b.leave(inner, true)
	return h
}
