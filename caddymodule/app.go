// Package caddymodule is Gatehouse as Caddy modules: the app, its handlers, its guests, the Caddyfile
// and the command. It turns configuration into package idp's types and decides nothing itself.
//
// The app is "gatehouse"; the global option of that name writes it (globaloption.go). A handler,
// gatehouse_portal, serves it. Sources, factors, applications and stores are guest modules (guest.go),
// so that others can add to them; each of ours is a file named after what it configures.
//
// Caddy provisions the next configuration while the present one serves, and cancels the present one
// while requests of it are still under way. What both must share is in pool.go; provisioning touches
// no file and no network, because `caddy validate` does it too.
package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/samlapp"
)

func init() {
	caddy.RegisterModule(new(App))
}

// appName is the name of the app, of its global option and of its command.
const appName = "gatehouse"

// App is the gateway: who people are, what is asked of them, and what they may open.
type App struct {
	// Portal is the gateway's own face. Required.
	Portal *PortalConfig `json:"portal,omitempty"`
	// Store keeps sessions, enrollments, keys and the audit log. Default: sqlite in Caddy's data
	// directory.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=gatehouse.stores inline_key=engine"`
	// SealKey is a placeholder, {file./path} or {env.NAME}, for the key that seals secrets in the store:
	// the base64 of 32 bytes, or 32 bytes. Default, with sqlite: made once and kept in Caddy's storage.
	SealKey string `json:"seal_key,omitempty"`
	// Audit is about the audit log in the store.
	Audit *AuditConfig `json:"audit,omitempty"`
	// Session says how long a session in the portal lives.
	Session *SessionConfig `json:"session,omitempty"`
	// AnonymousNetworks is a file with the addresses that anonymising services lend, one address or range a line, for the
	// section of policies of that name. Read again when it changes. Default: none.
	AnonymousNetworks string `json:"anonymous_networks,omitempty"`
	// Countries is a file in MaxMind's format that tells the country of an address, for the section locations of
	// policies. Read again when it changes. Default: none.
	Countries string `json:"countries,omitempty"`
	// Networks are named address ranges that policies refer to.
	Networks []*NetworkConfig `json:"networks,omitempty"`
	// Sources are where people come from, in the order in which a typed name is looked up. At least one.
	Sources []*SourceEntry `json:"sources,omitempty"`
	// Routes say by which sources a typed name is looked up. Default: by all, in order.
	Routes []*RouteConfig `json:"routes,omitempty"`
	// Factors are ways to prove a second time who one is.
	Factors []*FactorEntry `json:"factors,omitempty"`
	// Policies say what is asked. The one named default is the global one.
	Policies []*PolicyConfig `json:"policies,omitempty"`
	// Applications are what people open, in the order of the tiles.
	Applications []*ApplicationEntry `json:"applications,omitempty"`
	// HelpDesks say who helps whom, on a page of the portal. Default: nobody.
	HelpDesks []*HelpDeskConfig `json:"help_desks,omitempty"`
	// WrittenAt says where the Caddyfile names each group of a directory, "policy weekly: corp/Agents" at
	// "Caddyfile:42", for the warning about one that the directory does not have, and where a policy plans for an
	// outage, "policy weekly: outage duo", for the warning about a factor that nobody has. The adapter writes it.
	WrittenAt map[string]string `json:"written_at,omitempty"`

	ctx       caddy.Context
	log       *zap.Logger
	digest    string // of the configuration as written
	portal    *url.URL
	engine    StoreModule
	store     *shared
	release   func() error
	sealGiven bool
	issuer    *samlapp.Issuer
	apps      map[string]idp.Application
	sources   []idp.Source
	factors   []idp.Factor
	gateway   *idp.Gateway
	observe   *observer
	facts     *facts
	force     inForce
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: appName, New: func() caddy.Module { return new(App) }}
}

// Provision resolves secrets and builds the gateway. It opens no store and asks nobody.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.log = ctx, ctx.Logger()
	a.digest = a.fingerprint()
	if a.Portal == nil {
		return errors.New("the option portal is missing: portal https://HOST")
	}
	var err error
	if a.portal, err = a.Portal.address(); err != nil {
		return err
	}
	if err := a.loadGuests(ctx); err != nil {
		return err
	}
	if m := a.crossCheck(); m != nil {
		return m
	}
	if a.observe, err = newObserver(ctx); err != nil {
		return err
	}
	if err := a.observe.events.On("started", (*started)(a)); err != nil {
		return fmt.Errorf("asking Caddy to tell when it has started: %w", err)
	}
	if err := a.acquireStore(ctx); err != nil {
		return err
	}
	if err := a.buildFacts(ctx); err != nil {
		return err
	}
	return a.build()
}

func (a *App) loadGuests(ctx caddy.Context) error {
	for _, s := range a.Sources {
		if err := s.load(ctx); err != nil {
			return err
		}
	}
	for _, f := range a.Factors {
		if err := f.load(ctx); err != nil {
			return err
		}
	}
	for _, e := range a.Applications {
		if err := e.load(ctx); err != nil {
			return err
		}
	}
	return nil
}

// acquireStore takes a reference of the store. The seal key is part of its identity, so that a
// configuration with another key does not go on with the store that the old key opened.
func (a *App) acquireStore(ctx caddy.Context) error {
	if len(a.StoreRaw) == 0 {
		a.StoreRaw = json.RawMessage(`{"engine":"sqlite"}`)
	}
	m, err := ctx.LoadModule(a, "StoreRaw")
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	module, ok := m.(StoreModule)
	if !ok {
		return fmt.Errorf("store: %T is no store", m)
	}
	env := StoreEnv{Log: ctx.Slogger(), Keep: a.auditKeep()}
	seal, err := a.sealKey(ctx, &env)
	if err != nil {
		return err
	}
	a.engine, a.sealGiven = module, env.SealGiven
	identity, construct, err := module.Store(env)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	identity = fmt.Sprintf("%T:%s:%s", module, identity, seal)
	a.store, a.release, err = acquire(identity, construct)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// auditKeep is how long audit lines are kept; 0 leaves it to the store.
func (a *App) auditKeep() time.Duration {
	if a.Audit == nil {
		return 0
	}
	return time.Duration(a.Audit.Keep)
}

// Start opens the store. A schema newer than ours, or a wrong seal key, fails it. A store that takes its
// time does not: the portal answers 503 until it is ready.
func (a *App) Start() error {
	if err := a.checkServed(); err != nil {
		return err
	}
	opened := make(chan error, 1)
	go func() {
		// Not the context of this configuration: the next one shares the store.
		opened <- a.store.serve(context.WithoutCancel(a.ctx))
	}()
	wait := time.NewTimer(startWait)
	defer wait.Stop()
	select {
	case err := <-opened:
		if err != nil {
			return fmt.Errorf("opening the store: %w", err)
		}
		a.ready()
	case <-wait.C:
		a.log.Warn("the store is not open yet; the portal answers 503 until it is", zap.Duration("after", startWait))
		go func() {
			if err := <-opened; err != nil {
				a.log.Error("the store cannot be opened, or not be marked as served; the portal stays closed", zap.Error(err))
				return
			}
			a.ready()
		}()
	}
	return nil
}

// recordTime bounds the audit line of the configuration.
const recordTime = 10 * time.Second

// startWait is how long Start waits for the store, so that what cannot work fails the load.
const startWait = 20 * time.Second

// restTime is how long after the load what reading and checking the configuration took goes back to the system. The runtime
// does so by itself only while it is busy, or over minutes.
const restTime = 500 * time.Millisecond

// ready is called once, when the store is open.
func (a *App) ready() {
	a.log.Info("ready", zap.String("portal", a.Portal.URL))
	time.AfterFunc(restTime, debug.FreeOSMemory)
	go a.warnGroups()
	go a.warnFactors()
	a.warnOrphans()
	a.warnOutages()
	for _, f := range a.gateway.CheckPolicies() {
		a.log.Warn(f.What, zap.String("where", f.Where), zap.String("cure", f.Cure))
	}
	a.force.reached(a.record)
}

// record puts the configuration on record.
func (a *App) record() {
	time.AfterFunc(keepWait, a.keepAudit)
	e := idp.Event{Time: time.Now(), Kind: idp.EventConfig, Result: idp.Success, Detail: "configuration " + a.digest + " in force"}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), recordTime)
	defer cancel()
	if err := a.store.Append(ctx, e); err != nil {
		a.log.Error("writing the audit line of the configuration", zap.Error(err))
		return
	}
	a.observe.event(ctx, e)
}

// keepWait is how long after the load the time for which audit lines are kept changes. What Caddy does after it has started everything can
// still fail, such as loading the configuration that another one names, and lines that are deleted do not come back.
const keepWait = 5 * time.Second

// keepAudit has a store that configurations share keep audit lines for as long as the one in force says: another store for that would refuse
// the requests in between. A configuration that is not in force, or not any more, has no say.
func (a *App) keepAudit() {
	if app, err := configuredApp(caddy.ActiveContext()); err != nil || app != a {
		return
	}
	if k, ok := a.store.Store.(interface{ KeepAudit(d time.Duration) }); ok {
		k.KeepAudit(a.auditKeep())
	}
}

// inForce waits for the two things that make a configuration the one in force, in any order: its store is open, and Caddy has started all
// of it. Where another app fails after ours has started, it never was.
type inForce struct{ steps atomic.Int32 }

func (f *inForce) reached(then func()) {
	if f.steps.Add(1) == 2 {
		then()
	}
}

// started hears from Caddy that every app of the configuration has started.
type started App

// Handle implements [caddyevents.Handler].
func (s *started) Handle(context.Context, caddy.Event) error {
	s.force.reached((*App)(s).record)
	return nil
}

// Stop does nothing: requests of this configuration are still under way.
func (*App) Stop() error { return nil }

// Cleanup gives the store back. It runs for a half-built app too, and then gives back what that held.
func (a *App) Cleanup() error {
	if a.release == nil {
		return nil
	}
	return a.release()
}

var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
