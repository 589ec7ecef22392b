package visit

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
)

// Networks is a list of address ranges in a file: Tor's exits, a provider's servers, the offices of a company. It is
// safe for concurrent use.
type Networks struct{ file *file[networkTable] }

// networkTable is such a list in memory: the ranges that lie in no other, in their order, so that one search finds the
// only one that can hold an address.
type networkTable struct {
	outer []netip.Prefix
	size  int // with those that lie in others
}

// newNetworkTable sorts ranges into a table. It takes the slice over.
func newNetworkTable(ranges []netip.Prefix) *networkTable {
	// A range comes before those that lie in it, which all come before the next one beside it.
	slices.SortFunc(ranges, netip.Prefix.Compare)
	ranges = slices.Compact(ranges)
	t := &networkTable{size: len(ranges)}
	for _, p := range ranges {
		if last := len(t.outer) - 1; last < 0 || !t.outer[last].Overlaps(p) {
			t.outer = append(t.outer, p)
		}
	}
	return t
}

// contains reports whether one of the ranges holds an address. It does not allocate.
func (t *networkTable) contains(a netip.Addr) bool {
	after, found := slices.BinarySearchFunc(t.outer, a, func(p netip.Prefix, a netip.Addr) int { return p.Addr().Compare(a) })
	return found || after > 0 && t.outer[after-1].Contains(a)
}

const (
	mostListBytes = 64 << 20
	mostListLines = 1 << 20 // of which each takes 32 bytes more
)

// OpenNetworks reads a list: one address or CIDR range a line, IPv4 or IPv6; "#" starts a comment. The error names
// file and line, and says what to do.
func OpenNetworks(path string) (*Networks, error) {
	n := &Networks{&file[networkTable]{
		path: path, what: "network list", most: mostListBytes, parse: parseNetworks,
		cure: "put a list there with one address or range a line, or correct the path",
	}}
	if _, err := n.file.refresh(); err != nil {
		return nil, err
	}
	return n, nil
}

// Refresh reads the list again if it changed, and reports whether it did. With an error the old list stays in use. It
// costs one stat, so once a minute is well.
func (n *Networks) Refresh() (changed bool, err error) { return n.file.refresh() }

// Version names the content of the list: another content has another version.
func (n *Networks) Version() string { return n.file.version() }

// Contains reports whether one of the ranges holds an address. An unknown address is in none, and IPv4 in
// IPv6 clothes counts as IPv4 (security.md C-57). It does not allocate, and takes little longer for a long list.
func (n *Networks) Contains(a netip.Addr) bool { return n.file.get().contains(plain(a)) }

// Len returns the number of ranges, each counted once.
func (n *Networks) Len() int { return n.file.get().size }

// parseNetworks reads the lines of a list.
func parseNetworks(path string, content []byte) (*networkTable, error) {
	if bytes.Count(content, []byte("\n")) > mostListLines {
		return nil, fmt.Errorf("network list %s has more than %d lines: join neighbours to ranges, or take a list that has", path, mostListLines)
	}
	var ranges []netip.Prefix
	content = bytes.TrimPrefix(content, []byte("\uFEFF"))
	at := 0
	for line := range bytes.Lines(content) {
		at++
		text, _, _ := bytes.Cut(line, []byte("#"))
		text = bytes.TrimSpace(text)
		if len(text) == 0 {
			continue
		}
		p, err := ParseRange(string(text))
		if err != nil {
			return nil, fmt.Errorf("network list %s:%d: %w", path, at, err)
		}
		ranges = append(ranges, p)
	}
	if len(ranges) == 0 {
		// As a program leaves it that writes it anew, or failed to.
		return nil, fmt.Errorf("network list %s holds no range: write one address or range a line", path)
	}
	return newNetworkTable(ranges), nil
}

// ParseRange reads 203.0.113.0/24, 203.0.113.7 or the same of IPv6. It is as strict as the Caddyfile, since a wrong
// range opens or shuts a door for others: bits behind the prefix may be a mistyped prefix.
func ParseRange(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		if len(s) > 60 {
			s = s[:60]
		}
		return netip.Prefix{}, fmt.Errorf("%q is no address range; write it as 203.0.113.0/24 or 2001:db8::/32", s)
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%s has bits set behind the prefix; is %s meant?", s, p.Masked())
	case p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%s: write the IPv4 range itself", s)
	case p.Bits() == 0:
		return netip.Prefix{}, fmt.Errorf("%s is every address there is; a list is of some", s)
	}
	return p, nil
}
