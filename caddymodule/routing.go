package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// RouteConfig says by which sources a typed name is looked up. The first route whose conditions all hold
// is taken; a route without conditions is the default. Without any route every source is asked, in order.
type RouteConfig struct {
	// Sources are asked in this order. A local account for the day on which the directory is down has to be
	// named here as well, or the route does not lead to it.
	Sources []string `json:"sources"`
	// Domains are compared with the name as typed, in any case: what follows the @ of a mail address or
	// userPrincipalName, or what stands before the \ of DOMAIN\name. Default: any name.
	Domains []string `json:"domains,omitempty"`
	// Applications are where people are going. Default: anywhere, the portal included.
	Applications []string `json:"applications,omitempty"`
	// Networks are where people come from. Default: anywhere.
	Networks []string `json:"networks,omitempty"`
}

// conditions are the words that end the list of sources.
var conditions = []string{"domain", "application", "network"}

const routeUsage = "route SOURCE… [domain DOMAIN…] [application NAME…] [network NAME…], or the conditions in a block"

// always reports whether the route takes every name.
func (r *RouteConfig) always() bool { return len(r.Domains)+len(r.Applications)+len(r.Networks) == 0 }

// condition returns the list that a word fills.
func (r *RouteConfig) condition(word string) *[]string {
	switch word {
	case "domain":
		return &r.Domains
	case "application":
		return &r.Applications
	}
	return &r.Networks
}

// parseRoute reads
//
//	route <source...> [domain <domain...>] [application <name...>] [network <name...>]
//
// or
//
//	route <source...> {
//		domain <domain...>
//		application <name...>
//		network <name...>
//	}
func parseRoute(d *caddyfile.Dispenser) (*RouteConfig, error) {
	r := new(RouteConfig)
	list := &r.Sources
	for d.NextArg() {
		if d.Val() == "" {
			return nil, d.Errf("route has an empty word; it takes: %s", routeUsage)
		}
		if !slices.Contains(conditions, d.Val()) {
			*list = append(*list, d.Val())
			continue
		}
		if len(*list) == 0 || len(*r.condition(d.Val())) > 0 {
			return nil, d.Errf("route takes: %s", routeUsage)
		}
		list = r.condition(d.Val())
	}
	if len(*list) == 0 {
		return nil, d.Errf("route takes: %s", routeUsage)
	}
	b := newBlock(d, "route", conditions...)
	for b.next() {
		to := r.condition(b.option)
		if len(*to) > 0 {
			b.fail("%s is written twice in route", b.option)
			continue
		}
		b.list(to, "VALUE…")
		r.checkDomains(b.fail)
	}
	if b.err == nil {
		r.checkDomains(b.fail)
	}
	return r, b.err
}

func (r *RouteConfig) checkDomains(fail func(string, ...any)) {
	if err := checkDomains(r.Domains); err != nil {
		fail("route: %w", err)
	}
}

// addRoute reads one route. After one that takes every name another would never be reached.
func (a *App) addRoute(d *caddyfile.Dispenser) error {
	if n := len(a.Routes); n > 0 && a.Routes[n-1].always() {
		return d.Errf("this route is never reached: the one before it, route %s, has no condition; write that one last", strings.Join(a.Routes[n-1].Sources, " "))
	}
	r, err := parseRoute(d)
	if err != nil {
		return err
	}
	a.Routes = append(a.Routes, r)
	return nil
}

// checkDomains refuses what no typed name can have for a domain.
func checkDomains(domains []string) error {
	for _, s := range domains {
		if s == "" || strings.ContainsAny(s, "@\\/*, \t") || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") {
			return fmt.Errorf("%q is no domain; write it as example.com, or as CORP for names like CORP\\ann", s)
		}
	}
	return nil
}

// checkRoutes finds the first name that a route uses and nothing has.
func (a *App) checkRoutes(n names) *mistake {
	var apps []string
	for _, e := range a.Applications {
		apps = append(apps, e.Name)
	}
	for i, r := range a.Routes {
		if len(r.Sources) == 0 {
			return &mistake{within: [2]string{"route"}, text: "it names no source; " + routeUsage}
		}
		for _, c := range []struct {
			what         string
			names, known []string
		}{{"source", r.Sources, n.sources}, {"application", r.Applications, apps}, {"network", r.Networks, n.networks}} {
			for _, name := range c.names {
				if m := find(c.what, name, c.known, "route", r.Sources[0]); m != nil {
					return m
				}
			}
		}
		if err := checkDomains(r.Domains); err != nil {
			return &mistake{within: [2]string{"route", r.Sources[0]}, text: err.Error()}
		}
		if r.always() && i < len(a.Routes)-1 {
			return &mistake{within: [2]string{"route", r.Sources[0]}, text: "a route without conditions takes every name, so that no route after it is ever reached: write it last"}
		}
	}
	return nil
}

// buildRoutes turns the routes into idp's.
func (a *App) buildRoutes(networks map[string]idp.Network, cfg *idp.Config) {
	for _, r := range a.Routes {
		route := idp.Route{Sources: r.Sources, Domains: r.Domains, Apps: r.Applications}
		for _, name := range r.Networks {
			route.Networks = append(route.Networks, networks[name])
		}
		cfg.Routes = append(cfg.Routes, route)
	}
}
