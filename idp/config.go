package idp

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Config is everything a [Gateway] is built from. New checks it once.
type Config struct {
	Portal       Portal
	Store        Store
	Sources      []Source
	SourceRules  []SourceRule // at most one for a source
	Routes       Routes       // default: every source is asked, in their order
	Factors      []Factor
	FactorLabels map[string]string // what people call a factor, by its name; default: after the name
	Policies     []*Policy         // as written; the one named "default" is the global one
	Applications []AppConfig
	HelpDesks    []HelpDesk
	Sessions     SessionLimits
	Limiter      *Limiter // shared by the configurations before and after a reload

	// Metadata returns the SAML metadata document; nil where there is no SAML application.
	Metadata func() ([]byte, error)
	// Observe is told of each audit event after it is durable, for logs, metrics and Caddy events.
	Observe func(context.Context, Event)
	// Client returns the address of the browser, or the zero Addr where it is not known.
	// It must never come from a header that the client can set.
	Client func(*http.Request) netip.Addr
	// Facts returns what policies may look at of a request. It is asked where a policy reads some of it. The networks are
	// left out: they follow from Client.
	Facts func(*http.Request) Facts
	// Files are those that Facts is read from, by the names [CountriesFile] and [AnonymousFile].
	Files map[string]Versioned
	Log   *slog.Logger
	Now   func() time.Time // default time.Now
	Rand  io.Reader        // default crypto/rand
}

// Portal is the gateway's own face.
type Portal struct {
	URL     *url.URL // https, or http on localhost; no path
	Title   string   // default: the host
	Logo    Image
	Help    string // "Service desk, extension 4400"
	HelpURL string
	Accent  string // colour of buttons and links, #rrggbb; default: that of package web
	Policy  string // policy of the portal itself; default: the global one
	// GroupPolicies are the portal's policies for some groups. The first that has the person is in force.
	GroupPolicies []GroupPolicyName
	// PasswordNotice is how long before a password expires the portal says so; default 14 days, below zero never.
	PasswordNotice time.Duration
}

// Image is a picture from a file of the configuration.
type Image struct {
	Type string // "image/svg+xml", "image/png"…
	Data []byte
}

// AppConfig is an application and the policy that guards it.
type AppConfig struct {
	Application Application
	Policy      string // name of a policy; default: the global one
	// GroupPolicies are the application's policies for some groups. The first that has the person is in force.
	GroupPolicies []GroupPolicyName
	Icon          Image
}

// SessionLimits says how long a session lives.
type SessionLimits struct {
	// Idle is how long an unused session lives; default 1 h. A use is noted once a minute, or ten times in the smallest idle limit that
	// is in force, so that a session may end by so much earlier.
	Idle     time.Duration
	Absolute time.Duration // default 12 h

	// Refresh is how long ago a person may have been looked up, where their source can look again; default 5 min.
	Refresh time.Duration
	// Grace is how long after that look a session goes on while the source cannot answer; default 1 h.
	Grace time.Duration
}

// Limits of attempts, see design §8. Zero fields take the defaults.
type Limits struct {
	User       int           // failures of one user in Window; default 5
	UserWindow time.Duration // default 15 min
	Address    int           // failures from one address in a minute; default 30
}
