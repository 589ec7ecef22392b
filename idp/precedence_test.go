package idp

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// sectionFields are the fields of a Policy that are sections, found by what they are: a section that is added later
// is in every test of this file.
func sectionFields(t *testing.T) []reflect.StructField {
	t.Helper()
	var out []reflect.StructField
	for f := range reflect.TypeFor[Policy]().Fields() {
		if f.Type.Implements(reflect.TypeFor[section]()) {
			out = append(out, f)
		}
	}
	if len(out) < 19 {
		t.Fatalf("%d sections", len(out))
	}
	return out
}

// writes returns a policy that has written one section alone.
func writes(t *testing.T, name string, field reflect.StructField) *Policy {
	t.Helper()
	p, sample := Policy{Name: name}, full()
	from := reflect.ValueOf(sample).FieldByIndex(field.Index)
	if from.IsNil() {
		t.Fatalf("section %s is not in full(): write one there", field.Name)
	}
	made := reflect.New(field.Type.Elem())
	made.Elem().Set(from.Elem())
	reflect.ValueOf(&p).Elem().FieldByIndex(field.Index).Set(made)
	return &p
}

func written(p *Policy, field reflect.StructField) section {
	v := reflect.ValueOf(p).Elem().FieldByIndex(field.Index)
	if v.IsNil() {
		return nil
	}
	return v.Interface().(section)
}

// A policy for some groups comes before the application's, that before the default, and that before what is built in:
// section by section, whichever of them write it.
func TestPrecedence(t *testing.T) {
	agents := []GroupRef{{"corp", "Agents"}}
	for _, field := range sectionFields(t) {
		for writers := range 8 {
			name := field.Name
			policies := []*Policy{{Name: defaultPolicy}, {Name: "app"}, {Name: "group"}}
			want := ""
			if s := written(new(BuiltIn()), field); s != nil {
				want = builtIn
			}
			for i, p := range policies {
				if writers&(1<<i) != 0 {
					policies[i], want = writes(t, p.Name, field), p.Name
					name += " by " + p.Name
				}
			}
			t.Run(name, func(t *testing.T) {
				set, err := newPolicySet(policies)
				if err != nil {
					t.Fatal(err)
				}
				g, err := set.guard("app", []GroupPolicyName{{Policy: "group", For: agents}})
				if err != nil {
					t.Fatal(err)
				}
				u := &User{Source: "corp", Groups: []Group{{Names: []string{"agents"}}}}
				s := written(g.For(u), field)
				switch {
				case want == "" && s != nil:
					t.Errorf("by %s, want by nobody", s.from())
				case want != "" && (s == nil || s.from() != want):
					t.Errorf("%v, want by %s", s, want)
				}
				if s := written(g.For(&User{Source: "corp"}), field); s != nil && s.from() == "group" {
					t.Error("the group's section is in force for somebody else")
				}
				for _, p := range policies {
					if s := written(p, field); s != nil && s.from() != "" {
						t.Errorf("what the administrator wrote was changed: %s", s.from())
					}
				}
			})
		}
	}
}

// Every section is printed, signed, checked and inherited: none is forgotten where they are written out by name.
func TestNoSectionIsForgotten(t *testing.T) {
	for _, field := range sectionFields(t) {
		t.Run(field.Name, func(t *testing.T) {
			p := writes(t, "one", field)
			if got := p.sections(); len(got) != 1 {
				t.Fatalf("sections() has %d", len(got))
			}
			signed := p.signed()
			if s := written(&signed, field); s.from() != "one" {
				t.Errorf("signed by %q", s.from())
			}
			under := (Policy{Name: "two"}).Over(signed)
			if s := written(&under, field); s == nil || s.from() != "one" {
				t.Error("it is not inherited")
			}
			over := writes(t, "three", field).signed().Over(signed)
			if s := written(&over, field); s.from() != "three" {
				t.Error("it is inherited over what is written")
			}
			doc, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !strings.Contains(string(doc), `"`+name+`":`) {
				t.Errorf("the record has no %s: %s", name, doc)
			}
			for _, line := range written(p, field).lines() {
				if word, _, _ := strings.Cut(line, " "); word != name {
					t.Errorf("the line %q and the record's %q", line, name)
				}
			}
			with, err := p.sealed()
			if err != nil {
				t.Fatal(err)
			}
			without, err := (Policy{Name: "one"}).sealed()
			if err != nil {
				t.Fatal(err)
			}
			// What guards a first enrollment after a change of password is said also where nobody wrote it.
			if with.digest() == without.digest() {
				t.Error("the digest is that of a policy without it")
			}
		})
	}
}

// The sections that judge by themselves are all asked, each under its own name.
func TestFindingsAskEverySection(t *testing.T) {
	p := full()
	p.MFA = &MFASection{Mode: MFAOff}
	sealed := sectioned(t, p)
	v := usual()
	fs := sealed.findings(&v)
	var have []string
	for _, s := range sealed.sections() {
		word, _, _ := strings.Cut(s.lines()[0], " ")
		have = append(have, word)
	}
	for i := range fs {
		if fs[i].effect == silent || fs[i].from != "strict" || !strings.HasPrefix(fs[i].rule, sectionNames[i]) {
			t.Errorf("%s: %+v", sectionNames[i], fs[i])
		}
		if !slices.Contains(have, sectionNames[i]) {
			t.Errorf("no section of a policy is called %s", sectionNames[i])
		}
	}
	for i, f := range (&Policy{}).findings(&v) {
		if f != (finding{}) {
			t.Errorf("%s speaks where nobody wrote it: %+v", sectionNames[i], f)
		}
	}
}

// The first policy whose groups have the person is in force, in the order in which they are written.
func TestTheFirstGroupDecides(t *testing.T) {
	named := func(name string, m MFAMode) *Policy { return &Policy{Name: name, MFA: &MFASection{Mode: m}} }
	app := named("app", MFAAlways)
	app.Endpoints = &EndpointsSection{Mode: EndpointsMFAAlways}
	agents, bosses := named("agents", MFAOff), &Policy{Name: "bosses", Authentication: &AuthenticationSection{Mode: AuthenticationDeny}}
	set, err := newPolicySet([]*Policy{app, agents, bosses})
	if err != nil {
		t.Fatal(err)
	}
	ref := func(names ...string) (out []GroupRef) {
		for _, n := range names {
			out = append(out, GroupRef{"corp", n})
		}
		return out
	}
	g, err := set.guard("app", []GroupPolicyName{{Policy: "agents", For: ref("Trainees", "Agents")}, {Policy: "bosses", For: ref("Supervisors")}, {Policy: "bosses", For: ref("Agents")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		source string
		groups []string
		want   string
	}{
		{"corp", nil, "app"},
		{"corp", []string{"Agents"}, "agents"},
		{"corp", []string{"TRAINEES"}, "agents"},
		{"corp", []string{"Supervisors"}, "bosses"},
		{"corp", []string{"Supervisors", "Agents"}, "agents"},
		{"corp", []string{"Agents", "Supervisors"}, "agents"},
		{"partners", []string{"Agents", "Supervisors"}, "app"},
		{"corp", []string{"Agent"}, "app"},
	} {
		u := &User{Source: c.source, ID: "1"}
		for _, n := range c.groups {
			u.Groups = append(u.Groups, Group{Names: []string{n}})
		}
		if got := g.For(u).Name; got != c.want {
			t.Errorf("%s %v: %s, want %s", c.source, c.groups, got, c.want)
		}
	}
	if g.For(nil).Name != "app" {
		t.Error("nobody is in no group")
	}
	// What the group's policy leaves out is the application's.
	v := usual()
	v.Certificate = ""
	if d := g.Decide(v); d.Verdict != Ask || d.Policy != "app" || d.Section != "trusted_endpoints" {
		t.Errorf("%+v", d)
	}
	v.Certificate = "CN=laptop-7"
	if d := g.Decide(v); d.Verdict != Allow || d.Policy != "agents" || d.Rule != "mfa off" {
		t.Errorf("%+v", d)
	}
}

func TestPoliciesThatCannotBeMeant(t *testing.T) {
	agents := []GroupRef{{"corp", "Agents"}}
	for _, c := range []struct {
		want   string
		names  []string
		app    string
		groups []GroupPolicyName
	}{
		{`no policy named "x"; there are: a, b`, []string{"a", "b"}, "x", nil},
		{`no policy named "x"; there are: a`, []string{"a"}, "a", []GroupPolicyName{{"x", agents}}},
		{"policy default is under every other one", []string{"a"}, "a", []GroupPolicyName{{"default", agents}}},
		{"policy a names no group", []string{"a"}, "", []GroupPolicyName{{"a", nil}}},
		{`policy "a" is configured twice`, []string{"a", "a"}, "", nil},
		{`policy "default" is configured twice`, []string{"default", "a", "default"}, "", nil},
	} {
		var policies []*Policy
		for _, n := range c.names {
			policies = append(policies, &Policy{Name: n})
		}
		set, err := newPolicySet(policies)
		if err == nil {
			_, err = set.guard(c.app, c.groups)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
