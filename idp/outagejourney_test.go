package idp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// newOutage returns a venue whose portal and applications take Duo, with a plan, and the phone that may be out of reach.
// Alice has set up an authenticator app.
func newOutage(t *testing.T, mfa idp.MFASection, plan idp.OutageRule) (*venue, *phone) {
	t.Helper()
	duo := &phone{}
	plan.Factor = "duo"
	h := policed(t, &idp.Policy{MFA: &mfa, Factors: &idp.FactorsSection{Names: []string{"duo"}}, Outage: &idp.OutageSection{Rules: []idp.OutageRule{plan}}}, func(c *idp.Config) {
		c.Factors = append(c.Factors, duo)
		c.Policies = append(c.Policies,
			&idp.Policy{Name: "app", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: time.Hour}, Factors: &idp.FactorsSection{Names: []string{"totp"}}, Outage: &idp.OutageSection{Rules: []idp.OutageRule{{Factor: "totp", Deny: true}}}},
			&idp.Policy{Name: "open", MFA: &idp.MFASection{Mode: idp.MFAOff}})
		c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "codes"}, Policy: "app"}, idp.AppConfig{Application: &sender{name: "open"}, Policy: "open"})
	})
	return h, duo
}

var (
	weeklyMFA = idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour, Shared: true}
	alwaysMFA = idp.MFASection{Mode: idp.MFAAlways}
)

// enrolled gives alice an authenticator app and signs her out.
func (h *venue) enrolled(t *testing.T) {
	t.Helper()
	h.password(t, "alice", "/")
	h.form("/mfa/duo", "code", "1234")
	h.arrive(t)
	h.device(t, "no")
	h.wantPageOf(t, "/apps/codes", "enroll")
	h.authenticator(t)
	h.device(t, "no")
	if h.page() != "post" {
		t.Fatalf("%q: %s", h.page(), h.words())
	}
	h.clock.move(13 * time.Hour)
}

func TestAFactorStandsInForOneThatIsDown(t *testing.T) {
	for _, mfa := range []idp.MFASection{weeklyMFA, alwaysMFA} {
		t.Run(mfa.String(), func(t *testing.T) {
			h, duo := newOutage(t, mfa, idp.OutageRule{Use: []string{"totp"}})
			h.enrolled(t)
			duo.down.Store(true)
			before := len(h.events(t, idp.EventDevice))
			h.password(t, "alice", "/")
			if h.page() != "mfa" || !strings.Contains(h.now.body, "/mfa/totp") {
				t.Fatalf("%q: %s", h.page(), h.words())
			}
			outages := h.events(t, idp.EventOutage)
			if len(outages) != 1 || outages[0].Result != "ask" || outages[0].Factor != "duo" || outages[0].Section != "outage" || outages[0].Rule != "outage duo use totp" || outages[0].Visit == nil || outages[0].Visit.Holding == nil {
				t.Errorf("%+v", outages)
			}
			h.authenticator(t)
			if h.page() != "portal" || len(h.events(t, idp.EventDevice)) != before || h.devices(t, "staff:alice") != 0 {
				t.Fatalf("after what stands in there is the page %q: %s", h.page(), h.words())
			}
			if n := len(h.events(t, idp.EventOutage)); n != 1 {
				t.Errorf("%d lines of an outage, for one decision by the plan", n)
			}
			// To an application it counts on the way, once.
			h.wantPageOf(t, "/apps/connect", "mfa")
			h.authenticator(t)
			e := h.last(t, idp.EventLaunch)
			if h.page() != "post" || e.Section != "outage" || e.Rule != "outage duo use totp" || e.Reason != "" {
				t.Errorf("%q: %+v", h.page(), e)
			}
			h.wantPageOf(t, "/apps/connect", "mfa")
			// When the factor answers again, it is asked.
			duo.down.Store(false)
			h.wantPageOf(t, "/", "mfa")
			if !strings.Contains(h.now.body, "/mfa/duo") {
				t.Errorf("%s", h.words())
			}
		})
	}
}

func TestAnOutageDenies(t *testing.T) {
	h, duo := newOutage(t, weeklyMFA, idp.OutageRule{Deny: true})
	duo.down.Store(true)
	h.password(t, "alice", "/apps/connect")
	outage, denied := h.events(t, idp.EventOutage), h.events(t, idp.EventDecision)
	if h.now.answer.StatusCode != http.StatusForbidden || h.page() != "rescue" || len(outage) != 1 || outage[0].Result != "deny" || len(denied) != 1 {
		t.Fatalf("%d %q: %+v, %+v", h.now.answer.StatusCode, h.page(), outage, denied)
	}
	e := denied[0]
	if e.Section != "outage" || e.Rule != "outage duo deny" || e.Reason != "outage" || !strings.Contains(h.now.body, e.Ref) || !strings.Contains(h.now.body, "Try again in a few minutes") || strings.Contains(h.now.body, "duo") {
		t.Errorf("%+v: %s", e, h.words())
	}
	// What needs no factor opens, and when it answers everything does.
	h.launched(t, "open")
	duo.down.Store(false)
	h.wantPageOf(t, "/apps/connect", "mfa")
}

func TestAnOutageLetsAGroupIn(t *testing.T) {
	for _, c := range []struct {
		group string
		page  string
	}{{"Agents", "post"}, {"Supervisors", "rescue"}} {
		h, duo := newOutage(t, weeklyMFA, idp.OutageRule{Allow: []idp.GroupRef{{Source: "staff", Name: c.group}}})
		duo.down.Store(true)
		h.password(t, "alice", "/apps/connect")
		if h.page() != c.page || len(h.events(t, idp.EventOutage)) != 1 || len(h.events(t, idp.EventDevice)) != 0 {
			t.Errorf("%s: %q, %d lines: %s", c.group, h.page(), len(h.events(t, idp.EventOutage)), h.words())
		}
		if c.page != "post" {
			continue
		}
		e := h.last(t, idp.EventLaunch)
		if e.Section != "outage" || e.Reason != "" || h.last(t, idp.EventOutage).Result != "allow" {
			t.Errorf("%+v", e)
		}
		// Each launch is a decision of its own, with a line of its own; the portal's page asks and tells nobody.
		h.launched(t, "salesforce")
		if n := len(h.events(t, idp.EventOutage)); n != 2 {
			t.Errorf("%d lines of an outage after two launches", n)
		}
		h.wantPageOf(t, "/", "portal")
		if strings.Contains(h.now.body, "asks for your duo") {
			t.Errorf("the tiles say: %s", h.words())
		}
		// It was no second factor.
		duo.down.Store(false)
		h.wantPageOf(t, "/apps/connect", "mfa")
	}
}

// Without a plan somebody waits: nobody is let in, and nobody is led to set up another factor.
func TestAnOutageWithoutAPlan(t *testing.T) {
	duo := &phone{}
	duo.down.Store(true)
	h := policed(t, &idp.Policy{MFA: &weeklyMFA, Factors: &idp.FactorsSection{Names: []string{"duo", "totp"}}}, func(c *idp.Config) { c.Factors = append(c.Factors, duo) })
	h.password(t, "alice", "/apps/connect")
	if h.now.answer.StatusCode != http.StatusServiceUnavailable || len(h.events(t, idp.EventOutage)) != 0 || len(h.events(t, idp.EventLaunch)) != 0 {
		t.Errorf("%d: %s", h.now.answer.StatusCode, h.words())
	}
	duo.down.Store(false)
	h.wantPageOf(t, "/apps/connect", "mfa")
}
