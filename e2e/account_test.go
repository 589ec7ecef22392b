package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDomainAccounts: accounts are in the states that People asks for, both controllers say so, and what a test
// edits is seen by whoever asks next. It does not need the gateway.
func TestDomainAccounts(t *testing.T) {
	const password, wrong = "Us3r-Passw0rd!", "Not-The-One-1x"
	user := func(u ADUser) ADUser {
		u.Password, u.Mail = password, u.Name+"@example.test"
		return u
	}
	d := NewDomain(t, People{
		Policy: &PasswordPolicy{Lockout: 4, Window: 2 * time.Second, MinLength: 8, History: 2, MaxAge: 40 * 24 * time.Hour},
		Fine:   []FinePolicy{{Name: "strict", AppliesTo: []string{"tellers"}, PasswordPolicy: PasswordPolicy{Lockout: 2, MinLength: 16, MaxAge: 5 * 24 * time.Hour}}},
		Groups: []ADGroup{{Name: "staff"}, {Name: "tellers", MemberOf: []string{"staff"}}, {Name: "Agents, First (EU)", Account: "agents-first"}},
		Users: []ADUser{
			user(ADUser{
				Name: "alice", OU: "Berlin,OU=Sites", Proxies: []string{"SMTP:alice@example.test", "smtp:a.agent@example.test"}, Groups: []string{"staff"},
				Primary: "Agents, First (EU)", Attributes: map[string][]string{"department": {"Sales"}},
			}),
			user(ADUser{Name: "dora", State: "disabled"}), user(ADUser{Name: "edgar", State: "expired"}), user(ADUser{Name: "petra", State: "password_expired"}),
			user(ADUser{Name: "mona", State: "must_change"}), user(ADUser{Name: "luke", State: "locked"}), user(ADUser{Name: "hugo", State: "logon_hours"}),
			user(ADUser{Name: "paul", State: "workstation"}), user(ADUser{Name: "fixed", CannotChange: true}), user(ADUser{Name: "tess", Groups: []string{"tellers"}}),
			user(ADUser{Name: "aged", PasswordAge: 38 * 24 * time.Hour}), user(ADUser{Name: "victor"}),
		},
	})
	second := d.Second()
	on := func(c *Controller, name, password string) string {
		out, err := Try(d.trusting(), "ldapsearch", "-x", "-H", c.URL, "-D", name+"@corp.example.test", "-w", password, "-b", "", "-s", "base", "dnsHostName")
		if err == nil {
			return "in"
		}
		_, code, _ := strings.Cut(out, "data ")
		code, _, _ = strings.Cut(code, ",")
		return code
	}
	bind := func(name, password string) string { return on(&d.Controller, name, password) }

	for name, want := range map[string]string{
		"alice": "in", "dora": "533", "edgar": "701", "petra": "532", "mona": "773", "hugo": "530", "paul": "531", "fixed": "in", "aged": "in",
	} {
		if got := bind(name, password); got != want {
			t.Errorf("%s: %s", name, got)
		}
		if got := on(second, name, wrong); got != "52e" {
			t.Errorf("%s with a wrong password: %s", name, got)
		}
	}
	d.Lock("luke") // the window is short
	if got := bind("luke", password); got != "775" || !d.Locked("luke") {
		t.Errorf("luke: %s", got)
	}
	d.Unlock("luke")
	if got := bind("luke", password); got != "in" || d.Locked("luke") {
		t.Errorf("luke, unlocked: %s", got)
	}
	domainPolicies(t, d, bind, password, wrong)
	domainEdits(t, d, bind, password)
	domainThroughProxy(t, d, password, wrong)

	d.Process.Stop()
	if got := on(second, "mia", "N3w-Passw0rd!x"); got != "in" {
		t.Errorf("a password set on the other controller: %s", got)
	}
	d.Delete("mia")
	d.Start()
	second.Stop()
	if got := bind("mia", "N3w-Passw0rd!x"); got != "52e" {
		t.Errorf("an account deleted on the other controller: %s", got)
	}
}

// domainPolicies: lockout by the domain's policy and by a fine-grained one, lengths and ages.
func domainPolicies(t *testing.T, d *Domain, bind func(name, password string) string, password, wrong string) {
	for range 3 {
		bind("victor", wrong)
	}
	if n := d.BadPasswords("victor"); n != 3 || d.Locked("victor") {
		t.Errorf("victor: %d wrong passwords, locked %v", n, d.Locked("victor"))
	}
	bind("tess", wrong)
	bind("tess", wrong)
	if !d.Locked("tess") {
		t.Error("tess is not locked after two wrong passwords")
	}
	d.Unlock("tess")
	d.Unlock("victor")
	change := func(name, next string) string {
		out, err := d.ChangePassword(name, password, next)
		if err == nil {
			return "changed"
		}
		return out
	}
	for _, c := range []struct{ name, next, says string }{
		{"tess", "Sh0rt-Here!", "too short"},
		{"fixed", "N3w-Passw0rd!x", "error in module acl"},
		{"alice", password, "already used"},
		{"alice", "plain words", "changed"}, // no complexity is asked for
	} {
		if got := change(c.name, c.next); !strings.Contains(got, c.says) {
			t.Errorf("%s changes to %q: %s", c.name, c.next, got)
		}
	}
	for name, days := range map[string]int64{"aged": 2, "tess": 5} {
		until := time.Now().Add(time.Duration(days) * 24 * time.Hour)
		if off := int64(d.number(name, "msDS-UserPasswordExpiryTimeComputed"))/1e7 - fileTime(until)/1e7; off < -3600 || off > 3600 {
			t.Errorf("the password of %s expires %d s away from %d days", name, off, days)
		}
	}
}

// domainEdits: a mail, a name, a place, groups and passwords change while the domain runs.
func domainEdits(t *testing.T, d *Domain, bind func(name, password string) string, password string) {
	guid := d.Values("aged", "objectGUID")
	d.SetMail("aged", "mia@example.test")
	d.Rename("aged", "mia")
	d.Move("mia", "Leavers")
	if dn := d.DN("mia"); dn != "CN=mia,OU=Leavers,"+d.BaseDN || !slices.Equal(d.Values("mia", "objectGUID"), guid) || !slices.Equal(d.Values("mia", "mail"), []string{"mia@example.test"}) {
		t.Errorf("moved to %s, %v, %v", dn, d.Values("mia", "objectGUID"), d.Values("mia", "mail"))
	}
	d.SetMail("mia", "")
	d.AddToGroup("mia", "Agents, First (EU)")
	if got := d.Values("mia", "memberOf"); len(got) != 1 || len(d.Values("mia", "mail")) != 0 {
		t.Errorf("in %v", got)
	}
	d.RemoveFromGroup("mia", "Agents, First (EU)")
	d.Disable("mia")
	if got := bind("mia", password); got != "533" || len(d.Values("mia", "memberOf")) != 0 {
		t.Errorf("disabled: %s", got)
	}
	d.Enable("mia")
	d.SetPassword("mia", "N3w-Passw0rd!x")
	if got := bind("mia", "N3w-Passw0rd!x"); got != "in" {
		t.Errorf("another password: %s", got)
	}
	d.AgePassword("mia", 41*24*time.Hour)
	if got := bind("mia", "N3w-Passw0rd!x"); got != "532" {
		t.Errorf("an old password: %s", got)
	}
	d.MustChange("mia")
	if got := bind("mia", "N3w-Passw0rd!x"); got != "773" {
		t.Errorf("one to be changed: %s", got)
	}
	d.SetPassword("mia", "N3w-Passw0rd!x")
	alice := d.DN("alice")
	if alice != "CN=alice,OU=Berlin,OU=Sites,"+d.BaseDN || len(d.Values("alice", "proxyAddresses")) != 2 || !slices.Equal(d.Values("alice", "department"), []string{"Sales"}) {
		t.Errorf("%s with %v in %v", alice, d.Values("alice", "proxyAddresses"), d.Values("alice", "department"))
	}
	// Nobody is listed as a member of their primary group, and then Domain Users is one like others.
	if got := d.Values("alice", "memberOf"); len(got) != 2 || slices.Contains(got, d.DN("Agents, First (EU)")) {
		t.Errorf("alice is in %v", got)
	}
}

// domainThroughProxy: a proxy that ends the TLS counts wrong passwords, and not the states of an account.
func domainThroughProxy(t *testing.T, d *Domain, password, wrong string) {
	p := NewFaultProxy(t, d.Addr, d.Authority, d.Name)
	for _, c := range []struct{ name, password string }{{"victor", wrong}, {"victor", wrong}, {"dora", password}, {"victor", password}} {
		_, err := Try(d.trusting(), "ldapsearch", "-x", "-H", p.URL, "-D", c.name+"@corp.example.test", "-w", c.password, "-b", "", "-s", "base", "dnsHostName")
		if (err == nil) != (c.name == "victor" && c.password == password) {
			t.Errorf("%s through the proxy: %v", c.name, err)
		}
	}
	victor, dora := "victor@corp.example.test", "dora@corp.example.test"
	binds, failed := p.BindsOf(), p.FailedBinds()
	if most, who := p.MostFailedBinds(time.Minute); most != 2 || who != victor || failed[victor] != 2 || failed[dora] != 0 || binds[victor] != 3 || binds[dora] != 1 {
		t.Errorf("most %d of %s, failed %v of %v", most, who, failed, binds)
	}
	if most, _ := p.MostFailedBinds(time.Nanosecond); most != 1 {
		t.Errorf("%d wrong passwords at once", most)
	}
}
