package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestOutageOfAllServers: while no controller answers, people are told so at once, sessions go on, and nobody's
// password counts as wrong. The first who signs in afterwards is served. While all are slow, neither those who work
// keep those out who sign in, nor the other way round.
func TestOutageOfAllServers(t *testing.T) {
	t.Parallel()
	o := newOutage(t, crowdAtWork, "1s", nil)
	before := o.settled()
	for _, f := range []struct {
		name  string
		fault Fault
		words string        // of the error
		most  time.Duration // that somebody waits for the answer; then comes what a slow machine needs
	}{
		{"refuse", Refuse, "connection refused", time.Second},
		{"are off", Unanswered, "timeout", 2500 * time.Millisecond},
	} {
		t.Run(f.name, func(t *testing.T) {
			o := o.on(t)
			o.anew()
			o.settled()
			for _, p := range o.proxies {
				p.Set(f.fault)
			}
			failed := time.Now()
			o.nobodySignsIn(f.most + 1500*time.Millisecond)
			o.sessionsGoOn()
			o.tellsOfAll(f.words)
			outage := time.Since(failed)
			for _, p := range o.proxies {
				p.Set(Forward)
			}
			returned := time.Now()
			o.everybodySignsIn()
			t.Logf("all servers %s for %s: everybody signed in %s after their return; goroutines %d, before %d",
				f.name, ms(outage), ms(time.Since(returned)), o.awaitGoroutines(before), before)
			o.nothingWasCounted()
		})
	}
	t.Run("are slow", func(t *testing.T) { o.on(t).refreshStarvesNobody() })
	t.Run("hang at ten passwords", func(t *testing.T) { o.on(t).hangingPasswordsKeepOnlyPasswords() })
}

// atDesks has everybody do something at the same time.
func (o *outage) atDesks(do func(i int, d *desk)) {
	desks := make([]*desk, 0, callersAtDesks)
	for range callersAtDesks {
		desks = append(desks, <-o.desks)
	}
	slices.SortFunc(desks, func(a, b *desk) int { return strings.Compare(a.who.Name, b.who.Name) })
	var group sync.WaitGroup
	for i, d := range desks {
		group.Go(func() { do(i, d) })
	}
	group.Wait()
	for _, d := range desks {
		o.desks <- d
	}
}

// settled signs everybody in once and returns the goroutines that are left.
func (o *outage) settled() int {
	o.everybodySignsIn()
	return o.goroutines()
}

func (o *outage) everybodySignsIn() {
	o.atDesks(func(_ int, d *desk) {
		if a := d.login(o.Caddy, outagePassword); a.err != nil {
			o.t.Errorf("%s: %v", a.who, a.err)
		}
	})
}

// nobodySignsIn: some type the right password and some a wrong one, the first of them too often for a limit.
func (o *outage) nobodySignsIn(most time.Duration) {
	o.t.Helper()
	var mu sync.Mutex
	var all figures
	o.atDesks(func(i int, d *desk) {
		times, password := 1, outagePassword
		if i%2 == 0 {
			password = "Not-" + outagePassword
		}
		if i == 0 && most < 3*time.Second { // where it does not take long
			times = lockoutAt + 1
		}
		for range times {
			a := d.login(o.Caddy, password)
			mu.Lock()
			all = append(all, a)
			mu.Unlock()
		}
	})
	for _, a := range all {
		if a.status != http.StatusServiceUnavailable || !strings.Contains(a.err.Error(), "We cannot check passwords just now") {
			o.t.Errorf("%s is told: %v", a.who, a.err)
		}
	}
	o.t.Logf("%d people are told at the median after %s, at most after %s", len(all), ms(all.median()), ms(all.worst()))
	if all.most() > most {
		o.t.Errorf("somebody waits for %s", ms(all.most()))
	}
}

func (o *outage) sessionsGoOn() {
	o.t.Helper()
	var mu sync.Mutex
	var all figures
	var group sync.WaitGroup
	for _, w := range o.workers {
		group.Go(func() {
			for i := range 8 {
				a := w.visit(o.Caddy, i%2 == 1)
				mu.Lock()
				all = append(all, a)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for _, a := range all.lost() {
		o.t.Errorf("%s, who was signed in: %v", a.who, a.err)
	}
	o.t.Logf("of %d visits of people who are signed in %d are lost; median %s, at most %s", len(all), len(all.lost()), ms(all.median()), ms(all.worst()))
}

// tellsOfAll: /readyz and check name each server and what is wrong with it.
func (o *outage) tellsOfAll(words string) {
	o.t.Helper()
	for _, p := range o.proxies {
		o.awaitState(p.URL, "down", words)
	}
	if r, err := o.readyz(); err != nil || r.Status != "degraded" {
		o.t.Errorf("/readyz says %+v, %v", r, err)
	}
	found, err := o.check()
	if err == nil {
		o.t.Error("check finds no error")
	}
	for _, p := range o.proxies {
		if !slices.ContainsFunc(found, func(f checkLine) bool {
			return f.Level == "error" && f.Where == "source corp" && strings.Contains(f.What, p.URL) && f.Cure != ""
		}) {
			o.t.Errorf("check does not name %s: %+v", p.URL, found)
		}
	}
}

// nothingWasCounted: neither the domain nor the gateway has a wrong password more. The gateway would otherwise refuse the
// first of them before the limit.
func (o *outage) nothingWasCounted() {
	o.t.Helper()
	for _, p := range o.proxies {
		if n := p.FailedBinds(); len(n) > 0 {
			o.t.Errorf("the domain was shown wrong passwords: %v", n)
		}
		o.awaitState(p.URL, "up", "")
	}
	if n := o.domain.BadPasswords("caller00"); n != 0 {
		o.t.Errorf("the domain has counted %d wrong passwords", n)
	}
	for _, l := range o.audit() {
		if l.Kind == "lockout" || l.Kind == "login" && l.Result == "failure" && l.Reason != "source_unavailable" {
			o.t.Errorf("an audit line says %+v", l)
		}
	}
}

// checkLine is a line of check --json.
type checkLine struct{ Level, Where, What, Cure string }

// check runs "caddy gatehouse check --json".
func (o *outage) check() (found []checkLine, err error) {
	o.t.Helper()
	out, err := o.Command("gatehouse", "check", "--json", "--config", o.config())
	at := max(0, strings.Index(out, "[\n"))
	if failed := json.NewDecoder(strings.NewReader(out[at:])).Decode(&found); failed != nil {
		o.t.Fatalf("check: %v in %s", failed, out)
	}
	return found, err
}
