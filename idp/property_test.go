package idp

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"
)

// forget takes one thing from what is known of a visit.
var forget = map[string]func(v *Visit){
	"now":             func(v *Visit) { v.Now = time.Time{} },
	"user":            func(v *Visit) { v.User = nil },
	"groups":          func(v *Visit) { v.User = &User{Source: v.User.Source, ID: v.User.ID} },
	"flow":            func(v *Visit) { v.Flow = nil },
	"session":         func(v *Visit) { v.Session = nil },
	"device":          func(v *Visit) { v.Device = nil },
	"signed_in":       func(v *Visit) { v.SignedIn = time.Time{} },
	"seen":            func(v *Visit) { v.Seen = time.Time{} },
	"client":          func(v *Visit) { v.Client, v.Networks = netip.Addr{}, nil },
	"holding":         func(v *Visit) { v.Holding = nil },
	"anonymous":       func(v *Visit) { v.Anonymous = Unanswered },
	"country":         func(v *Visit) { v.Country = "" },
	"system":          func(v *Visit) { v.Agent.System = "" },
	"system_version":  func(v *Visit) { v.Agent.SystemVersion = "" },
	"browser":         func(v *Visit) { v.Agent.Browser = "" },
	"browser_version": func(v *Visit) { v.Agent.BrowserVersion = "" },
	"agent":           func(v *Visit) { v.Agent = Agent{} },
	"certificate":     func(v *Visit) { v.Certificate = "" },
	"met":             func(v *Visit) { v.Met = nil },
	"everything":      func(v *Visit) { v.Facts, v.Client, v.Holding = Facts{}, netip.Addr{}, nil },
}

// An evaluation error never allows. Whoever is let in while a fact is not known is let in by whatever it may turn out to be.
func TestR48WhatIsNotKnownNeverAllows(t *testing.T) {
	c := newChance(t)
	allowed := 0
	names := make([]string, 0, len(forget))
	for name := range forget {
		names = append(names, name)
	}
	slices.Sort(names)
	var p Policy
	for i := range many {
		if i%ofOne == 0 {
			p = c.sparse(c.policy())
		}
		known := c.visit()
		was := p.Decide(known)
		if was.Verdict == Allow {
			allowed++
		}
		name := pick(c, names...)
		v := known
		forget[name](&v)
		if now := p.Decide(v); now.Verdict == Allow && was.Verdict != Allow {
			t.Fatalf("%v by %q, but without %s %v by %q\n%s\n%+v", was.Verdict, was.Rule, name, now.Verdict, now.Rule, p.Text(), known)
		}
	}
	if allowed < many/10 {
		t.Errorf("%d of %d were allowed: too few to mean something", allowed, many)
	}
}

// A decision follows from the policy and the visit alone, and changes neither.
func TestDecideIsPure(t *testing.T) {
	c := newChance(t)
	for range many / ofOne {
		seed := c.Uint64()
		make := func() (Policy, [ofOne]Visit) {
			c := seeded(seed)
			p := c.policy()
			var visits [ofOne]Visit
			for i := range visits {
				visits[i] = c.visit()
			}
			return p, visits
		}
		p, visits := make()
		again, twins := make()
		for i, v := range visits {
			d := p.Decide(v)
			for _, other := range []Decision{p.Decide(v), again.Decide(twins[i])} {
				if !reflect.DeepEqual(d, other) {
					t.Fatalf("%+v, and then %+v", d, other)
				}
			}
		}
		again, twins = make()
		if !reflect.DeepEqual(p, again) || !reflect.DeepEqual(visits, twins) {
			t.Fatalf("deciding changed the policy or a visit:\n%+v\n%+v", visits, twins)
		}
	}
}

// owes checks what every decision owes whoever reads it.
func owes(t *testing.T, d Decision) {
	t.Helper()
	switch {
	case d.Verdict == Allow && d.Rule == "",
		d.Verdict == Allow && (d.Reason != "" || d.Public != ""),
		d.Verdict == Deny && (d.Reason == "" || d.Public == "" || d.Warning != ""),
		d.Verdict == Ask && d.Reason == "",
		d.Verdict != Allow && d.Verdict != Deny && d.Verdict != Ask,
		d.Remember && d.Keep == 0, d.HotDesk && d.Keep != 0:
		t.Fatalf("%+v", d)
	}
}

// Every policy and every visit has a decision, with its reason, whatever is in them.
func TestC53DecideIsTotal(t *testing.T) {
	c := newChance(t)
	var p Policy
	for i := range many {
		g, v := &Guard{}, Visit{}
		if i%ofOne == 0 {
			p = c.policy()
		}
		c.garbage(reflect.ValueOf(g).Elem(), 4)
		c.garbage(reflect.ValueOf(&v).Elem(), 4)
		owes(t, g.Decide(v))
		owes(t, g.Policy.Decide(v))
		if sealed, err := g.Policy.sealed(); err == nil {
			owes(t, sealed.Decide(v))
		}
		owes(t, p.Decide(v))
		owes(t, g.Policy.Decide(c.visit()))
		owes(t, p.Decide(c.visit()))
		g.recorded(v)
	}
}

// garbage fills everything that can be set with what nobody would write.
func (c chance) garbage(v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = pick(c, time.Time{}, monday, monday.AddDate(9000, 0, 0), monday.AddDate(-9000, 0, 0), time.Unix(1<<40, 0))
		return
	case *netip.Addr:
		*x = pick(c, netip.Addr{}, netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::ffff:10.0.0.1"))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if depth > 0 && !c.once(3) {
			v.Set(reflect.New(v.Type().Elem()))
			c.garbage(v.Elem(), depth-1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				c.garbage(v.Field(i), depth)
			}
		}
	case reflect.Slice:
		if depth > 0 {
			v.Set(reflect.MakeSlice(v.Type(), c.IntN(3), 3))
			for i := range v.Len() {
				c.garbage(v.Index(i), depth-1)
			}
		}
	case reflect.String:
		v.SetString(pick(c, "", "\x00", "deny", "allow", "off", "every", "always", "bypass", "blocked", "mfa_off_inside", "minimum", "warn", "block",
			"operating_systems", "browsers", "totp", "password", "office", "yes", "from", "a\n# built-in", "\u017f", "9999999999999999999.-1", "corp", "UTC"))
	case reflect.Int, reflect.Int64:
		v.SetInt(pick(c, 0, 1, -1, 1<<62, -1<<63, int64(time.Hour)))
	case reflect.Bool:
		v.SetBool(c.once(2))
	default:
	}
}

// FuzzDecide reads a guard and a visit as the audit keeps them, whatever somebody made of the rows.
func FuzzDecide(f *testing.F) {
	for seed := range uint64(20) {
		c := seeded(seed)
		doc, err := json.Marshal(Guard{Policy: c.policy(), Groups: []GroupPolicy{{For: c.groups(), Policy: c.policy()}}})
		if err != nil {
			f.Fatal(err)
		}
		visit, err := json.Marshal(c.visit())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(doc), string(visit))
	}
	f.Add(`{"policy":{"mfa":{"mode":"off"},"networks":{"rules":[{"action":"mfa_off_inside"}]},"outage":null}}`, `{"now":"2026-03-02T08:00:00Z","user":{}}`)
	f.Fuzz(func(t *testing.T, doc, visit string) {
		var v Visit
		if json.Unmarshal([]byte(visit), &v) != nil {
			return
		}
		var unread Guard
		if json.Unmarshal([]byte(doc), &unread) == nil {
			owes(t, unread.Decide(v))
		}
		g, err := ReadGuard(doc)
		if err != nil {
			return
		}
		owes(t, g.Decide(v))
		owes(t, g.Decide(*g.recorded(v)))
		if g.Text() == "" {
			t.Error("a guard without a text")
		}
	})
}
