package idp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// TestCheckPolicies: each odd policy is told of once, with what to do, and a plain configuration gives nothing.
func TestCheckPolicies(t *testing.T) {
	agents, bosses := idp.GroupRef{Source: "staff", Name: "Agents"}, idp.GroupRef{Source: "staff", Name: "Supervisors"}
	strict := &idp.Policy{Name: "default", MFA: &idp.MFASection{Mode: idp.MFAAlways}, Endpoints: &idp.EndpointsSection{Mode: idp.EndpointsRequire}, Anonymous: &idp.AnonymousSection{Mode: idp.PlaceDeny}}
	for _, tt := range []struct {
		name     string
		policies []*idp.Policy
		app      idp.AppConfig
		want     []string
	}{
		{"nothing odd", []*idp.Policy{{Name: "weekly", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: time.Hour}}}, idp.AppConfig{Policy: "weekly"}, nil},
		{"unused", []*idp.Policy{{Name: "spare"}}, idp.AppConfig{}, []string{"policy spare: neither the portal nor an application uses it"}},
		{"the same group twice", []*idp.Policy{{Name: "one"}, {Name: "two"}}, idp.AppConfig{GroupPolicies: []idp.GroupPolicyName{
			{Policy: "one", For: []idp.GroupRef{agents, bosses}}, {Policy: "two", For: []idp.GroupRef{{Source: "staff", Name: "AGENTS"}}},
		}}, []string{`application odd: policy two for "staff/AGENTS" is never in force`}},
		{"one group more", []*idp.Policy{{Name: "one"}, {Name: "two"}}, idp.AppConfig{GroupPolicies: []idp.GroupPolicyName{
			{Policy: "one", For: []idp.GroupRef{agents}}, {Policy: "two", For: []idp.GroupRef{agents, bosses}},
		}}, nil},
		{"shut", []*idp.Policy{{Name: "shut", Authentication: &idp.AuthenticationSection{Mode: idp.AuthenticationDeny}}}, idp.AppConfig{Policy: "shut"}, []string{"application odd: nobody may open it: authentication deny of policy shut"}},
		{"weaker", []*idp.Policy{strict, {Name: "lax", MFA: &idp.MFASection{Mode: idp.MFAOff}, NewUser: &idp.NewUserSection{Mode: idp.NewUserAllow}, Endpoints: &idp.EndpointsSection{Mode: idp.EndpointsMFAAlways}, Anonymous: &idp.AnonymousSection{Mode: idp.PlaceMFAAlways}, Authentication: &idp.AuthenticationSection{Mode: idp.AuthenticationBypass}}}, idp.AppConfig{Policy: "lax"}, []string{
			"policy lax: it asks for less than policy default: mfa off", "policy lax: it asks for less than policy default: authentication bypass",
			"policy lax: it asks for less than policy default: new_user allow", "policy lax: it asks for less than policy default: trusted_endpoints mfa_always_without",
			"policy lax: it asks for less than policy default: anonymous_networks mfa_always",
		}},
		{"fewer codes than the portal", []*idp.Policy{{Name: "paperless", Rescue: &idp.RescueSection{Mode: idp.RescueOff}}}, idp.AppConfig{Policy: "paperless"}, []string{
			"application odd: rescue_codes off of policy paperless, and the portal takes more: ",
		}},
		{"more codes than default", []*idp.Policy{{Name: "default", Rescue: &idp.RescueSection{Mode: idp.RescueOff}}, {Name: "lenient", Rescue: &idp.RescueSection{Mode: idp.RescueBypass}}}, idp.AppConfig{Policy: "lenient"}, []string{
			"policy lenient: it asks for less than policy default: rescue_codes bypass",
		}},
		{"stricter", []*idp.Policy{{Name: "default", MFA: &idp.MFASection{Mode: idp.MFAOff}}, {Name: "tight", MFA: &idp.MFASection{Mode: idp.MFAAlways}, Endpoints: &idp.EndpointsSection{Mode: idp.EndpointsRequire}}}, idp.AppConfig{Policy: "tight"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
			h := venueWith(t, c, func(cfg *idp.Config) {
				cfg.Portal.Policy, cfg.Policies = "", tt.policies
				tt.app.Application = &sender{name: "odd"}
				cfg.Applications = []idp.AppConfig{tt.app}
			})
			found := h.gateway.CheckPolicies()
			for i, f := range found {
				if f.Level != idp.LevelWarning || f.Cure == "" {
					t.Errorf("%+v", f)
				}
				if i < len(tt.want) && !strings.HasPrefix(f.Where+": "+f.What, tt.want[i]) {
					t.Errorf("%s: %s; want %s", f.Where, f.What, tt.want[i])
				}
			}
			if len(found) != len(tt.want) {
				t.Errorf("%d findings, want %d: %+v", len(found), len(tt.want), found)
			}
		})
	}
}
