package e2e

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// resultInvalidCredentials refuses a bind (RFC 4511 §4.1.9).
const resultInvalidCredentials = 49

// Bind is a bind request that came by.
type Bind struct {
	// DN is the name in the request, in lower case: names in a directory have no case.
	DN string
	// At is when the request came, and Answered when its answer did.
	At, Answered time.Time
	// Code is how it ended, and Says the server's words; Code is -1 while there is no answer.
	Code int
	Says string
}

// Failed reports whether the server called the name or the password wrong. Active Directory counts the password
// as wrong for the sub-code 52e only: 532, 533, 773 and so on come after the right one.
func (b Bind) Failed() bool {
	return b.Code == resultInvalidCredentials && (!strings.Contains(b.Says, "data ") || strings.Contains(b.Says, "data 52e"))
}

// bindLog counts what a proxy sees that looks into the traffic.
type bindLog struct {
	mu    sync.Mutex
	binds []*Bind
	ops   map[string]int

	modifies []Modify
}

// asked notes a request on a connection of by's, and returns it where it is a bind, for answered.
func (l *bindLog) asked(m ldapMessage, by string) *Bind {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ops == nil {
		l.ops = map[string]int{}
	}
	l.ops[opNames[m.op]]++
	if m.op == opModify {
		if dn, changes, err := m.modify(); err == nil {
			l.modifies = append(l.modifies, Modify{By: by, DN: dn, Changes: changes})
		}
	}
	if m.op != opBind {
		return nil
	}
	name, err := m.bindName()
	if err != nil {
		name = "(unreadable)"
	}
	b := &Bind{DN: strings.ToLower(name), At: time.Now(), Code: -1}
	l.binds = append(l.binds, b)
	return b
}

// answered notes how a bind ended.
func (l *bindLog) answered(b *Bind, m ldapMessage) {
	code, says, err := m.result()
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b.Code, b.Says, b.Answered = code, strings.TrimRight(says, "\x00"), time.Now()
}

// Binds are the bind requests so far, in the order in which they came. Only a proxy that ends the TLS sees them.
func (p *FaultProxy) Binds() []Bind {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	all := make([]Bind, 0, len(p.log.binds))
	for _, b := range p.log.binds {
		all = append(all, *b)
	}
	return all
}

// BindsOf counts the bind requests, by the name in lower case.
func (p *FaultProxy) BindsOf() map[string]int {
	n := map[string]int{}
	for _, b := range p.Binds() {
		n[b.DN]++
	}
	return n
}

// FailedBinds counts the binds that the server called wrong, by the name in lower case; see [Bind.Failed].
func (p *FaultProxy) FailedBinds() map[string]int {
	n := map[string]int{}
	for _, b := range p.Binds() {
		if b.Failed() {
			n[b.DN]++
		}
	}
	return n
}

// MostFailedBinds is the largest number of failed binds of one name within any stretch of time as long as the window.
func (p *FaultProxy) MostFailedBinds(window time.Duration) (most int, dn string) {
	failed := map[string][]time.Time{}
	for _, b := range p.Binds() {
		if b.Failed() {
			failed[b.DN] = append(failed[b.DN], b.Answered)
		}
	}
	for name, times := range failed {
		slices.SortFunc(times, time.Time.Compare)
		first := 0
		for last := range times {
			for times[last].Sub(times[first]) >= window {
				first++
			}
			if n := last - first + 1; n > most {
				most, dn = n, name
			}
		}
	}
	return most, dn
}

// Operations counts the requests so far by their kind: "bind", "search", "modify", "extended", "unbind" and so on.
func (p *FaultProxy) Operations() map[string]int {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return maps.Clone(p.log.ops)
}

// Forget sets what was noted of binds and operations to nothing.
func (p *FaultProxy) Forget() {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	p.log.binds, p.log.ops, p.log.modifies = nil, nil, nil
}
