package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// policyTest is one test of an administrator's own: a visit and what is to come of it.
type policyTest struct {
	name  string
	place string // file:line
	app   string
	visit idp.Visit
	want  expectation
}

// expectation is what is to come of a visit. Empty fields are not looked at.
type expectation struct {
	verdict, reason, section, rule, policy string
	factors                                []string
}

// failed says what came otherwise, or returns "".
func (w *expectation) failed(x idp.Explanation) string {
	for _, c := range []struct{ what, want, got string }{
		{"verdict", w.verdict, x.Verdict}, {"reason", w.reason, x.Reason}, {"section", w.section, x.Section}, {"rule", w.rule, x.Rule}, {"policy", w.policy, x.Policy},
	} {
		if c.want != "" && c.want != c.got {
			return fmt.Sprintf("the %s is %q, expected %q", c.what, c.got, c.want)
		}
	}
	if len(w.factors) > 0 && !slices.Equal(w.factors, x.Factors) {
		return fmt.Sprintf("the factors are %q, expected %q", strings.Join(x.Factors, " "), strings.Join(w.factors, " "))
	}
	return ""
}

// parsePolicyTests reads a file of
//
//	test <name> {
//		given { … }
//		expect allow | deny [<reason>] | ask [<reason>]
//		factors <factor...>
//		section <name>
//		rule <text>
//		policy <name>
//	}
func (a *App) parsePolicyTests(file string, text []byte) ([]*policyTest, error) {
	tokens, err := caddyfile.Tokenize(text, file)
	if err != nil && !errors.Is(err, io.EOF) { // of a file with nothing in it
		return nil, err
	}
	d := caddyfile.NewDispenser(tokens)
	var tests []*policyTest
	for d.Next() {
		if d.Val() != "test" {
			return nil, d.Errf("unknown word %q; the file takes: test NAME { … }", d.Val())
		}
		t, err := a.parsePolicyTest(d)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(tests, func(have *policyTest) bool { return have.name == t.name }) {
			return nil, d.Errf("test %q is written twice", t.name)
		}
		tests = append(tests, t)
	}
	if len(tests) == 0 {
		return nil, fmt.Errorf("%s has no test; it takes: test NAME { … }", file)
	}
	return tests, nil
}

func (a *App) parsePolicyTest(d *caddyfile.Dispenser) (*policyTest, error) {
	at := d.Token()
	args := d.RemainingArgs()
	if len(args) != 1 {
		return nil, d.Errf("test takes: test NAME { given { … } expect … }")
	}
	t := &policyTest{name: args[0], place: fmt.Sprintf("%s:%d", at.File, at.Line)}
	now := time.Now()
	t.visit = idp.Visit{Now: now, SignedIn: now, Seen: now, User: &idp.User{ID: "test"}, Holding: &idp.Holding{}}
	b := &block{d: d, where: "test " + t.name, takes: []string{"given", "expect", "factors", "section", "rule", "policy"}, seen: map[string]bool{}, nesting: d.Nesting()}
	for b.next() {
		switch b.option {
		case "given":
			a.parseGiven(b, t)
		case "expect":
			t.parseExpect(b)
		case "factors":
			b.list(&t.want.factors, "FACTOR…")
		case "section":
			b.text(&t.want.section, "NAME")
		case "rule":
			b.text(&t.want.rule, "TEXT")
		case "policy":
			b.text(&t.want.policy, "NAME")
		}
	}
	b.need("given", "expect")
	return t, b.err
}

func (t *policyTest) parseExpect(b *block) {
	const usage = "allow | deny [REASON] | ask [REASON]"
	w := b.leaf(1, 2, usage)
	if len(w) == 0 {
		return
	}
	if t.want.verdict = w[0]; !slices.Contains([]string{"allow", "deny", "ask"}, w[0]) {
		b.fail("expect %q is unknown; expect takes: %s", w[0], usage)
	}
	if len(w) > 1 {
		t.want.reason = w[1]
	}
}

// givenOptions are what may be supposed of a visit.
var givenOptions = []string{
	"application", "source", "groups", "ip", "networks", "user_agent", "at", "signed_in", "device", "passed", "factors", "unreachable",
	"country", "anonymous", "certificate", "met", "must_change", "passwordless",
}

// parseGiven reads
//
//	given {
//		application <name> | portal
//		source <name>
//		groups <group...>
//		ip <address>
//		networks <name...>
//		user_agent <text>
//		at <time> | <day> <HH:MM> <zone>
//		signed_in <age>
//		device known | new
//		passed <factor> <age> [now]
//		factors <name...>
//		unreachable <name...>
//		country <code>
//		anonymous yes | no
//		certificate <subject>
//		met <name...>
//		must_change <reason>
//	}
func (a *App) parseGiven(b *block, t *policyTest) {
	n := a.names()
	in := &givenBlock{app: a, names: n, test: t}
	in.block = &block{d: b.d, where: "given in " + b.where, takes: givenOptions, seen: map[string]bool{}, repeats: []string{"passed"}, nesting: b.d.Nesting()}
	b.args(0, 0, "{ … }")
	in.err = b.err
	for in.next() {
		in.read()
	}
	in.need("application")
	in.finish()
	b.err = in.err
}

// givenBlock reads what is supposed; some of it can only be put together at the end.
type givenBlock struct {
	*block
	app   *App
	names names
	test  *policyTest

	source   string
	groups   []string
	agent    string
	known    bool
	signedIn time.Duration
	passed   []ago
	instead  string // the factor that they signed in by, in the place of the password
}

// ago is a factor that was shown.
type ago struct {
	factor string
	age    time.Duration
	now    bool // on this very way
}

func (g *givenBlock) read() {
	v := &g.test.visit
	switch g.option {
	case "application":
		g.text(&g.test.app, "NAME")
		if g.test.app == "portal" {
			g.test.app = ""
		}
	case "source":
		g.text(&g.source, "NAME")
	case "groups":
		g.list(&g.groups, "GROUP…")
	case "ip":
		var text string
		g.text(&text, "ADDRESS")
		var err error
		if v.Client, err = parseClient(text); err != nil {
			g.fail("%s: %w", g.option, err)
		}
	case "networks":
		g.namesOf(&v.Networks, "network", g.names.networks)
	case "user_agent":
		g.text(&g.agent, "TEXT")
	case "at":
		g.parseAt()
	case "signed_in":
		g.age(&g.signedIn)
	case "device":
		var word string
		g.word(&word, "known", "new")
		g.known = word == "known"
	default:
		g.readFacts()
	}
}

func (g *givenBlock) readFacts() {
	v := &g.test.visit
	switch g.option {
	case "passed":
		g.parsePassed()
	case "factors":
		g.namesOf(&v.Holding.Enrolled, "factor", g.names.factors)
	case "unreachable":
		g.namesOf(&v.Holding.Unreachable, "factor", g.names.factors)
	case "country":
		var text string
		g.text(&text, "COUNTRY")
		if err := placeWords(&v.Facts, text, ""); err != nil {
			g.fail("%w", err)
		}
	case "anonymous":
		oneWord(g.block, &v.Anonymous, idp.Yes, idp.No)
	case "certificate":
		g.text(&v.Certificate, "SUBJECT")
	case "met":
		g.namesOf(&v.Met, "condition", g.app.conditionNames())
	case "passwordless":
		g.text(&g.instead, "FACTOR")
		if !slices.Contains(g.names.factors, g.instead) {
			g.fail("no factor is named %q; there are: %s", g.instead, listed(g.names.factors))
		}
	case "must_change":
		g.word(&v.MustChange, "password_expired", "must_change")
	}
}

// namesOf reads names that the configuration has.
func (g *givenBlock) namesOf(to *[]string, what string, known []string) {
	g.list(to, "NAME…")
	for _, n := range *to {
		if !slices.Contains(known, n) {
			g.fail("no %s is named %q; there are: %s", what, n, listed(known))
		}
	}
}

// age reads how long ago something was.
func (g *givenBlock) age(to *time.Duration) {
	a := g.leaf(1, 1, "AGE")
	if len(a) == 1 {
		*to = g.parseAge(a[0])
	}
}

func (g *givenBlock) parseAge(s string) time.Duration {
	d, err := caddy.ParseDuration(s)
	if err != nil || d < 0 {
		g.fail("%s: %q is no age; write it as 90s, 15m, 12h or 7d", g.option, s)
	}
	return d
}

func (g *givenBlock) parsePassed() {
	const usage = "FACTOR AGE | FACTOR now"
	a := g.leaf(2, 2, usage)
	if len(a) != 2 {
		return
	}
	if !slices.Contains(g.names.factors, a[0]) {
		g.fail("no factor is named %q; there are: %s", a[0], listed(g.names.factors))
	}
	p := ago{factor: a[0], now: a[1] == "now"}
	if !p.now {
		p.age = g.parseAge(a[1])
	}
	g.passed = append(g.passed, p)
}

// parseAt reads a moment, or a day of the week with an hour and a zone.
func (g *givenBlock) parseAt() {
	const usage = "2006-01-02T15:04:05Z | DAY HH:MM ZONE"
	a := g.leaf(1, 3, usage)
	switch len(a) {
	case 1:
		at, err := time.Parse(time.RFC3339, a[0])
		if err != nil {
			g.fail("%q is no time; at takes: %s", a[0], usage)
		}
		g.test.visit.Now = at
	case 3:
		day, isDay := weekday(a[0])
		minute, isTime := clock(a[1])
		zone, err := time.LoadLocation(a[2])
		if !isDay || !isTime || err != nil {
			g.fail("%q is no time; at takes: %s", strings.Join(a, " "), usage)
			return
		}
		// Some day of that name, the same in every run.
		g.test.visit.Now = time.Date(2026, 3, 1+int(day), 0, minute, 0, 0, zone)
	case 2:
		g.fail("at takes: %s", usage)
	}
}

// finish puts together what depends on other options.
func (g *givenBlock) finish() {
	v := &g.test.visit
	if g.err != nil {
		return
	}
	refs, err := groupRefs(g.groups, g.names.group)
	if err != nil {
		g.fail("%w", err)
		return
	}
	v.User.Source = g.source
	for _, r := range refs {
		if v.User.Source != "" && v.User.Source != r.Source {
			g.fail("groups of two sources, %s and %s: a person is of one", v.User.Source, r.Source)
			return
		}
		v.User.Source = r.Source
		v.User.Groups = append(v.User.Groups, idp.Group{Names: []string{r.Name}})
	}
	if v.User.Source == "" && len(g.names.sources) > 0 {
		v.User.Source = g.names.sources[0]
	}
	if !slices.Contains(g.names.sources, v.User.Source) {
		g.fail("no source is named %q; there are: %s", v.User.Source, listed(g.names.sources))
		return
	}
	if g.agent != "" {
		v.Agent = g.app.agentOf(g.agent)
	}
	had := *v
	g.app.facts.place(&v.Facts, v.Client)
	if had.Country != "" {
		v.Country = had.Country
	}
	if had.Anonymous != "" {
		v.Anonymous = had.Anonymous
	}
	v.SignedIn, v.Seen = v.Now.Add(-g.signedIn), v.Now.Add(-g.signedIn)
	began := idp.Proof{Factor: idp.PasswordFactor, At: v.SignedIn}
	if g.instead != "" {
		began.Factor = g.instead
	}
	v.Session = append(v.Session, idp.Passed{Proof: began})
	for _, p := range g.passed {
		proof := idp.Proof{Factor: p.factor, At: v.Now.Add(-p.age)}
		switch {
		case p.now:
			v.Flow = append(v.Flow, proof)
		case g.known:
			v.Device = append(v.Device, idp.Passed{Proof: proof})
		default:
			v.Session = append(v.Session, idp.Passed{Proof: proof})
		}
	}
}

// conditionNames are the names of all conditions.
func (a *App) conditionNames() (names []string) {
	for _, c := range a.facts.conditions {
		names = append(names, c.Name)
	}
	return names
}
