package caddymodule

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestNetworkHoldsAProxy: what a proxy that the site trusts is inside of, everybody behind it is inside of.
func TestNetworkHoldsAProxy(t *testing.T) {
	for _, tt := range []struct {
		name, proxies, network string
		policies               string
		refused                bool
	}{
		{"a whole private range", "private_ranges", "10.0.0.0/8", "networks {\nmfa_always_outside office\n}", true},
		{"the proxy alone", "10.0.0.5", "10.0.0.5", "networks {\ndeny_outside office\n}", true},
		{"at the end of the range", "10.0.0.254", "10.0.0.0/24", "shared_computers office", true},
		{"beside the range", "10.0.1.5", "10.0.0.0/24", "networks {\ndeny_outside office\n}", false},
		{"a network of no policy", "private_ranges", "10.0.0.0/8", "mfa always", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			before := s.caddyfile("")
			s.load(before)
			global := "servers {\ntrusted_proxies static " + tt.proxies + "\ntrusted_proxies_strict\n}"
			text := s.caddyfileWith(global, "network office "+tt.network+"\npolicy default {\n"+tt.policies+"\n}")
			err := caddy.Load(s.json(text), true)
			if !tt.refused {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantError(t, err, "network office", "trusted_proxies", "take it out of the network")
			if status, page := s.get("/login"); status != 200 || !strings.Contains(page, `data-page="login"`) {
				t.Errorf("the configuration before does not serve: %d", status)
			}
		})
	}
}

func TestEndsOfARange(t *testing.T) {
	for text, want := range map[string][]string{
		"10.0.0.0/24":     {"10.0.0.0", "10.0.0.1", "10.0.0.254", "10.0.0.255"},
		"10.0.0.7/32":     {"10.0.0.7"},
		"2001:db8::/126":  {"2001:db8::", "2001:db8::1", "2001:db8::2", "2001:db8::3"},
		"255.0.0.0/8":     {"255.0.0.0", "255.0.0.1", "255.255.255.254", "255.255.255.255"},
		"203.0.113.64/31": {"203.0.113.64", "203.0.113.65"},
	} {
		var got []string
		for _, a := range ends(netip.MustParsePrefix(text)) {
			got = append(got, a.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
