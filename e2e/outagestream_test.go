package e2e

import (
	"fmt"
	"net/http/cookiejar"
	"slices"
	"sync"
	"time"
)

const (
	loginEvery = 50 * time.Millisecond
	visitEvery = 250 * time.Millisecond
)

// desk is a browser at which one account after the other would sign in; here it is always the same.
type desk struct {
	*Client
	who *Person
}

// worker is somebody with a live session.
type worker struct {
	*Client
	who   *Person
	tiles *Page
}

// attempt is a request that has to be served: a password, or a page of a live session.
type attempt struct {
	who    string
	began  time.Time
	took   time.Duration
	status int
	err    error // what came instead of what had to
}

// login types a name and a password in a browser without cookies. Only the answer to the password is timed: the
// directory is not asked before.
func (d *desk) login(c *Caddy, password string) attempt {
	a := attempt{who: d.who.Name, began: time.Now()}
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.err = err
		return a
	}
	d.http.Jar = jar
	p, err := d.open(c.Portal("/"))
	if err == nil {
		p, err = d.answerAll(p, d.who, "password")
	}
	if err != nil {
		a.err = fmt.Errorf("before the password: %w", err)
		return a
	}
	a.began = time.Now()
	p, err = d.answer(p, &Person{Password: password})
	a.took = time.Since(a.began)
	switch {
	case err != nil:
		a.err = err
	case p.Kind != "enroll":
		a.status, a.err = p.Status, fmt.Errorf("%s", p)
	}
	return a
}

// visit opens the portal, and launches the application now and then.
func (w *worker) visit(c *Caddy, launch bool) attempt {
	a := attempt{who: w.who.Name, began: time.Now()}
	var p *Page
	var err error
	want := "portal"
	if launch {
		want = "post"
		p, err = w.press(w.tiles, "connect")
	} else {
		p, err = w.open(c.Portal("/"))
	}
	a.took = time.Since(a.began)
	switch {
	case err != nil:
		a.err = err
	case p.Kind != want:
		a.status, a.err = p.Status, fmt.Errorf("%s", p)
	case !launch:
		w.tiles = p
	}
	return a
}

// stream is people who come to work one after the other, whatever became of those before, and people who are at work.
type stream struct {
	o     *outage
	stop  chan struct{}
	group sync.WaitGroup

	mu             sync.Mutex
	logins, visits []attempt
}

// flow begins a stream of sign-ins and visits.
func (o *outage) flow(every time.Duration) *stream {
	s := &stream{o: o, stop: make(chan struct{})}
	s.group.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-tick.C:
			}
			d := <-o.desks
			s.group.Go(func() {
				s.note(&s.logins, d.login(o.Caddy, d.who.Password))
				o.desks <- d
			})
		}
	})
	for _, w := range o.workers {
		s.group.Go(func() {
			tick := time.NewTicker(visitEvery)
			defer tick.Stop()
			for i := 1; ; i++ {
				s.note(&s.visits, w.visit(o.Caddy, i%4 == 0))
				select {
				case <-s.stop:
					return
				case <-tick.C:
				}
			}
		})
	}
	return s
}

func (s *stream) note(where *[]attempt, a attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*where = append(*where, a)
}

// end lets those who have begun come to an end.
func (s *stream) end() {
	close(s.stop)
	s.group.Wait()
}

// since returns what began at that time or later.
func (s *stream) since(at time.Time) (logins, visits figures) {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := func(all []attempt) (found figures) {
		for _, a := range all {
			if !a.began.Before(at) {
				found = append(found, a)
			}
		}
		slices.SortFunc(found, func(a, b attempt) int { return a.began.Compare(b.began) })
		return found
	}
	return after(s.logins), after(s.visits)
}

// figures are attempts in the order in which they began.
type figures []attempt

// lost are those that were not served.
func (f figures) lost() (lost figures) {
	for _, a := range f {
		if a.err != nil {
			lost = append(lost, a)
		}
	}
	return lost
}

func (f figures) median() time.Duration { return f.at(len(f) / 2) }

func (f figures) worst() time.Duration { return f.at(len(f) - 1) }

// most is the worst but for one, which may be the machine's doing.
func (f figures) most() time.Duration { return f.at(max(0, len(f)-2)) }

func (f figures) at(i int) time.Duration {
	if len(f) == 0 {
		return 0
	}
	took := make([]time.Duration, 0, len(f))
	for _, a := range f {
		took = append(took, a.took)
	}
	slices.Sort(took)
	return took[i]
}

// recovered is how long after a moment the last of them began that was lost or took longer than it should.
func (f figures) recovered(from time.Time, most time.Duration) time.Duration {
	var last time.Duration
	for _, a := range f {
		if a.err != nil || a.took > most {
			last = max(last, a.began.Add(a.took).Sub(from))
		}
	}
	return last
}
