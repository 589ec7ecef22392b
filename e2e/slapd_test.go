package e2e

import (
	"slices"
	"strings"
	"testing"
)

// TestSlapd: the directory that other tests sign in to has people in each state, and says so with the controls
// of ppolicy. It does not need the gateway.
func TestSlapd(t *testing.T) {
	const password = "Blue-Harbour-41x"
	user := func(name, state string) TreeUser {
		return TreeUser{Name: name, Password: password, Mail: name + "@example.test", State: state}
	}
	s := NewSlapd(t, Tree{
		Policy: PasswordPolicy{Lockout: 3, MinLength: 10, History: 3},
		Users: []TreeUser{
			user("alice", ""), user("edgar", "expired"), user("greta", "grace"), user("wanda", "expiring"), user("mona", "must_change"),
			user("luke", "locked"), user("victor", ""),
		},
		Groups: []TreeGroup{{Name: "agents", Members: []string{"alice"}}, {Name: "staff", Members: []string{"mona"}, Within: []string{"agents"}}},
	})
	for _, c := range []struct {
		name, says string
		refused    bool
	}{
		{"alice", "dn:" + s.UserDN("alice"), false},
		{"edgar", "Password expired", true},
		{"greta", "2 grace logins remain", false},
		{"wanda", "expires in 1", false}, // some seconds below two days
		{"mona", "Password must be changed", false},
		{"luke", "Account locked", true},
	} {
		out, err := s.Bind(c.name, password)
		if (err != nil) != c.refused || !strings.Contains(out, c.says) {
			t.Errorf("%s: %v: %s", c.name, err, out)
		}
		if out, err := s.Bind(c.name, "Not-"+password); err == nil {
			t.Errorf("%s with a wrong password: %s", c.name, out)
		}
	}
	if got := s.Values(s.UserDN("alice"), "memberOf"); !slices.Equal(got, []string{s.GroupDN("agents")}) {
		t.Errorf("alice is in %v", got)
	}
	for range 3 {
		if out, err := s.Bind("victor", "Not-"+password); err == nil {
			t.Errorf("a wrong password: %s", out)
		}
	}
	if !s.Locked("victor") || s.Locked("alice") || s.BadPasswords("victor") != 3 || s.BadPasswords("alice") != 1 {
		t.Errorf("locked: victor %v, alice %v; wrong passwords: %d, %d", s.Locked("victor"), s.Locked("alice"), s.BadPasswords("victor"), s.BadPasswords("alice"))
	}
	env := []string{"LDAPTLS_CACERT=" + s.CA}
	service := []string{"-x", "-H", s.URL, "-D", s.BindDN, "-w", s.BindPassword}
	out := Run(t, env, "ldapsearch", append(slices.Clone(service), "-LLL", "-b", s.BaseDN, "(uid=alice)")...)
	if !strings.Contains(out, "mail: alice@example.test") || strings.Contains(out, "userPassword") {
		t.Errorf("the service account reads %s", out)
	}
	if out, err := Try(env, "ldappasswd", append(slices.Clone(service), "-s", "New-Harbour-52x", s.UserDN("alice"))...); err == nil || !strings.Contains(out, "Insufficient access") {
		t.Errorf("the service account sets a password: %v: %s", err, out)
	}
	change := func(name, next string) (string, error) {
		return Try(env, "ldappasswd", "-x", "-H", s.PlainURL, "-ZZ", "-D", s.UserDN(name), "-w", password, "-a", password, "-s", next)
	}
	if out, err := change("mona", "short"); err == nil {
		t.Errorf("a short password: %s", out)
	}
	if out, err := change("mona", password); err == nil {
		t.Errorf("the same password: %s", out)
	}
	if out, err := change("mona", "New-Harbour-52x"); err != nil {
		t.Errorf("another password: %v: %s", err, out)
	}
	s.Process.Stop()
	s.Start()
	if out, err := s.Bind("mona", "New-Harbour-52x"); err != nil || strings.Contains(out, "must be changed") {
		t.Errorf("after the change: %v: %s", err, out)
	}
}
