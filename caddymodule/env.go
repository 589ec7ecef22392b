package caddymodule

import (
	"log/slog"
	"net/url"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/samlapp"
)

// Env is what a guest module is built with.
type Env struct {
	// Portal is the address of the portal.
	Portal *url.URL
	// Title is what the portal calls itself.
	Title string
	// Label is what people call the factor that is built; empty where the configuration leaves that to it.
	Label string
	// Store keeps all state. It answers idp.ErrNotReady until the gateway has started.
	Store idp.Store
	// Issuer writes and signs SAML responses; all applications share it.
	Issuer *samlapp.Issuer
	// Log is named after the app; messages reach Caddy's logs.
	Log *slog.Logger
	// Group turns "source/name" or "name", as the configuration has it, into a group of a source.
	Group func(string) (idp.GroupRef, error)
}

// groups turns several.
func (e *Env) groups(names []string) ([]idp.GroupRef, error) {
	var refs []idp.GroupRef
	for _, n := range names {
		ref, err := e.Group(n)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// onLoopback reports whether the portal is for this machine only.
func (e *Env) onLoopback() bool { return isLoopback(e.Portal.Hostname()) }
