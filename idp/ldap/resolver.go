package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// resolver asks the DNS.
type resolver struct {
	net     *net.Resolver
	address string // of the server that is asked; empty asks those of the machine
}

// newResolver asks one DNS server, or those of the machine where no address is given.
func newResolver(address string) (resolver, error) {
	if address == "" {
		return resolver{net: net.DefaultResolver}, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.Trim(address, "[]"), "53"
	}
	ip, err := netip.ParseAddr(host)
	number, wrong := strconv.ParseUint(port, 10, 16)
	if err != nil || wrong != nil || number == 0 {
		return resolver{}, fmt.Errorf("resolver %q: write the address of a DNS server: 10.0.0.53 or 10.0.0.53:53", address)
	}
	address = net.JoinHostPort(ip.String(), port)
	return resolver{address: address, net: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}}, nil
}

// servers is a [Lookup].
func (r resolver) servers(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	cname, found, err := r.net.LookupSRV(ctx, service, proto, name)
	return cname, found, r.named(err)
}

// host returns the addresses of a host.
func (r resolver) host(ctx context.Context, host string) ([]netip.Addr, error) {
	found, err := r.net.LookupNetIP(ctx, "ip", host)
	return found, r.named(err)
}

// named has an error name the DNS server that was asked. Go names one of the machine's, whoever was asked.
func (r resolver) named(err error) error {
	wrong, ok := errors.AsType[*net.DNSError](err)
	if !ok || r.address == "" || wrong.Server == "" {
		return err
	}
	named := *wrong
	named.Server = r.address
	return &named
}
