package idp_test

import (
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// An application whose policy wants the password asks for it after a sign-in by a passkey, and then opens; the portal, which
// does not mind, has opened before.
func TestAnApplicationThatWantsThePassword(t *testing.T) {
	k := withKeys(t, func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{Name: "typed", Passwordless: &idp.PasswordlessSection{}, MFA: &idp.MFASection{Mode: idp.MFAOff}})
		c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "bank"}, Policy: "typed"})
	})
	k.enroll()
	k.login("/")
	k.arrive(t)
	k.wantPortal(t, true)
	k.visit("/apps/bank")
	k.arrive(t)
	if k.page() != "password" {
		t.Fatalf("%q: %s", k.page(), k.words())
	}
	if e := k.events(t, idp.EventLogout); len(e) == 0 || e[len(e)-1].Section != "passwordless" || e[len(e)-1].Rule != "passwordless off" {
		t.Errorf("%+v", e)
	}
	k.form("/login", "username", "alice", "password", "right")
	k.arrive(t)
	if k.page() != "post" {
		t.Errorf("%q: %s", k.page(), k.words())
	}
}
