package idp_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// telling is a directory that says what it finds, step by step.
type telling struct{ *countingSource }

func (s telling) CheckUser(_ context.Context, name string) []idp.Finding {
	return []idp.Finding{{Level: idp.LevelOK, Where: "source " + s.name, What: "searched for " + name}}
}

// explained is an application that says what it would send.
type explained struct{ *sender }

func (e explained) Explain(u *idp.User) []idp.Finding {
	return []idp.Finding{{Level: idp.LevelOK, Where: "application " + e.name, What: "the user name is " + u.Email}}
}

// wantFinding wants a line of this level that begins as given.
func wantFinding(t *testing.T, found []idp.Finding, level, where, what string) {
	t.Helper()
	for _, f := range found {
		if f.Where == where && strings.Contains(f.What, what) {
			if f.Level != level || level != idp.LevelOK && f.Cure == "" && !strings.HasPrefix(what, "may not") && !strings.HasPrefix(what, "nobody of that") {
				t.Errorf("%s: %+v, want %s with its cure", where, f, level)
			}
			return
		}
	}
	t.Errorf("%s: nothing of %q in %+v", where, what, found)
}

func checkedGateway(t *testing.T) (*venue, *countingSource) {
	t.Helper()
	corp, partners, emergency := corpAndOthers()
	office := idp.Network{Name: "office", Ranges: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}
	return routed(t, func(c *idp.Config) {
		c.Policies = append(c.Policies,
			&idp.Policy{Name: "always", MFA: &idp.MFASection{Mode: idp.MFAAlways}},
			&idp.Policy{Name: "office", MFA: &idp.MFASection{Mode: idp.MFAAlways}, EnrollFirst: &idp.EnrollFirstSection{Mode: idp.EnrollFrom, Networks: []idp.Network{office}}},
			&idp.Policy{Name: "bosses", Groups: &idp.GroupsSection{Allow: []idp.GroupRef{{Source: "corp", Name: "Supervisors"}}}},
		)
		c.Applications = []idp.AppConfig{
			{Application: explained{&sender{name: "connect"}}, Policy: "always"},
			{Application: &sender{name: "inhouse"}, Policy: "office"},
			{Application: &sender{name: "boss"}, Policy: "bosses"},
			{Application: &sender{name: "extranet"}},
		}
		c.SourceRules = []idp.SourceRule{{Source: "corp", Domains: []string{"example.com"}}}
		c.Routes = idp.Routes{{Sources: []string{"partners"}, Apps: []string{"extranet"}}, {Sources: []string{"corp", "emergency"}}}
	}, telling{corp}, partners, emergency), corp
}

func TestCheckUserExplainsOnePerson(t *testing.T) {
	v, _ := checkedGateway(t)
	ok, warn := idp.LevelOK, idp.LevelWarning
	found := v.gateway.CheckUser(t.Context(), "alice@example.com", netip.Addr{})
	for _, w := range [][3]string{
		{ok, "source corp", "searched for alice@example.com"},
		{ok, "source partners", "is partners:alice"},
		{ok, "source emergency", "nobody is named"},
		{ok, "sign-in", "the way is: route corp emergency"},
		{ok, "sign-in", `signs in as corp:alice of source corp`},
		{ok, "application connect", "may open it, by mfa always of policy always"},
		{ok, "application connect", "has totp to set up first, by enroll_first anywhere"},
		{ok, "application connect", "the user name is alice@example.com"},
		{warn, "application inhouse", "has totp to set up first, by enroll_first from office of policy office"},
		{warn, "application boss", `may not open it, by groups "corp/Supervisors" of policy bosses`},
		{ok, "application extranet", "the way is: route partners application extranet"},
		{ok, "application extranet", "signs in as partners:alice"},
		{ok, "application extranet", "may open it, by mfa off"},
	} {
		wantFinding(t, found, w[0], w[1], w[2])
	}
	inside := v.gateway.CheckUser(t.Context(), "alice", netip.MustParseAddr("203.0.113.7"))
	wantFinding(t, inside, ok, "application inhouse", "has totp to set up first")
	must(t, v.store.PutEnrollment(t.Context(), idp.Enrollment{User: "corp:alice", Factor: "totp", ID: "1", Secret: []byte("x"), Created: v.clock.Now()}))
	wantFinding(t, v.gateway.CheckUser(t.Context(), "alice", netip.Addr{}), ok, "application connect", "asks for totp")
	if l := lines(t, v.store, ""); len(l) != 0 {
		t.Errorf("looking wrote audit lines: %+v", l)
	}
}

func TestCheckUserSaysWhatStandsInTheWay(t *testing.T) {
	v, corp := checkedGateway(t)
	bad, warn := idp.LevelError, idp.LevelWarning
	found := v.gateway.CheckUser(t.Context(), "alice@other.example", netip.Addr{})
	wantFinding(t, found, bad, "sign-in", "is told that the password is wrong")
	wantFinding(t, found, warn, "application connect", "nobody of that name can sign in")
	wantFinding(t, v.gateway.CheckUser(t.Context(), "nosuch", netip.Addr{}), bad, "sign-in", `nobody is named "nosuch"`)
	corp.down = errors.New("connection refused")
	wantFinding(t, v.gateway.CheckUser(t.Context(), "alice", netip.Addr{}), bad, "sign-in", "cannot answer: connection refused")
	wantFinding(t, v.gateway.CheckUser(t.Context(), "breakglass", netip.Addr{}), warn, "sign-in", "as a break-glass account")

	two := routed(t, func(*idp.Config) {}, ambiguous{corp})
	found = two.gateway.CheckUser(t.Context(), "alice", netip.Addr{})
	wantFinding(t, found, bad, "source corp", "CN=A")
	wantFinding(t, found, bad, "sign-in", "CN=B")
	wantFinding(t, found, idp.LevelOK, "sign-in", "there are no routes, so every source is asked: corp")
	corp.down = nil
	// Whom only one application knows is no fault, and whom nobody knows is.
	v, _ = checkedGateway(t)
	found = v.gateway.CheckUser(t.Context(), "breakglass", netip.Addr{})
	wantFinding(t, found, warn, "application extranet", `nobody is named "breakglass"`)
	wantFinding(t, found, idp.LevelOK, "sign-in", "signs in as emergency:breakglass")
	none := routed(t, func(c *idp.Config) {
		c.Routes = idp.Routes{{Sources: []string{"corp"}, Domains: []string{"x.example"}}}
		c.SourceRules = []idp.SourceRule{{Source: "corp", Off: true}}
	}, corp)
	wantFinding(t, none.gateway.CheckUser(t.Context(), "alice", netip.Addr{}), bad, "sign-in", "no route fits")
	wantFinding(t, none.gateway.CheckUser(t.Context(), "alice@x.example", netip.Addr{}), bad, "sign-in", "off, and not asked: corp")
}
