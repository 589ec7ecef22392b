package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// failure is a way in which the first of two controllers fails.
type failure struct {
	name string
	set  func(*outage)
	// dead says that the network tells at once that nobody is there. Nothing is lost then; else those passwords are
	// that were sent and not answered, because a second server could count them again.
	dead bool
	back func(*outage) // ends it; nil sets the proxy to Forward
	down string        // words of the error with which /readyz calls it down
}

func first(f Fault) func(*outage) {
	return func(o *outage) { o.proxies[0].Set(f) }
}

var failures = []failure{
	{name: "refuses", set: first(Refuse), dead: true, down: "connection refused"},
	{
		name: "is killed under load", dead: true, down: "connect",
		set:  func(o *outage) { o.domain.Process.Kill() },
		back: func(o *outage) { o.domain.Start() },
	},
	{name: "restarts", set: func(o *outage) { o.proxies[0].Cut() }, dead: true},
	{name: "is off", set: first(Unanswered), down: "no answer in time"},
	{name: "takes connections only", set: first(BlackHole), down: "no answer in time"},
	{name: "hangs after TLS", set: first(HangAfterTLS), down: "no answer in time"},
	{name: "hangs at passwords it has not seen", set: first(HangAtBind), down: "no answer in time"},
	{name: "hangs at passwords it has seen", set: first(HangAtBindReply), down: "no answer in time"},
	{name: "sends a byte each second", set: first(Trickle), down: "no answer in time"},
	{name: "sends garbage", set: first(Garbage), down: "ldap"},
	{name: "says that its answer is 1 GiB", set: first(Oversized), down: "ldap"},
	{name: "answers without an end", set: first(EndlessSearch), down: "too long"},
}

// Bounds of what a failure may cost beyond the usual. The goals are 50 ms for a dead server and 2 s for one that hangs; the
// rest is for a machine that does other things as well. What must not be waited for takes a second at least.
const (
	mostForDead    = 550 * time.Millisecond
	mostForHanging = 3 * time.Second
	// mostSent is how many passwords go to a server that hangs before others are kept from it. It would be forty in the
	// two seconds until the first of them has failed.
	mostSent = 15
)

// wellAgain is what a sign-in takes at most that counts as served well.
func wellAgain(usual time.Duration) time.Duration { return 3*usual + 250*time.Millisecond }

// TestOutageOfOneServer: whatever the first of two controllers does, people sign in at the second, sessions go on,
// nobody is told that a password is wrong, and the first is asked again once it is well.
func TestOutageOfOneServer(t *testing.T) {
	t.Parallel()
	o := newOutage(t, peopleAtWork, "1s", nil)
	before := o.settled()
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) { o.on(t).failAmid(f, before) })
	}
}

// failAmid lets the first controller fail and come back amid people who sign in and work.
func (o *outage) failAmid(f failure, goroutines int) {
	o.anew()
	s := o.flow(loginEvery)
	o.awaitWell(s, time.Now(), 10, time.Hour)
	logins, _ := s.since(time.Time{})
	usual := logins.median()

	failed := time.Now()
	f.set(o)
	if f.down != "" {
		o.awaitState(o.proxies[0].URL, "down", f.down)
	}
	if f.down != "" && f.dead {
		o.tellsOfFirst()
	}
	o.awaitWell(s, failed.Add(time.Second), 8, wellAgain(usual))
	over := time.Now()
	if f.back == nil {
		o.proxies[0].Set(Forward)
	} else {
		f.back(o)
	}
	returned := time.Now()
	o.awaitState(o.proxies[0].URL, "up", "")
	back := time.Since(returned)
	o.awaitWell(s, returned, 5, wellAgain(usual))
	s.end()

	c := cost{failed: failed, usual: usual, sent: o.sent(failed, over)}
	c.logins, c.visits = s.since(failed)
	c.after, _ = s.since(over)
	left := o.awaitGoroutines(goroutines)
	o.t.Logf("a server that %s: of %d sign-ins %d lost, of %d visits %d lost; median %s, added at most %s (visits %s), well after %s; back after %s; goroutines %d, before %d",
		f.name, len(c.logins), len(c.logins.lost()), len(c.visits), len(c.visits.lost()), ms(usual), ms(c.logins.worst()-usual), ms(c.visits.worst()),
		ms(c.logins.recovered(failed, wellAgain(usual))), ms(back), left, goroutines)
	o.bears(f, c)
	for _, p := range o.proxies {
		if n := p.FailedBinds(); len(n) > 0 {
			o.t.Errorf("right passwords were called wrong: %v", n)
		}
	}
}

// tellsOfFirst: check has an error of the first controller and none of the second, and /readyz takes the gateway for ready.
func (o *outage) tellsOfFirst() {
	o.t.Helper()
	if r, err := o.readyz(); err != nil || r.Status != "ready" {
		o.t.Errorf("/readyz says %+v, %v", r, err)
	}
	found, err := o.check()
	if err == nil {
		o.t.Error("check finds no error")
	}
	for i, level := range []string{"error", "ok"} {
		if !slices.ContainsFunc(found, func(f checkLine) bool { return f.Level == level && strings.Contains(f.What, o.proxies[i].URL+": ") }) {
			o.t.Errorf("check has no %s of %s: %+v", level, o.proxies[i].URL, found)
		}
	}
}

// cost is what a failure did to people.
type cost struct {
	failed         time.Time
	usual          time.Duration
	logins, visits figures // from the failure on
	after          figures // sign-ins from the return of the server on
	sent           int     // passwords to the server that failed
}

// bears holds what a failure cost against what it may.
func (o *outage) bears(f failure, c cost) {
	o.t.Helper()
	for _, a := range append(c.logins.lost(), c.visits.lost()...) {
		o.t.Logf("%s, %s after the failure, for %s: %v", a.who, ms(a.began.Sub(c.failed)), ms(a.took), a.err)
		if a.status != http.StatusServiceUnavailable {
			o.t.Errorf("lost with another status than 503: %d", a.status)
		}
	}
	if n := len(c.visits.lost()); n > 0 {
		o.t.Errorf("%d visits of people who were signed in are lost", n)
	}
	most, may := mostForHanging, c.sent
	if f.dead {
		most, may = mostForDead, 0
	}
	if n := len(c.logins.lost()); n > may {
		o.t.Errorf("%d sign-ins are lost, and %d may be", n, may)
	}
	if !f.dead && c.sent > mostSent {
		o.t.Errorf("the server that failed was sent %d passwords", c.sent)
	}
	if n := len(c.after.lost()); n > 0 {
		o.t.Errorf("%d sign-ins were lost when it came back", n)
	}
	if added := c.logins.most() - c.usual; added > most+3*c.usual {
		o.t.Errorf("sign-ins took %s longer than usual", ms(added))
	}
	if d := c.logins.recovered(c.failed, wellAgain(c.usual)+mostForDead); d > 10*time.Second {
		o.t.Errorf("sign-ins were well %s after the failure", ms(d))
	}
}

func ms(d time.Duration) string { return d.Round(time.Millisecond).String() }

// awaitWell waits until the last n sign-ins that began after a moment were served, and quickly.
func (o *outage) awaitWell(s *stream, from time.Time, n int, most time.Duration) {
	o.t.Helper()
	Await(o.t, "people to sign in as ever", func() error {
		logins, _ := s.since(from)
		if len(logins) < n {
			return fmt.Errorf("%d signed in", len(logins))
		}
		last := logins[len(logins)-n:]
		if lost := last.lost(); len(lost) > 0 || last.worst() > most {
			return fmt.Errorf("of the last %d, %d are lost, and the slowest took %s: %+v", n, len(lost), last.worst(), lost)
		}
		return nil
	})
}

// sent counts the passwords of callers that the failing server was sent while it failed, or had not answered.
func (o *outage) sent(from, until time.Time) (n int) {
	for _, b := range o.proxies[0].Binds() {
		if strings.HasPrefix(b.DN, "cn=caller") && b.At.Before(until) && (b.Code < 0 || !b.At.Before(from)) {
			n++
		}
	}
	return n
}

// goroutines counts those of Caddy that serve no connection to a directory; each of these has two.
func (o *outage) goroutines() int {
	o.t.Helper()
	res, err := o.admin().Get("http://localhost/debug/pprof/goroutine?debug=2")
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		o.t.Fatalf("goroutines: %s %v", res.Status, err)
	}
	n := 0
	for one := range strings.SplitSeq(string(text), "\n\n") {
		if !strings.Contains(one, "ldap/v3.(*Conn).reader") && !strings.Contains(one, "ldap/v3.(*Conn).processMessages") {
			n++
		}
	}
	return n
}

// awaitGoroutines waits until as many are left as there were, but for a few of connections that come and go.
func (o *outage) awaitGoroutines(before int) (left int) {
	o.t.Helper()
	Await(o.t, "goroutines to end", func() error {
		if left = o.goroutines(); left > before+4 {
			return fmt.Errorf("%d, and %d before", left, before)
		}
		return nil
	})
	return left
}
