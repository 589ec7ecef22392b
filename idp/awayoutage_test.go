package idp_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// withOutage lets members of a group in while duo cannot be asked.
func withOutage(rule idp.OutageRule) func(*idp.Config) {
	return func(c *idp.Config) {
		c.Policies[0].Factors = &idp.FactorsSection{Names: []string{"duo"}}
		c.Policies[0].Outage = &idp.OutageSection{Rules: []idp.OutageRule{rule}}
	}
}

// F-13: the plan for an outage is for those who have not left yet. An answer that cannot be judged lets nobody in, and
// neither does one that does not fit; then the person is asked again.
func TestF13AFailedExchangeIsNoOutage(t *testing.T) {
	h, f := newRemoteVenue(t, withOutage(idp.OutageRule{Factor: "duo", Allow: []idp.GroupRef{{Source: "staff", Name: "Agents"}}}))
	h.password(t, "alice", "/")
	state := h.leaveFor(t, f, "salesforce")
	h.back(t, state, "hangs")
	h.wantShown(t, http.StatusServiceUnavailable, "mfa", "Duo did not answer")
	if e := h.lastMFA(t); e.Result != idp.Failure || e.Reason != "factor_unavailable" || !strings.Contains(h.now.body, e.Ref) || !strings.Contains(e.Detail, "3 s") {
		t.Errorf("audit %+v", e)
	}
	h.form("/mfa/duo") // the button of the page
	h.arrive(t)
	h.wantShown(t, http.StatusOK, "handoff", "Duo")
	h.back(t, f.attempt().State, "odd")
	h.wantShown(t, http.StatusForbidden, "mfa", "does not fit")
	if e := h.lastMFA(t); e.Reason != "bad_token" || strings.Contains(h.now.body, "signature") {
		t.Errorf("audit %+v", e)
	}

	// The health check fails by now: whoever comes back is judged all the same, and whoever sets out falls under the plan.
	state = h.leaveFor(t, f, "salesforce")
	f.down.Store(true)
	h.back(t, state, "no")
	h.wantShown(t, http.StatusUnauthorized, "mfa", "did not confirm")
	h.visit("/apps/salesforce")
	h.arrive(t)
	h.wantShown(t, http.StatusOK, "post", "")
	f.down.Store(false)
	h.leaveFor(t, f, "salesforce")
}

func TestAwayAndDownByEachPlan(t *testing.T) {
	for name, plan := range map[string]struct {
		rule idp.OutageRule
		want int
		page string
		text string
	}{
		"no plan":        {idp.OutageRule{Factor: "totp", Deny: true}, http.StatusServiceUnavailable, "rescue", "Duo does not answer"},
		"deny":           {idp.OutageRule{Factor: "duo", Deny: true}, http.StatusForbidden, "rescue", "Duo does not answer"},
		"allow others":   {idp.OutageRule{Factor: "duo", Allow: []idp.GroupRef{{Source: "staff", Name: "Chiefs"}}}, http.StatusForbidden, "rescue", "Duo does not answer"},
		"allow a group":  {idp.OutageRule{Factor: "duo", Allow: []idp.GroupRef{{Source: "staff", Name: "Agents"}}}, http.StatusOK, "post", ""},
		"use what is no": {idp.OutageRule{Factor: "duo", Use: []string{"totp"}}, http.StatusServiceUnavailable, "rescue", "Duo does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			h, f := newRemoteVenue(t, withOutage(plan.rule))
			f.down.Store(true)
			h.password(t, "alice", "/apps/salesforce")
			h.wantShown(t, plan.want, plan.page, plan.text)
		})
	}
}

// paired is a factor that answers once another one is asked as well.
type paired struct {
	*remote
	meet chan struct{}
}

func (f paired) Ready(ctx context.Context, u *idp.User) (idp.Readiness, error) {
	select {
	case f.meet <- struct{}{}:
	case <-f.meet:
	}
	return f.remote.Ready(ctx, u)
}

// Several that hang make one wait: asked in turn, the first of these would never answer.
func TestFactorsAreAskedAtOnce(t *testing.T) {
	meet := make(chan struct{})
	h, f := newRemoteVenue(t, nil)
	c := baseConfig(t, h.store, h.clock.Now)
	c.Portal.Policy = "password"
	c.Factors = []idp.Factor{paired{f, meet}, paired{&remote{name: "duo-sales", now: h.clock.Now}, meet}}
	var err error
	if h.gateway, err = idp.New(c); err != nil {
		t.Fatal(err)
	}
	h.password(t, "alice", "/")
	h.leaveFor(t, f, "salesforce")
}
