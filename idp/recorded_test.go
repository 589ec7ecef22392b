package idp

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"
)

// guarded returns a random guard as a configuration builds it.
func (c chance) guarded() *Guard {
	app, base := c.written("app"), c.written(defaultPolicy)
	first, second := c.written("first"), c.written("second")
	set := sure(newPolicySet([]*Policy{&base, &app, &first, &second}))
	return sure(set.guard("app", []GroupPolicyName{{"first", c.groups()}, {"second", c.groups()}}))
}

// again returns the visit as it comes back from an audit line.
func again(t *testing.T, v *Visit) Visit {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out Visit
	if err := json.Unmarshal(doc, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What the audit keeps of a guard and of a visit decides as they did.
func TestARecordDecidesTheSame(t *testing.T) {
	c := newChance(t)
	const each = 50
	for range many / each {
		g := c.guarded()
		read, err := ReadGuard(g.doc)
		if err != nil {
			t.Fatalf("%v\n%s", err, g.doc)
		}
		if read.Text() != g.Text() {
			t.Fatalf("got\n%s\nwant\n%s", read.Text(), g.Text())
		}
		for range each {
			v := c.visit()
			want := g.Decide(v)
			for how, got := range map[string]Decision{
				"the guard that was read": read.Decide(v), "the visit that was recorded": g.Decide(again(t, g.recorded(v))), "both": read.Decide(again(t, g.recorded(v))),
			} {
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("%s: %+v\nwant %+v\n%s\n%+v", how, got, want, g.Text(), v)
				}
			}
		}
	}
}

// A decision goes by what is written of a time: the monotonic reading, which a record has not, decides nothing.
func TestNoMonotonicReadingDecides(t *testing.T) {
	c, here := newChance(t), time.Now()
	read := func(times ...*time.Time) {
		for _, at := range times {
			*at = here.Add(at.Sub(here))
		}
	}
	for range many / 50 {
		g, v := c.guarded(), c.visit()
		want := g.Decide(v)
		read(&v.Now, &v.SignedIn, &v.Seen)
		for _, passed := range [][]Passed{v.Session, v.Device} {
			for i := range passed {
				read(&passed[i].At)
			}
		}
		if got := g.Decide(v); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, want %+v\n%s\n%+v", got, want, g.Text(), v)
		}
	}
}

// A record holds nothing of a person but who they are and the groups that the guard looks for, and no fact that it does
// not read.
func TestARecordHoldsWhatIsRead(t *testing.T) {
	c := newChance(t)
	for range many / 50 {
		g, v := c.guarded(), c.visit()
		v.User.DN, v.User.DisplayName, v.User.Attributes = "CN=alice", "Alice Agent", map[string][]string{"employeeNumber": {"7"}}
		kept := g.recorded(v)
		if u := kept.User; u.Email != "" || u.DN != "" || u.DisplayName != "" || u.Attributes != nil || u.Key() != v.User.Key() || u.Name != v.User.Name {
			t.Fatalf("%+v", u)
		}
		for _, group := range kept.User.Groups {
			if !g.names(v.User.Source, group) {
				t.Fatalf("group %v is not one that is looked for", group)
			}
		}
		for fact, has := range map[string][2]bool{
			"anonymous": {kept.Anonymous != "", g.reads(readsAnonymous)}, "country": {kept.Country != "", g.reads(readsLocation)},
			"agent": {kept.Agent != Agent{}, g.reads(readsAgent)}, "certificate": {kept.Certificate != "", g.reads(readsCertificate)},
			"met": {kept.Met != nil, g.reads(readsConditions)},
		} {
			if has[0] && !has[1] {
				t.Fatalf("%s is kept, and nothing reads it", fact)
			}
		}
		if v.User.Email == "" || len(v.User.Groups) == 0 {
			t.Fatal("recording changed the visit")
		}
	}
}

// mattered is a visit on which one fact decided: without it the decision is another one.
type mattered struct {
	section string
	write   Policy
	visit   func(c chance, v *Visit)
	want    Verdict
	fact    string // its name in the record
}

// ways covers each section's allow and deny, or ask. What decides by what is not there (no certificate, no condition, no
// factor) has nothing that could be dropped: the fact is then what is looked at first.
func ways() []mattered {
	only := func(f func(p *Policy)) Policy {
		p := Policy{MFA: &MFASection{Mode: MFAOff}}
		f(&p)
		return p
	}
	nothing := func(chance, *Visit) {}
	in := func(names ...string) func(chance, *Visit) { return func(_ chance, v *Visit) { v.Networks = names } }
	net := func(a NetworkAction) Policy {
		return only(func(p *Policy) {
			p.MFA = &MFASection{Mode: MFAEvery, Every: sevenDays}
			p.Networks = &NetworksSection{Rules: []NetworkRule{{Action: a, Networks: networks("office")}}}
		})
	}
	plan := func(r OutageRule) Policy { return stricken(r) }
	lost := func(_ chance, v *Visit) { v.Holding = &Holding{Unreachable: []string{"duo"}} }
	agents := func(r ...AgentRule) Policy {
		return only(func(p *Policy) {
			p.Systems = &AgentSection{Of: SystemsSectionName, Rules: r}
			p.Browsers = &AgentSection{Of: BrowsersSectionName, Rules: r}
		})
	}
	require := only(func(p *Policy) { p.Require = &RequireSection{Conditions: []string{"intranet"}} })
	groups := only(func(p *Policy) { p.Groups = &GroupsSection{Allow: []GroupRef{{"corp", "Agents"}}} })
	hours := only(func(p *Policy) {
		p.Hours = &HoursSection{Zone: "Europe/Berlin", Rules: []HoursRule{{Days: []time.Weekday{time.Monday}, From: 0, To: 24 * 60}}}
	})
	session := only(func(p *Policy) { p.Session = &SessionSection{Idle: 30 * time.Minute, Absolute: 8 * time.Hour} })
	typed := only(func(p *Policy) { p.Passwordless = &PasswordlessSection{} })
	place := func(a PlaceAction) Policy {
		return only(func(p *Policy) {
			p.Locations = &LocationsSection{Rules: []LocationRule{{Action: a, Countries: []string{"DE"}}}, Otherwise: PlaceAllow}
		})
	}
	anonymous := func(a PlaceAction) Policy { return only(func(p *Policy) { p.Anonymous = &AnonymousSection{Mode: a} }) }
	endpoints := only(func(p *Policy) { p.Endpoints = &EndpointsSection{Mode: EndpointsRequire} })
	every := only(func(p *Policy) { p.MFA = &MFASection{Mode: MFAEvery, Every: sevenDays} })
	floor := every
	floor.SharedComputers = &SharedSection{Networks: networks("floor")}
	newUser := func(m NewUserMode) Policy {
		return only(func(p *Policy) { p.MFA, p.NewUser = &MFASection{Mode: MFAAlways}, &NewUserSection{Mode: m} })
	}
	passed := func(scope string) []Passed {
		return []Passed{{Proof: Proof{Factor: "totp", At: monday.Add(-time.Hour)}, Scope: scope}}
	}
	none := func(_ chance, v *Visit) { v.Holding = &Holding{} }
	system := func(name, version string) func(chance, *Visit) {
		return func(_ chance, v *Visit) { v.Agent.System, v.Agent.SystemVersion = name, version }
	}
	browser := func(name, version string) func(chance, *Visit) {
		return func(_ chance, v *Visit) { v.Agent.Browser, v.Agent.BrowserVersion = name, version }
	}
	old := AgentRule{Action: AgentMinimum, Names: []string{"windows", "chrome"}, Version: "10"}
	block := AgentRule{Action: AgentBlock, Names: []string{"opera", "haiku"}}
	return []mattered{
		{"authentication", only(func(p *Policy) { p.Authentication = &AuthenticationSection{Mode: AuthenticationDeny} }), nothing, Deny, "user"},
		{"authentication", only(func(p *Policy) {
			p.MFA, p.Authentication = &MFASection{Mode: MFAAlways}, &AuthenticationSection{Mode: AuthenticationBypass}
		}), nothing, Allow, "user"},
		{"groups", groups, nothing, Allow, "user"},
		{"groups", groups, func(_ chance, v *Visit) { v.User.Groups = nil }, Deny, "user"},
		{"hours", hours, nothing, Allow, "now"},
		{"hours", hours, func(_ chance, v *Visit) { v.Now = v.Now.Add(day) }, Deny, "now"},
		{"networks", net(NetworkBlocked), in("office"), Deny, "networks"},
		{"networks", net(NetworkBlocked), in("home"), Ask, "client"},
		{"networks", net(NetworkDenyOutside), in("home"), Deny, "client"},
		{"networks", net(NetworkDenyOutside), in("office"), Ask, "networks"},
		{"networks", net(NetworkOffInside), in("office"), Allow, "networks"},
		{"networks", net(NetworkAlwaysInside), in("office"), Ask, "networks"},
		{"networks", net(NetworkAlwaysOutside), func(_ chance, v *Visit) { v.Networks, v.Device = []string{"office"}, passed("connect") }, Allow, "networks"},
		{"anonymous_networks", anonymous(PlaceDeny), nothing, Allow, "anonymous"},
		{"anonymous_networks", anonymous(PlaceDeny), func(_ chance, v *Visit) { v.Anonymous = Yes }, Deny, "anonymous"},
		{"anonymous_networks", anonymous(PlaceMFAAlways), nothing, Allow, "anonymous"},
		{"locations", place(PlaceAllow), nothing, Allow, "country"},
		{"locations", place(PlaceDeny), nothing, Deny, "country"},
		{"locations", place(PlaceMFAAlways), nothing, Ask, "country"},
		{"trusted_endpoints", endpoints, nothing, Allow, "certificate"},
		{"trusted_endpoints", endpoints, func(_ chance, v *Visit) { v.Certificate = "" }, Deny, "user"},
		{"operating_systems", agents(block), nothing, Allow, "agent"},
		{"operating_systems", agents(block), system("haiku", "1"), Deny, "agent"},
		{"operating_systems", agents(old), system("windows", "9"), Deny, "agent"},
		{"browsers", agents(block), nothing, Allow, "agent"},
		{"browsers", agents(block), browser("opera", "1"), Deny, "agent"},
		{"browsers", agents(old), browser("chrome", "9"), Deny, "agent"},
		{"require", require, nothing, Allow, "met"},
		{"require", require, func(_ chance, v *Visit) { v.Met = nil }, Deny, "user"},
		{"session", session, nothing, Allow, "signed_in"},
		{"session", session, nothing, Allow, "seen"},
		{"session", session, func(_ chance, v *Visit) { v.SignedIn = v.Now.Add(-9 * time.Hour) }, Ask, "now"},
		{"session", session, func(_ chance, v *Visit) { v.Seen = v.Now.Add(-time.Hour) }, Ask, "signed_in"},
		{"passwordless", typed, func(_ chance, v *Visit) { v.Session = []Passed{{Proof: Proof{Factor: PasswordFactor, At: v.Now}}} }, Allow, "session"},
		{"passwordless", typed, func(_ chance, v *Visit) { v.Session = passed("connect") }, Ask, "user"},
		{"shared_computers", floor, func(_ chance, v *Visit) { v.Networks, v.Device = []string{"floor"}, passed("connect") }, Ask, "networks"},
		{"shared_computers", floor, func(_ chance, v *Visit) { v.Device = passed("connect") }, Allow, "client"},
		{"mfa", every, func(_ chance, v *Visit) { v.Device = passed("connect") }, Allow, "device"},
		{"mfa", every, func(_ chance, v *Visit) { v.Session = passed("connect") }, Allow, "session"},
		{"mfa", every, func(_ chance, v *Visit) { proved(v) }, Allow, "flow"},
		{"mfa", every, func(_ chance, v *Visit) { v.Device = passed("connect") }, Allow, "app"},
		{"mfa", every, nothing, Ask, "user"},
		{"outage", plan(OutageRule{Factor: "duo", Deny: true}), lost, Deny, "holding"},
		{"outage", plan(OutageRule{Factor: "duo", Allow: []GroupRef{{"corp", "Agents"}}}), lost, Allow, "holding"},
		{"outage", plan(OutageRule{Factor: "duo", Use: []string{"totp"}}), lost, Ask, "holding"},
		{"new_user", newUser(NewUserAllow), none, Allow, "holding"},
		{"new_user", newUser(NewUserDeny), none, Deny, "holding"},
		{"must_change", only(func(*Policy) {}), func(_ chance, v *Visit) { v.MustChange = "password_expired" }, Ask, "must_change"},
	}
}

// Dropping the fact that mattered from a record makes it disagree.
func TestADroppedFactIsMissed(t *testing.T) {
	c := newChance(t)
	tried, covered := 0, map[string]bool{}
	for i, w := range ways() {
		w.write.Name = "strict"
		set, err := newPolicySet([]*Policy{&w.write})
		if err != nil {
			t.Fatal(err)
		}
		g, err := set.guard("strict", nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			v := usual()
			v.Now = v.Now.Add(time.Duration(c.IntN(60)) * time.Second)
			v.Networks, v.User.ID = nil, fmt.Sprint(c.IntN(1000))
			w.visit(c, &v)
			want := g.Decide(v)
			if want.Verdict != w.want {
				t.Fatalf("%d %s: %+v, want %v", i, w.section, want, w.want)
			}
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(sure(json.Marshal(g.recorded(v))), &fields); err != nil {
				t.Fatal(err)
			}
			if fields[w.fact] == nil {
				t.Fatalf("%d %s: the record has no %s", i, w.section, w.fact)
			}
			delete(fields, w.fact)
			var mutant Visit
			if err := json.Unmarshal(sure(json.Marshal(fields)), &mutant); err != nil {
				t.Fatal(err)
			}
			if got := g.Decide(mutant); got.Verdict == want.Verdict && got.Reason == want.Reason && got.Rule == want.Rule {
				t.Errorf("%d %s: without %s it is still %v (%s) by %q", i, w.section, w.fact, got.Verdict, got.Reason, got.Rule)
			}
			tried++
		}
		covered[fmt.Sprint(w.section, w.want == Allow)] = true
	}
	for _, name := range append(sectionNames[:], "mfa", "outage", "new_user") {
		if !covered[name+"true"] || !covered[name+"false"] {
			t.Errorf("%s does not both let pass and not", name)
		}
	}
	if tried < 200 {
		t.Errorf("%d visits", tried)
	}
}
