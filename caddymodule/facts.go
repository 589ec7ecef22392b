package caddymodule

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/visit"
)

// facts finds out what policies may look at of a request.
type facts struct {
	agents     *visit.Agents
	countries  *visit.Countries // nil without a file
	anonymous  *visit.Networks  // nil without a file
	files      fresh
	conditions []*ConditionConfig
	hints      bool // whether a policy looks at system or browser
}

// buildFacts loads the files and the conditions that the policies need.
func (a *App) buildFacts(ctx caddy.Context) error {
	a.facts = &facts{agents: visit.NewAgents(), files: fresh{log: ctx.Slogger(), every: time.Minute}}
	for _, p := range a.Policies {
		a.facts.hints = a.facts.hints || len(p.OperatingSystems)+len(p.Browsers) > 0
		for _, c := range p.Require {
			if err := c.load(ctx); err != nil {
				return fmt.Errorf("policy %s: %w", p.Name, err)
			}
			a.facts.conditions = append(a.facts.conditions, c)
		}
	}
	var err error
	if a.Countries != "" {
		if a.facts.countries, err = visit.OpenCountries(a.Countries); err != nil {
			return fmt.Errorf("countries: %w", err)
		}
		a.facts.files.add(a.facts.countries.Refresh)
	}
	if a.AnonymousNetworks != "" {
		if a.facts.anonymous, err = visit.OpenNetworks(a.AnonymousNetworks); err != nil {
			return fmt.Errorf("anonymous_networks: %w", err)
		}
		a.facts.files.add(a.facts.anonymous.Refresh)
	}
	return nil
}

// list opens the file of a network. Whether an address is in it is asked at each visit, and the file is looked at anew
// now and then.
func (f *facts) list(n *NetworkConfig) (idp.AddressList, error) {
	if n.File == "" {
		return nil, nil
	}
	l, err := visit.OpenNetworks(n.File)
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", n.Name, err)
	}
	f.files.add(l.Refresh)
	return &freshList{l, &f.files}, nil
}

// freshList is a list whose file is looked at before it is asked.
type freshList struct {
	list  *visit.Networks
	files *fresh
}

// Contains implements [idp.AddressList].
func (l *freshList) Contains(a netip.Addr) bool {
	l.files.refresh()
	return l.list.Contains(a)
}

// of returns the facts of a request. What no file or certificate tells is left empty, and the policies deny what
// they cannot judge.
func (f *facts) of(r *http.Request) idp.Facts {
	f.files.refresh()
	out := idp.Facts{Agent: agentOf(f.agents.Read(r.Header)), Certificate: certificateOf(r)}
	f.place(&out, clientAddress(r))
	for _, c := range f.conditions {
		if c.met(r) {
			out.Met = append(out.Met, c.Name)
		}
	}
	return out
}

// place fills in what the files tell of an address.
func (f *facts) place(out *idp.Facts, client netip.Addr) {
	if f.anonymous != nil && client.IsValid() {
		out.Anonymous = idp.No
		if f.anonymous.Contains(client) {
			out.Anonymous = idp.Yes
		}
	}
	if f.countries != nil && client.IsValid() {
		if out.Country = f.countries.Country(client); out.Country == "" {
			out.Country = idp.CountryUnknown
		}
	}
}

// agentOf puts what a browser says into the words of a policy. What is not known is left empty.
func agentOf(a visit.Agent) (out idp.Agent) {
	if a.OS != visit.UnknownOS {
		out.System, out.SystemVersion, out.Frozen = string(a.OS), versionText(a.OSVersion), a.Frozen
	}
	if a.Browser != visit.UnknownBrowser {
		out.Browser, out.BrowserVersion = string(a.Browser), versionText(a.BrowserVersion)
	}
	return out
}

func versionText(v visit.Version) string {
	if !v.Known() {
		return ""
	}
	return v.String()
}

// askForHints has the browser say with each request what a policy looks at. It does so from the next request on; the
// second header has it repeat the very first one (Client Hints Reliability).
func (f *facts) askForHints(w http.ResponseWriter, path string) {
	if !f.hints {
		return
	}
	w.Header().Set("Accept-CH", visit.AcceptCH)
	if path == "/" || path == "/login" {
		// Elsewhere a repeated request might spend something.
		w.Header().Set("Critical-CH", visit.AcceptCH)
	}
}

// checkAgents makes sure that a rule names systems or browsers that there are, and a version that is one.
func checkAgents(of string, r *idp.AgentRule) error {
	for _, name := range r.Names {
		var err error
		if of == idp.SystemsSectionName {
			err = known(name, visit.ParseOS, visit.OSes(), visit.UnknownOS)
		} else {
			err = known(name, visit.ParseBrowser, visit.Browsers(), visit.UnknownBrowser)
		}
		if err != nil {
			return err
		}
	}
	if r.Version == "" {
		return nil
	}
	_, err := visit.ParseVersion(r.Version)
	return err
}

// known is parse without the word for what is not known, which a policy denies whatever it says.
func known[W ~string](name string, parse func(string) (W, error), all []W, unknown W) error {
	if w, err := parse(name); err == nil && w != unknown {
		return nil
	}
	var words []string
	for _, w := range all {
		if w != unknown {
			words = append(words, string(w))
		}
	}
	return fmt.Errorf("%q is unknown; there are: %s", name, strings.Join(words, ", "))
}

// certificateOf names the client certificate of a request, or returns "" where none was verified. Caddy verifies against
// the authorities of client_auth; one that was only presented has no chain.
func certificateOf(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return ""
	}
	leaf := r.TLS.VerifiedChains[0][0]
	if s := leaf.Subject.String(); s != "" {
		return s
	}
	return "serial " + leaf.SerialNumber.String()
}
