package visit

import "net/netip"

// Share is how much of a range lies in address space that no client on the internet has.
type Share int

// The shares. Partly is a range that holds both, like 0.0.0.0/0.
const (
	Public Share = iota
	Partly
	Wholly
)

// privateRanges is the space that is routed inside a site or a machine only. An address of it that reaches us through a
// proxy is the proxy's own, or that of a client inside.
var privateRanges = []struct {
	prefix netip.Prefix
	kind   string
}{
	{netip.MustParsePrefix("10.0.0.0/8"), "private (RFC 1918)"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private (RFC 1918)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by a provider's customers (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("0.0.0.0/8"), "of no host (RFC 1122)"},
	{netip.MustParsePrefix("fc00::/7"), "private (RFC 4193)"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("::/128"), "of no host (RFC 4291)"},
}

// Private tells how much of a range is private space, and what the first such part is, in words for an error. For
// single addresses that is Public or Wholly. IPv4 in IPv6 clothes counts as IPv4.
func Private(p netip.Prefix) (Share, string) {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if !p.IsValid() {
		return Public, ""
	}
	for _, r := range privateRanges {
		switch {
		case !p.Overlaps(r.prefix):
		case p.Bits() >= r.prefix.Bits():
			return Wholly, r.kind
		default:
			return Partly, r.kind
		}
	}
	return Public, ""
}
