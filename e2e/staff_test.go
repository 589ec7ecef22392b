package e2e

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// staff is a gateway whose people are in a domain, in an OpenLDAP directory and in its own file.
type staff struct {
	*Caddy
	domain *Domain
	path   *FaultProxy // to the domain
	tree   *Slapd
	tries  *int // so far; each comes from an address of its own, since an address is limited

	// mia keeps one authenticator app whatever becomes of her account, and so does pat.
	mia, pat *Person
}

const (
	staffPassword   = "Blue-Harbour-41x" // of everybody in the domain
	partnerPassword = "Warm-Granite-73x"
	localPassword   = "Deep-Furnace-95x"
	bindPassword    = "Quiet-Lantern-58x"
	agents          = "Contact Centre Agents"
	night           = "Contact Centre Night"
)

// manyPages is how many values an attribute has where Active Directory would give them in parts.
const manyPages = 1600

func staffDomain(t *testing.T) *Domain {
	t.Helper()
	user := func(u ADUser) ADUser {
		if u.Password == "" {
			u.Password = staffPassword
		}
		if u.Mail == "" {
			u.Mail = u.Name + "@example.test"
		}
		return u
	}
	pages := make([]string, manyPages)
	for i := range pages {
		pages[i] = "https://example.test/" + strconv.Itoa(i)
	}
	return NewDomain(t, People{
		Lockout: 10,
		Groups:  []ADGroup{{Name: agents}, {Name: "Contact Centre Berlin", MemberOf: []string{agents}}, {Name: night}, {Name: "Printers"}},
		Users: []ADUser{
			user(ADUser{Name: "svc-gatehouse", Password: bindPassword}),
			user(ADUser{
				Name: "ann", Mail: "Ann.Agent@example.test", UPN: "a.agent@corp.example.test", Groups: []string{"Contact Centre Berlin", "Printers"},
				Primary: night, Proxies: []string{"SMTP:Ann.Agent@example.test", "smtp:ann.old@example.test", "X400:c=DE;a=x400;p=Example;s=Agent", "SIP:ann.sip@example.test"},
				Attributes: map[string][]string{
					"employeeID": {"e4711"}, "physicalDeliveryOfficeName": {"Berlin 2"}, "otherTelephone": {"+49 30 1", "+49 30 2"}, "displayName": {"Ann <Agent> & Co"}, "url": pages,
				},
			}),
			user(ADUser{Name: "bob", Mail: "shared@example.test", OU: "Sales"}),
			user(ADUser{Name: "ben", Proxies: []string{"smtp:Shared@example.test"}}),
			user(ADUser{Name: "mallory", Mail: "mallory@evil.test"}),
			user(ADUser{Name: "twin"}),
			user(ADUser{Name: "dora", State: "disabled"}), user(ADUser{Name: "edgar", State: "expired"}), user(ADUser{Name: "luke", State: "locked"}),
			user(ADUser{Name: "hugo", State: "logon_hours"}), user(ADUser{Name: "paul", State: "workstation"}),
			user(ADUser{Name: "otto"}), user(ADUser{Name: "greta"}), user(ADUser{Name: "olga", Groups: []string{agents}}), user(ADUser{Name: "nora"}),
			user(ADUser{Name: "fred", Groups: []string{agents}}), user(ADUser{Name: "mia"}),
		},
	})
}

func staffTree(t *testing.T) *Slapd {
	t.Helper()
	user := func(name, state string) TreeUser {
		return TreeUser{Name: name, Password: partnerPassword, Mail: name + "@partner.example.test", State: state}
	}
	return NewSlapd(t, Tree{
		Policy: PasswordPolicy{Lockout: 10, MinLength: 8},
		Users: []TreeUser{
			user("pat", ""), user("twin", ""), user("piet", "expired"), user("gina", "grace"), user("max", "must_change"), user("lola", "locked"),
		},
		Groups: []TreeGroup{{Name: "agents", Members: []string{"pat"}}, {Name: "all", Members: []string{"pat", "twin"}}},
	})
}

func openStaff(t *testing.T) *staff {
	t.Helper()
	local := func(name string) []LocalUser {
		return []LocalUser{NewLocalUser(t, &Person{Name: name, Password: localPassword})}
	}
	s := &staff{
		domain: staffDomain(t), tree: staffTree(t), tries: new(int),
		mia: &Person{Name: "mia@example.test", Password: staffPassword}, pat: &Person{Name: "pat@partner.example.test", Password: partnerPassword},
	}
	s.path = NewFaultProxy(t, s.domain.Addr, nil)
	s.Caddy = NewCaddy(t, "staff", map[string]any{
		"Corp": "corp", "Server": s.path.URL, "BaseDN": s.domain.BaseDN, "CA": s.domain.CA, "Tree": s.tree,
		"Users": local("twin"), "Sold": local("oldie"), "Refresh": "5m", "Grace": "1h",
	})
	WriteFile(t, filepath.Join(s.Dir, "ad_bind"), bindPassword+"\n")
	WriteFile(t, filepath.Join(s.Dir, "ldap_bind"), s.tree.BindPassword+"\n")
	s.Start()
	return s
}

// TestStaff: the people of an Active Directory domain and of an OpenLDAP directory are known by every name, told what
// is wrong with their accounts, described to applications, followed while they are signed in, and known
// again whatever changes in the directory. The steps are in the order of one day: each finds what those before have left.
func TestStaff(t *testing.T) {
	s := openStaff(t)
	for _, step := range []struct {
		name string
		run  func(*staff, *testing.T)
	}{
		{"people enroll", (*staff).peopleEnroll},
		{"names", (*staff).namesAreOne},
		{"two with one address", (*staff).twoAreNobody},
		{"states in the domain", (*staff).domainStates},
		{"states in OpenLDAP", (*staff).treeStates},
		{"routes", (*staff).routesLead},
		{"attributes", (*staff).attributesAreSent},
		{"OpenLDAP's people", (*staff).treePeople},
		{"check", (*staff).checkTells},
		{"check of a person", (*staff).checkTellsOfPeople},
		{"check of a password", (*staff).checkTriesPasswords},
		{"check finds faults", (*staff).checkFindsFaults},
		{"a person who changes", (*staff).peopleAreKept},
		{"live sessions", (*staff).sessionsFollow},
		{"check without Caddy", (*staff).checkAlone},
	} {
		t.Run(step.name, func(t *testing.T) { step.run(s.on(t), t) })
	}
}

// on is the staff as a subtest sees it, which fails on its own.
func (s *staff) on(t *testing.T) *staff {
	own, gateway := *s, *s.Caddy
	gateway.t = t
	own.Caddy = &gateway
	return &own
}

// elsewhere is a browser that was never here, at an address from which nobody came before.
func (s *staff) elsewhere() *Client {
	*s.tries++
	return s.ClientFrom(fmt.Sprintf("127.0.9.%d", *s.tries))
}

// try types a name and a password on the way to a page, and returns the page that comes.
func (s *staff) try(c *Client, way, name, password string) *Page {
	s.t.Helper()
	who := &Person{Name: name, Password: password}
	p, _ := c.Walk(c.Get(s.Portal(way)), who, "password")
	p, err := c.answer(p, who)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// answer is all that whoever typed a name and a password can tell apart.
type answer struct {
	Status       int
	Kind, Text   string
	Header, Form []string
}

func answerOf(p *Page) answer {
	a := answer{Status: p.Status, Kind: p.Kind, Text: p.Text, Header: slices.Sorted(maps.Keys(p.Header))}
	for _, f := range p.Forms {
		a.Form = append(append(a.Form, f.Action, f.Method), slices.Sorted(maps.Keys(f.Fields))...)
	}
	return a
}

// refused makes sure that a try is answered as one with a name that nobody has.
func (s *staff) refused(t *testing.T, way, name, password string) {
	t.Helper()
	want := answerOf(s.try(s.elsewhere(), way, fmt.Sprintf("nobody-%d", *s.tries), password))
	if got := answerOf(s.try(s.elsewhere(), way, name, password)); fmt.Sprint(got) != fmt.Sprint(want) || got.Status != 401 {
		t.Errorf("%s: answered %+v, and for nobody %+v", name, got, want)
	}
}

// login is the last line of the audit log about a name that was typed, or an account's.
func login(lines []auditLine, name string) auditLine {
	for _, l := range slices.Backward(lines) {
		if l.Name == name && (l.Kind == "login" || l.Kind == "lockout") {
			return l
		}
	}
	return auditLine{}
}
