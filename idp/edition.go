package idp

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Versioned is a file that may change while the gateway runs. It is an optional power of an [AddressList].
type Versioned interface {
	// Version names the content: another content has another version.
	Version() string
}

// Names of the files that [Config.Facts] is read from.
const (
	CountriesFile = "countries"
	AnonymousFile = "anonymous_networks"
)

// FileVersion is a file that a guard reads, as the file was at a time. The content is not kept: a list may be long, and
// changes every day.
type FileVersion struct {
	Name    string `json:"name"` // "network office", or one of the constants
	Version string `json:"version"`
}

// watch finds the files that the guard reads, by the networks and by the facts.
func (g *Guard) watch(facts map[string]Versioned) {
	add := func(name string, file any) {
		if f, ok := file.(Versioned); ok {
			g.Files, g.read = append(g.Files, FileVersion{Name: name}), append(g.read, f)
		}
	}
	for _, n := range g.nets {
		add("network "+n.Name, n.List)
	}
	if g.reads(readsAnonymous) {
		add(AnonymousFile, facts[AnonymousFile])
	}
	if g.reads(readsLocation) {
		add(CountriesFile, facts[CountriesFile])
	}
}

// upToDate reports whether the files hold what they held.
func (g *Guard) upToDate() bool {
	for i := range g.read {
		if g.read[i].Version() != g.Files[i].Version {
			return false
		}
	}
	return true
}

// edition returns the guard with its files as they are, written down anew.
func (g *Guard) edition() (*Guard, error) {
	next := *g
	next.Files = slices.Clone(g.Files)
	for i := range next.read {
		next.Files[i].Version = next.read[i].Version()
	}
	doc, err := json.Marshal(&next)
	if err != nil {
		return nil, fmt.Errorf("writing a policy down: %w", err)
	}
	next.doc, next.sum = string(doc), sumOf(doc)
	return &next, nil
}

// editions are a guard over time. What it decides changes with the files that it reads, and so does its digest.
type editions struct {
	latest atomic.Pointer[Guard]

	mu   sync.Mutex // of making another
	past []*Guard   // of requests that are under way, newest first
}

// mostPast is how many editions a request may be behind. The files are looked at once a minute at most, and may come to be
// seen one by one.
const mostPast = 8

func newEditions(g *Guard) *editions {
	e := new(editions)
	e.latest.Store(g)
	return e
}

// current returns the guard as of this moment.
func (e *editions) current() *Guard {
	if g := e.latest.Load(); g.upToDate() {
		return g
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	g := e.latest.Load()
	if g.upToDate() {
		return g
	}
	next, err := g.edition()
	if err != nil {
		return g // what could be written down once can be with another version
	}
	e.past = append([]*Guard{g}, e.past[:min(len(e.past), mostPast-1)]...)
	e.latest.Store(next)
	return next
}

// of returns the edition of a digest, or nil.
func (e *editions) of(sum string) *Guard {
	if g := e.latest.Load(); g.sum == sum {
		return g
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, g := range append([]*Guard{e.latest.Load()}, e.past...) {
		if g.sum == sum {
			return g
		}
	}
	return nil
}

// since says in which way what the guard reads is another than it was for an earlier one. What that does not tell, because it was
// written down before files and conditions were, is left out.
func (g *Guard) since(then *Guard) []string {
	var out []string
	for _, was := range then.Files {
		i := slices.IndexFunc(g.Files, func(f FileVersion) bool { return f.Name == was.Name })
		switch {
		case i < 0:
			out = append(out, fmt.Sprintf("the file of %s is not read any more", was.Name))
		case g.Files[i].Version != was.Version:
			out = append(out, fmt.Sprintf("the file of %s was changed", was.Name))
		}
	}
	is, was := g.definitions(), then.definitions()
	for _, name := range slices.Sorted(maps.Keys(was)) {
		switch now, there := is[name]; {
		case !there:
			out = append(out, fmt.Sprintf("there is no require %s any more", name))
		case now != was[name]:
			out = append(out, fmt.Sprintf("the matchers of require %s were changed", name))
		}
	}
	return out
}

// definitions returns what the conditions of the guard's policies are made of, by their names.
func (g *Guard) definitions() map[string]string {
	out := map[string]string{}
	for p := range g.policies() {
		if p.Require != nil {
			maps.Copy(out, p.Require.Definitions)
		}
	}
	return out
}
