package idp_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// several is a venue with two directories and local users, which is asked what each was asked.
type several struct {
	*venue
	corp, partners *countingSource
	emergency      listed
}

func withSeveral(t *testing.T) *several {
	t.Helper()
	s := &several{
		corp:      &countingSource{name: "corp", users: map[string]string{"alice": "right"}, limit: 9},
		partners:  &countingSource{name: "partners", users: map[string]string{"patricia": "right"}, limit: 9},
		emergency: listed{&countingSource{name: "emergency", users: map[string]string{"breakglass": "right"}, limit: -1}},
	}
	s.venue = withSources(t, s.corp, s.partners, s.emergency)
	return s
}

// seen is what a stranger learns of a sign-in: the answer, and the work by which its time is told.
type seen struct {
	status int
	header string
	body   string
	work   map[string]int
}

// guess types a name and a password and returns what shows of it.
func (s *several) guess(t *testing.T, name, password string) seen {
	t.Helper()
	for _, c := range []*countingSource{s.corp, s.partners, s.emergency.countingSource} {
		c.take()
	}
	status, body := s.try(t, name, password)
	header := s.now.answer.Header.Clone()
	header.Del("Set-Cookie")
	header.Del("Content-Length") // the name is of some length
	out := seen{status: status, header: fmt.Sprint(header), body: strings.ReplaceAll(flowID.ReplaceAllString(body, ""), name, "NAME"), work: map[string]int{}}
	for _, c := range []*countingSource{s.corp, s.partners, s.emergency.countingSource} {
		for _, call := range c.take() {
			out.work[c.name+" "+call]++
		}
	}
	return out
}

// wantAlike wants that nothing tells two sign-ins apart.
func wantAlike(t *testing.T, says string, a, b seen) {
	t.Helper()
	if a.status != b.status || a.header != b.header || a.body != b.body {
		t.Errorf("%s: answered %d %s\n%s\nand %d %s\n%s", says, a.status, a.header, a.body, b.status, b.header, b.body)
	}
	if fmt.Sprint(a.work) != fmt.Sprint(b.work) {
		t.Errorf("%s: the work is %v and %v", says, a.work, b.work)
	}
}

// C-23: a name that is wrong does the work of every source that it could be in, wherever it is known.
func TestC23TheWorkDoesNotTellWhereANameIsKnown(t *testing.T) {
	s := withSeveral(t)
	unknown := s.guess(t, "nosuch", "wrong")
	for _, source := range []string{"corp", "partners", "emergency"} {
		if unknown.work[source+" find"] != 1 || unknown.work[source+" authenticate"] != 1 {
			t.Errorf("the work for a name that nobody has: %v", unknown.work)
		}
	}
	for _, name := range []string{"alice", "patricia", "breakglass", "nosuch at all"} {
		wantAlike(t, name, unknown, s.guess(t, name, "wrong"))
	}
	for name, source := range map[string]string{"alice": "corp", "patricia": "partners", "breakglass": "emergency"} {
		right := s.guess(t, name, "right")
		if right.status != http.StatusSeeOther || len(right.work) != 4 || right.work[source+" authenticate"] != 1 {
			t.Errorf("%s: the right password is answered %d after %v", name, right.status, right.work)
		}
	}
}
