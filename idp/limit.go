package idp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Limiter bounds attempts at passwords and codes. Its gates are in memory and its counts in the
// store, so that one Limiter is shared by the configurations before and after a reload.
// Only failures count: any number of right sign-ins is served.
type Limiter struct {
	limits Limits

	addresses *buckets // failures
	names     *buckets // that are typed while a source is away
	retries   *buckets // names that are typed again then
	starts    *buckets // sign-ins begun by strangers
	told      *buckets // audit lines about an address that is limited
	logged    *buckets // refusals that only the log tells of
	allLogged *buckets // the same, of all addresses

	debts debts
	tries tries

	mu    sync.Mutex
	gates map[string]*gate
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

// errAddressLimited says so of a whole address.
var errAddressLimited = fmt.Errorf("%w from this address", errLimited)

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
	return &Limiter{
		limits: l, gates: map[string]*gate{},
		addresses: newBuckets(l.Address, time.Minute), names: newBuckets(l.Address*atOnce, atOnce*time.Minute), retries: newBuckets(l.Address*atOnce, time.Minute), starts: newBuckets(startsPerMinute, time.Minute), told: newBuckets(1, time.Minute),
		logged: newBuckets(logsPerMinute, time.Minute), allLogged: newBuckets(allLogsPerMinute, time.Minute),
	}
}

// How many pages may be refused in a minute that the log tells of and no audit line: of one address and, since some have very many of
// them, of all.
const (
	logsPerMinute    = 30
	allLogsPerMinute = 600
)

// mayLog takes one of these. An address that is not known is nobody's, so that only the bound for all holds for it.
func (l *Limiter) mayLog(a netip.Addr, now time.Time) bool {
	return (!a.IsValid() || l.logged.allow(a, now)) && l.allLogged.allow(netip.Addr{}, now)
}

// While a source is away, an address may try as many new names a minute as it may have failures otherwise, but so many times that
// number at once: an office whose people all come to work in the same minute. So often they may try again in each minute; of
// thirty people each four times. A name is new again after awayWindow without a try.
const (
	atOnce     = 4
	awayWindow = 15 * time.Minute
)

// refuses reports whether an address has no failures left.
func (l *Limiter) refuses(a netip.Addr, now time.Time) bool {
	return l.addresses.empty(a, now) || l.names.empty(a, now) || l.retries.empty(a, now)
}

// enter waits until the attempt may run, or answers errLimited, or errUncounted while failures cannot be counted. The caller calls leave with what came of it, by which
// time a directory has counted it as well: its window ends no later than ours.
func (l *Limiter) enter(ctx context.Context, c Counters, b budget, clock func() time.Time) (leave func(failed bool) error, err error) {
	g := l.hold(b.key)
	for {
		changed := l.look(g)
		n, err := l.spent(ctx, c, b, clock())
		if err != nil {
			l.drop(b.key, g)
			return nil, err
		}
		if n >= b.most {
			l.drop(b.key, g)
			return nil, errLimited
		}
		if l.start(g, changed, b.most-n) {
			break
		}
		select {
		case <-changed:
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
		return l.debts.count(context.WithoutCancel(ctx), c, debt{b.key, clock(), b.remembered()})
	}, nil
}

// spent returns how many failures of the budget count, once all are counted that there were.
func (l *Limiter) spent(ctx context.Context, c Counters, b budget, now time.Time) (int, error) {
	if err := l.debts.pay(ctx, c); err != nil {
		return 0, err
	}
	return b.spent(ctx, c, now)
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

// look returns what is closed when the next attempt ends. It comes before counting.
func (l *Limiter) look(g *gate) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return g.changed
}

// start takes a place if there is one. An attempt that ended since the count was begun may have failed, so that the
// places are others by now.
func (l *Limiter) start(g *gate, looked <-chan struct{}, places int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.changed != looked || g.running >= places {
		return false
	}
	g.running++
	return true
}

func (l *Limiter) finish(key string, g *gate) {
	l.mu.Lock()
	g.running--
	close(g.changed)
	g.changed = make(chan struct{})
	l.mu.Unlock()
	l.drop(key, g)
}

// startsPerMinute bounds how many sign-ins strangers of one address may begin. Each is a row that pushes
// out somebody else's when there are very many; a whole office behind one address stays far below.
const startsPerMinute = 1200

// mayStart counts the beginning of a sign-in. An address that is not known is not counted: everybody
// would share it.
func (l *Limiter) mayStart(a netip.Addr, now time.Time) bool {
	return !a.IsValid() || l.starts.allow(a, now)
}
