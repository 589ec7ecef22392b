package caddymodule

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// loadConditions makes the matchers of all policies.
func (a *App) loadConditions(ctx caddy.Context) error {
	for _, p := range a.Policies {
		for _, c := range p.Require {
			if err := c.load(ctx); err != nil {
				return fmt.Errorf("policy %s: %w", p.Name, err)
			}
		}
	}
	return nil
}

// requestFacts returns what policies may look at of a request. What no file or certificate tells is left empty, and
// the policies deny what they cannot judge.
func (a *App) requestFacts(r *http.Request) idp.Facts {
	var f idp.Facts
	f.Certificate = certificateOf(r)
	for _, p := range a.Policies {
		for _, c := range p.Require {
			if c.met(r) {
				f.Met = append(f.Met, c.Name)
			}
		}
	}
	return f
}

// certificateOf names the client certificate of a request, or returns "" where none was verified. Caddy verifies against
// the authorities of client_auth; one that was only presented has no chain.
func certificateOf(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return ""
	}
	leaf := r.TLS.VerifiedChains[0][0]
	if s := leaf.Subject.String(); s != "" {
		return s
	}
	return "serial " + leaf.SerialNumber.String()
}
