package idp_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
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

// C-23: while one source cannot answer, every failure is the one page, wherever the name is known and whatever was wrong; and
// right passwords of those that answer sign in.
func TestC23AnOutageDoesNotTellWhereANameIsKnown(t *testing.T) {
	s := withSeveral(t)
	s.corp.down = errors.New("connection refused")
	away := s.guess(t, "alice", "right")
	if away.status != http.StatusServiceUnavailable || !strings.Contains(away.body, "We cannot check passwords just now.") || !strings.Contains(away.body, "emergency account") {
		t.Fatalf("somebody of the source that is away: %d %s", away.status, s.words())
	}
	for i := range 12 { // more than any budget, and more than an address has
		for _, name := range []string{"alice", "patricia", "patricia@example.com", "breakglass", "nosuch"} {
			wantAlike(t, fmt.Sprint(name, " ", i), away, s.guess(t, name, fmt.Sprint("wrong", i)))
		}
	}
	s.clock.move(31 * time.Minute)
	for _, name := range []string{"patricia@example.com", "breakglass"} {
		if got := s.guess(t, name, "right"); got.status != http.StatusSeeOther {
			t.Errorf("%s: the right password is answered %d", name, got.status)
		}
	}
	s.corp.down = nil
	if got := s.guess(t, "alice", "right"); got.status != http.StatusSeeOther {
		t.Errorf("alice after the outage: %d", got.status)
	}
}

// What was not judged costs nobody anything; what was judged is charged and told to the audit log.
func TestAnOutageChargesWhatWasJudged(t *testing.T) {
	s := withSeveral(t)
	s.corp.down = errors.New("connection refused")
	for i := range 8 {
		s.guess(t, "breakglass", fmt.Sprint("wrong", i))
		s.guess(t, "alice", fmt.Sprint("wrong", i))
	}
	if s.emergency.shown != 5 || s.corp.shown != 0 {
		t.Errorf("%d guesses at the emergency account were judged, want 5", s.emergency.shown)
	}
	if wrong, limited := lines(t, s.store, "bad_credentials"), lines(t, s.store, "limited"); len(wrong) != 5 || len(limited) != 3 || limited[0].Name != "breakglass" {
		t.Errorf("audit: %d wrong, %d limited", len(wrong), len(limited))
	}
	s.corp.down = nil
	if got := s.guess(t, "alice", "wrong"); got.status != http.StatusUnauthorized {
		t.Errorf("alice after the outage: %d", got.status)
	}
}

// A source whose search answers, and that judges nobody, is away all the same.
func TestC23ASourceThatJudgesNobodyIsAway(t *testing.T) {
	s := withSeveral(t)
	s.partners.deaf = errors.New("no answer")
	away := s.guess(t, "patricia", "right")
	for _, name := range []string{"alice", "breakglass", "nosuch"} {
		got := s.guess(t, name, "wrong")
		if got.status != http.StatusServiceUnavailable || got.body != away.body || got.header != away.header {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	if got := s.guess(t, "breakglass", "right"); got.status != http.StatusSeeOther {
		t.Errorf("the right password is answered %d", got.status)
	}
}
