package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func checkCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "check",
		Short: "Finds the fault before people do",
		Long: `Finds the fault before people do: the configuration, sources, factors, applications by the rules of
AWS, the signing keys, whether a site serves the portal, and whether secret files have changed since
the configuration was loaded (then: caddy reload --force).

Works whether Caddy is running or not. Exits with 1 when a finding is an error.`,
		RunE: run(0, check),
	})
}

// check prints what it looked at and what it found.
func check(cmd *cobra.Command, _ []string) error {
	l, err := loadApp(cmd)
	if err != nil {
		return err
	}
	ctx, cancel := deadline(cmd)
	defer cancel()
	var found []idp.Finding
	switch err := l.openExisting(cmd); {
	case errors.Is(err, errNoStore):
		found = append(found, idp.Finding{Level: "warning", Where: "store", What: err.Error(), Cure: "start Caddy, then check again: keys and what needs them were left out"})
	case err != nil:
		found = append(found, idp.Finding{Level: "error", Where: "store", What: err.Error()})
	default:
		found = append(found, l.checkKeys()...)
		found = append(found, l.checkSince(ctx)...)
	}
	found = append(found, l.checkParts(ctx)...)
	found = append(found, l.checkSite())
	if err := l.Cleanup(); err != nil {
		return err
	}
	return printFindings(cmd, found)
}

// checkParts asks sources, factors and applications.
func (l *loaded) checkParts(ctx context.Context) (found []idp.Finding) {
	ask := func(v any) {
		if c, ok := v.(idp.Checker); ok {
			found = append(found, c.Check(ctx)...)
		}
	}
	for _, s := range l.sources {
		ask(s)
	}
	for _, f := range l.factors {
		ask(f)
	}
	for _, e := range l.Applications {
		ask(l.apps[e.Name])
	}
	return found
}

// checkKeys looks at the signing keys and at the metadata that service providers are given.
func (l *loaded) checkKeys() []idp.Finding {
	keys, err := l.store.SAMLKeys()
	if err != nil {
		return []idp.Finding{{Level: "error", Where: "keys", What: err.Error()}}
	}
	found := []idp.Finding{{Level: "ok", Where: "keys", What: fmt.Sprintf("%d keys are published, %s signs", len(keys), keys[0].ID)}}
	if len(keys) < 2 {
		found = append(found, idp.Finding{Level: "warning", Where: "keys", What: "there is no next key in the metadata", Cure: "restart Caddy, which makes one; then give the metadata out again"})
	}
	doc, err := l.metadata()
	if err != nil {
		return append(found, idp.Finding{Level: "error", Where: "metadata", What: err.Error()})
	}
	return append(found, idp.Finding{Level: "ok", Where: "metadata", Rule: "M1", What: fmt.Sprintf("%d characters at %s", len(doc), l.entityID())})
}

var fileRef = regexp.MustCompile(`\{file\.([^{}]+)\}`)

// checkSince finds what changed behind Caddy's back: it loads an unchanged configuration no second
// time, so that a rotated secret is not seen until a reload is forced.
func (l *loaded) checkSince(ctx context.Context) (found []idp.Finding) {
	var last time.Time
	var newest time.Time
	err := l.store.Events(ctx, idp.EventQuery{From: time.Now().Add(-90 * 24 * time.Hour)}, func(e idp.Event) bool {
		if e.Kind == idp.EventConfig {
			last = e.Time
		}
		newest = e.Time
		return true
	})
	if err != nil {
		return []idp.Finding{{Level: "error", Where: "audit", What: err.Error()}}
	}
	if ahead := time.Until(newest); ahead > time.Minute {
		found = append(found, idp.Finding{Level: "error", Where: "clock", What: fmt.Sprintf("the newest audit line is %s in the future", ahead.Round(time.Second)), Cure: "set the clock by NTP: SAML responses are good for five minutes"})
	}
	if last.IsZero() {
		return found
	}
	seen := map[string]bool{}
	for _, m := range fileRef.FindAllSubmatch(l.raw, -1) {
		file := string(m[1])
		info, err := os.Stat(file)
		if err != nil || seen[file] || !info.ModTime().After(last) {
			continue
		}
		seen[file] = true
		found = append(found, idp.Finding{Level: "warning", Where: "secrets", What: file + " has changed since the configuration was loaded", Cure: "caddy reload --force"})
	}
	return found
}

// routeJSON is as much of Caddy's routes as it takes to find a handler and its hosts.
type routeJSON struct {
	Match []struct {
		Host []string `json:"host"`
	} `json:"match"`
	Handle []struct {
		Handler string      `json:"handler"`
		Routes  []routeJSON `json:"routes"`
	} `json:"handle"`
}

// checkSite looks for a site of the portal's host that has gatehouse_portal.
func (l *loaded) checkSite() idp.Finding {
	var cfg struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct {
					Routes []routeJSON `json:"routes"`
				} `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(l.raw, &cfg); err != nil {
		return idp.Finding{Level: "error", Where: "portal", What: err.Error()}
	}
	host := l.portal.Hostname()
	for _, s := range cfg.Apps.HTTP.Servers {
		if servesPortal(s.Routes, host) {
			return idp.Finding{Level: "ok", Where: "portal", What: "a site serves " + l.Portal.URL}
		}
	}
	return idp.Finding{Level: "error", Where: "portal", What: "no site of this file serves " + host + " by gatehouse_portal", Cure: host + " { gatehouse_portal }"}
}

func servesPortal(routes []routeJSON, host string) bool {
	for _, r := range routes {
		hit := len(r.Match) == 0
		for _, m := range r.Match {
			hit = hit || len(m.Host) == 0
			for _, h := range m.Host {
				hit = hit || hostMatches(h, host)
			}
		}
		if !hit {
			continue
		}
		for _, h := range r.Handle {
			if h.Handler == "gatehouse_portal" || servesPortal(h.Routes, host) {
				return true
			}
		}
	}
	return false
}

// hostMatches knows the wildcard of one label, as in *.example.com.
func hostMatches(pattern, host string) bool {
	if h, _, err := net.SplitHostPort(pattern); err == nil {
		pattern = h
	}
	if rest, ok := strings.CutPrefix(pattern, "*."); ok {
		_, parent, found := strings.Cut(host, ".")
		return found && strings.EqualFold(rest, parent)
	}
	return strings.EqualFold(pattern, host)
}

func printFindings(cmd *cobra.Command, found []idp.Finding) error {
	failed := false
	for _, f := range found {
		failed = failed || f.Level == "error"
	}
	out := cmd.OutOrStdout()
	if wantsJSON(cmd) {
		if err := printJSON(out, found); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			printFinding(out, f)
		}
	}
	if failed {
		return errFinding
	}
	return nil
}

func printFinding(w io.Writer, f idp.Finding) {
	rule := ""
	if f.Rule != "" {
		rule = " [" + f.Rule + "]"
	}
	fmt.Fprintf(w, "%-8s%s%s: %s\n", f.Level, f.Where, rule, f.What)
	if f.Cure != "" {
		fmt.Fprintf(w, "        %s\n", f.Cure)
	}
}
