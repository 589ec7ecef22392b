package caddymodule

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/gatehouse-sso/gatehouse/idp/visit"
)

// checkHops makes sure that no network on which a policy looks holds a proxy that the site trusts. A request that comes
// without the proxy's header has the proxy's own address, and so would everybody who is behind it.
func (a *App) checkHops(s *caddyhttp.Server) error {
	read := a.networksRead()
	for _, n := range a.Networks {
		if !slices.Contains(read, n.Name) {
			continue
		}
		for _, text := range n.Ranges {
			p, err := visit.ParseRange(text)
			if err != nil {
				return fmt.Errorf("network %s: %w", n.Name, err)
			}
			for _, address := range ends(p) {
				if trusts(s, address) {
					return fmt.Errorf("network %s: %s is an address of a proxy that trusted_proxies names, so that whoever comes through it would count as inside: "+
						"take it out of the network, or name the proxy's own address in trusted_proxies instead of a whole range", n.Name, address)
				}
			}
		}
	}
	return nil
}

// networksRead returns the names of the networks that policies look at.
func (a *App) networksRead() (names []string) {
	for _, p := range a.Policies {
		names = append(names, p.networkNames()...)
	}
	return names
}

// ends returns a few addresses of a range: its ends and their neighbours.
func ends(p netip.Prefix) []netip.Addr {
	first := p.Masked().Addr()
	last := lastOf(p)
	out := []netip.Addr{first}
	for _, a := range []netip.Addr{first.Next(), last.Prev(), last} {
		if a.IsValid() && p.Contains(a) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// lastOf returns the highest address of a range.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// trusts asks a server whether it would take somebody's word for the client's address.
func trusts(s *caddyhttp.Server, address netip.Addr) bool {
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: http.Header{}, RemoteAddr: net.JoinHostPort(address.String(), "443")}
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, s)
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}
