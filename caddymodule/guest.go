package caddymodule

import (
	"encoding/json"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Namespaces of the guest modules. A third party adds a kind of source, factor, application or store
// by registering a module there that implements [SourceModule], [FactorModule], [ApplicationModule]
// or [StoreModule], and caddyfile.Unmarshaler for the Caddyfile. Its UnmarshalCaddyfile is given the
// tokens from the kind on: the kind, arguments, and the block.
const (
	SourceNamespace      = "gatehouse.sources"
	FactorNamespace      = "gatehouse.factors"
	ApplicationNamespace = "gatehouse.applications"
	StoreNamespace       = "gatehouse.stores"
)

// GroupReferrer is an optional power of an application module: it names groups, which are then checked
// when the configuration is adapted.
type GroupReferrer interface {
	// GroupRefs returns the groups as they were written: "source/name" or "name".
	GroupRefs() []string
}

// GroupLister is an optional power of a source module that knows all its groups without asking anybody.
type GroupLister interface {
	// ListGroups returns the names of the groups.
	ListGroups() []string
}

// kinds lists what is registered in a namespace, for error messages.
func kinds(namespace string) string {
	var names []string
	for _, m := range caddy.GetModules(namespace) {
		names = append(names, m.ID.Name())
	}
	return strings.Join(names, ", ")
}

// parseGuest reads one guest from d, whose next token is the kind.
func parseGuest(d *caddyfile.Dispenser, what, namespace string) (string, caddyfile.Unmarshaler, error) {
	kind := d.Val()
	// A dot would reach into another namespace.
	if _, err := caddy.GetModule(namespace + "." + kind); err != nil || strings.Contains(kind, ".") {
		return "", nil, d.Errf("no kind of %s is named %q; there are: %s", what, kind, kinds(namespace))
	}
	guest, err := caddyfile.UnmarshalModule(d, namespace+"."+kind)
	if err != nil {
		return "", nil, err
	}
	return kind, guest, nil
}

// guestJSON writes a guest with its kind (or engine) inline.
func guestJSON(d *caddyfile.Dispenser, guest any, key, kind string) (json.RawMessage, error) {
	var warnings []caddyconfig.Warning
	raw := caddyconfig.JSONModuleObject(guest, key, kind, &warnings)
	if len(warnings) > 0 {
		return nil, d.Errf("writing %s as JSON: %s", kind, warnings[0].Message)
	}
	return raw, nil
}
