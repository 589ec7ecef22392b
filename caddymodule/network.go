package caddymodule

import (
	"fmt"
	"net/netip"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// NetworkConfig is a named list of address ranges that policies refer to.
type NetworkConfig struct {
	// Name of the network.
	Name string `json:"name"`
	// Ranges are CIDR ranges or single addresses, IPv4 or IPv6. At least one.
	Ranges []string `json:"ranges"`
}

// network builds what idp wants.
func (n *NetworkConfig) network() (idp.Network, error) {
	if len(n.Ranges) == 0 {
		return idp.Network{}, fmt.Errorf("network %s has no ranges", n.Name)
	}
	out := idp.Network{Name: n.Name}
	for _, s := range n.Ranges {
		p, err := parseRange(s)
		if err != nil {
			return idp.Network{}, fmt.Errorf("network %s: %w", n.Name, err)
		}
		out.Ranges = append(out.Ranges, p)
	}
	return out, nil
}

// parseRange reads 203.0.113.0/24, 203.0.113.7 or the same of IPv6.
func parseRange(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, aerr := netip.ParseAddr(s)
		if aerr != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is no address range; write it as 203.0.113.0/24 or 2001:db8::/32", s)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%s has bits set behind the prefix; is %s meant?", s, p.Masked())
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%s: write the IPv4 range itself", s)
	}
	return p, nil
}

// parseNetwork reads
//
//	network <name> <range...>
func parseNetwork(d *caddyfile.Dispenser) (*NetworkConfig, error) {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return nil, d.Errf("network takes: network NAME RANGE…")
	}
	n := &NetworkConfig{Name: args[0], Ranges: args[1:]}
	if err := checkName(d, "network", n.Name); err != nil {
		return nil, err
	}
	if _, err := n.network(); err != nil {
		return nil, d.WrapErr(err)
	}
	if d.NextBlock(d.Nesting()) {
		return nil, d.Errf("network takes no block; it takes: network NAME RANGE…")
	}
	return n, nil
}
