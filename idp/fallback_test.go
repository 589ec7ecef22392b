package idp_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/totp"
)

// equipped returns a venue with one application under a policy, the factors totp, spare and duo, which its own service keeps, and
// people who hold: alice totp, bob totp twice, nomail both.
func equipped(t *testing.T, policy idp.Policy, change func(*idp.Config)) *venue {
	t.Helper()
	h := policed(t, noMFA(), func(c *idp.Config) {
		spare, err := totp.New(totp.Config{Name: "spare", Issuer: "Example Apps", Store: c.Store})
		if err != nil {
			t.Fatal(err)
		}
		c.Factors = append(c.Factors, spare, &phone{})
		policy.Name = "its"
		c.Policies = append(c.Policies, &policy)
		c.Applications = []idp.AppConfig{{Application: &sender{name: "connect"}, Policy: "its"}}
		if change != nil {
			change(c)
		}
	})
	for _, e := range [][3]string{{"alice", "totp", "1"}, {"bob", "totp", "1"}, {"bob", "totp", "2"}, {"nomail", "totp", "1"}, {"nomail", "spare", "1"}} {
		h.holds(t, "staff:"+e[0], e[1], e[2])
	}
	return h
}

// holds has somebody set a factor up.
func (h *venue) holds(t *testing.T, user, factor, id string) {
	t.Helper()
	err := h.store.PutEnrollment(t.Context(), idp.Enrollment{User: user, Factor: factor, ID: id, Secret: []byte("seed"), Created: h.clock.Now()})
	if err != nil {
		t.Fatal(err)
	}
}

// report asks for the report.
func (h *venue) report(t *testing.T) idp.FactorReport {
	t.Helper()
	r, err := h.gateway.ReportFactors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// unbacked tells who has no fallback at a place.
func unbacked(r idp.FactorReport, app string) (list []string) {
	for _, p := range r.Places {
		for _, u := range p.Unbacked {
			if p.App == app {
				list = append(list, fmt.Sprintf("%s %s: %s", u.Name, u.Factor, u.Then))
			}
		}
	}
	return list
}

func TestWhoHasNoFallback(t *testing.T) {
	always, own := &idp.MFASection{Mode: idp.MFAAlways}, &idp.FactorsSection{Names: []string{"totp", "spare"}}
	plan := func(r idp.OutageRule) *idp.OutageSection {
		r.Factor = "totp"
		return &idp.OutageSection{Rules: []idp.OutageRule{r}}
	}
	agents := []idp.GroupRef{{Source: "staff", Name: "Agents"}}
	lost := []string{"Alice Agent totp: comes in while it cannot be asked, and not where it is lost"}
	alone := []string{"Alice Agent totp: cannot sign in until it is there again"}
	for _, c := range []struct {
		name   string
		policy idp.Policy
		asked  int
		want   []string
	}{
		{"a factor and no plan", idp.Policy{MFA: always, Factors: own}, 3, alone},
		{"one of two does not count", idp.Policy{MFA: always, Factors: &idp.FactorsSection{Names: []string{"spare"}}}, 3, []string{"nomail spare: cannot sign in until it is there again"}},
		{"duo is everybody's", idp.Policy{MFA: always}, 3, nil},
		{"duo alone", idp.Policy{MFA: always, Factors: &idp.FactorsSection{Names: []string{"duo"}}, Outage: &idp.OutageSection{Rules: []idp.OutageRule{{Factor: "duo", Use: []string{"spare"}}}}}, 3, []string{
			"Alice Agent duo: has not set up spare", "bob@example.com duo: has not set up spare",
		}},
		{"duo alone, and a plan that helps", idp.Policy{MFA: always, Factors: &idp.FactorsSection{Names: []string{"duo"}}, Outage: &idp.OutageSection{Rules: []idp.OutageRule{{Factor: "duo", Use: []string{"totp"}}}}}, 3, nil},
		{"refused by the plan", idp.Policy{MFA: always, Factors: own, Outage: plan(idp.OutageRule{Deny: true})}, 3, []string{"Alice Agent totp: is refused"}},
		{"let in by the plan", idp.Policy{MFA: always, Factors: own, Outage: plan(idp.OutageRule{Allow: agents})}, 3, lost},
		{"in another group", idp.Policy{MFA: always, Factors: own, Outage: plan(idp.OutageRule{Allow: []idp.GroupRef{{Source: "staff", Name: "Supervisors"}}})}, 3, []string{"Alice Agent totp: is refused"}},
		{"what stands in is not set up", idp.Policy{MFA: always, Factors: own, Outage: plan(idp.OutageRule{Use: []string{"spare"}})}, 3, []string{"Alice Agent totp: has not set up spare"}},
		{"what stands in is kept elsewhere", idp.Policy{MFA: always, Factors: own, Outage: plan(idp.OutageRule{Use: []string{"duo"}})}, 3, lost},
		{"nobody is asked", idp.Policy{Factors: own}, 0, nil},
		{"asked outside only", idp.Policy{Factors: own, Networks: &idp.NetworksSection{Rules: []idp.NetworkRule{{Action: idp.NetworkAlwaysOutside, Networks: []idp.Network{floorNet}}}}}, 3, alone},
		{"bypassed", idp.Policy{MFA: always, Factors: own, Authentication: &idp.AuthenticationSection{Mode: idp.AuthenticationBypass}}, 0, nil},
		{"not for them", idp.Policy{MFA: always, Factors: own, Groups: &idp.GroupsSection{Allow: []idp.GroupRef{{Source: "staff", Name: "Supervisors"}}}}, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := equipped(t, c.policy, nil).report(t)
			if got := unbacked(r, "connect"); !reflect.DeepEqual(got, c.want) || r.Places[1].Asked != c.asked {
				t.Errorf("of %d: %q, want of %d %q", r.Places[1].Asked, got, c.asked, c.want)
			}
			if got := unbacked(r, ""); got != nil || r.Places[0].Asked != 0 {
				t.Errorf("at the portal, which asks nobody: %q", got)
			}
		})
	}
}

// A recovery code is in the place of whatever is lost, where the policy takes it.
func TestARecoveryCodeIsAFallback(t *testing.T) {
	for _, c := range []struct {
		rescue idp.RescueMode
		want   []string
	}{{idp.RescueAny, nil}, {idp.RescueBypass, []string{"Alice Agent totp: cannot sign in until it is there again"}}} {
		h := equipped(t, idp.Policy{
			MFA: &idp.MFASection{Mode: idp.MFAAlways}, Factors: &idp.FactorsSection{Names: []string{"totp", "spare"}}, Rescue: &idp.RescueSection{Mode: c.rescue},
		}, nil)
		if _, err := h.gateway.MakeRecoveryCodes(t.Context(), "staff:alice"); err != nil {
			t.Fatal(err)
		}
		r := h.report(t)
		if got := unbacked(r, "connect"); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", c.rescue, got, c.want)
		}
		for _, f := range r.Factors {
			if f.Factor == idp.RecoveryFactor && (f.Unconfigured || f.Enrollments != 10) {
				t.Errorf("%+v", f)
			}
		}
	}
}

// How many hold each factor, and of which there is none any more.
func TestWhoHoldsWhat(t *testing.T) {
	h := equipped(t, idp.Policy{}, nil)
	h.holds(t, "staff:alice", "sms", "1")
	want := []idp.HeldFactor{{Factor: "totp", People: 3, Enrollments: 4}, {Factor: "spare", People: 1, Enrollments: 1}, {Factor: "duo", Elsewhere: true}, {Factor: "sms", People: 1, Enrollments: 1, Unconfigured: true}}
	if r := h.report(t); !reflect.DeepEqual(r.Factors, want) {
		t.Errorf("%+v, want %+v", r.Factors, want)
	}
}

// Whom the source does not know any more cannot be locked out; where it does not answer, the last sign-in tells the groups and
// it is not asked again for each.
func TestTheReportAsksTheSource(t *testing.T) {
	asked := 0
	answers := func(*idp.User) (*idp.User, error) { return nil, errors.New("no route to host") }
	v, l := newLiving(t, func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{Name: "members", MFA: &idp.MFASection{Mode: idp.MFAAlways}, Groups: &idp.GroupsSection{Allow: []idp.GroupRef{{Source: "corp", Name: "Agents"}}}})
		c.Applications = []idp.AppConfig{{Application: &sender{name: "members"}, Policy: "members"}}
	})
	l.becomes(func(u *idp.User) (*idp.User, error) { asked++; return answers(u) })
	for _, user := range []string{"corp:1", "corp:2", "gone:3"} {
		v.holds(t, user, "totp", "1")
	}
	s := &idp.Session{ID: idp.Hash{9}, User: idp.User{Source: "corp", ID: "2", Name: "bo", Groups: []idp.Group{{Names: []string{"Agents"}}}}, SignedIn: v.clock.Now(), Expires: v.clock.Now().Add(time.Hour)}
	if err := v.store.PutSession(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	r := v.report(t)
	if got := unbacked(r, "members"); asked != 1 || !reflect.DeepEqual(r.Silent, []string{"corp"}) || len(got) != 1 || !strings.HasPrefix(got[0], "bo totp") {
		t.Errorf("asked %d times, %v: %q", asked, r.Silent, got)
	}
	answers = func(u *idp.User) (*idp.User, error) {
		if u.ID == "2" {
			return nil, &idp.AccountState{State: "disabled"}
		}
		return &idp.User{Source: "corp", ID: u.ID, Name: "al", Groups: []idp.Group{{Names: []string{"Agents"}}}}, nil
	}
	r = v.report(t)
	if got := unbacked(r, "members"); r.Silent != nil || len(got) != 1 || !strings.HasPrefix(got[0], "al totp") {
		t.Errorf("%v: %q", r.Silent, got)
	}
}

// TestAPlanThatNobodyCanFollow: a plan is told of where it names a factor that nobody has set up, once there is anybody.
func TestAPlanThatNobodyCanFollow(t *testing.T) {
	always := &idp.MFASection{Mode: idp.MFAAlways}
	h := policed(t, &idp.Policy{MFA: always, Outage: &idp.OutageSection{Rules: []idp.OutageRule{{Factor: "duo", Use: []string{"totp", "spare"}}}}}, func(c *idp.Config) {
		spare, err := totp.New(totp.Config{Name: "spare", Issuer: "Example Apps", Store: c.Store})
		if err != nil {
			t.Fatal(err)
		}
		c.Factors = append(c.Factors, spare, &phone{})
		c.Policies = append(c.Policies, &idp.Policy{Name: "heir", MFA: always}, &idp.Policy{Name: "strict", Outage: &idp.OutageSection{Rules: []idp.OutageRule{{Factor: "spare", Deny: true}}}})
	})
	at := func(policy, factor string) string {
		if policy == "strict" {
			return ""
		}
		return "Caddyfile:7"
	}
	if found := h.gateway.CheckOutages(t.Context(), at); len(found) != 0 {
		t.Errorf("a new installation: %+v", found)
	}
	h.holds(t, "staff:alice", "totp", "1")
	var got []string
	for _, f := range h.gateway.CheckOutages(t.Context(), at) {
		if f.Level != idp.LevelWarning || f.Cure == "" {
			t.Errorf("%+v", f)
		}
		got = append(got, f.Where+": "+f.What)
	}
	want := []string{
		"policy default, at Caddyfile:7: outage duo use totp spare names the factor spare, which nobody has set up",
		"policy strict: outage spare deny names the factor spare, which nobody has set up",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	h.holds(t, "staff:alice", "spare", "1")
	if found := h.gateway.CheckOutages(t.Context(), at); len(found) != 0 {
		t.Errorf("everything is held: %+v", found)
	}
}
