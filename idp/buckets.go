package idp

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// buckets holds a token bucket for each address. IPv6 counts by /64, which is what one subscriber has.
type buckets struct {
	limit rate.Limit
	burst int

	mu sync.Mutex
	of map[netip.Prefix]*rate.Limiter
}

// mostAddresses bounds the memory that strangers can make us use.
const mostAddresses = 100_000

// newBuckets allows burst at once, and as many again in each period.
func newBuckets(burst int, period time.Duration) *buckets {
	return &buckets{limit: rate.Every(period / time.Duration(burst)), burst: burst, of: map[netip.Prefix]*rate.Limiter{}}
}

// empty reports whether the address has nothing left.
func (b *buckets) empty(a netip.Addr, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	lim := b.of[addressKey(a)]
	return lim != nil && lim.TokensAt(now) < 1
}

// take takes one, and owes it where there is none: what was let in together may be too much together.
func (b *buckets) take(a netip.Addr, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bucket(a, now).ReserveN(now, 1)
}

// allow takes one if there is one.
func (b *buckets) allow(a netip.Addr, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bucket(a, now).AllowN(now, 1)
}

func (b *buckets) bucket(a netip.Addr, now time.Time) *rate.Limiter {
	key := addressKey(a)
	lim := b.of[key]
	if lim == nil {
		b.makeRoom(now)
		lim = rate.NewLimiter(b.limit, b.burst)
		b.of[key] = lim
	}
	return lim
}

// makeRoom forgets addresses whose buckets are full again; if that frees nothing, any one.
func (b *buckets) makeRoom(now time.Time) {
	if len(b.of) < mostAddresses {
		return
	}
	for key, lim := range b.of {
		if lim.TokensAt(now) >= float64(b.burst) {
			delete(b.of, key)
		}
	}
	for key := range b.of {
		if len(b.of) < mostAddresses {
			return
		}
		delete(b.of, key)
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
