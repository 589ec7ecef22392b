package ldap_test

import (
	"sync"
	"time"
)

// clock is a time that a test moves.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

// clockStart is when every clock begins; it is in the past of no certificate.
var clockStart = time.Now()

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return clockStart.Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}
