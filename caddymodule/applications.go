package caddymodule

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// ApplicationModule is what a guest module in gatehouse.applications implements.
type ApplicationModule interface {
	// Application builds the application with the tile's name and label. It reaches for nothing outside
	// the configuration and its files, because it runs for `caddy validate` as well.
	Application(t idp.Tile, env *Env) (idp.Application, error)
}

// ApplicationEntry is something that people open from the portal.
type ApplicationEntry struct {
	// Name of the application, in addresses and in the audit log: lower-case letters, digits, - and _.
	Name string `json:"name"`
	// Label is what people read on the tile. Default: the name.
	Label string `json:"label,omitempty"`
	// Icon is a file with an image: SVG, PNG, JPEG or WebP, at most 256 KiB. Default: initials.
	Icon string `json:"icon,omitempty"`
	// Policy is the name of the policy that guards the application. Default: the policy named default.
	Policy string `json:"policy,omitempty"`
	// GroupPolicies are policies for some groups. The first that has the person is in force; what it leaves out the
	// application's policy says. Default: none.
	GroupPolicies []GroupPolicyConfig `json:"group_policies,omitempty"`
	// Application is the application itself.
	ApplicationRaw json.RawMessage `json:"application,omitempty" caddy:"namespace=gatehouse.applications inline_key=kind"`

	module ApplicationModule
}

// entryOptions are the options that every kind of application has.
var entryOptions = []string{"label", "icon", "policy"}

func (a *ApplicationEntry) load(ctx caddy.Context) error {
	if len(a.ApplicationRaw) == 0 {
		return fmt.Errorf("application %s: its kind is missing; there are: %s", a.Name, kinds(ApplicationNamespace))
	}
	m, err := ctx.LoadModule(a, "ApplicationRaw")
	if err != nil {
		return fmt.Errorf("application %s: %w", a.Name, err)
	}
	var ok bool
	if a.module, ok = m.(ApplicationModule); !ok {
		return fmt.Errorf("application %s: %T is no application", a.Name, m)
	}
	return nil
}

// groupRefs returns the groups that the loaded guest names.
func (a *ApplicationEntry) groupRefs() []string {
	if r, ok := a.module.(GroupReferrer); ok {
		return r.GroupRefs()
	}
	return nil
}

// parseApplication reads
//
//	application <name> <kind> [<args...>] {
//		label <text>
//		icon <file>
//		policy <name> [for <group...>]
//		…options of the kind
//	}
//
// It takes its own options out and hands the rest to the kind.
func parseApplication(d *caddyfile.Dispenser) (*ApplicationEntry, error) {
	if d.CountRemainingArgs() < 2 {
		return nil, d.Errf("application takes: application NAME KIND { … }; kinds: %s", kinds(ApplicationNamespace))
	}
	d.NextArg()
	a := &ApplicationEntry{Name: d.Val()}
	if err := checkName(d, "application", a.Name); err != nil {
		return nil, err
	}
	d.NextArg()
	rest, err := takeOwn(d.NextSegment(), "application "+a.Name, entryOptions, a.option)
	if err != nil {
		return nil, err
	}
	g := caddyfile.NewDispenser(rest)
	g.Next()
	kind, guest, err := parseGuest(g, "application", ApplicationNamespace)
	if err != nil {
		return nil, err
	}
	a.ApplicationRaw, err = guestJSON(d, guest, "kind", kind)
	return a, err
}

// takeOwn reads the options of an entry, which are not its guest's, from the segment and returns the
// segment without them.
func takeOwn(s caddyfile.Segment, where string, options []string, read func(*block)) (caddyfile.Segment, error) {
	d := caddyfile.NewDispenser(s)
	d.Next()
	rest := caddyfile.Segment{d.Token()}
	for d.NextArg() {
		rest = append(rest, d.Token())
	}
	if len(rest) == len(s) {
		return rest, nil
	}
	rest = append(rest, s[len(rest)]) // the opening brace
	own := &block{d: d, where: where, takes: options, seen: map[string]bool{}, repeats: []string{"policy"}}
	for d.NextBlock(0) {
		own.option = d.Val()
		if own.mine() {
			read(own)
			if own.err != nil {
				return nil, own.err
			}
			continue
		}
		rest = append(rest, d.NextSegment()...)
	}
	return append(rest, s[len(s)-1]), nil // the closing brace
}

func (a *ApplicationEntry) option(b *block) {
	switch b.option {
	case "label":
		b.text(&a.Label, "TEXT")
	case "icon":
		b.text(&a.Icon, "FILE")
	case "policy":
		parsePolicyName(b, &a.Policy, &a.GroupPolicies)
	}
}
