package caddymodule

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// outageKey is what WrittenAt knows the plan of a policy for a factor by.
func outageKey(policy, factor string) string { return "policy " + policy + ": outage " + factor }

// placeOutages writes down where policies plan for an outage, since only the store can say later that nobody has the factor.
func (a *App) placeOutages(s caddyfile.Segment) {
	for _, p := range a.Policies {
		for _, o := range p.Outage {
			key := outageKey(p.Name, o.Factor)
			if _, placed := a.WrittenAt[key]; placed {
				continue // an earlier block wrote it
			}
			t, found := outageToken(s, p.Name, o.Factor)
			if !found {
				continue
			}
			if a.WrittenAt == nil {
				a.WrittenAt = map[string]string{}
			}
			a.WrittenAt[key] = fmt.Sprintf("%s:%d", t.File, t.Line)
		}
	}
}

// outageToken finds the line "outage FACTOR …" of a policy.
func outageToken(s caddyfile.Segment, policy, factor string) (caddyfile.Token, bool) {
	within := false
	for i := 0; i+2 < len(s); i++ {
		switch {
		case s[i].Text == "policy" && s[i+2].Text == "{": // and not the name of one, in what it guards
			within = s[i+1].Text == policy
		case within && s[i].Text == "outage" && s[i+1].Text == factor:
			return s[i], true
		}
	}
	return caddyfile.Token{}, false
}

// checkOutages reports the plans that name a factor which nobody has set up.
func (a *App) checkOutages(ctx context.Context) []idp.Finding {
	return a.gateway.CheckOutages(ctx, func(policy, factor string) string { return a.WrittenAt[outageKey(policy, factor)] })
}

// warnOutages logs them. Where a policy plans at all, that reads an index once, which a start can wait for.
func (a *App) warnOutages() {
	ctx, cancel := context.WithTimeout(a.ctx, recordTime)
	defer cancel()
	for _, f := range a.checkOutages(ctx) {
		a.log.Warn(f.What, zap.String("where", f.Where), zap.String("cure", f.Cure))
	}
}
