package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// renewal is a gateway whose people have passwords that have to be changed: in a domain, behind two doors to its
// one server, and in an OpenLDAP directory.
type renewal struct {
	*Caddy
	domain  *Domain
	doors   []*FaultProxy
	servers string // as the configuration names the doors
	tree    *Slapd
	gate    *FaultProxy // to the tree
	heard   *ear
	first   string // everybody's password at the beginning
	people  map[string]*Person
	homes   map[string]*Client // where those signed in who have a factor since the beginning
}

const (
	renewalLockout = 5
	renewalLength  = 10
	inside         = "127.0.0.1"
	outside        = "127.0.0.2"
)

// The people of the domain, by what the tests do with them. Their passwords are three days old where nothing is said, so
// that the minimum age of a day has passed.
var renewalPeople = []ADUser{
	{Name: "svc-gatehouse"},
	{Name: "vera"},
	{Name: "vince"},
	{Name: "vito"},
	{Name: "ella"},
	{Name: "emil", PasswordAge: 50 * 24 * time.Hour},
	{Name: "eric", PasswordAge: 50 * 24 * time.Hour},
	{Name: "maya"},
	{Name: "milo", State: "must_change"},
	{Name: "mark", State: "must_change"},
	{Name: "carla"},
	{Name: "kim", State: "must_change"},
	{Name: "nils", PasswordAge: 50 * 24 * time.Hour},
	{Name: "pia", PasswordAge: 50 * 24 * time.Hour},
	{Name: "rita", State: "must_change"},
	{Name: "yara", PasswordAge: time.Minute},
	{Name: "tess"},
	{Name: "wanda"},
	{Name: "ines", CannotChange: true},
	{Name: "ivan", CannotChange: true, PasswordAge: 50 * 24 * time.Hour},
	{Name: "susan"},
	{Name: "aged", PasswordAge: 38 * 24 * time.Hour},
	{Name: "fina", PasswordAge: 2*24*time.Hour + time.Hour},
	{Name: "lost"},
	{Name: "lena", PasswordAge: 50 * 24 * time.Hour},
	{Name: "lars", State: "must_change"},
	{Name: "dora", State: "must_change"},
	{Name: "nora", State: "must_change"},
	{Name: "theo", State: "must_change"},
	{Name: "oscar", State: "must_change"},
}

func openRenewal(t *testing.T) *renewal {
	t.Helper()
	const day = 24 * time.Hour
	r := &renewal{first: word("First-"), heard: &ear{}, people: map[string]*Person{}, homes: map[string]*Client{}}
	users := slices.Clone(renewalPeople)
	for i := range users {
		u := &users[i]
		u.Password, u.Mail, u.Groups = r.first, u.Name+"@example.test", []string{"Agents"}
		if u.Name == "svc-gatehouse" {
			u.Password, u.Groups = bindWord, nil // a member of Domain Users, and of nothing else
		}
		if u.PasswordAge == 0 && u.State == "" {
			u.PasswordAge = 3 * day
		}
	}
	r.domain = NewDomain(t, People{
		Policy: &PasswordPolicy{Lockout: renewalLockout, MinLength: renewalLength, History: 3, MinAge: day, MaxAge: 40 * day, Complexity: true},
		Fine:   []FinePolicy{{Name: "short-lived", AppliesTo: []string{"tess", "fina"}, PasswordPolicy: PasswordPolicy{Lockout: 4, MinLength: 32, MaxAge: 5 * day}}},
		Groups: []ADGroup{{Name: "Agents"}}, Users: users,
	})
	var servers []string
	for range 2 {
		door := NewFaultProxy(t, r.domain.Addr, r.domain.Authority, r.domain.Name)
		r.doors, servers = append(r.doors, door), append(servers, door.URL)
	}
	r.tree = renewalTree(t, r.first)
	r.gate = NewFaultProxy(t, r.tree.Addr, r.tree.Authority)
	r.servers = strings.Join(servers, " ")
	r.Caddy = NewCaddy(t, "passwords", map[string]any{"Domain": r.domain, "Servers": r.servers, "Tree": r.tree, "TreeURL": r.gate.URL})
	WriteFile(t, filepath.Join(r.Dir, "ad_bind"), bindWord+"\n")
	WriteFile(t, filepath.Join(r.Dir, "ldap_bind"), r.tree.BindPassword+"\n")
	r.Start()
	return r
}

// bindWord is the password of the service account.
const bindWord = "Quiet-Lantern-58x"

// on is the gateway as a subtest sees it, which fails on its own.
func (r *renewal) on(t *testing.T) *renewal {
	own, gateway := *r, *r.Caddy
	gateway.t = t
	own.Caddy = &gateway
	return &own
}

// person is somebody, with the password of the beginning until they change it.
func (r *renewal) person(name string) *Person {
	if r.people[name] == nil {
		r.people[name] = &Person{Name: name, Password: r.first, Own: true}
	}
	return r.people[name]
}

// browser is a new one at an address, which is listened to.
func (r *renewal) browser(from string) *Client {
	r.t.Helper()
	hc := r.HTTP(from)
	hc.Transport = r.heard.listening(hc.Transport)
	return NewClient(r.t, hc)
}

// enrolled has somebody set up their factor at home while the password is good.
func (r *renewal) enrolled(name string) *Person {
	r.t.Helper()
	who, home := r.person(name), r.browser(inside)
	home.SignIn(r.Caddy, who)
	r.homes[name] = home
	return who
}

// home is the browser of somebody who was enrolled.
func (r *renewal) home(name string) *Client {
	return &Client{t: r.t, http: r.homes[name].http}
}

// TestPasswords: people whose password has expired or must be changed come to where they were going, and nobody comes
// anywhere by one, in Active Directory and in OpenLDAP. The steps are in the order of one day: each finds what those
// before have left.
func TestPasswords(t *testing.T) {
	r := openRenewal(t)
	for _, step := range []struct {
		name string
		run  func(*renewal, *testing.T)
	}{
		{"nine combinations", (*renewal).nineWays},
		{"Chromium", (*renewal).chromium},
		{"new passwords that do not do", (*renewal).refusedInWords},
		{"people who may not", (*renewal).mayNotChange},
		{"wrong current passwords", (*renewal).wrongCurrent},
		{"a change and no reset", (*renewal).noReset},
		{"a notice before it expires", (*renewal).notice},
		{"OpenLDAP", (*renewal).openLDAP},
		{"an answer that is lost", (*renewal).lostAnswer},
		{"nobody answers", (*renewal).nobodyAnswers},
		{"a part of the name", (*renewal).partOfTheName},
		{"over TLS alone", (*renewal).overTLS},
		{"a change of one's own accord", (*renewal).ownAccord},
		{"no password anywhere", (*renewal).noPasswordAnywhere},
	} {
		t.Run(step.name, func(t *testing.T) { step.run(r.on(t), t) })
	}
}
