package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	crowdAtWork = 20
	fewAtOnce   = "connections 4"
	slowSearch  = 50 * time.Millisecond
)

// refreshStarvesNobody: everybody at work is looked up again each second, by a directory that takes its time.
func (o *outage) refreshStarvesNobody() {
	o.anew(fewAtOnce)
	o.everybodySignsIn()
	for _, p := range o.proxies {
		p.SlowBy(slowSearch)
	}
	measure := func(o *outage) (logins, visits figures) {
		began := time.Now()
		s := o.flow(4 * loginEvery)
		o.awaitWell(s, began, 12, time.Hour)
		s.end()
		return s.since(began)
	}
	quiet := *o
	quiet.workers = nil
	alone, _ := measure(&quiet)
	before := o.searches()
	amid, visits := measure(o)
	looked := o.searches() - before
	o.t.Logf("a slow directory: %d sign-ins alone take %s at the median, at most %s; %d amid %d people with live sessions %s, at most %s; of those %d are lost, of %d visits %d (median %s, at most %s), with %d searches",
		len(alone), ms(alone.median()), ms(alone.worst()), len(amid), len(o.workers), ms(amid.median()), ms(amid.worst()),
		len(amid.lost()), len(visits), len(visits.lost()), ms(visits.median()), ms(visits.worst()), looked)
	for _, a := range append(append(alone.lost(), amid.lost()...), visits.lost()...) {
		o.t.Errorf("%s: %v", a.who, a.err)
	}
	if amid.median() > wellAgain(alone.median()) {
		o.t.Errorf("sign-ins take %s, and %s while nobody works", ms(amid.median()), ms(alone.median()))
	}
	if looked < len(amid)+len(o.workers)/2 {
		o.t.Errorf("%d searches: nobody was looked up again, and nothing is proved", looked)
	}
}

func (o *outage) searches() (n int) {
	for _, p := range o.proxies {
		n += p.Operations()["search"]
	}
	return n
}

// hangingPasswordsKeepOnlyPasswords: ten people hold all connections for passwords. Who has a session does not notice, and
// who signs in is told soon, if not served.
func (o *outage) hangingPasswordsKeepOnlyPasswords() {
	o.anew(fewAtOnce)
	o.everybodySignsIn()
	for _, p := range o.proxies {
		p.HangBinds(func(name string) bool { return strings.HasPrefix(name, "cn=caller0") })
	}
	var mu sync.Mutex
	var slow, others, visits figures
	note := func(where *figures, a attempt) {
		mu.Lock()
		defer mu.Unlock()
		*where = append(*where, a)
	}
	var work sync.WaitGroup
	for _, w := range o.workers {
		work.Go(func() {
			for i := range 6 {
				note(&visits, w.visit(o.Caddy, i%3 == 2))
			}
		})
	}
	o.atDesks(func(i int, d *desk) {
		if i < 10 {
			note(&slow, d.login(o.Caddy, outagePassword))
		} else {
			note(&others, d.login(o.Caddy, outagePassword))
		}
	})
	work.Wait()
	for _, p := range o.proxies {
		p.Set(Forward)
	}
	o.t.Logf("ten passwords that hang at 4 connections: of %d others %d are served, nobody waits longer than %s; of %d visits %d are lost, median %s, at most %s",
		len(others), len(others)-len(others.lost()), ms(others.worst()), len(visits), len(visits.lost()), ms(visits.median()), ms(visits.worst()))
	for _, a := range append(others.lost(), slow.lost()...) {
		if a.status != http.StatusServiceUnavailable {
			o.t.Errorf("%s: %v", a.who, a.err)
		}
	}
	for _, a := range visits.lost() {
		o.t.Errorf("%s, who was signed in: %v", a.who, a.err)
	}
	if others.most() > mostForHanging {
		o.t.Errorf("somebody waits for %s", ms(others.most()))
	}
	Await(o.t, "everybody to sign in again", func() error {
		lost := 0
		o.atDesks(func(_ int, d *desk) {
			if a := d.login(o.Caddy, outagePassword); a.err != nil {
				mu.Lock()
				defer mu.Unlock()
				lost++
			}
		})
		if lost > 0 {
			return fmt.Errorf("%d are not served", lost)
		}
		return nil
	})
}
