package idp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Typed is a name as somebody typed it, with what else may decide where it is looked up. It holds nothing
// but what whoever types it knows already, so that the way a name takes tells them nothing new
// (security.md C-23).
type Typed struct {
	Name   string
	App    string     // where they are going; "" is the portal
	Client netip.Addr // where they come from
}

// Route sends typed names to sources. All its conditions must hold; of the values of one condition any
// does. A route without conditions is the default.
type Route struct {
	Sources []string // asked in this order
	// Domains are compared with what the name says of itself: what stands before \ in DOMAIN\name, else
	// what follows the last @, be it a mail domain or the suffix of a userPrincipalName.
	Domains  []string
	Apps     []string
	Networks []Network
}

// Routes are tried in order. Without any, every source is asked.
type Routes []Route

// Choose returns the first route that fits, or nil. It is pure.
func (rs Routes) Choose(t Typed) *Route {
	for i := range rs {
		if rs[i].fits(t) {
			return &rs[i]
		}
	}
	return nil
}

func (r *Route) fits(t Typed) bool {
	return (len(r.Domains) == 0 || containsName(r.Domains, domainOf(t.Name))) &&
		(len(r.Apps) == 0 || slices.Contains(r.Apps, t.App)) &&
		(len(r.Networks) == 0 || slices.ContainsFunc(r.Networks, func(n Network) bool { return n.Contains(t.Client) }))
}

// always reports whether the route takes every name.
func (r *Route) always() bool { return len(r.Domains)+len(r.Apps)+len(r.Networks) == 0 }

// String returns the route as the Caddyfile has it.
func (r *Route) String() string {
	words := append([]string{"route"}, r.Sources...)
	for _, c := range []struct {
		word   string
		values []string
	}{{"domain", r.Domains}, {"application", r.Apps}, {"network", networkNames(r.Networks)}} {
		if len(c.values) > 0 {
			words = append(append(words, c.word), c.values...)
		}
	}
	return strings.Join(words, " ")
}

func networkNames(networks []Network) []string {
	names := make([]string, len(networks))
	for i, n := range networks {
		names[i] = n.Name
	}
	return names
}

// SourceRule is what the configuration says of a source beyond what the source itself is told.
type SourceRule struct {
	Source string
	Off    bool // nobody signs in from it, and sessions of its people end
	// KeepPasswords leaves the passwords of its people as they are: they are changed elsewhere.
	KeepPasswords bool
	// Domains are the only ones that its people may have: in the name as typed, in their mail address and
	// in the name that the source knows them by. Default: any.
	Domains []string
}

// permits reports whether a domain is one of the permitted. A name without one says nothing.
func (s *SourceRule) permits(domain string) bool {
	return domain == "" || len(s.Domains) == 0 || containsName(s.Domains, domain)
}

// permitsUser reports whether everything that an account is addressed by lies in a permitted domain.
func (s *SourceRule) permitsUser(u *User) error {
	for _, address := range []string{u.Email, u.Name} {
		if i := strings.LastIndexByte(address, '@'); i >= 0 && !s.permits(address[i+1:]) {
			return fmt.Errorf("account %s of source %s has the address %q", u.Key(), s.Source, address)
		}
	}
	return nil
}

// domainOf returns what a typed name says of where it belongs, or "".
func domainOf(name string) string {
	if domain, _, ok := strings.Cut(name, `\`); ok {
		return domain
	}
	if i := strings.LastIndexByte(name, '@'); i >= 0 {
		return name[i+1:]
	}
	return ""
}

func containsName(list []string, name string) bool {
	return name != "" && slices.ContainsFunc(list, func(n string) bool { return sameName(n, name) })
}

// origin is a source with what the configuration says of it.
type origin struct {
	SourceRule
	source    Source
	passwords PasswordSource // nil where it checks none
	refresher Refresher      // nil where it cannot look again
}

// addSources joins the sources with their rules.
func (g *Gateway) addSources(sources []Source, rules []SourceRule) error {
	if len(sources) == 0 {
		return errors.New("no source: nobody could sign in")
	}
	g.sources, g.origins = sources, make(map[string]*origin, len(sources))
	for _, s := range sources {
		if g.origins[s.Name()] != nil {
			return fmt.Errorf("source %q is configured twice", s.Name())
		}
		o := &origin{SourceRule: SourceRule{Source: s.Name()}, source: s}
		o.passwords, _ = s.(PasswordSource)
		o.refresher, _ = s.(Refresher)
		g.origins[s.Name()] = o
	}
	for _, r := range rules {
		o := g.origins[r.Source]
		if o == nil {
			return fmt.Errorf("a rule is for a source %q, which there is not", r.Source)
		}
		o.SourceRule = r
	}
	return nil
}

// addRoutes checks that each route leads somewhere and can be reached.
func (g *Gateway) addRoutes(routes Routes) error {
	for i := range routes {
		r := &routes[i]
		if len(r.Sources) == 0 {
			return errors.New("a route names no source")
		}
		for _, s := range r.Sources {
			if g.origins[s] == nil {
				return fmt.Errorf("%s: no source is named %q", r, s)
			}
		}
		for _, app := range r.Apps {
			if g.byName[app] == nil {
				return fmt.Errorf("%s: no application is named %q", r, app)
			}
		}
		if r.always() && i < len(routes)-1 {
			return fmt.Errorf("%s has no condition, so that no route after it is ever reached: write it last", r)
		}
	}
	g.routing = routes
	return nil
}

// route returns where a name is looked up, in order, and whether anything leads there.
func (g *Gateway) route(t Typed) ([]*origin, bool) {
	if len(g.routing) == 0 {
		return g.everywhere(), true
	}
	r := g.routing.Choose(t)
	if r == nil {
		return nil, false
	}
	list := make([]*origin, len(r.Sources))
	for i, name := range r.Sources {
		list[i] = g.origins[name]
	}
	return list, true
}

// everywhere returns all sources, in the order of the configuration.
func (g *Gateway) everywhere() []*origin {
	list := make([]*origin, len(g.sources))
	for i, s := range g.sources {
		list[i] = g.origins[s.Name()]
	}
	return list
}

func sourceOff(name string) Finding {
	return Finding{
		Level: LevelWarning, Where: "source " + name, What: "it is off: nobody signs in from it, and nothing of it is checked",
		Cure: "take the option off out of its block",
	}
}

// checkRoutes reports sources that no route leads to, and names that no route takes.
func (g *Gateway) checkRoutes() []Finding {
	if len(g.routing) == 0 {
		return nil
	}
	var out []Finding
	led := map[string]bool{}
	for i := range g.routing {
		for _, s := range g.routing[i].Sources {
			led[s] = true
		}
	}
	for _, s := range g.sources {
		if !led[s.Name()] {
			out = append(out, Finding{
				Level: LevelWarning, Where: "source " + s.Name(), What: "no route leads to it, so that nobody signs in from it",
				Cure: "name it in a route",
			})
		}
	}
	f := Finding{Level: LevelOK, Where: "routes", What: "names that fit no other route are looked up by: " + g.routing[len(g.routing)-1].String()}
	if !g.routing[len(g.routing)-1].always() {
		f.Level, f.What = LevelWarning, "there is no default, so that names which fit no route are nobody's"
		f.Cure = "write a route without conditions last, unless that is meant"
	}
	return append(out, f)
}
