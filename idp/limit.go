package idp

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter bounds attempts at passwords and codes. Its gates are in memory and its counts in the
// store, so that one Limiter is shared by the configurations before and after a reload.
// Only failures count: any number of right sign-ins is served.
type Limiter struct {
	limits Limits

	mu        sync.Mutex
	gates     map[string]*gate
	addresses map[netip.Prefix]*rate.Limiter
}

// gate lets at most so many attempts of one key run at once as there are failures left, so that
// hundreds of guesses sent together cannot all pass before the first of them is counted.
type gate struct {
	users   int // attempts that hold or await the gate
	running int
	changed chan struct{} // closed when an attempt ends
}

// errLimited says that the key has no failures left.
var errLimited = errors.New("too many failures")

// mostAddresses bounds the memory that strangers can make us use.
const mostAddresses = 100_000

// NewLimiter returns a limiter; zero limits take the defaults.
func NewLimiter(l Limits) *Limiter {
	if l.User <= 0 {
		l.User = 5
	}
	if l.UserWindow <= 0 {
		l.UserWindow = 15 * time.Minute
	}
	if l.Address <= 0 {
		l.Address = 30
	}
	return &Limiter{limits: l, gates: map[string]*gate{}, addresses: map[netip.Prefix]*rate.Limiter{}}
}

// budget is how many failures a key may have within a window.
type budget struct {
	key    string
	most   int
	window time.Duration

	directory bool // most stays below the threshold at which a directory locks the account
}

// enter waits until the attempt may run, or answers errLimited. The caller calls leave with what came of it.
func (l *Limiter) enter(ctx context.Context, c Counters, b budget, now time.Time) (leave func(failed bool) error, err error) {
	g := l.hold(b.key)
	for {
		n, err := c.Failures(ctx, b.key, now, b.window)
		if err != nil {
			l.drop(b.key, g)
			return nil, err
		}
		if n >= b.most {
			l.drop(b.key, g)
			return nil, errLimited
		}
		wait := l.start(g, b.most-n)
		if wait == nil {
			break
		}
		select {
		case <-wait:
		case <-ctx.Done():
			l.drop(b.key, g)
			return nil, ctx.Err()
		}
	}
	return func(failed bool) error {
		defer l.finish(b.key, g)
		if !failed {
			return nil
		}
		_, err := c.Fail(context.WithoutCancel(ctx), b.key, now, b.window)
		return err
	}, nil
}

func (l *Limiter) hold(key string) *gate {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gates[key]
	if g == nil {
		g = &gate{changed: make(chan struct{})}
		l.gates[key] = g
	}
	g.users++
	return g
}

func (l *Limiter) drop(key string, g *gate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.users--; g.users == 0 {
		delete(l.gates, key)
	}
}

// start takes a place, or returns a channel that tells when to look again.
func (l *Limiter) start(g *gate, places int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.running >= places {
		return g.changed
	}
	g.running++
	return nil
}

func (l *Limiter) finish(key string, g *gate) {
	l.mu.Lock()
	g.running--
	close(g.changed)
	g.changed = make(chan struct{})
	l.mu.Unlock()
	l.drop(key, g)
}

// addressLimited reports whether an address has used up its failures. IPv6 counts by /64, which is
// what one subscriber has.
func (l *Limiter) addressLimited(a netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	lim := l.addresses[addressKey(a)]
	return lim != nil && lim.TokensAt(now) < 1
}

// addressFailed counts a failure.
func (l *Limiter) addressFailed(a netip.Addr, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := addressKey(a)
	lim := l.addresses[key]
	if lim == nil {
		l.makeRoom(now)
		lim = rate.NewLimiter(rate.Every(time.Minute/time.Duration(l.limits.Address)), l.limits.Address)
		l.addresses[key] = lim
	}
	// Attempts that were let in together may all fail: what is too many is owed, or an address that
	// sends its guesses in bursts would have any number of them.
	lim.ReserveN(now, 1)
}

// makeRoom forgets addresses whose failures are over; if that frees nothing, any one.
func (l *Limiter) makeRoom(now time.Time) {
	if len(l.addresses) < mostAddresses {
		return
	}
	for key, lim := range l.addresses {
		if lim.TokensAt(now) >= float64(l.limits.Address) {
			delete(l.addresses, key)
		}
	}
	for key := range l.addresses {
		if len(l.addresses) < mostAddresses {
			return
		}
		delete(l.addresses, key)
	}
}

func addressKey(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
