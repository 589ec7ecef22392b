package caddymodule

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// checkServed makes sure that a gatehouse_portal answers for the portal's host. One that answers for
// other hosts only would refuse every request, so it is an error; none at all is a warning, because
// another Caddy may serve the portal with the same store.
func (a *App) checkServed() error {
	v, err := a.ctx.AppIfConfigured("http")
	if err != nil {
		a.log.Warn("nothing serves the portal: no site has gatehouse_portal")
		return nil //nolint:nilerr // a Caddy without the http app is no fault of this configuration
	}
	r := a.portalRequest()
	found, served := false, false
	for _, server := range v.(*caddyhttp.App).Servers {
		f, s := portalIn(server.Routes, r, true)
		if s {
			if err := a.checkHops(server); err != nil {
				return err
			}
		}
		found, served = found || f, served || s
	}
	switch {
	case served:
		return nil
	case found:
		return fmt.Errorf("gatehouse_portal is not in the site of the portal's host, %s: put it there", a.portal.Host)
	}
	a.log.Warn("nothing serves the portal: no site has gatehouse_portal")
	return nil
}

// portalRequest is a request for the portal as matchers see it.
func (a *App) portalRequest() *http.Request {
	r := &http.Request{Method: http.MethodGet, Host: a.portal.Host, URL: &url.URL{Path: "/"}, Header: http.Header{}}
	return caddyhttp.PrepareRequest(r.WithContext(a.ctx), caddy.NewReplacer(), nil, nil)
}

// portalIn reports whether the routes hold a gatehouse_portal, and whether one of them is reached by
// requests for the portal's host. Matchers other than host do not count against it.
func portalIn(routes caddyhttp.RouteList, r *http.Request, reached bool) (found, served bool) {
	for _, route := range routes {
		hit := reached && matchesHost(route.MatcherSets, r)
		for _, h := range route.Handlers {
			switch h := h.(type) {
			case *Portal:
				found, served = true, served || hit
			case *caddyhttp.Subroute:
				f, s := portalIn(h.Routes, r, hit)
				found, served = found || f, served || s
			}
		}
	}
	return found, served
}

func matchesHost(sets caddyhttp.MatcherSets, r *http.Request) bool {
	if len(sets) == 0 {
		return true
	}
	for _, set := range sets {
		ok := true
		for _, m := range set {
			var hosts *caddyhttp.MatchHost
			switch m := m.(type) {
			case caddyhttp.MatchHost:
				hosts = &m
			case *caddyhttp.MatchHost:
				hosts = m
			default:
				continue
			}
			hit, err := hosts.MatchWithError(r)
			ok = ok && hit && err == nil
		}
		if ok {
			return true
		}
	}
	return false
}
