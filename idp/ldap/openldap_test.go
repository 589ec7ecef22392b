package ldap_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

const (
	tree   = "dc=example,dc=test"
	branch = "ou=people," + tree
	annDN  = "uid=ann," + branch
	reader = "cn=svc," + tree
	annID  = "b9a0c2f4-3f0e-103e-8c2b-0123456789ab"
	common = "cn=default,ou=policies," + tree
)

// unix is a tree of OpenLDAP's with Ann, who is in a group.
func unix() *directory {
	return &directory{
		passwords: map[string]string{reader: "Svc-Passw0rd!", annDN: "Us3r-Passw0rd!"},
		states:    map[string]string{},
		entries: []entry{
			{tree, nil},
			{branch, nil},
			{annDN, map[string][]string{
				"objectClass": {"person", "inetOrgPerson"}, "uid": {"ann"}, "mail": {"Ann@example.test"}, "entryUUID": {annID}, "cn": {"Ann Test"},
				"memberOf": {"cn=agents,ou=groups," + tree, "ou=odd,ou=groups," + tree},
			}},
			{"cn=agents,ou=groups," + tree, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"agents"}, "member": {annDN}}},
			{"cn=unix,ou=groups," + tree, map[string][]string{"objectClass": {"posixGroup"}, "cn": {"unix"}, "memberUid": {"ann"}}},
			{common, map[string][]string{
				"objectClass": {"pwdPolicy"}, "pwdLockout": {"TRUE"}, "pwdMaxFailure": {"4"}, "pwdFailureCountInterval": {"600"},
				"pwdMinLength": {"9"}, "pwdInHistory": {"3"}, "pwdMinAge": {"60"}, "pwdMaxAge": {"86400"},
			}},
		},
	}
}

func openUnix(t testing.TB, dir *directory, change func(*ldap.Config)) site {
	t.Helper()
	return open(t, dir, 1, func(c *ldap.Config) {
		c.Kind, c.BaseDNs, c.BindUser, c.PasswordPolicy = ldap.OpenLDAP, []string{branch}, reader, common
		if change != nil {
			change(c)
		}
	})
}

func (d *directory) of(dn, attribute string, values ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries {
		if e.dn == dn {
			e.attributes[attribute] = values
		}
	}
}

func TestOpenLDAPFind(t *testing.T) {
	s := openUnix(t, unix(), nil)
	for _, name := range []string{"ann", "ANN", "ann@example.test"} {
		u := s.find(t, name)
		if u.Key() != "corp:"+annID || u.Name != "ann" || u.DN != annDN || u.Email != "Ann@example.test" {
			t.Errorf("%s: %+v", name, u)
		}
		for _, g := range []string{"agents", "cn=agents,ou=groups," + tree, "ou=odd,ou=groups," + tree} {
			if !u.In(idp.GroupRef{Source: "corp", Name: g}) {
				t.Errorf("%s is not in %s: %v", name, g, u.Groups)
			}
		}
		if len(u.Groups) != 2 {
			t.Errorf("%v", u.Groups)
		}
	}
	for _, name := range []string{`CORP\ann`, "*", "Ann Test"} {
		if u, err := s.Find(t.Context(), name); !errors.Is(err, idp.ErrNoUser) {
			t.Errorf("%s: %v, %v", name, u, err)
		}
	}
	s = openUnix(t, unix(), func(c *ldap.Config) { c.LoginAttributes = []string{"cn"} })
	if u := s.find(t, "ann test"); u.DN != annDN {
		t.Errorf("%+v", u)
	}
	s = openUnix(t, unix(), func(c *ldap.Config) { c.PersonFilter = "(objectClass=account)" })
	if u, err := s.Find(t.Context(), "ann"); !errors.Is(err, idp.ErrNoUser) {
		t.Errorf("%v, %v", u, err)
	}
}

// TestOpenLDAPGroups: groups are found by who is in them, where the configuration says which; a name that two have
// gives neither.
func TestOpenLDAPGroups(t *testing.T) {
	dir := unix()
	s := openUnix(t, dir, func(c *ldap.Config) { c.GroupFilter = "(|(objectClass=groupOfNames)(objectClass=posixGroup))" })
	u := s.find(t, "ann")
	if len(u.Groups) != 2 || !u.In(idp.GroupRef{Source: "corp", Name: "unix"}) || !u.In(idp.GroupRef{Source: "corp", Name: "agents"}) {
		t.Errorf("%v", u.Groups)
	}
	s = openUnix(t, dir, func(c *ldap.Config) { c.GroupFilter, c.GroupBaseDN = "(objectClass=groupOfNames)", branch })
	if u := s.find(t, "ann"); len(u.Groups) != 0 {
		t.Errorf("%v", u.Groups)
	}
	dir.entries = append(dir.entries, entry{"cn=Agents,ou=corner," + tree, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"Agents"}}})
	if u := openUnix(t, dir, nil).find(t, "ann"); u.In(idp.GroupRef{Source: "corp", Name: "agents"}) || !u.In(idp.GroupRef{Source: "corp", Name: "cn=agents,ou=groups," + tree}) {
		t.Errorf("%v", u.Groups)
	}
}

func TestNsUniqueID(t *testing.T) {
	dir := unix()
	dir.of(annDN, "entryUUID")
	dir.of(annDN, "nsUniqueId", "6A9FCE01-3C2011EE-8D2FB1E2-7B5C0F11")
	s := openUnix(t, dir, nil)
	u := s.find(t, "ann")
	if u.ID != "6a9fce01-3c2011ee-8d2fb1e2-7b5c0f11" {
		t.Errorf("id %s", u.ID)
	}
	if _, err := s.Refresh(t.Context(), u); err != nil {
		t.Error(err)
	}
	dir.of(annDN, "nsUniqueId", "x*)(y")
	if u, err := s.Find(t.Context(), "ann"); err == nil || errors.Is(err, idp.ErrNoUser) {
		t.Errorf("%v, %v", u, err)
	}
}

// TestPolicyStates is C-26: only what comes with the right password is told.
func TestPolicyStates(t *testing.T) {
	const wrong = "wrong"
	refuse := func(code int64, text string) func(*directory) {
		return func(d *directory) { d.bound = &result{code, text} }
	}
	for name, c := range map[string]struct {
		control *ber.Packet
		answer  func(*directory)
		want    string
	}{
		"fine":                            {nil, nil, ""},
		"a policy with nothing to say":    {policyControl(-1, -1, -1), nil, ""},
		"three days left":                 {policyControl(3*86400, -1, -1), nil, ""},
		"a sign-in left":                  {policyControl(-1, 1, -1), nil, "password_expired"},
		"the last sign-in":                {policyControl(-1, 0, -1), nil, "password_expired"},
		"reset by an admin":               {policyControl(-1, -1, goldap.BeheraChangeAfterReset), nil, "must_change"},
		"expired":                         {policyControl(-1, -1, goldap.BeheraPasswordExpired), refuse(49, ""), "password_expired"},
		"locked":                          {policyControl(-1, -1, goldap.BeheraAccountLocked), refuse(49, ""), wrong},
		"wrong":                           {nil, refuse(49, ""), wrong},
		"no password":                     {nil, refuse(48, ""), wrong},
		"gone":                            {nil, refuse(32, ""), wrong},
		"389 locked":                      {nil, refuse(19, "Exceed password retry limit. Please try later."), wrong},
		"389 inactive":                    {nil, refuse(53, "Account inactivated. Contact system administrator."), wrong},
		"a server that takes no password": {nil, refuse(53, "simple bind is disallowed"), "unable"},
		"TLS asked for":                   {nil, refuse(13, "confidentiality required"), "unable"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := unix()
			s := openUnix(t, dir, nil)
			u := s.find(t, "ann")
			dir.policy = c.control
			if c.answer != nil {
				c.answer(dir)
			}
			err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!")
			state, isState := errors.AsType[*idp.AccountState](err)
			bad := errors.Is(err, idp.ErrBadCredentials)
			switch c.want {
			case "":
				if err != nil {
					t.Error(err)
				}
			case wrong:
				if !bad || isState {
					t.Errorf("%v", err)
				}
			case "unable":
				if err == nil || bad || isState {
					t.Errorf("%v", err)
				}
			default:
				if !isState || state.State != c.want || bad {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

func TestPolicyWarning(t *testing.T) {
	now := time.Now()
	dir := unix()
	s := openUnix(t, dir, func(c *ldap.Config) { c.Now = func() time.Time { return now } })
	u := s.find(t, "ann")
	dir.policy = policyControl(3*86400, -1, -1)
	if err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!"); err != nil || !u.PasswordExpires.Equal(now.Add(72*time.Hour)) {
		t.Errorf("%s, %v", u.PasswordExpires, err)
	}
}

// TestPasswordModify: by the person while they can sign in, and for them when they cannot any more.
func TestPasswordModify(t *testing.T) {
	for name, c := range map[string]struct {
		control *ber.Packet
		bound   *result
		by      string
	}{
		"of one's own accord": {nil, nil, annDN},
		"a sign-in left":      {policyControl(-1, 1, -1), nil, annDN},
		"after a reset":       {policyControl(-1, -1, goldap.BeheraChangeAfterReset), nil, annDN},
		"expired":             {policyControl(-1, -1, goldap.BeheraPasswordExpired), &result{49, ""}, reader},
	} {
		dir := unix()
		s := openUnix(t, dir, nil)
		u := s.find(t, "ann")
		dir.policy, dir.bound = c.control, c.bound
		if err := s.ChangePassword(t.Context(), u, "Us3r-Passw0rd!", "N3w-Passw0rd!"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := change{c.by, annDN, "password modify", "Us3r-Passw0rd!", "N3w-Passw0rd!"}
		if got := dir.changed(); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestPasswordModifyRefused(t *testing.T) {
	for _, c := range []struct {
		fault  int64
		answer result
		want   string
	}{
		{goldap.BeheraPasswordTooShort, result{19, "Password fails quality checking policy"}, "too_short"},
		{goldap.BeheraInsufficientPasswordQuality, result{19, ""}, "complexity"},
		{goldap.BeheraPasswordInHistory, result{19, ""}, "history"},
		{goldap.BeheraPasswordTooYoung, result{19, ""}, "min_age"},
		{goldap.BeheraPasswordModNotAllowed, result{50, ""}, "not_allowed"},
		{goldap.BeheraMustSupplyOldPassword, result{50, ""}, "not_allowed"},
		{-1, result{19, "invalid password syntax"}, "policy"},
		{-1, result{50, ""}, "not_allowed"},
		{-1, result{53, "unwilling to verify old password"}, "not_allowed"},
		{-1, result{49, ""}, "wrong"},
		{-1, result{2, "unsupported extended operation"}, ""},
	} {
		dir := unix()
		s := openUnix(t, dir, nil)
		u := s.find(t, "ann")
		dir.refused = c.answer
		dir.faulty = policyControl(-1, -1, c.fault)
		err := s.ChangePassword(t.Context(), u, "Us3r-Passw0rd!", "canary-91d")
		refused, is := errors.AsType[*idp.PasswordRefused](err)
		switch {
		case err == nil || strings.Contains(err.Error(), "canary-91d"):
			t.Errorf("%+v: %v", c, err)
		case errors.Is(err, idp.ErrBadCredentials) != (c.want == "wrong"):
			t.Errorf("%+v: %v", c, err)
		case is != (c.want != "" && c.want != "wrong") || is && refused.Reason != c.want:
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestOpenLDAPPolicy(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	at := func(c *ldap.Config) { c.Now = func() time.Time { return now } }
	dir := unix()
	dir.of(annDN, "pwdFailureTime", "20261126115959.123456Z", "20261126114901Z", "20261126114859Z", "x")
	dir.of(annDN, "pwdChangedTime", "20261126000000Z")
	s := openUnix(t, dir, at)
	u := s.find(t, "ann")
	if l, err := s.Limit(t.Context(), u); err != nil || l != (idp.Lockout{Failures: 4, Window: 10 * time.Minute, Counted: 2, Account: u.ID}) {
		t.Errorf("%+v, %v", l, err)
	}
	if r, err := s.PasswordRules(t.Context(), u); err != nil || r != (idp.PasswordRules{MinLength: 9, History: 3, MinAge: time.Minute}) {
		t.Errorf("%+v, %v", r, err)
	}
	if want := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC); !u.PasswordExpires.Equal(want) {
		t.Errorf("expires %s", u.PasswordExpires)
	}

	const own = "cn=own,ou=policies," + tree
	dir.entries = append(dir.entries, entry{own, map[string][]string{"objectClass": {"pwdPolicy"}, "pwdLockout": {"TRUE"}, "pwdMaxFailure": {"3"}}})
	dir.of(annDN, "pwdPolicySubentry", own)
	u = s.find(t, "ann")
	if l, err := s.Limit(t.Context(), u); err != nil || l.Failures != 3 || l.Window != 24*time.Hour {
		t.Errorf("of her own: %+v, %v", l, err)
	}
	if !u.PasswordExpires.IsZero() {
		t.Errorf("expires %s", u.PasswordExpires)
	}
	dir.of(own, "objectClass")
	if _, err := openUnix(t, dir, at).Limit(t.Context(), u); err == nil {
		t.Error("a policy that is not shown is one that never locks")
	}
	dir.of(annDN, "pwdPolicySubentry")
	for policy, works := range map[string]bool{"": false, "none": true, "cn=gone," + tree: false} {
		l, err := openUnix(t, dir, func(c *ldap.Config) { c.PasswordPolicy = policy }).Limit(t.Context(), nil)
		if works != (err == nil) || l.Failures != 0 {
			t.Errorf("policy %q: %+v, %v", policy, l, err)
		}
	}
}

func TestOpenLDAPRefresh(t *testing.T) {
	dir := unix()
	s := openUnix(t, dir, nil)
	u := s.find(t, "ann")
	dir.of(annDN, "memberOf")
	dir.of(annDN, "pwdAccountLockedTime", "20261126115959Z") // by wrong passwords, which need not be hers
	if got, err := s.Refresh(t.Context(), u); err != nil || len(got.Groups) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for attribute, value := range map[string]string{"pwdAccountLockedTime": "000001010000Z", "nsAccountLock": "TRUE", "pwdEndTime": "20200101000000Z"} {
		dir.of(annDN, attribute, value)
		if _, ok := errors.AsType[*idp.AccountState](func() error { _, err := s.Refresh(t.Context(), u); return err }()); !ok {
			t.Errorf("%s %s keeps the session", attribute, value)
		}
		dir.of(annDN, attribute)
	}
	dir.mu.Lock()
	dir.entries = slices.DeleteFunc(dir.entries, func(e entry) bool { return e.dn == annDN })
	dir.mu.Unlock()
	if got, err := s.Refresh(t.Context(), u); !errors.Is(err, idp.ErrNoUser) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOpenLDAPNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*ldap.Config){
		"a person filter that is none":  func(c *ldap.Config) { c.PersonFilter = "objectClass=person)" },
		"a group filter that is none":   func(c *ldap.Config) { c.GroupFilter = "(x" },
		"an attribute that is a filter": func(c *ldap.Config) { c.LoginAttributes = []string{"uid", "x=*)(y"} },
		"a policy that is no DN":        func(c *ldap.Config) { c.PasswordPolicy = "default" },
		"groups below no DN":            func(c *ldap.Config) { c.GroupBaseDN = "groups" },
		"a base DN that is none":        func(c *ldap.Config) { c.BaseDNs = []string{"people"} },
	} {
		cfg := ldap.Config{
			Name: "unix", Kind: ldap.OpenLDAP, Servers: []string{"ldaps://ldap1"}, BaseDNs: []string{"o=Example,c=de"},
			BindUser: reader, BindPassword: idp.NewSecret("x"),
		}
		if _, err := ldap.New(cfg); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if _, err := ldap.New(cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
