package visit_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp/visit"
)

func openNetworks(t testing.TB, list string) *visit.Networks {
	t.Helper()
	n, err := visit.OpenNetworks(written(t, "list.txt", []byte(list)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestC57Networks: an address is in a list whatever clothes it comes in, and overlapping ranges are no matter.
func TestC57Networks(t *testing.T) {
	n := openNetworks(t, "\uFEFF# exits, fetched daily\r\n"+
		"203.0.113.0/24\r\n"+
		"\r\n"+
		"  198.51.100.7   # the branch\r\n"+
		"\t2001:db8::/32\n"+
		"2001:db8:1::/48\n"+ // inside the one before
		"198.51.100.7\n"+ // once more
		"::ffff:192.0.2.1\n"+
		"128.0.0.0/1")
	if n.Len() != 6 {
		t.Errorf("%d ranges", n.Len())
	}
	for address, want := range map[string]bool{
		"203.0.113.0": true, "203.0.113.255": true, "203.0.114.0": true, // in 128.0.0.0/1
		"198.51.100.7": true, "192.0.2.1": true,
		"127.255.255.255": false, "1.1.1.1": false,
		"2001:db8::1": true, "2001:db8:ffff::1": true, "2001:db9::1": false,
		"2001:db8::1%eth0": true, "fe80::1%eth0": false,
		"::ffff:203.0.113.7": true, "::ffff:1.1.1.1": false, "::ffff:203.0.113.7%eth0": true,
		"::203.0.113.7": false, // another address than its IPv4 in clothes
	} {
		if got := n.Contains(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	if n.Contains(netip.Addr{}) {
		t.Error("an unknown address is in a network")
	}
}

func TestOpenNetworksRefuses(t *testing.T) {
	for list, want := range map[string]string{
		"203.0.113.0/24\nexample.com\n":       `list.txt:2: "example.com" is no address range; write it as`,
		"\n# x\n203.0.113.7/24":               "list.txt:3: 203.0.113.7/24 has bits set behind the prefix; is 203.0.113.0/24 meant?",
		"0.0.0.0/0":                           "list.txt:1: 0.0.0.0/0 is every address there is",
		"::/0":                                "list.txt:1: ::/0 is every address there is",
		"::ffff:203.0.113.0/120":              "write the IPv4 range itself",
		"fe80::1%eth0":                        "is no address range",
		"203.0.113.0-203.0.113.9":             "is no address range",
		"203.0.113.1 203.0.113.2":             "is no address range",
		"203.0.113.0/33":                      "is no address range",
		"203.0.113.0/":                        "is no address range",
		strings.Repeat("x", 1<<16):            `"` + strings.Repeat("x", 60) + `" is no`,
		"":                                    "holds no range",
		"# all gone\n\n":                      "holds no range",
		"<!DOCTYPE html><title>404</title>\n": "list.txt:1: ",
	} {
		if _, err := visit.OpenNetworks(written(t, "list.txt", []byte(list))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", list, err, want)
		}
	}
}

// TestNetworksBounded: a list that grows without end is refused before it takes the memory of the server.
func TestNetworksBounded(t *testing.T) {
	if _, err := visit.OpenNetworks(written(t, "list.txt", slices.Repeat([]byte("\n"), 1<<20+1))); err == nil || !strings.Contains(err.Error(), "more than 1048576 lines") {
		t.Error(err)
	}
	path := written(t, "list.txt", nil)
	if err := os.Truncate(path, 64<<20+1); err != nil {
		t.Fatal(err)
	}
	if _, err := visit.OpenNetworks(path); err == nil || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Error(err)
	}
}

// many writes a list of as many single addresses, spread over the whole space.
func many(n int) []byte {
	var list []byte
	for i := range uint32(n) {
		list = fmt.Appendln(list, spread(i))
	}
	return list
}

// spread gives each number an address of its own, far from that of its neighbours.
func spread(i uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, i*2654435761)))
}

// TestNetworksAllocateNothing: the list is asked at each launch.
func TestNetworksAllocateNothing(t *testing.T) {
	n := openNetworks(t, string(many(1000))+"2001:db8::/32\n")
	for _, s := range []string{"203.0.113.7", "2001:db8::1", "2001:db8::1%eth0", "::ffff:203.0.113.7"} {
		a := netip.MustParseAddr(s)
		if got := testing.AllocsPerRun(100, func() { n.Contains(a) }); got != 0 {
			t.Errorf("%s: %v allocations", s, got)
		}
	}
}

// FuzzNetworks compares a list with its ranges looked at one by one.
func FuzzNetworks(f *testing.F) {
	f.Add("203.0.113.0/24\n2001:db8::/32 # x\n", "203.0.113.7")
	f.Add("::ffff:1.2.3.4\n128.0.0.0/1", "::ffff:203.0.113.7%1")
	f.Add("1.2.3.4/32\r\n\r\n#", "::1.2.3.4")
	f.Add("10.1.0.0/16\n10.0.0.0/8\n10.0.0.0/9\n::/0", "10.255.0.1")
	f.Fuzz(func(t *testing.T, list, address string) {
		a, err := netip.ParseAddr(address)
		if err != nil {
			return
		}
		n, err := visit.OpenNetworks(written(t, "list.txt", []byte(list)))
		if err != nil {
			return
		}
		want := false
		for line := range strings.Lines(strings.TrimPrefix(list, "\uFEFF")) {
			word, _, _ := strings.Cut(line, "#")
			word = strings.TrimSpace(word)
			if one, err := netip.ParseAddr(word); err == nil {
				want = want || one.Unmap() == a.Unmap().WithZone("")
			} else if p, err := netip.ParsePrefix(word); err == nil {
				want = want || p.Contains(a.Unmap().WithZone(""))
			}
		}
		if got := n.Contains(a); got != want {
			t.Errorf("%q holds %s: %v", list, a, got)
		}
	})
}

func BenchmarkNetworks(b *testing.B) {
	n := openNetworks(b, string(many(100_000)))
	in, out := spread(4711), spread(200_000)
	b.ReportAllocs()
	for b.Loop() {
		if !n.Contains(in) || n.Contains(out) {
			b.Fatal("wrong")
		}
	}
}
