package idp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// Gateway is the portal with its sign-in: one http.Handler for one configuration. It leaves no
// goroutine behind and keeps no state of its own but what may be forgotten, so that a reload may drop it at any time.
type Gateway struct {
	portal   Portal
	origin   string // "https://sso.example.com"
	loopback bool
	store    Store
	cookies  *cookieStore
	limiter  *Limiter
	limits   SessionLimits
	noteUse  time.Duration // how long after a use that was noted the next one is

	sources      []Source
	origins      map[string]*origin // the sources by name
	routing      Routes
	looks        looks
	factors      []Factor
	factorLabels map[string]string
	policies     policySet
	guard        *editions // of the portal
	applications []application
	byName       map[string]*application
	desks        helpDesks

	metadata func() ([]byte, error)
	observe  func(context.Context, Event)
	client   func(*http.Request) netip.Addr
	facts    func(*http.Request) Facts
	log      *slog.Logger
	now      func() time.Time
	rand     io.Reader

	pages *web.Pages
	logo  string
	mux   *http.ServeMux
	cross *http.CrossOriginProtection
	told  *ruleTexts
}

// application is an AppConfig with what New worked out.
type application struct {
	Application
	tile  Tile
	guard *editions
}

// New checks the configuration and builds a gateway. It does no I/O.
func New(c Config) (*Gateway, error) {
	if err := checkPortalURL(c.Portal.URL); err != nil {
		return nil, err
	}
	if c.Store == nil {
		return nil, errors.New("a gateway needs a store")
	}
	g := &Gateway{
		portal: c.Portal, origin: c.Portal.URL.Scheme + "://" + c.Portal.URL.Host,
		loopback: isLoopback(c.Portal.URL.Hostname()),
		store:    c.Store, limiter: c.Limiter, limits: c.Sessions.WithDefaults(),
		factors: c.Factors, factorLabels: c.FactorLabels, metadata: c.Metadata, client: c.Client, facts: c.Facts,
		log: c.Log, rand: c.Rand, told: &ruleTexts{}, desks: c.HelpDesks,
	}
	if err := g.desks.check(); err != nil {
		return nil, err
	}
	if g.limits.Refresh > g.limits.Grace {
		return nil, fmt.Errorf("sessions: refresh (%s) is longer than grace (%s), so that one look that fails would end a session", g.limits.Refresh, g.limits.Grace)
	}
	g.defaults(c)
	if err := g.addSources(c.Sources, c.SourceRules); err != nil {
		return nil, err
	}
	if err := g.readPages(c); err != nil {
		return nil, err
	}
	var err error
	g.cookies = newCookieStore(g.store, g.rand)
	if g.policies, err = newPolicySet(c.Policies); err != nil {
		return nil, err
	}
	g.policies.files = c.Files
	guard, err := g.policies.guard(c.Portal.Policy, c.Portal.GroupPolicies)
	if err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	g.guard = newEditions(guard)
	if err := g.addApplications(c.Applications); err != nil {
		return nil, err
	}
	if err := g.addRoutes(c.Routes); err != nil {
		return nil, err
	}
	if err := g.checkFactorNames(); err != nil {
		return nil, err
	}
	g.noteUse = g.smallestIdle() / 10
	g.noteUse = min(max(g.noteUse, time.Second), time.Minute)
	g.routes()
	return g, nil
}

// smallestIdle is how soon an unused session ends anywhere.
func (g *Gateway) smallestIdle() time.Duration {
	least := g.limits.Idle
	for _, guard := range g.guards() {
		for p := range guard.policies() {
			if s := p.Session; s != nil && s.Idle > 0 {
				least = min(least, s.Idle)
			}
		}
	}
	return least
}

func (g *Gateway) defaults(c Config) {
	if g.portal.Title == "" {
		g.portal.Title = g.portal.URL.Hostname()
	}
	if g.portal.PasswordNotice == 0 {
		g.portal.PasswordNotice = 14 * 24 * time.Hour
	}
	if g.limiter == nil {
		g.limiter = NewLimiter(Limits{})
	}
	clock := c.Now
	if clock == nil {
		clock = time.Now
	}
	// Without its monotonic reading, which no time has that was written down: a decision and the one that is made again from
	// its record must not go by two clocks.
	g.now = func() time.Time { return clock().Round(0) }
	if g.rand == nil {
		g.rand = rand.Reader
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.client == nil {
		g.client = func(*http.Request) netip.Addr { return netip.Addr{} }
	}
	if g.facts == nil {
		g.facts = func(*http.Request) Facts { return Facts{} }
	}
	g.observe = c.Observe
	if g.observe == nil {
		g.observe = func(context.Context, Event) {}
	}
}

// readPages parses the pages together with the pictures of the configuration.
func (g *Gateway) readPages(c Config) error {
	o := web.Options{Accent: c.Portal.Accent, Images: map[string]web.Image{}}
	if len(c.Portal.Logo.Data) > 0 {
		o.Images["logo"] = web.Image(c.Portal.Logo)
	}
	for _, a := range c.Applications {
		if len(a.Icon.Data) > 0 {
			o.Images[iconName(a.Application.Tile().Name)] = web.Image(a.Icon)
		}
	}
	pages, err := web.New(o)
	if err != nil {
		return fmt.Errorf("reading the pages: %w", err)
	}
	g.pages = pages
	if len(c.Portal.Logo.Data) > 0 {
		g.logo = pages.Asset("logo")
	}
	return nil
}

func iconName(app string) string { return "icon-" + app }

func (g *Gateway) addApplications(apps []AppConfig) error {
	g.applications = make([]application, 0, len(apps))
	g.byName = make(map[string]*application, len(apps))
	for _, c := range apps {
		tile := c.Application.Tile()
		if !validAppName(tile.Name) {
			return fmt.Errorf("application %q: a name is lower-case letters, digits, - and _, at most 64", tile.Name)
		}
		if g.byName[tile.Name] != nil {
			return fmt.Errorf("application %q is configured twice", tile.Name)
		}
		guard, err := g.policies.guard(c.Policy, c.GroupPolicies)
		if err != nil {
			return fmt.Errorf("application %q: %w", tile.Name, err)
		}
		if tile.Label == "" {
			tile.Label = tile.Name
		}
		if len(c.Icon.Data) > 0 {
			tile.Icon = g.pages.Asset(iconName(tile.Name))
		}
		g.applications = append(g.applications, application{c.Application, tile, newEditions(guard)})
		g.byName[tile.Name] = &g.applications[len(g.applications)-1]
	}
	return nil
}

func (g *Gateway) checkFactorNames() error {
	known, labels := map[string]bool{}, map[string]string{}
	var names []string
	for _, f := range g.factors {
		if known[f.Name()] || ReservedFactor(f.Name()) {
			return fmt.Errorf("factor %q is configured twice, or has a reserved name", f.Name())
		}
		label := g.factorLabel(f.Name())
		if other := labels[label]; other != "" {
			return fmt.Errorf("factor %q: people call it %q, as they do factor %q; give one of them another label", f.Name(), label, other)
		}
		known[f.Name()], labels[label] = true, f.Name()
		names = append(names, f.Name())
	}
	for _, p := range g.policies.all() {
		for _, n := range p.factorNames() {
			if !known[n] {
				return fmt.Errorf("policy %q: no factor named %q; there are: %s", p.Name, n, strings.Join(names, ", "))
			}
		}
	}
	return nil
}

// factor returns the factor of that name, or nil.
func (g *Gateway) factor(name string) Factor {
	for _, f := range g.factors {
		if f.Name() == name {
			return f
		}
	}
	return nil
}

// validAppName keeps names that need no escaping in an address and cannot climb out of /apps/.
func validAppName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return true
}

// checkPortalURL insists on https, because the cookies' __Host- prefix and the browser's passkeys do.
func checkPortalURL(u *url.URL) error {
	switch {
	case u == nil:
		return errors.New("portal: the address is missing")
	case u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/"):
		return fmt.Errorf("portal %s: the address is a scheme and a host, as in https://sso.example.com", u.Redacted())
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("portal %s: the address must begin with https:// (http is for localhost only)", u.Redacted())
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// WithDefaults returns the limits with the default for each that is not set.
func (l SessionLimits) WithDefaults() SessionLimits {
	if l.Idle <= 0 {
		l.Idle = time.Hour
	}
	if l.Absolute <= 0 {
		l.Absolute = 12 * time.Hour
	}
	if l.Refresh <= 0 {
		l.Refresh = 5 * time.Minute
	}
	if l.Grace <= 0 {
		l.Grace = time.Hour
	}
	return l
}
