package caddymodule

import (
	"cmp"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// routeJSON is as much of Caddy's routes as it takes to find a handler and its hosts.
type routeJSON struct {
	Match []struct {
		Host []string `json:"host"`
	} `json:"match"`
	Handle []struct {
		Handler string      `json:"handler"`
		Routes  []routeJSON `json:"routes"`
	} `json:"handle"`
}

// serverJSON is as much of one of Caddy's servers.
type serverJSON struct {
	Listen  []string        `json:"listen"`
	Routes  []routeJSON     `json:"routes"`
	Proxies json.RawMessage `json:"trusted_proxies"`
	Strict  int             `json:"trusted_proxies_strict"`
}

// portalServers returns the servers of the file that answer for the portal.
func (l *loaded) portalServers() (list []serverJSON, err error) {
	var cfg struct {
		Apps struct {
			HTTP struct {
				Servers map[string]serverJSON `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(l.raw, &cfg); err != nil {
		return nil, err
	}
	for _, s := range cfg.Apps.HTTP.Servers {
		if servesPortal(s.Routes, l.portal.Hostname()) {
			list = append(list, s)
		}
	}
	return list, nil
}

// checkSite looks for a site of the portal's host that has gatehouse_portal.
func (l *loaded) checkSite() idp.Finding {
	const where = "portal"
	servers, err := l.portalServers()
	host := l.portal.Hostname()
	switch {
	case err != nil:
		return idp.Finding{Level: idp.LevelError, Where: where, What: err.Error()}
	case len(servers) == 0:
		return idp.Finding{Level: idp.LevelError, Where: where, What: "no site of this file serves " + host + " by gatehouse_portal", Cure: host + " { gatehouse_portal }"}
	}
	// Where another proxy stands before it, the port is for that one to map.
	if slices.ContainsFunc(servers, func(s serverJSON) bool { return len(s.Proxies) > 0 }) {
		return idp.Finding{Level: idp.LevelOK, Where: where, What: "a site serves " + host + " behind trusted_proxies"}
	}
	port := cmp.Or(l.portal.Port(), map[string]string{"http": "80", "https": "443"}[l.portal.Scheme])
	if !slices.ContainsFunc(servers, func(s serverJSON) bool { return s.listensOn(port) }) {
		return idp.Finding{
			Level: idp.LevelWarning, Where: where, What: "the site of " + host + " is not on port " + port + ", where " + l.Portal.URL + " sends people",
			Cure: "write the port in the site's address or in portal; nothing, if what stands before Caddy maps it",
		}
	}
	return idp.Finding{Level: idp.LevelOK, Where: where, What: "a site serves " + l.Portal.URL}
}

// listensOn reports whether one of the server's addresses has the port, or is one that has none to compare: a socket, a placeholder.
func (s *serverJSON) listensOn(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return true // it is somebody else's to say
	}
	return slices.ContainsFunc(s.Listen, func(address string) bool {
		a, err := caddy.ParseNetworkAddress(address)
		return err != nil || a.IsUnixNetwork() || a.IsFdNetwork() || a.StartPort <= uint(n) && uint(n) <= a.EndPort
	})
}

// checkProxies warns where a client can choose its own address: without trusted_proxies_strict the
// left-most value of X-Forwarded-For counts, and that is the client's to write.
func (l *loaded) checkProxies() idp.Finding {
	f := idp.Finding{Level: idp.LevelOK, Where: "proxies", What: "the address of a client is not the client's to choose"}
	servers, err := l.portalServers()
	if err != nil {
		return idp.Finding{Level: idp.LevelError, Where: f.Where, What: err.Error()}
	}
	reads := slices.ContainsFunc(l.Policies, (*PolicyConfig).readsAddress)
	for _, s := range servers {
		if len(s.Proxies) > 0 && s.Strict == 0 {
			f.Level, f.What = idp.LevelWarning, "trusted_proxies is without trusted_proxies_strict: a client can choose the address in the audit log"
			if reads {
				f.Level, f.What = idp.LevelError, "policies read networks, and trusted_proxies is without trusted_proxies_strict: a client can choose the address that counts"
			}
			f.Cure = "write trusted_proxies_strict beside trusted_proxies in the global option servers"
		}
	}
	return f
}

func servesPortal(routes []routeJSON, host string) bool {
	for _, r := range routes {
		hit := len(r.Match) == 0
		for _, m := range r.Match {
			hit = hit || len(m.Host) == 0
			for _, h := range m.Host {
				hit = hit || hostMatches(h, host)
			}
		}
		if !hit {
			continue
		}
		for _, h := range r.Handle {
			if h.Handler == "gatehouse_portal" || servesPortal(h.Routes, host) {
				return true
			}
		}
	}
	return false
}

// hostMatches knows the wildcard of one label, as in *.example.com.
func hostMatches(pattern, host string) bool {
	if h, _, err := net.SplitHostPort(pattern); err == nil {
		pattern = h
	}
	if rest, ok := strings.CutPrefix(pattern, "*."); ok {
		_, parent, found := strings.Cut(host, ".")
		return found && strings.EqualFold(rest, parent)
	}
	return strings.EqualFold(pattern, host)
}
