package ldap

import (
	"context"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

const (
	// gatherTime is how long it is believed what groups somebody is in, what policy holds for them and when their
	// password expires. A sign-in within that time asks for their entry alone. A change of theirs in the
	// directory is seen after it at the latest; a refresh of a session does not wait for it.
	gatherTime = 2 * time.Minute
	// mostGathered bounds the caches; an entry has some three hundred bytes.
	mostGathered = 20_000
)

// gathering is what a directory works out for a person, at the cost of more than their entry.
type gathering struct {
	groups  []string // as the kind tells groups apart: SIDs, DNs
	policy  string   // DN of the password policy that holds for them and not for everybody
	expires time.Time
	until   time.Time
}

// gatherings remembers it, by the person's id and DN: who has moved is asked for anew.
type gatherings struct {
	mu     sync.Mutex
	people map[string]gathering
}

func (g *gatherings) get(id, dn string, now time.Time) (gathering, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, ok := g.people[id+" "+dn]
	return known, ok && now.Before(known.until)
}

func (g *gatherings) keep(id, dn string, what gathering) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.people == nil || len(g.people) >= mostGathered {
		g.people = map[string]gathering{} // all expire within minutes anyway
	}
	g.people[id+" "+dn] = what
}

func (g *gatherings) forget(id, dn string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.people, id+" "+dn)
}

// gathered returns it for a person.
func (s *Source) gathered(ctx context.Context, id string, e *goldap.Entry, fresh bool) (gathering, error) {
	if s.kind.apart && !fresh {
		if known, ok := s.known.get(id, e.DN, s.now()); ok {
			return known, nil
		}
	}
	now := s.now()
	g, err := s.kind.gather(ctx, s, e)
	if err != nil {
		return gathering{}, err
	}
	g.until = now.Add(gatherTime)
	s.known.keep(id, e.DN, g)
	return g, nil
}

// strangers remembers names that nobody has, so that they cost as much as those of people whose groups are known:
// more at first than later.
type strangers struct {
	mu    sync.Mutex
	names map[string]time.Time
}

// first reports whether the name was not asked for lately.
func (s *strangers) first(name string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until, ok := s.names[name]; ok && now.Before(until) {
		return false
	}
	if s.names == nil || len(s.names) >= mostGathered {
		s.names = map[string]time.Time{}
	}
	s.names[name] = now.Add(gatherTime)
	return true
}
