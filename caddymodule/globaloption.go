package caddymodule

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func init() {
	httpcaddyfile.RegisterGlobalOption(appName, parseGlobalOption)
}

// appOptions are the options of the global block, in the order of the documentation.
var appOptions = []string{
	"portal", "store", "seal_key", "audit", "session", "network", "anonymous_networks", "countries", "source", "route", "factor", "policy", "application", "helpdesk",
}

// parseGlobalOption reads
//
//	gatehouse {
//		portal <url> { … }
//		store <engine> [<args...>] { … }
//		seal_key {file.<path>}
//		audit { keep <duration> }
//		session { idle <duration>; absolute <duration>; refresh <duration>; grace <duration> }
//		network <name> <range...> { file <path> }
//		anonymous_networks <file>
//		countries <file>
//		source <name> <kind> { … }
//		route <source...> { … }
//		factor <name> [<kind>] { … }
//		policy <name> { … }
//		application <name> <kind> [<args...>] { … }
//		helpdesk <group...> for <group...>
//	}
//
// A second block adds to the first. Names are defined in the block that uses them or in an earlier one.
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	app := new(App)
	if prev, ok := existing.(httpcaddyfile.App); ok {
		var err error
		if app, err = decodeApp(prev.Value); err != nil {
			return nil, d.WrapErr(err)
		}
	}
	d.Next() // the option's name
	segment := d.NextSegment()
	if err := app.unmarshal(caddyfile.NewDispenser(segment)); err != nil {
		return nil, err
	}
	if m := app.crossCheck(); m != nil {
		return nil, m.at(segment)
	}
	app.placeGroups(segment)
	app.placeOutages(segment)
	var warnings []caddyconfig.Warning
	value := caddyconfig.JSON(app, &warnings)
	if len(warnings) > 0 {
		return nil, d.Errf("writing the gatehouse app as JSON: %s", warnings[0].Message)
	}
	return httpcaddyfile.App{Name: appName, Value: value}, nil
}

// decodeApp reads back what an earlier block was turned into.
func decodeApp(value json.RawMessage) (*App, error) {
	app := new(App)
	if err := json.Unmarshal(value, app); err != nil {
		return nil, fmt.Errorf("reading the gatehouse app: %w", err)
	}
	return app, nil
}

// unmarshal reads one block into the app.
func (a *App) unmarshal(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.Errf("gatehouse takes a block with: %s", strings.Join(appOptions, ", "))
	}
	b := newBlock(d, appName, appOptions...).repeatable(appOptions...)
	for b.next() {
		if err := a.unmarshalOption(b); err != nil {
			return err
		}
	}
	return b.err
}

func (a *App) unmarshalOption(b *block) error {
	d := b.d
	var err error
	switch b.option {
	case "portal":
		if a.Portal != nil {
			return d.Errf("portal is written twice; there is one portal")
		}
		a.Portal, err = parsePortal(d)
	case "store":
		if len(a.StoreRaw) > 0 {
			return d.Errf("store is written twice; there is one store")
		}
		a.StoreRaw, err = parseStore(d)
	case "seal_key":
		if a.SealKey != "" {
			return d.Errf("seal_key is written twice")
		}
		b.text(&a.SealKey, "{file./path/to/key}")
		if b.err == nil {
			if err = checkSecretForm("seal_key", a.SealKey); err != nil {
				err = d.WrapErr(err)
			}
		}
	case "audit":
		if a.Audit != nil {
			return d.Errf("audit is written twice")
		}
		a.Audit, err = parseAudit(d)
	case "session":
		if a.Session != nil {
			return d.Errf("session is written twice")
		}
		a.Session, err = parseSession(d)
	case "anonymous_networks":
		b.once(&a.AnonymousNetworks, "FILE")
	case "countries":
		b.once(&a.Countries, "FILE")
	case "network":
		err = add(d, &a.Networks, "network", parseNetwork, func(n *NetworkConfig) string { return n.Name })
	case "source":
		err = add(d, &a.Sources, "source", parseSource, func(s *SourceEntry) string { return s.Name })
	case "route":
		err = a.addRoute(d)
	case "factor":
		err = add(d, &a.Factors, "factor", parseFactor, func(f *FactorEntry) string { return f.Name })
	case "policy":
		err = add(d, &a.Policies, "policy", parsePolicy, func(p *PolicyConfig) string { return p.Name })
	case "helpdesk":
		a.addHelpDesk(b)
	case "application":
		err = add(d, &a.Applications, "application", parseApplication, func(e *ApplicationEntry) string { return e.Name })
	}
	if err != nil {
		return err
	}
	return b.err
}

// add parses one named thing and appends it, unless the name is taken.
func add[T any](d *caddyfile.Dispenser, list *[]*T, what string, parse func(*caddyfile.Dispenser) (*T, error), name func(*T) string) error {
	at := d.Token() // parse moves on; the mistake is here
	v, err := parse(d)
	if err != nil {
		return err
	}
	for _, other := range *list {
		if name(other) == name(v) {
			return tokenError(at, "%s %s is written twice", what, name(v))
		}
	}
	*list = append(*list, v)
	return nil
}

// tokenError is Dispenser.Errf for a token that the dispenser has left behind.
func tokenError(t caddyfile.Token, format string, args ...any) error {
	d := caddyfile.NewDispenser([]caddyfile.Token{t})
	d.Next()
	return d.Errf(format, args...)
}

// AuditConfig is about the audit log in the store.
type AuditConfig struct {
	// Keep is how long lines are kept. Default: 400 days.
	Keep caddy.Duration `json:"keep,omitempty"`
}

func parseAudit(d *caddyfile.Dispenser) (*AuditConfig, error) {
	if d.NextArg() {
		return nil, d.Errf("audit takes a block with: keep")
	}
	c := new(AuditConfig)
	b := newBlock(d, "audit", "keep")
	for b.next() {
		b.duration(&c.Keep)
	}
	return c, b.err
}

// SessionConfig says how long a session in the portal lives.
type SessionConfig struct {
	// Idle ends a session that was not used for so long. Default: 1 hour.
	Idle caddy.Duration `json:"idle,omitempty"`
	// Absolute ends a session so long after sign-in. Default: 12 hours.
	Absolute caddy.Duration `json:"absolute,omitempty"`
	// Refresh is how old what is known of a person may be: whether the account is there and enabled, its
	// groups and attributes. An older one is looked up again. Default: 5 minutes.
	Refresh caddy.Duration `json:"refresh,omitempty"`
	// Grace is how long after the last look a session goes on while its source cannot answer. Default: 1 hour.
	Grace caddy.Duration `json:"grace,omitempty"`
}

func (c *SessionConfig) limits() idp.SessionLimits {
	return idp.SessionLimits{
		Idle: time.Duration(c.Idle), Absolute: time.Duration(c.Absolute),
		Refresh: time.Duration(c.Refresh), Grace: time.Duration(c.Grace),
	}
}

func parseSession(d *caddyfile.Dispenser) (*SessionConfig, error) {
	if d.NextArg() {
		return nil, d.Errf("session takes a block with: idle, absolute, refresh, grace")
	}
	c := new(SessionConfig)
	b := newBlock(d, "session", "idle", "absolute", "refresh", "grace")
	at := map[string]caddyfile.Token{}
	for b.next() {
		at[b.option] = d.Token()
		switch b.option {
		case "idle":
			b.duration(&c.Idle)
		case "absolute":
			b.duration(&c.Absolute)
		case "refresh":
			b.duration(&c.Refresh)
		case "grace":
			b.duration(&c.Grace)
		}
	}
	if b.err != nil {
		return nil, b.err
	}
	limits := c.limits().WithDefaults()
	if limits.Absolute < time.Duration(c.Idle) {
		return nil, tokenError(at["idle"], "session: idle (%s) is longer than absolute (%s)", limits.Idle, limits.Absolute)
	}
	if limits.Refresh > limits.Grace {
		aged, written := at["refresh"]
		if !written {
			aged = at["grace"]
		}
		return nil, tokenError(aged, "session: refresh (%s) is longer than grace (%s), so that one look that fails would end a session", limits.Refresh, limits.Grace)
	}
	return c, nil
}
