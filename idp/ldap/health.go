package ldap

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	// leastPause and mostPause bound how long a server that failed is left alone: twice as long each time.
	leastPause, mostPause = time.Second, 30 * time.Second
	// calmTime is how long a server has to do well for its next failure to count as its first.
	calmTime = time.Minute
	// mostProbe bounds the question whether a server still answers.
	mostProbe = 500 * time.Millisecond
)

// States of a server, as [idp.ServerStatus] names them.
const (
	unknown = "unknown"
	up      = "up"
	down    = "down"
)

// health is what a server did of late. A server that failed is put aside, which is to say asked after the others,
// until it has answered a probe: the first comes after a pause. Only where every server is aside are they asked
// without one, since waiting would only make an outage longer.
type health struct {
	overdue atomic.Int32 // dials and operations that take longer than they should

	mu      sync.Mutex
	state   string // "" is unknown
	since   time.Time
	err     string
	failed  time.Time // last
	until   time.Time // no probe before
	pause   time.Duration
	probing bool
}

// fail notes a failure. It reports whether the server was well before it.
func (h *health) fail(err error, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed, h.err = now, err.Error()
	if h.state == down && now.Before(h.until) {
		return false // one of several requests that met the same failure
	}
	was := h.state
	if was != down && now.Sub(h.since) > calmTime {
		h.pause = 0
	}
	h.pause = min(max(2*h.pause, leastPause), mostPause)
	h.until = now.Add(jitter(h.pause))
	if was != down {
		h.state, h.since = down, now
	}
	return was != down
}

// answer notes an answer to what was sent at that time. What was sent before the last failure proves nothing. It
// reports whether the server was put aside before it.
func (h *health) answer(sent, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == up || sent.Before(h.failed) {
		return false
	}
	was := h.state
	h.state, h.since, h.err = up, now, ""
	return was == down
}

// When a server is asked.
const (
	askedFirst = iota
	askedLater // something of it is overdue
	askedLast  // it is down
)

func (h *health) turn() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.state == down:
		return askedLast
	case h.overdue.Load() > 0:
		return askedLater
	}
	return askedFirst
}

// aside reports whether the others are to be asked first.
func (h *health) aside() bool { return h.turn() > askedFirst }

// startProbe reports whether it is time for a probe, for one of those who ask.
func (h *health) startProbe(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state != down || h.probing || now.Before(h.until) {
		return false
	}
	h.probing = true
	return true
}

func (h *health) endProbe() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.probing = false
}

func (h *health) status(server string) idp.ServerStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := idp.ServerStatus{Server: server, State: h.state, Since: h.since, Error: h.err}
	if s.State == "" {
		s.State = unknown
	}
	return s
}

// jitter keeps several gateways from coming back at the same moment: between three and five quarters.
func jitter(d time.Duration) time.Duration {
	var b [1]byte
	_, _ = rand.Read(b[:]) // never fails
	return d*3/4 + d/2*time.Duration(b[0])/255
}

// failed puts the server aside.
func (sv *server) failed(err error) {
	if s := sv.source; sv.health.fail(err, s.now()) {
		s.log.Warn("a directory server is put aside", "source", s.name, "server", sv.url, "error", err.Error())
	}
}

// answered takes the server back.
func (sv *server) answered(sent time.Time) {
	if s := sv.source; sv.health.answer(sent, s.now()) {
		s.log.Info("a directory server is back", "source", s.name, "server", sv.url)
	}
}

// inOrder returns the servers as they are asked: in their order, those put aside last. A server whose pause is over
// is probed, beside the request that comes first and not in front of it.
func (s *Source) inOrder(ctx context.Context) ([]*server, error) {
	all, err := s.servers(ctx)
	if err != nil {
		return nil, err
	}
	sorted := asideLast(all)
	if len(sorted) > 1 && sorted[0].health.turn() < askedLast {
		for _, sv := range sorted[1:] {
			sv.lookAgain(ctx)
		}
	}
	return sorted, nil
}

// lookAgain probes a server that is down, if its pause is over.
func (sv *server) lookAgain(ctx context.Context) {
	if sv.health.startProbe(sv.source.now()) {
		go sv.revive(context.WithoutCancel(ctx))
	}
}

// asideLast sorts servers by when they are asked. One that is slow comes before one that is down: where this machine itself is
// slow, every server is.
func asideLast(all []*server) []*server {
	by := make([][]*server, askedLast+1)
	for _, sv := range all {
		turn := sv.health.turn()
		by[turn] = append(by[turn], sv)
	}
	return slices.Concat(by...)
}

// revive asks a server that is aside as a sign-in would: a connection, the service account, a search. A server that
// answers questions and hangs on passwords stays aside.
func (sv *server) revive(ctx context.Context) {
	defer sv.health.endProbe()
	s := sv.source
	sent := s.now()
	c, err := s.searches.dial(sv, ctx)
	if err == nil {
		if err = c.probe(ctx); judged(err) {
			err = nil // it does not show that entry, and answers
		}
		if err != nil {
			c.close()
		}
	}
	if err != nil {
		sv.failed(err)
		return
	}
	s.searches.put(c)
	sv.answered(sent)
}

// Status implements [idp.StatusReporter]. Who watches is the only one to ask at night, so this, too, has servers
// probed whose pause is over.
func (s *Source) Status() []idp.ServerStatus {
	var all []idp.ServerStatus
	known, err := s.knownServers()
	for _, sv := range asideLast(known) {
		sv.lookAgain(context.Background())
		all = append(all, sv.health.status(sv.url))
	}
	if s.finder != nil && err != nil {
		all = append(all, idp.ServerStatus{Server: s.finder.name(), State: down, Error: err.Error()})
	} else if len(known) == 0 {
		all = append(all, idp.ServerStatus{Server: s.finder.name(), State: unknown})
	}
	return all
}

var _ idp.StatusReporter = (*Source)(nil)
