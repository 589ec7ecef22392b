package visit_test

import (
	"net/netip"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp/visit"
)

func TestPrivate(t *testing.T) {
	for s, want := range map[string]struct {
		share visit.Share
		kind  string
	}{
		"203.0.113.0/24":      {visit.Public, ""},
		"2001:db8::/32":       {visit.Public, ""},
		"172.32.0.0/16":       {visit.Public, ""},
		"100.128.0.0/16":      {visit.Public, ""},
		"10.0.0.1/32":         {visit.Wholly, "private (RFC 1918)"},
		"10.0.0.0/8":          {visit.Wholly, "private (RFC 1918)"},
		"172.16.0.0/12":       {visit.Wholly, "private (RFC 1918)"},
		"192.168.1.0/24":      {visit.Wholly, "private (RFC 1918)"},
		"100.64.1.0/24":       {visit.Wholly, "shared by a provider's customers (RFC 6598)"},
		"127.0.0.1/32":        {visit.Wholly, "loopback"},
		"169.254.169.254/32":  {visit.Wholly, "link-local"},
		"0.0.0.0/32":          {visit.Wholly, "of no host (RFC 1122)"},
		"fd12:3456::/32":      {visit.Wholly, "private (RFC 4193)"},
		"::1/128":             {visit.Wholly, "loopback"},
		"fe80::/64":           {visit.Wholly, "link-local"},
		"::/128":              {visit.Wholly, "of no host (RFC 4291)"},
		"::ffff:10.0.0.1/128": {visit.Wholly, "private (RFC 1918)"},
		"::ffff:10.0.0.0/104": {visit.Wholly, "private (RFC 1918)"},
		"::ffff:8.0.0.0/104":  {visit.Public, ""},
		"0.0.0.0/0":           {visit.Partly, "private (RFC 1918)"},
		"8.0.0.0/6":           {visit.Partly, "private (RFC 1918)"},
		"192.168.0.0/15":      {visit.Partly, "private (RFC 1918)"},
		"::/0":                {visit.Partly, "private (RFC 4193)"},
		"f000::/4":            {visit.Partly, "private (RFC 4193)"},
	} {
		if share, kind := visit.Private(netip.MustParsePrefix(s)); share != want.share || kind != want.kind {
			t.Errorf("%s: %d %q, want %d %q", s, share, kind, want.share, want.kind)
		}
	}
	if share, kind := visit.Private(netip.Prefix{}); share != visit.Public || kind != "" {
		t.Errorf("no range: %d %q", share, kind)
	}
}
