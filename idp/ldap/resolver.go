package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// answerTime is how long one DNS server is waited for before the next is asked. Go waits for five seconds, longer than
// anybody who signs in does; and in a domain the first server is a controller, which is away now and then.
const answerTime = 400 * time.Millisecond

// resolver asks the DNS.
type resolver struct {
	net       *net.Resolver
	addresses []string     // of the servers that are asked; none are those of the machine
	first     atomic.Int64 // of the addresses, the one to ask: the next after one that did not answer
}

// newResolver asks the given DNS servers, or those of the machine where none is given.
func newResolver(addresses []string) (*resolver, error) {
	r := &resolver{}
	for _, a := range addresses {
		host, port, err := net.SplitHostPort(a)
		if err != nil {
			host, port = strings.Trim(a, "[]"), "53"
		}
		ip, err := netip.ParseAddr(host)
		number, wrong := strconv.ParseUint(port, 10, 16)
		if err != nil || wrong != nil || number == 0 {
			return nil, fmt.Errorf("resolver %q: write the address of a DNS server: 10.0.0.53 or 10.0.0.53:53", a)
		}
		r.addresses = append(r.addresses, net.JoinHostPort(ip.String(), port))
	}
	r.net = &net.Resolver{PreferGo: true, Dial: r.dial}
	return r, nil
}

// dial opens a connection to a DNS server. Go asks for those of the machine in turn.
func (r *resolver) dial(ctx context.Context, network, machines string) (net.Conn, error) {
	address, pass := machines, func() {}
	if n := int64(len(r.addresses)); n > 0 {
		first := r.first.Load()
		address, pass = r.addresses[first%n], func() { r.first.CompareAndSwap(first, first+1) }
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		pass()
		return nil, err
	}
	i := &impatient{c, pass}
	// Go tells a connection of datagrams from a stream by what it can do.
	if p, ok := c.(net.PacketConn); ok {
		return &datagrams{i, p}, nil
	}
	return i, nil
}

// impatient is a connection to a DNS server that is not waited for long.
type impatient struct {
	net.Conn
	pass func() // has the next server asked
}

// SetDeadline sets it, or one that comes sooner.
func (i *impatient) SetDeadline(t time.Time) error { return i.Conn.SetDeadline(sooner(t)) }

// Read reads of an answer.
func (i *impatient) Read(b []byte) (int, error) {
	n, err := i.Conn.Read(b)
	if err != nil {
		i.pass()
	}
	return n, err
}

// datagrams is the same where each read and write is a whole message.
type datagrams struct {
	*impatient
	packets net.PacketConn
}

// ReadFrom implements [net.PacketConn].
func (d *datagrams) ReadFrom(b []byte) (int, net.Addr, error) { return d.packets.ReadFrom(b) }

// WriteTo implements [net.PacketConn].
func (d *datagrams) WriteTo(b []byte, to net.Addr) (int, error) { return d.packets.WriteTo(b, to) }

func sooner(t time.Time) time.Time {
	if most := time.Now().Add(answerTime); t.IsZero() || t.After(most) {
		return most
	}
	return t
}

// servers is a [Lookup].
func (r *resolver) servers(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	cname, found, err := r.net.LookupSRV(ctx, service, proto, name)
	return cname, found, r.named(err)
}

// host returns the addresses of a host.
func (r *resolver) host(ctx context.Context, host string) ([]netip.Addr, error) {
	found, err := r.net.LookupNetIP(ctx, "ip", host)
	return found, r.named(err)
}

// named has an error name the DNS servers that were asked. Go names one of the machine's, whoever was asked.
func (r *resolver) named(err error) error {
	wrong, ok := errors.AsType[*net.DNSError](err)
	if !ok || len(r.addresses) == 0 || wrong.Server == "" {
		return err
	}
	named := *wrong
	named.Server = strings.Join(r.addresses, ", ")
	return &named
}
