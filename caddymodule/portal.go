package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func init() {
	caddy.RegisterModule(new(Portal))
	httpcaddyfile.RegisterHandlerDirective("gatehouse_portal", parsePortalHandler)
	httpcaddyfile.RegisterDirectiveOrder("gatehouse_portal", httpcaddyfile.Before, "respond")
}

// Portal serves the gateway: portal, sign-in, second factors, launches and metadata. It answers every
// request of its site, so the site is the host of the app's portal address.
type Portal struct {
	app    *App
	warned sync.Once
}

// CaddyModule returns the Caddy module information.
func (*Portal) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.gatehouse_portal", New: func() caddy.Module { return new(Portal) }}
}

// Provision finds the app.
func (p *Portal) Provision(ctx caddy.Context) error {
	var err error
	if p.app, err = configuredApp(ctx); err != nil {
		return fmt.Errorf("gatehouse_portal: %w", err)
	}
	return nil
}

// configuredApp returns the app of the configuration that is being loaded.
func configuredApp(ctx caddy.Context) (*App, error) {
	v, err := ctx.AppIfConfigured(appName)
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, errors.New("the global option gatehouse is missing")
	}
	if err != nil {
		return nil, err
	}
	return v.(*App), nil
}

// ServeHTTP serves one request.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if err := refuseEarlyData(r); err != nil {
		return err
	}
	defer limitTime(w, r, readTime)()
	p.checkProxies(r)
	p.app.facts.askForHints(w, r.URL.Path)
	leave, err := p.app.store.use()
	if err != nil {
		// This configuration is gone and its store with it; the next request meets the new one.
		w.Header().Set("Retry-After", "1")
		return caddyhttp.Error(http.StatusServiceUnavailable, err)
	}
	defer leave()
	if strings.HasPrefix(r.URL.Path, "/apps/") {
		// HTTP/2 serves each request on a goroutine of its own, whose stack is small.
		idp.GrowStack(1)
	}
	p.app.gateway.ServeHTTP(w, r)
	return nil
}

// checkProxies warns, once, where a client can choose its own address: without trusted_proxies_strict the
// left-most value of X-Forwarded-For counts, and that is the client's to write.
func (p *Portal) checkProxies(r *http.Request) {
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); !trusted || !slices.ContainsFunc(p.app.Policies, (*PolicyConfig).readsAddress) {
		return
	}
	if s, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && s.TrustedProxiesStrict == 0 {
		p.warned.Do(func() {
			p.app.log.Warn("policies read addresses, but trusted_proxies is without trusted_proxies_strict: a client can choose the address that counts")
		})
	}
}

// refuseEarlyData answers 425 to a request in TLS early data, which anybody on the way can send again
// and whose sender's address nobody has proved (RFC 8446 §8, RFC 8470 §5.2). Browsers repeat it.
func refuseEarlyData(r *http.Request) error {
	if r.TLS != nil && !r.TLS.HandshakeComplete {
		return caddyhttp.Error(http.StatusTooEarly, errors.New("request in early data"))
	}
	return nil
}

// parsePortalHandler reads
//
//	gatehouse_portal
func parsePortalHandler(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive
	if h.NextArg() || h.NextBlock(0) {
		return nil, h.Errf("gatehouse_portal takes nothing: it is configured by the global option gatehouse")
	}
	app, err := globalApp(h)
	if err != nil {
		return nil, err
	}
	if app.Portal == nil {
		return nil, h.Errf("the global option gatehouse lacks: portal https://HOST")
	}
	if len(app.Sources) == 0 {
		return nil, h.Errf("the global option gatehouse lacks a source: nobody could sign in")
	}
	// Blocks after the first may have made an unqualified group of the first ambiguous.
	if m := app.crossCheck(); m != nil {
		return nil, h.Errf("%w", m)
	}
	return new(Portal), nil
}

// globalApp returns what the global option made.
func globalApp(h httpcaddyfile.Helper) (*App, error) {
	option, ok := h.Option(appName).(httpcaddyfile.App)
	if !ok {
		return nil, h.Errf("this needs the global option gatehouse at the top of the Caddyfile")
	}
	return decodeApp(option.Value)
}

var (
	_ caddy.Provisioner           = (*Portal)(nil)
	_ caddyhttp.MiddlewareHandler = (*Portal)(nil)
)
