package caddymodule

import (
	"fmt"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/duo"
)

func init() {
	caddy.RegisterModule(new(DuoFactor))
}

// DuoFactor is Duo's Universal Prompt: people are sent to Duo and come back with its answer. Each factor is one
// application of Duo's panel.
type DuoFactor struct {
	// APIHostname is the API hostname of the application: api-1234abcd.duosecurity.com. Required.
	APIHostname string `json:"api_hostname,omitempty"`
	// ClientID is the Client ID of the application. Required.
	ClientID string `json:"client_id,omitempty"`
	// ClientSecret is a placeholder for its Client secret: {file./path} or {env.NAME}. Required.
	ClientSecret string `json:"client_secret,omitempty"`
	// UsernameAttribute is the attribute of people that Duo knows as their username. Default: username.
	UsernameAttribute string `json:"username_attribute,omitempty"`
	// UsernameNormalization is simple, which sends DOMAIN\ann and ann@example.com as ann, or none. Default: simple.
	UsernameNormalization string `json:"username_normalization,omitempty"`
	// Proxy is the HTTP proxy between this machine and Duo: http://proxy.example.com:3128. Default: none.
	Proxy string `json:"proxy,omitempty"`
	// CAFile has the certificates (PEM) of the authorities that may vouch for Duo. Default: the authorities that the
	// machine trusts.
	CAFile string `json:"ca_file,omitempty"`
	// Timeout is how long Duo may take for one answer; people wait as long before an outage decides. Default: 3s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*DuoFactor) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: FactorNamespace + ".duo", New: func() caddy.Module { return new(DuoFactor) }}
}

// Factor implements [FactorModule]. It asks nobody.
func (f *DuoFactor) Factor(name string, _ *Env) (idp.Factor, error) {
	secret, err := resolveSecret("client_secret", f.ClientSecret)
	if err != nil {
		return nil, err
	}
	roots, _, err := readCAFile(f.CAFile)
	if err != nil {
		return nil, err
	}
	proxy, err := f.proxy()
	if err != nil {
		return nil, err
	}
	return duo.New(duo.Config{
		Name: name, APIHostname: f.APIHostname, ClientID: f.ClientID, ClientSecret: secret,
		Attribute: f.UsernameAttribute, Normalize: f.UsernameNormalization, Proxy: proxy, CAs: roots, Timeout: time.Duration(f.Timeout),
	})
}

// proxy returns nil where there is none. Caddy's own environment is not looked at: what stands between us and Duo is for
// the configuration to say.
func (f *DuoFactor) proxy() (*url.URL, error) {
	if f.Proxy == "" {
		return nil, nil
	}
	u, err := url.Parse(f.Proxy)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return u, duo.CheckProxy(u)
}

// UnmarshalCaddyfile reads
//
//	duo {
//		api_hostname <host>
//		client_id <id>
//		client_secret <{file.…}>
//		username_attribute <name>
//		username_normalization simple|none
//		proxy <url>
//		ca_file <file>
//		timeout <duration>
//	}
func (f *DuoFactor) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	if d.NextArg() {
		return d.Errf("a duo factor takes a block with: api_hostname, client_id, client_secret")
	}
	b := newBlock(d, "a duo factor", "api_hostname", "client_id", "client_secret", "username_attribute", "username_normalization", "proxy", "ca_file", "timeout").beside(factorOptions)
	for b.next() {
		if err := f.parse(b); err != nil {
			b.fail("%w", err)
		}
	}
	b.need("api_hostname", "client_id", "client_secret")
	return b.err
}

// parse reads the option at hand and returns what Duo would not take of it.
func (f *DuoFactor) parse(b *block) error {
	switch b.option {
	case "api_hostname":
		b.text(&f.APIHostname, "HOST")
		return duo.CheckHostname(f.APIHostname)
	case "client_id":
		b.text(&f.ClientID, "ID")
		return duo.CheckClientID(f.ClientID)
	case "client_secret":
		b.text(&f.ClientSecret, "{file./path/to/secret}")
		return checkSecretForm("client_secret", f.ClientSecret)
	case "username_attribute":
		b.text(&f.UsernameAttribute, "ATTRIBUTE")
	case "username_normalization":
		b.word(&f.UsernameNormalization, duo.Simple, duo.None)
	case "proxy":
		b.text(&f.Proxy, "http://HOST:PORT")
		_, err := f.proxy()
		return err
	case "ca_file":
		b.text(&f.CAFile, "FILE")
	case "timeout":
		b.duration(&f.Timeout)
		return duo.CheckTimeout(time.Duration(f.Timeout))
	}
	return nil
}

var (
	_ FactorModule          = (*DuoFactor)(nil)
	_ caddyfile.Unmarshaler = (*DuoFactor)(nil)
)
