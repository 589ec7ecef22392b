package e2e

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
)

const (
	kills    = 4
	parallel = 50 // launches under way when the power goes
	newcomer = 5  // enrollments under way at the same time
)

// TestKill: a power cut in the middle of fifty launches loses nothing that somebody was told. Each page that
// posts a response has its audit line, each enrollment that was confirmed is there, each session goes on,
// and a code that was used stays used.
func TestKill(t *testing.T) {
	c := newCrowd(t, parallel+kills*newcomer)
	c.Start()
	crowd := make([]*launcher, parallel)
	each(crowd, func(i int, _ *launcher) {
		who := c.people[i]
		client := c.Client()
		tiles, err := client.signIn(c.Caddy, who)
		if err != nil {
			t.Errorf("%s: %v", who.Name, err)
		}
		crowd[i] = &launcher{client, who, tiles}
	})
	if t.Failed() {
		return
	}
	var received, cut, enrolled, refused int
	for round := range kills {
		got := c.killAmid(crowd, c.people[parallel+round*newcomer:][:newcomer], (round+1)*10)
		received, cut, enrolled = received+len(got.assertions), cut+got.cut, enrolled+len(got.confirmed)
		c.Start()

		var audited []string
		for _, l := range c.audit("--app", "connect") {
			if l.Kind == "launch" && l.Result == "success" {
				audited = append(audited, l.Launch.AssertionID)
			}
		}
		for _, id := range got.assertions {
			if !slices.Contains(audited, id) {
				t.Errorf("kill %d: a page with the assertion %s was received, and no audit line has it", round, id)
			}
		}
		refused += c.checkConfirmed(got.confirmed)

		// The sessions went through the cut. Old connections are gone, so each browser opens new ones.
		each(crowd, func(_ int, l *launcher) {
			l.client.http.CloseIdleConnections()
			p, err := l.client.open(c.Portal("/"))
			if err != nil || p.Kind != "portal" {
				t.Errorf("kill %d: %s has lost the session: %v %s", round, l.who.Name, err, p)
				return
			}
			l.tiles = p
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills amid %d launches and %d enrollments: %d launches cut off, %d post pages received and audited, %d enrollments confirmed and kept, %d used codes refused again",
		kills, parallel, newcomer, cut, received, enrolled, refused)
	if cut == 0 || received == 0 || enrolled == 0 || refused == 0 {
		t.Error("no kill came in the middle: this test proves nothing")
	}
}

// launcher is somebody who looks at the tiles.
type launcher struct {
	client *Client
	who    *Person
	tiles  *Page
}

// each does something for all of them at once.
func each[T any](all []T, do func(i int, one T)) {
	var wait sync.WaitGroup
	for i, one := range all {
		wait.Go(func() { do(i, one) })
	}
	wait.Wait()
}

// signIn opens the portal and answers until the tiles show.
func (c *Client) signIn(portal *Caddy, who *Person) (*Page, error) {
	p, err := c.open(portal.Portal("/"))
	if err != nil {
		return nil, err
	}
	return c.answerAll(p, who, "portal")
}

// aftermath is what people hold in their hands after a power cut.
type aftermath struct {
	assertions []string  // of all pages that came
	confirmed  []*Person // newcomers who were told that they are enrolled
	cut        int       // launches that were never answered
}

// killAmid kills the gateway once so many post pages and an enrollment have come, while all go on.
func (c crowd) killAmid(launchers []*launcher, newcomers []*Person, after int) (out aftermath) {
	c.t.Helper()
	var mu sync.Mutex
	enough := make(chan struct{})
	told := sync.OnceFunc(func() { close(enough) })
	note := func(what func()) {
		mu.Lock()
		defer mu.Unlock()
		if what(); len(out.assertions) >= after && len(out.confirmed) > 0 {
			told()
		}
	}
	var work sync.WaitGroup
	// Newcomers first: their way is longer.
	ready := make(chan struct{})
	var atCode sync.WaitGroup
	for _, who := range newcomers {
		atCode.Add(1)
		client := c.Client()
		work.Go(func() {
			p, err := client.open(c.Portal("/"))
			if err == nil {
				p, err = client.answerAll(p, who, "enroll")
			}
			atCode.Done()
			if err != nil {
				c.t.Errorf("%s: %v", who.Name, err)
				return
			}
			<-ready
			next, err := client.answer(p, who)
			if err != nil {
				return // the power cut
			}
			if next.Kind != "device" {
				c.t.Errorf("after the enrollment of %s: %s", who.Name, next)
				return
			}
			note(func() { out.confirmed = append(out.confirmed, who) })
		})
	}
	atCode.Wait()
	close(ready)
	for _, l := range launchers {
		work.Go(func() {
			for tiles := l.tiles; ; {
				p, err := l.client.press(tiles, "connect")
				if err != nil {
					note(func() { out.cut++ })
					return
				}
				id, err := p.assertionID()
				if err != nil {
					c.t.Errorf("%s: %v", l.who.Name, err)
					return
				}
				note(func() { out.assertions = append(out.assertions, id) })
				if tiles, err = l.client.open(c.Portal("/")); err != nil {
					return // the power cut, between two launches
				}
			}
		})
	}
	idle := make(chan struct{})
	go func() {
		work.Wait()
		close(idle)
	}()
	select {
	case <-enough:
	case <-idle: // something else was wrong
	}
	c.Kill()
	<-idle
	return out
}

// assertionID is the id of the assertion that a page posts.
func (p *Page) assertionID() (string, error) {
	response, err := p.SAMLResponse()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, p)
	}
	var doc struct {
		Assertion struct {
			ID string `xml:"ID,attr"`
		}
	}
	if err := xml.Unmarshal(response, &doc); err != nil {
		return "", err
	}
	return doc.Assertion.ID, nil
}

// checkConfirmed signs people in whose enrollment was confirmed before the power cut. They are asked for a
// code and not for another enrollment; the code that they enrolled with is refused, the next one is taken.
// It returns how many used codes could be tried while they were current.
func (c crowd) checkConfirmed(people []*Person) (refused int) {
	c.t.Helper()
	for _, who := range people {
		client := c.Client()
		p, _ := client.Walk(client.Get(c.Portal("/")), who, "mfa")
		next, current := client.retype(p, who)
		if next.Kind != "mfa" {
			c.t.Errorf("the code that %s had used before the power cut: %s", who.Name, next)
			continue
		}
		if current {
			refused++
		}
		client.Walk(next, who, "portal")
	}
	return refused
}

// retype types the last code again on a page that asks for one. It reports whether the code was still
// current, so that only its use could be held against it.
func (c *Client) retype(p *Page, who *Person) (next *Page, current bool) {
	c.t.Helper()
	code, _, err := who.lastCode()
	if err != nil {
		c.t.Fatal(err)
	}
	f, err := p.form("code")
	if err != nil {
		c.t.Fatal(err)
	}
	next = c.Submit(p, f, url.Values{"code": {code}})
	_, current, err = who.lastCode() // at the end, so that it was current all the time
	if err != nil {
		c.t.Fatal(err)
	}
	return next, current
}
