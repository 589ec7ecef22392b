package ldap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// addressTime is how long an address is used before the DNS is asked again, beside whoever needs it.
const addressTime = time.Minute

// addresses reaches hosts by their names and remembers where each was, so that a DNS that does not answer keeps nobody
// from servers that do. An address that is another's by now does no harm: the server has to prove its name.
type addresses struct {
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	reach  func(ctx context.Context, network, address string) (net.Conn, error)
	now    func() time.Time

	mu    sync.Mutex
	hosts map[string]*whereabouts
}

// whereabouts is what is known of a host.
type whereabouts struct {
	at     []netip.Addr // the last that worked first
	until  time.Time    // then the DNS is asked again
	asking bool
}

func newAddresses(r *resolver, now func() time.Time) *addresses {
	return &addresses{lookup: r.host, reach: new(net.Dialer).DialContext, now: now, hosts: map[string]*whereabouts{}}
}

// dial is like [net.Dialer.DialContext]. Of several addresses each has its share of the time.
func (a *addresses) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return a.reach(ctx, network, address)
	}
	at, err := a.find(ctx, host)
	if err != nil {
		return nil, err
	}
	var failures []error
	for i, ip := range at {
		c, err := a.reachOne(ctx, len(at)-i, network, net.JoinHostPort(ip.String(), port))
		if err == nil {
			a.worked(host, ip)
			return c, nil
		}
		failures = append(failures, err)
	}
	a.failed(host)
	return nil, errors.Join(failures...)
}

func (a *addresses) reachOne(ctx context.Context, left int, network, address string) (net.Conn, error) {
	if d, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(d)/time.Duration(left))
		defer cancel()
	}
	return a.reach(ctx, network, address)
}

// find returns where the host is. Only for the first time does anybody wait for the DNS.
func (a *addresses) find(ctx context.Context, host string) ([]netip.Addr, error) {
	a.mu.Lock()
	known := a.hosts[host]
	if known == nil {
		a.mu.Unlock()
		return a.ask(ctx, host)
	}
	defer a.mu.Unlock()
	if !known.asking && !a.now().Before(known.until) {
		known.asking = true
		go func() { _, _ = a.ask(context.WithoutCancel(ctx), host) }() // the last answer stays
	}
	return slices.Clone(known.at), nil
}

// ask asks the DNS and keeps what it says, if it says something.
func (a *addresses) ask(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	found, err := a.lookup(ctx, host)
	if err == nil && len(found) == 0 {
		err = &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.hosts[host]
	switch {
	case err == nil:
		if known != nil && slices.Contains(found, known.at[0]) {
			found = foremost(found, known.at[0])
		}
		a.hosts[host] = &whereabouts{at: found, until: a.now().Add(addressTime)}
	case known != nil:
		known.asking, known.until = false, a.now().Add(lookupPause)
	}
	return slices.Clone(found), err
}

func (a *addresses) worked(host string, ip netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.hosts[host]; known != nil && slices.Contains(known.at, ip) {
		known.at = foremost(known.at, ip)
	}
}

// failed has the next one ask the DNS: the host may have moved.
func (a *addresses) failed(host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.hosts[host]; known != nil {
		known.until = time.Time{}
	}
}

// foremost puts one address before the others.
func foremost(all []netip.Addr, first netip.Addr) []netip.Addr {
	return append([]netip.Addr{first}, slices.DeleteFunc(slices.Clone(all), func(ip netip.Addr) bool { return ip == first })...)
}
