package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/samlapp"
)

// sealKey tells the store's environment where the seal key comes from, and returns what tells it from
// another one.
func (a *App) sealKey(ctx caddy.Context, env *StoreEnv) (string, error) {
	if a.SealKey == "" {
		storage := ctx.Storage()
		env.Seal = func(c context.Context) ([]byte, error) { return loadSeal(c, storage) }
		env.MakeSeal = func(c context.Context) ([]byte, error) { return loadOrMakeSeal(c, storage) }
		env.SealFrom = sealPlace(storage)
		return "made", nil
	}
	secret, err := resolveSecret("seal_key", a.SealKey)
	if err != nil {
		return "", err
	}
	key, err := decodeSeal(secret)
	if err != nil {
		return "", err
	}
	env.Seal = func(context.Context) ([]byte, error) { return key, nil }
	env.SealFrom, env.SealGiven = "seal_key "+a.SealKey, true
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:]), nil
}

// fingerprint tells one configuration of the app from another in the audit log. It is taken before the
// guests are loaded, which drops their JSON; secrets are references there.
func (a *App) fingerprint() string {
	raw, err := json.Marshal(a)
	if err != nil {
		return "unknown"
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// build turns the configuration into a gateway.
func (a *App) build() error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	a.gateway, err = idp.New(cfg)
	return err
}

// config is what the gateway is built from.
func (a *App) config() (idp.Config, error) {
	n := a.names()
	env := &Env{
		Portal: a.portal, Title: a.Portal.Title, Store: a.store, Log: a.ctx.Slogger(), Group: n.group,
	}
	a.issuer = &samlapp.Issuer{EntityID: a.entityID(), Keys: a.store.SAMLKeys}
	env.Issuer = a.issuer
	cfg := idp.Config{
		Store: a.store, Limiter: a.store.limiter, Metadata: a.metadata, Observe: a.observe.event,
		Client: clientAddress, Facts: a.facts.of, Files: a.facts.versions(), Log: a.ctx.Slogger(),
	}
	var err error
	if cfg.Portal, err = a.Portal.portal(a.portal); err != nil {
		return cfg, err
	}
	if a.Session != nil {
		cfg.Sessions = a.Session.limits()
	}
	for _, build := range []func(*Env, *idp.Config) error{a.buildSources, a.buildFactors, a.buildPolicies, a.buildApplications} {
		if err := build(env, &cfg); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

func (a *App) buildSources(env *Env, cfg *idp.Config) error {
	if len(a.Sources) == 0 {
		return errors.New("the option source is missing: nobody could sign in")
	}
	for _, s := range a.Sources {
		source, err := s.module.Source(s.Name, env)
		if err != nil {
			return fmt.Errorf("source %s: %w", s.Name, err)
		}
		a.sources = append(a.sources, source)
		cfg.SourceRules = append(cfg.SourceRules, idp.SourceRule{Source: s.Name, Off: s.Off, Domains: s.PermittedDomains, KeepPasswords: s.KeepPasswords})
	}
	cfg.Sources = a.sources
	return nil
}

func (a *App) buildFactors(env *Env, cfg *idp.Config) error {
	cfg.FactorLabels = make(map[string]string, len(a.Factors))
	for _, f := range a.Factors {
		own := *env
		own.Label, cfg.FactorLabels[f.Name] = f.Label, f.Label
		factor, err := f.module.Factor(f.Name, &own)
		if err != nil {
			return fmt.Errorf("factor %s: %w", f.Name, err)
		}
		a.factors = append(a.factors, factor)
	}
	cfg.Factors = a.factors
	return nil
}

func (a *App) buildPolicies(env *Env, cfg *idp.Config) error {
	networks := map[string]idp.Network{}
	for _, w := range a.Networks {
		n, err := w.network()
		if err != nil {
			return err
		}
		if n.List, err = a.facts.list(w); err != nil {
			return err
		}
		networks[w.Name] = n
	}
	a.buildRoutes(networks, cfg)
	var err error
	if cfg.Portal.GroupPolicies, err = groupPolicies(a.Portal.GroupPolicies, env.Group); err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	if cfg.HelpDesks, err = a.helpDesks(env.Group); err != nil {
		return err
	}
	for _, p := range a.Policies {
		policy, err := p.policy(networks, env.Group)
		if err != nil {
			return err
		}
		cfg.Policies = append(cfg.Policies, policy)
	}
	return nil
}

func (a *App) buildApplications(env *Env, cfg *idp.Config) error {
	a.apps = map[string]idp.Application{}
	for _, e := range a.Applications {
		icon, err := readImage("icon", e.Icon)
		if err != nil {
			return fmt.Errorf("application %s: %w", e.Name, err)
		}
		label := e.Label
		if label == "" {
			label = e.Name
		}
		app, err := e.module.Application(idp.Tile{Name: e.Name, Label: label}, env)
		if err != nil {
			return fmt.Errorf("application %s: %w", e.Name, err)
		}
		a.apps[e.Name] = app
		groups, err := groupPolicies(e.GroupPolicies, env.Group)
		if err != nil {
			return fmt.Errorf("application %s: %w", e.Name, err)
		}
		cfg.Applications = append(cfg.Applications, idp.AppConfig{Application: app, Policy: e.Policy, GroupPolicies: groups, Icon: icon})
	}
	return nil
}

// at returns an address of the portal.
func (a *App) at(path string) string { return a.portal.JoinPath(path).String() }

// entityID is what service providers know the gateway by: the address of its metadata.
func (a *App) entityID() string { return a.at("/saml/metadata") }

// metadata writes the document that service providers are given.
func (a *App) metadata() ([]byte, error) {
	keys, err := a.store.SAMLKeys()
	if err != nil {
		return nil, err
	}
	return samlapp.Metadata(a.entityID(), a.at("/saml/sso"), "", keys)
}

// clientAddress is who sends the request, as Caddy's trusted_proxies has it. No header is read here:
// whoever connects can write those.
func clientAddress(r *http.Request) netip.Addr {
	s, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return ip.WithZone("").Unmap()
}
