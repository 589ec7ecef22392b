package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// firstMonday is when the recorded visits begin.
var firstMonday = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// judgedSections are those of which the recorded visits show both that they let pass and that they do not. The others
// (factors, remembered_devices, enroll_first) say how another one is met.
var judgedSections = []string{
	"authentication", "groups", "hours", "networks", "anonymous_networks", "locations", "trusted_endpoints", "operating_systems", "browsers",
	"require", "session", "shared_computers", "mfa", "new_user", "outage",
}

// TestReplay records some hundred visits in a store, and makes each decision again by the command from nothing but the
// store and the reference number: with a configuration that has none of the policies, and after they were changed.
func TestReplay(t *testing.T) {
	s := newSite(t)
	before := s.recordedCaddyfile()
	rec := s.record(before, firstMonday)
	said := rec.visitAll()
	for _, name := range judgedSections {
		if !both(said[name]) {
			t.Errorf("section %s: %v", name, said[name])
		}
	}
	lines := rec.decisions()
	if len(lines) < 200 {
		t.Fatalf("%d decisions were recorded", len(lines))
	}
	bare := s.barePolicies(before)
	t.Run("a dropped fact is missed", func(t *testing.T) { s.dropFacts(t, bare, rec) })
	t.Run("each section misses its own", rec.dropDecisive)
	rec.close()

	after := strings.NewReplacer(
		"mfa every 7d", "mfa every 1d", "authentication deny", "authentication bypass", "07:00-19:00", "10:00-19:00", "minimum chrome 120", "minimum chrome 141",
		"blocked guests", "blocked floor guests", "deny KP", "deny KP US", "absolute 4h", "absolute 1h", "policy members {\ngroups Agents", "policy members {\ngroups Supervisors",
	).Replace(before)
	changed := s.record(after, firstMonday.AddDate(0, 0, 7*rounds))
	ann := changed.person("ann")
	usual := arrival{ip: "203.0.113.7", agent: chromeOnWindows, certificate: "laptop-7", managed: true}
	ann.signIn(usual)
	changed.visit(ann, usual, visited{place: "browsers", who: "ann", verdict: idp.Deny, rule: "browsers minimum chrome 141"})
	changed.visit(ann, usual, visited{place: "suspended", who: "ann", verdict: idp.Allow, rule: "authentication bypass"})
	if err := changed.store.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	changed.close()

	old := lines[slices.IndexFunc(lines, func(e idp.Event) bool { return e.App == "weekly" })]
	if out, err := s.runs(after, "audit", "--ref", old.Ref, "--rule-text"); err != nil || !strings.Contains(out, "mfa every 7d") || strings.Contains(out, "mfa every 1d") {
		t.Errorf("the rules of %s are another time's (%v):\n%s", old.Ref, err, out)
	}
	lines = append(lines, changed.decisions()...)
	t.Run("with no policy at all", func(t *testing.T) {
		for _, e := range lines {
			s.wantReplayed(t, bare, e)
		}
	})
	t.Run("with the changed policies", func(t *testing.T) {
		seen := map[string]bool{}
		for _, e := range lines {
			if alike := e.Kind + e.Result + e.App + e.Rule; !seen[alike] {
				seen[alike] = true
				s.wantReplayed(t, after, e)
			}
		}
	})
}

// decisions are the lines that hold what was decided on.
func (rec *recorder) decisions() []idp.Event {
	return slices.DeleteFunc(slices.Clone(rec.lines), func(e idp.Event) bool { return e.Visit == nil })
}

// barePolicies is a configuration on the same store with no policy and no application.
func (s *site) barePolicies(caddyfile string) string {
	s.t.Helper()
	head, _, ok := strings.Cut(caddyfile, "policy default {")
	if !ok {
		s.t.Fatal("no policy named default")
	}
	return strings.Replace(head, "policy suspended for Suspended", "", 1) + "\n}\n}\n"
}

// wantReplayed makes the decision of a line again by the command, and compares.
func (s *site) wantReplayed(t *testing.T, caddyfile string, e idp.Event) {
	t.Helper()
	out, err := s.runs(caddyfile, "explain", "--ref", e.Ref, "--json")
	var got []idp.Replayed
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || len(got) != 1 {
		t.Fatalf("%s: %v\n%s", e.Ref, err, out)
	}
	x := got[0]
	if !x.Agrees || x.Section != e.Section || x.Policy != e.Policy || x.Rule != e.Rule || x.App != e.App || x.Event.Digest != e.Digest {
		t.Errorf("%s of %s: %+v\nrecorded %+v", e.Ref, e.App, x.Explanation, e)
	}
	if want := verdictOf(e); x.Verdict != want {
		t.Errorf("%s of %s: %s, and it was %s", e.Ref, e.App, x.Verdict, want)
	}
	if e.Rule != "" && !slices.ContainsFunc(x.Sections, func(l idp.Said) bool { return l.Decided }) {
		t.Errorf("%s of %s: no line of the policy is marked as the one that decided", e.Ref, e.App)
	}
}

// verdictOf is what a line tells of its decision, by what became of the visit.
func verdictOf(e idp.Event) string {
	switch {
	case e.Kind == idp.EventLaunch, e.Kind == idp.EventDevice:
		return "allow"
	case e.Kind == idp.EventOutage:
		return e.Result
	case e.Kind == idp.EventDecision && e.Result == idp.Denied:
		return "deny"
	}
	return "ask"
}

// unread are the fields of a recorded visit that no section reads, each with the reason why it is kept.
var unread = map[string]string{
	"Flow.At":              "on this very way a factor counts whenever it was shown",
	"Flow.Credential":      "tells the administrator which of several was shown",
	"Flow.ACR":             "tells the administrator how it was shown",
	"Flow.UserVerified":    "tells the administrator how it was shown",
	"Flow.Hardware":        "tells the administrator how it was shown",
	"Session.Credential":   "tells the administrator which of several was shown",
	"Session.ACR":          "tells the administrator how it was shown",
	"Session.UserVerified": "tells the administrator how it was shown",
	"Session.Hardware":     "tells the administrator how it was shown",
	"Session.SessionOnly":  "keeps the proof from the device, where it was given",
	"Device.Credential":    "tells the administrator which of several was shown",
	"Device.ACR":           "tells the administrator how it was shown",
	"Device.UserVerified":  "tells the administrator how it was shown",
	"Device.Hardware":      "tells the administrator how it was shown",
}

// dropFacts drops each fact of the recorded visits, one at a time: where nothing has changed but the fact is gone, at
// least one decision does not come out as it was.
func (s *site) dropFacts(t *testing.T, caddyfile string, rec *recorder) {
	n := 0
	for _, path := range factPaths(reflect.TypeFor[idp.Visit](), nil) {
		name := strings.Join(path, ".")
		held, missed := 0, idp.Event{}
		for _, e := range rec.decisions() {
			v := *e.Visit
			if e.Visit = without(t, v, path); e.Visit == nil {
				continue
			}
			held++
			r, err := idp.Replay(t.Context(), rec.store, e)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Agrees {
				missed = e
				break
			}
		}
		switch _, told := unread[name]; {
		case told && missed.Visit != nil:
			t.Errorf("%s is read after all", name)
		case neverRecorded[name] != "" && held > 0:
			t.Errorf("%d lines have %s", held, name)
		case told, neverRecorded[name] != "":
		case held == 0:
			t.Errorf("no visit has %s", name)
		case missed.Visit == nil:
			t.Errorf("%s is in %d visits, and none of them misses it", name, held)
		default:
			n++
			s.wantMissed(t, caddyfile, rec, missed, fmt.Sprintf("%04d-%04d", n, n))
		}
	}
}

// decisive are the facts on which a section turns.
var decisive = []struct{ section, fact string }{
	{"authentication", "User"},
	{"groups", "User.Groups"},
	{"hours", "Now"},
	{"networks", "Client"},
	{"networks", "Networks"},
	{"anonymous_networks", "Anonymous"},
	{"locations", "Country"},
	{"trusted_endpoints", "Certificate"},
	{"operating_systems", "Agent.System"},
	{"operating_systems", "Agent.SystemVersion"},
	{"operating_systems", "Agent.Frozen"},
	{"browsers", "Agent.Browser"},
	{"browsers", "Agent.BrowserVersion"},
	{"require", "Met"},
	{"session", "SignedIn"},
	{"session", "Seen"},
	{"shared_computers", "Networks"},
	{"shared_computers", "Device"},
	{"mfa", "Flow"},
	{"mfa", "Session"},
	{"mfa", "Session.Scope"},
	{"mfa", "Device"},
	{"mfa", "Device.At"},
	{"new_user", "Holding"},
	{"outage", "Holding"},
	{"outage", "Holding.Unreachable"},
}

// dropDecisive drops the facts on which each section turns from the visits to its own places: at least one a week does not
// come out without them.
func (rec *recorder) dropDecisive(t *testing.T) {
	places := map[string]string{}
	for _, v := range visits() {
		places[v.place] = v.section
	}
	for _, d := range decisive {
		held, missed := 0, 0
		for _, e := range rec.decisions() {
			if places[e.App] != d.section {
				continue
			}
			if e.Visit = without(t, *e.Visit, strings.Split(d.fact, ".")); e.Visit == nil {
				continue
			}
			held++
			r, err := idp.Replay(t.Context(), rec.store, e)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Agrees {
				missed++
			}
		}
		t.Logf("%s: %d of %d visits miss %s", d.section, missed, held, d.fact)
		if missed < rounds {
			t.Errorf("%s: %d of %d visits miss %s", d.section, missed, held, d.fact)
		}
	}
}

// wantMissed puts a line whose visit lacks a fact into the store, and has the command find that it does not come out.
func (s *site) wantMissed(t *testing.T, caddyfile string, rec *recorder, e idp.Event, ref string) {
	t.Helper()
	e.ID, e.Ref = 0, ref
	if err := rec.store.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if out, err := s.runs(caddyfile, "explain", "--ref", ref); !errors.Is(err, errFinding) || !strings.Contains(out, "IT COMES OUT OTHERWISE") {
		t.Errorf("%+v: %v\n%s", e.Visit, err, out)
	}
}

// neverRecorded are fields that no line has, each with the reason.
var neverRecorded = map[string]string{
	"Device.SessionOnly":   "no such proof is kept on a device",
	"User.DN":              "no policy reads it",
	"User.Email":           "no policy reads it",
	"User.FirstName":       "no policy reads it",
	"User.LastName":        "no policy reads it",
	"User.DisplayName":     "no policy reads it",
	"User.Attributes":      "no policy reads it",
	"User.BreakGlass":      "the line itself has it",
	"User.PasswordExpires": "no policy reads it",
	"User.Failures":        "no policy reads it",
	"MustChange":           "on the way over a new password no policy is asked",
}

// factPaths lists the fields of a recorded visit and those of its parts.
func factPaths(t reflect.Type, above []string) (paths [][]string) {
	for f := range t.Fields() {
		path := append(slices.Clone(above), f.Name)
		if f.Anonymous {
			path = slices.Clone(above)
		} else {
			paths = append(paths, path)
		}
		part := f.Type
		for part.Kind() == reflect.Pointer || part.Kind() == reflect.Slice {
			part = part.Elem()
		}
		if part.Kind() == reflect.Struct && part.PkgPath() == t.PkgPath() {
			paths = append(paths, factPaths(part, path)...)
		}
	}
	return paths
}

// without returns a visit as it comes back from a line that lacks a field, in every element where it is one of a list,
// or nil where the field was empty already.
func without(t *testing.T, v idp.Visit, path []string) *idp.Visit {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out idp.Visit
	if err := json.Unmarshal(doc, &out); err != nil {
		t.Fatal(err)
	}
	if !clearField(reflect.ValueOf(&out), path) {
		return nil
	}
	return &out
}

func clearField(v reflect.Value, path []string) (held bool) {
	switch {
	case v.Kind() == reflect.Pointer:
		return !v.IsNil() && clearField(v.Elem(), path)
	case v.Kind() == reflect.Slice && len(path) > 0:
		for i := range v.Len() {
			held = clearField(v.Index(i), path) || held
		}
		return held
	case len(path) > 0:
		f := v.FieldByName(path[0])
		if len(path) == 1 {
			held = !f.IsZero()
			f.SetZero()
			return held
		}
		return clearField(f, path[1:])
	}
	return false
}
