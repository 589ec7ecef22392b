package idp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Explanation is a decision together with what every section said.
type Explanation struct {
	App      string   `json:"app"` // "" is the portal
	Verdict  string   `json:"verdict"`
	Reason   string   `json:"reason,omitempty"`
	Section  string   `json:"section,omitempty"`
	Policy   string   `json:"policy,omitempty"` // that wrote the rule
	Rule     string   `json:"rule,omitempty"`
	Factors  []string `json:"factors,omitempty"` // that would do, with the verdict ask; none: any
	Public   string   `json:"public,omitempty"`  // what the person is told
	Warning  string   `json:"warning,omitempty"`
	InForce  string   `json:"in_force"`      // the policy that is in force for the person
	For      string   `json:"for,omitempty"` // the groups that it is for, where it is not everybody's
	Sections []Said   `json:"sections"`
}

// Said is one rule of a policy in force and what its section said.
type Said struct {
	Section string `json:"section"`
	From    string `json:"from"` // policy that wrote it
	Rule    string `json:"rule"`
	Says    string `json:"says,omitempty"` // empty for rules that had nothing to do with this visit
	Decided bool   `json:"decided,omitempty"`
}

// Explain decides about a visit and says how. Like [Guard.Decide] it is pure.
func (g *Guard) Explain(v Visit) Explanation {
	p := g.For(v.User)
	d, fs := p.decide(&v)
	x := Explanation{
		App: v.App, Verdict: d.Verdict.String(), Reason: d.Reason, Section: d.Section, Policy: d.Policy, Rule: d.Rule,
		Factors: d.Factors, Public: d.Public, Warning: d.Warning, InForce: p.Name,
	}
	for i := range g.Groups {
		if p == &g.Groups[i].Policy {
			x.For = groupWords(g.Groups[i].For)
		}
	}
	for _, s := range p.sections() {
		for _, l := range s.lines() {
			section, _, _ := strings.Cut(l, " ")
			said := Said{Section: section, From: s.from(), Rule: l, Decided: l == d.Rule && section == d.Section}
			if i := slices.Index(sectionNames[:], section); i >= 0 && (fs[i].rule == l || fs[i].rule == section) {
				said.Says = fs[i].effect.String()
			}
			x.Sections = append(x.Sections, said)
		}
	}
	return x
}

// ErrNotExplained is why a line of the audit log cannot be decided on again.
var ErrNotExplained = errors.New("there is nothing to decide on again")

// Replayed is a line of the audit log and the decision made again from what it keeps.
type Replayed struct {
	Explanation
	Event  Event  `json:"event"`
	Agrees bool   `json:"agrees"`
	Differ string `json:"differ,omitempty"` // what differs, where it does not agree
	// Since is what the decision went by that is another now; see [Gateway.Since].
	Since []string `json:"since,omitempty"`

	guard *Guard
}

// Since says what a decision of the past went by that is another now, as far as the rule's text does not show it: the content of
// files, and what conditions are made of.
func (g *Gateway) Since(r *Replayed) []string {
	app := r.Event.Visit.App
	if app != "" && g.byName[app] == nil {
		return []string{fmt.Sprintf("application %s was taken out of the configuration", app)}
	}
	return g.guardOf(app).since(r.guard)
}

// Replay decides again about the visit of an audit line, by the policy of that time. It wraps ErrNotExplained where
// the line is about something else, or older than its kind.
func Replay(ctx context.Context, log AuditLog, e Event) (Replayed, error) {
	if e.Visit == nil || e.Digest == "" {
		return Replayed{}, fmt.Errorf("%w: the line is about %s", ErrNotExplained, e.Kind)
	}
	doc, err := log.RuleText(ctx, e.Digest)
	if err != nil {
		return Replayed{}, fmt.Errorf("reading the policy %s: %w", e.Digest, err)
	}
	guard, err := ReadGuard(doc)
	if err != nil {
		return Replayed{}, err
	}
	r := Replayed{Explanation: guard.Explain(*e.Visit), Event: e, guard: guard}
	r.Differ = differs(e, r.Explanation)
	r.Agrees = r.Differ == ""
	return r, nil
}

// differs says in which way a decision is another than the one that was recorded. Whom, where to and where from are in the
// line twice, so that neither can be changed alone.
func differs(e Event, x Explanation) string {
	verdict, reason := e.Result, x.Reason
	switch e.Kind {
	case EventLaunch, EventDevice:
		verdict = Allow.String() // also of a launch that the application refused afterwards
	case EventLogout, EventEnroll, EventMFA:
		verdict = Ask.String() // a session that was too old; a factor that there was none to set up, or that could not be shown
	case EventDecision:
		reason = e.Reason // of other kinds of lines it may be another's than the policy's
		if e.Result == Denied {
			verdict = Deny.String()
		}
	}
	var person User
	if e.Visit.User != nil {
		person = *e.Visit.User
	}
	for _, c := range []struct{ what, was, is string }{
		{"verdict", verdict, x.Verdict},
		{"section", e.Section, x.Section},
		{"policy", e.Policy, x.Policy},
		{"rule", e.Rule, x.Rule},
		{"reason", reason, x.Reason},
		{"person", e.User, person.Key()},
		{"name", e.Name, person.Name},
		{"application", e.App, x.App},
		{"address", e.Client.String(), e.Visit.Client.String()},
	} {
		if c.was != c.is {
			return fmt.Sprintf("the %s was %q and is %q", c.what, c.was, c.is)
		}
	}
	return ""
}

// Supposed is what is to be supposed of a visit that nobody made.
type Supposed struct {
	Client  netip.Addr
	Facts   Facts // Networks are worked out from Client
	At      time.Time
	Own     bool     // from a device that the person called their own
	Passed  []Passed // in this session, and on the device where it is their own
	Holding *Holding // nil: the factors are asked
}

// ExplainUser explains what would become of a visit of somebody to an application, "" for the portal, or to all where
// app is nil. The person is looked up as at a sign-in; no password is tried and nothing is written.
func (g *Gateway) ExplainUser(ctx context.Context, name string, app *string, s Supposed) ([]Explanation, error) {
	apps := []string{""}
	for i := range g.applications {
		apps = append(apps, g.applications[i].tile.Name)
	}
	if app != nil {
		if *app != "" && g.byName[*app] == nil {
			return nil, fmt.Errorf("no application is named %q; there are: %s", *app, strings.Join(apps[1:], ", "))
		}
		apps = []string{*app}
	}
	var out []Explanation
	for _, a := range apps {
		found, err := g.lookUp(ctx, Typed{Name: name, App: a, Client: s.Client})
		if err != nil {
			return nil, err
		}
		if found.user == nil {
			out = append(out, Explanation{App: a, Verdict: Deny.String(), Reason: "no_user", Public: fmt.Sprintf("nobody is named %q on the way there", name)})
			continue
		}
		x, err := g.suppose(ctx, found.user, a, s)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// suppose explains one visit.
func (g *Gateway) suppose(ctx context.Context, u *User, app string, s Supposed) (Explanation, error) {
	guard := g.guardOf(app)
	passed := scoped(s.Passed, guard.For(u).scope(app))
	v := Visit{
		Now: s.At, User: u, App: app, Session: append(passed, Passed{Proof: Proof{Factor: PasswordFactor, At: s.At}}), SignedIn: s.At, Seen: s.At, Client: s.Client, Facts: s.Facts, Holding: s.Holding,
	}
	if s.Own {
		v.Device = passed
	}
	v.Networks = append(guard.networksOf(&v), s.Facts.Networks...)
	x := guard.Explain(v)
	if v.Holding != nil || x.Reason != AskMFA || !guard.For(u).readsHolding() {
		return x, nil
	}
	ready, err := g.readyFactors(ctx, &visitor{session: &Session{User: *u}}, g.wanted(Decision{}))
	if err != nil {
		return x, err
	}
	v.Holding = &Holding{Enrolled: namesOf(ready.enrolled), Unreachable: namesOf(ready.unreachable)}
	return guard.Explain(v), nil
}

// Suppose explains a visit of somebody who is made up: what an administrator's own tests are about.
func (g *Gateway) Suppose(app string, v Visit) (Explanation, error) {
	if app != "" && g.byName[app] == nil {
		names := make([]string, len(g.applications))
		for i := range g.applications {
			names[i] = g.applications[i].tile.Name
		}
		return Explanation{}, fmt.Errorf("no application is named %q; there are: %s", app, strings.Join(names, ", "))
	}
	v.App = app
	guard := g.guardOf(app)
	v.Networks = append(guard.networksOf(&v), v.Networks...)
	scope := guard.For(v.User).scope(app)
	v.Session, v.Device = scoped(v.Session, scope), scoped(v.Device, scope)
	return guard.Explain(v), nil
}

// scoped returns the proofs as given for an application.
func scoped(passed []Passed, scope string) []Passed {
	out := slices.Clone(passed)
	for i := range out {
		out[i].Scope = scope
	}
	return out
}
