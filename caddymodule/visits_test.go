package caddymodule

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Browsers as they speak of themselves.
const (
	chromeOnWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
	oldChrome       = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/100.0.0.0 Safari/537.36"
	firefoxOnLinux  = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	newPhone        = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
	oldPhone        = "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1"
)

// guardedPlaces are applications, each with the policy of its name.
var guardedPlaces = [][2]string{
	{"suspended", "authentication deny"},
	{"waved", "mfa always\nauthentication bypass"},
	{"members", "groups Agents"},
	{"daytime", "hours {\nzone Europe/Berlin\nopen mon-fri 07:00-19:00\n}"},
	{"night", "hours {\nzone Europe/Berlin\nopen mon-fri 22:00-05:00\n}"},
	{"blocked", "networks {\nblocked guests\n}"},
	{"inside", "networks {\ndeny_outside office\n}"},
	{"offinside", "mfa always\nnetworks {\nmfa_off_inside office\n}"},
	{"outside", "networks {\nmfa_always_outside office\n}"},
	{"guested", "networks {\nmfa_always_inside guests\n}"},
	{"named", "anonymous_networks deny"},
	{"veiled", "anonymous_networks mfa_always"},
	{"countries", "locations {\ndeny KP\nmfa_always FR\notherwise allow\n}"},
	{"company", "trusted_endpoints require"},
	{"certified", "trusted_endpoints mfa_always_without"},
	{"systems", "operating_systems {\nblock linux\nminimum ios 17\nminimum windows 11\n}"},
	{"browsers", "browsers {\nblock firefox\nminimum chrome 120\n}"},
	{"managed", "require managed {\nheader X-Managed yes\n}"},
	{"weekly", "mfa every 7d\nfactors totp"},
	{"shared", "mfa every 7d shared\nfactors totp"},
	{"floor", "mfa every 7d\nfactors totp\nshared_computers floor"},
	{"strict", "mfa always\nfactors totp"},
	{"seconded", "mfa always\nfactors second"},
	{"lenient", "mfa always\nnew_user allow"},
	{"closed", "mfa always\nnew_user deny"},
	{"shut", "mfa always\nfactors totp\noutage totp deny"},
	{"helped", "mfa always\nfactors totp\noutage totp allow Agents"},
	{"spared", "mfa always\nfactors totp\noutage totp use second"},
	{"brief", "session {\nabsolute 4h\n}"},
	{"awake", "session {\nidle 20m\n}"},
}

// recordedCaddyfile is a configuration with those places, and one that has a policy of its own for a group.
func (s *site) recordedCaddyfile() string {
	s.t.Helper()
	var b strings.Builder
	for _, p := range guardedPlaces {
		fmt.Fprintf(&b, "policy %[1]s {\n%[2]s\n}\napplication %[1]s link https://%[1]s.example.com {\npolicy %[1]s\n}\n", p[0], p[1])
	}
	countries, anonymous := filepath.Join(s.dir, "countries.mmdb"), filepath.Join(s.dir, "anonymous.txt")
	s.writeCountries(countries)
	if err := os.WriteFile(anonymous, []byte("192.0.2.128/25\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	seal := s.secret("recorded.seal", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, sealBytes)))
	var users strings.Builder
	for _, u := range [][2]string{{"ann", "Agents"}, {"sue", "Supervisors"}, {"bob", "Agents"}, {"out", "Suspended"}} {
		fmt.Fprintf(&users, "user %s %s {\ngroups %s\n}\n", u[0], recordedHash(), u[1])
	}
	return fmt.Sprintf(`{
	storage file_system %[1]s/storage
	gatehouse {
		portal %[2]s {
			policy suspended for Suspended
		}
		store sqlite %[3]s
		seal_key %[4]s
		session {
			idle 12h
		}
		audit {
			keep 36500d
		}
		countries %[5]s
		anonymous_networks %[6]s
		network office 203.0.113.0/24
		network guests 198.51.100.0/24
		network floor 10.1.0.0/16
		source people local {
			%[7]s
		}
		factor totp
		factor second totp
		policy default {
			mfa off
			enroll_first anywhere
		}
		%[8]s
		application ranks link https://ranks.example.com {
			policy waved
			policy suspended for Supervisors
		}
	}
}
`, s.dir, recordedSite, s.database(), seal, countries, anonymous, users.String(), b.String())
}

// writeCountries makes a country file of a few networks.
func (s *site) writeCountries(path string) {
	s.t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-Country", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		s.t.Fatal(err)
	}
	for network, code := range map[string]string{"203.0.113.0/24": "DE", "198.51.100.0/24": "KP", "192.0.2.0/24": "FR"} {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := w.Insert(n, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}); err != nil {
			s.t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// visited is a visit and what becomes of it.
type visited struct {
	section string // that it is about
	place   string
	who     string
	comes   func(*arrival)
	verdict idp.Verdict
	rule    string
}

// Ways to come otherwise than from the office with a browser that everybody likes.
func usually(*arrival) {}

func from(ip string) func(*arrival) { return func(a *arrival) { a.ip = ip } }

func with(agent string) func(*arrival) { return func(a *arrival) { a.agent = agent } }

func uncertified(a *arrival) { a.certificate = "" }

func unmanaged(a *arrival) { a.managed = false }

func withoutTOTP(a *arrival) { a.silent = "totp" }

// visits covers what each section says, for whoever has shown nothing but a password and holds, if they are ann, both
// factors.
func visits() []visited {
	const guests, abroad, veiled, floor = "198.51.100.", "192.0.2.1", "192.0.2.200", "10.1.2."
	return []visited{
		{"authentication", "suspended", "ann", usually, idp.Deny, "authentication deny"},
		{"authentication", "waved", "ann", usually, idp.Allow, "authentication bypass"},
		{"authentication", "ranks", "sue", usually, idp.Deny, "authentication deny"},
		{"authentication", "ranks", "ann", usually, idp.Allow, "authentication bypass"},
		{"groups", "members", "ann", usually, idp.Allow, "mfa off"},
		{"groups", "members", "sue", usually, idp.Deny, `groups "people/Agents"`},
		{"hours", "daytime", "sue", usually, idp.Allow, "mfa off"},
		{"hours", "night", "ann", usually, idp.Deny, "hours mon tue wed thu fri 22:00-05:00 Europe/Berlin"},
		{"networks", "blocked", "ann", usually, idp.Allow, "mfa off"},
		{"networks", "blocked", "ann", from(guests), idp.Deny, "networks blocked guests"},
		{"networks", "inside", "sue", usually, idp.Allow, "mfa off"},
		{"networks", "inside", "sue", from(guests), idp.Deny, "networks deny_outside office"},
		{"networks", "offinside", "ann", usually, idp.Allow, "networks mfa_off_inside office"},
		{"networks", "offinside", "ann", from(guests), idp.Ask, "mfa always"},
		{"networks", "outside", "ann", usually, idp.Allow, "mfa off"},
		{"networks", "outside", "ann", from(guests), idp.Ask, "networks mfa_always_outside office"},
		{"networks", "guested", "ann", usually, idp.Allow, "mfa off"},
		{"networks", "guested", "ann", from(guests), idp.Ask, "networks mfa_always_inside guests"},
		{"anonymous_networks", "named", "bob", usually, idp.Allow, "mfa off"},
		{"anonymous_networks", "named", "bob", from(veiled), idp.Deny, "anonymous_networks deny"},
		{"anonymous_networks", "veiled", "ann", usually, idp.Allow, "mfa off"},
		{"anonymous_networks", "veiled", "ann", from(veiled), idp.Ask, "anonymous_networks mfa_always"},
		{"locations", "countries", "ann", usually, idp.Allow, "mfa off"},
		{"locations", "countries", "ann", from(guests), idp.Deny, "locations deny KP"},
		{"locations", "countries", "ann", from(abroad), idp.Ask, "locations mfa_always FR"},
		{"locations", "countries", "ann", from(floor), idp.Allow, "mfa off"},
		{"trusted_endpoints", "company", "ann", usually, idp.Allow, "mfa off"},
		{"trusted_endpoints", "company", "ann", uncertified, idp.Deny, "trusted_endpoints require"},
		{"trusted_endpoints", "certified", "ann", uncertified, idp.Ask, "trusted_endpoints mfa_always_without"},
		{"operating_systems", "systems", "ann", with(newPhone), idp.Allow, "mfa off"},
		{"operating_systems", "systems", "ann", with(oldPhone), idp.Deny, "operating_systems minimum ios 17"},
		{"operating_systems", "systems", "ann", with(firefoxOnLinux), idp.Deny, "operating_systems block linux"},
		{"operating_systems", "systems", "ann", usually, idp.Deny, "operating_systems minimum windows 11"},
		{"browsers", "browsers", "ann", usually, idp.Allow, "mfa off"},
		{"browsers", "browsers", "ann", with(oldChrome), idp.Deny, "browsers minimum chrome 120"},
		{"browsers", "browsers", "ann", with(firefoxOnLinux), idp.Deny, "browsers block firefox"},
		{"browsers", "browsers", "ann", with(""), idp.Deny, "browsers block firefox"},
		{"require", "managed", "ann", usually, idp.Allow, "mfa off"},
		{"require", "managed", "ann", unmanaged, idp.Deny, "require managed"},
		{"mfa", "weekly", "ann", usually, idp.Allow, "mfa every 7d"}, // the device remembers
		{"mfa", "shared", "ann", usually, idp.Ask, "mfa every 7d shared"},
		{"mfa", "strict", "ann", usually, idp.Ask, "mfa always"},
		{"shared_computers", "floor", "ann", usually, idp.Allow, "mfa every 7d"},
		{"shared_computers", "floor", "ann", from(floor), idp.Ask, "mfa every 7d"},
		{"new_user", "lenient", "bob", usually, idp.Allow, "new_user allow"},
		{"new_user", "closed", "bob", usually, idp.Deny, "new_user deny"},
		{"new_user", "closed", "ann", usually, idp.Ask, "mfa always"},
		{"outage", "shut", "ann", withoutTOTP, idp.Deny, "outage totp deny"},
		{"outage", "helped", "ann", withoutTOTP, idp.Allow, `outage totp allow "people/Agents"`},
		{"outage", "helped", "sue", withoutTOTP, idp.Deny, `outage totp allow "people/Agents"`},
		{"outage", "spared", "ann", withoutTOTP, idp.Ask, "outage totp use second"},
		{"session", "brief", "ann", usually, idp.Allow, "mfa off"},
		{"session", "awake", "ann", usually, idp.Allow, "mfa off"},
	}
}

// rounds is how often everything is visited: once a week.
const rounds = 4

// visitAll has people visit everything, week by week, and holds each answer against what becomes of the visit. It returns
// which sections let pass and which did not.
func (rec *recorder) visitAll() map[string][]idp.Verdict {
	rec.t.Helper()
	said := map[string][]idp.Verdict{}
	people := map[string]*caller{}
	for _, name := range []string{"ann", "sue", "bob", "out"} {
		people[name] = rec.person(name)
	}
	monday := rec.clock
	for week := range rounds {
		rec.clock = monday.AddDate(0, 0, 7*week).Add(time.Duration(week) * time.Minute)
		usual := arrival{ip: fmt.Sprintf("203.0.113.%d", 7+week), agent: chromeOnWindows, certificate: "laptop-7", managed: true}
		for _, name := range []string{"ann", "sue", "bob"} {
			people[name].signIn(usual)
		}
		rec.proofs(people["ann"], usual)
		people["ann"].signIn(usual) // the new session has shown nothing but a password
		for _, v := range visits() {
			a := usual
			v.comes(&a)
			if strings.HasSuffix(a.ip, ".") {
				a.ip += fmt.Sprint(20 + week)
			}
			rec.clock = rec.clock.Add(time.Duration(1+week) * time.Second)
			rec.visit(people[v.who], a, v)
			said[v.section] = append(said[v.section], v.verdict)
		}
		said["session"] = append(said["session"], rec.tire(people["ann"], usual)...)
		people["out"].open(usual, "/")
		people["out"].form(usual, "/login", "username", "out", "password", recordedPassword)
		rec.decided("out at the portal", idp.Deny, "authentication deny")
	}
	return said
}

// visit opens one application and holds the line about it against what is wanted.
func (rec *recorder) visit(p *caller, a arrival, v visited) {
	rec.t.Helper()
	before := len(rec.lines)
	p.open(a, "/apps/"+v.place)
	if len(rec.lines) == before {
		rec.t.Fatalf("%s at %s leaves no line: page %q (%d)", v.who, v.place, p.page(), p.status)
	}
	e := rec.decided(v.who+" at "+v.place, v.verdict, v.rule)
	if v.verdict == idp.Deny && !strings.Contains(p.body, e.Ref) {
		rec.t.Errorf("%s is not shown %s", v.who, e.Ref)
	}
}

// decided holds the last line with a decision against what is wanted.
func (rec *recorder) decided(what string, want idp.Verdict, rule string) idp.Event {
	rec.t.Helper()
	i := len(rec.lines) - 1
	for ; i >= 0 && rec.lines[i].Visit == nil; i-- {
	}
	e := rec.lines[i]
	got := idp.Allow
	switch {
	case e.Kind == idp.EventDecision && e.Result == idp.Denied:
		got = idp.Deny
	case e.Kind != idp.EventLaunch:
		got = idp.Ask
	}
	if got != want || e.Rule != rule {
		rec.t.Fatalf("%s: %v by %q, want %v by %q: %+v", what, got, e.Rule, want, rule, e)
	}
	return e
}

// proofs has ann show her factors: with the first of all she sets them up, and calls the device her own.
func (rec *recorder) proofs(ann *caller, a arrival) {
	rec.t.Helper()
	for _, p := range [][2]string{{"weekly", "mfa every 7d"}, {"floor", "mfa every 7d"}, {"strict", "mfa always"}, {"seconded", "mfa always"}} {
		ann.open(a, "/apps/"+p[0])
		ann.prove(a, "yes")
		rec.decided("ann, after her code, at "+p[0], idp.Allow, p[1])
	}
	rec.visit(ann, a, visited{place: "weekly", who: "ann", verdict: idp.Allow, rule: "mfa every 7d"}) // by what the session remembers
	rec.visit(ann, a, visited{place: "shared", who: "ann", verdict: idp.Allow, rule: "mfa every 7d shared"})
}

// tire has sessions grow too old for where they lead, in either way, and returns what came of it.
func (rec *recorder) tire(p *caller, a arrival) (said []idp.Verdict) {
	rec.t.Helper()
	for _, c := range []struct {
		place, rule string
		after       time.Duration
	}{{"brief", "session absolute 4h", 5 * time.Hour}, {"awake", "session idle 20m", 25 * time.Minute}} {
		p.signIn(a)
		rec.clock = rec.clock.Add(c.after)
		rec.visit(p, a, visited{place: c.place, who: p.name, verdict: idp.Ask, rule: c.rule})
		said = append(said, idp.Ask)
	}
	return said
}

// both reports whether a section let pass and did not.
func both(said []idp.Verdict) bool {
	return slices.Contains(said, idp.Allow) && slices.ContainsFunc(said, func(v idp.Verdict) bool { return v != idp.Allow })
}
