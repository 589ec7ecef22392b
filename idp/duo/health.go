package duo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	wellFor = 5 * time.Second  // how long a good answer counts
	illFor  = 5 * time.Second  // how long a bad one does
	staleBy = 30 * time.Second // and how long it still does while it is asked again
)

// health remembers for a moment how Duo is. Of all who ask meanwhile one request is made.
type health struct {
	probe func(context.Context) (time.Time, error)
	now   func() time.Time

	mu      sync.Mutex
	asked   bool
	at      time.Time
	err     error
	running chan struct{} // closed when the request under way has its answer; nil where there is none
}

// check returns nil where Duo is well. While Duo hangs only the first who asks waits: the others get what was known.
func (h *health) check(ctx context.Context) error {
	h.mu.Lock()
	age := h.now().Sub(h.at)
	known := h.asked && age >= 0
	if known && (h.err == nil && age < wellFor || h.err != nil && (age < illFor || h.running != nil && age < staleBy)) {
		defer h.mu.Unlock()
		return h.err
	}
	if h.running == nil {
		h.running = make(chan struct{})
		// On its own: whoever asked first may go away, and the others wait for the answer. The client bounds it.
		go h.ask(context.WithoutCancel(ctx), h.running)
	}
	done := h.running
	h.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("waiting for duo's health: %w", ctx.Err())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *health) ask(ctx context.Context, done chan struct{}) {
	_, err := h.probe(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked, h.at, h.err, h.running = true, h.now(), err, nil
	close(done)
}

// forget lets the next one ask again.
func (h *health) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.asked = false
	}
}

// Check implements [idp.Checker]: it asks Duo, whatever was known.
func (f *Factor) Check(ctx context.Context) []idp.Finding {
	out := idp.Finding{Level: idp.LevelOK, Where: "factor " + f.name, What: "Duo takes our key at " + f.client.origin}
	theirs, err := f.client.health(ctx)
	var told *healthError
	switch {
	case errors.As(err, &told) && told.message != "":
		out.Level, out.What = idp.LevelError, err.Error()
		out.Cure = "compare api_hostname, client_id and client_secret with the application in Duo's panel, and this machine's clock with a time server"
	case err != nil:
		out.Level, out.What = idp.LevelError, err.Error()
		out.Cure = "let this machine reach " + f.client.origin + " (see proxy and ca_file), and look at status.duo.com"
	default:
		if skew := theirs.Sub(f.now()).Abs(); skew > leeway {
			out.Level, out.What = idp.LevelWarning, fmt.Sprintf("Duo's clock and this machine's are %s apart", skew.Round(time.Second))
			out.Cure = "set the clock by a time server: beyond a minute or five, Duo and we refuse each other's tokens"
		}
	}
	return []idp.Finding{out}
}
