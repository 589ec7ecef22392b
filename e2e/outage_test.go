package e2e

import (
	"fmt"
	"io"
	"net/http"
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
	// quick is how much longer than usual a sign-in may take that counts as served well again.
	quick = 250 * time.Millisecond
)

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
	o.awaitWell(s, failed.Add(time.Second), 8, usual+quick)
	over := time.Now()
	during, _ := s.since(failed)
	lost, slow := len(during.lost()), during.worst()
	if f.back == nil {
		o.proxies[0].Set(Forward)
	} else {
		f.back(o)
	}
	returned := time.Now()
	o.awaitState(o.proxies[0].URL, "up", "")
	back := time.Since(returned)
	o.awaitWell(s, returned, 5, usual+quick)
	s.end()
	logins, visits := s.since(failed)
	left := o.awaitGoroutines(goroutines)
	o.t.Logf("a server that %s: of %d sign-ins %d lost, of %d visits %d lost; median %s, added at most %s (visits %s), well after %s; back after %s; goroutines %d, before %d",
		f.name, len(logins), len(logins.lost()), len(visits), len(visits.lost()), ms(usual), ms(slow-usual), ms(visits.worst()),
		ms(during.recovered(failed, usual+quick)), ms(back), left, goroutines)

	sent := o.sent(failed, over)
	for _, a := range append(logins.lost(), visits.lost()...) {
		o.t.Logf("%s, %s after the failure, for %s: %v", a.who, ms(a.began.Sub(failed)), ms(a.took), a.err)
		if a.status != http.StatusServiceUnavailable {
			o.t.Errorf("lost with another status than 503: %d", a.status)
		}
	}
	if n := len(visits.lost()); n > 0 {
		o.t.Errorf("%d visits of people who were signed in are lost", n)
	}
	if f.dead {
		sent = 0
	}
	if n := len(logins.lost()); n > sent {
		o.t.Errorf("%d sign-ins are lost, and %d passwords were sent to the server that failed", n, sent)
	}
	if n := len(logins.lost()); n > lost {
		o.t.Errorf("%d sign-ins were lost when it came back", n-lost)
	}
	most := mostForHanging
	if f.dead {
		most = mostForDead
	}
	if during.most()-usual > most {
		o.t.Errorf("sign-ins took up to %s, and %s before", ms(slow), ms(usual))
	}
	if over.Sub(failed) > 10*time.Second {
		o.t.Errorf("sign-ins were well %s after the failure", over.Sub(failed))
	}
	for _, p := range o.proxies {
		if n := p.FailedBinds(); len(n) > 0 {
			o.t.Errorf("right passwords were called wrong: %v", n)
		}
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

// sent counts the passwords of callers that the failing server was sent while it failed.
func (o *outage) sent(from, until time.Time) (n int) {
	for _, b := range o.proxies[0].Binds() {
		if strings.HasPrefix(b.DN, "cn=caller") && !b.At.Before(from) && b.At.Before(until) {
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
