package ldap_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

const (
	domain  = "DC=corp,DC=example,DC=test"
	people  = "OU=People," + domain
	alice   = "CN=Alice Test," + people
	service = "svc-gatehouse@corp.example.test"
)

// guid is 16 bytes that are unlike when read in another order.
func guid(last byte) string {
	return "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee" + string(rune(last&0x7f))
}

func person(cn string, id byte, mail string, tokenGroups ...string) entry {
	name := strings.ToLower(strings.Fields(cn)[0])
	return entry{"CN=" + cn + "," + people, map[string][]string{
		"sAMAccountType": {"805306368"}, "userAccountControl": {"512"}, "objectGUID": {guid(id)},
		"sAMAccountName": {name}, "userPrincipalName": {name + "@corp.example.test"}, "mail": {mail},
		"givenName": {strings.Fields(cn)[0]}, "sn": {"Test"}, "displayName": {cn}, "tokenGroups": tokenGroups, "department": {"Sales", "Support"},
	}}
}

func group(dn, cn, account, sid string) entry {
	return entry{dn, map[string][]string{
		"objectCategory": {"group"}, "cn": {cn}, "sAMAccountName": {account}, "objectSid": {sid},
	}}
}

const (
	agentsSID = "\x01\x05\x00\x00(*)\\agents"
	callsSID  = "\x01\x05\x00\x00\xff\xfecalls"
)

// corp is a domain with Alice, who is in a group that is in another.
func corp() *directory {
	return &directory{
		passwords: map[string]string{service: "Svc-Passw0rd!", alice: "Us3r-Passw0rd!"},
		states:    map[string]string{},
		entries: []entry{
			{domain, map[string][]string{"lockoutThreshold": {"5"}, "lockOutObservationWindow": {"-6000000000"}}},
			{people, nil},
			{"", map[string][]string{"currentTime": {time.Now().UTC().Format("20060102150405.0Z")}, "configurationNamingContext": {"CN=Configuration," + domain}}},
			{"CN=Partitions,CN=Configuration," + domain, nil},
			{"CN=CORP,CN=Partitions,CN=Configuration," + domain, map[string][]string{"objectClass": {"crossRef"}, "nCName": {domain}, "nETBIOSName": {"CORP"}}},
			person("Alice Test", 'a', "Alice@example.test", agentsSID, callsSID, "\x01\x05unknown"),
			group("CN=Agents\\, First,CN=Users,"+domain, "Agents, First", "agents", agentsSID),
			group("CN=call-center,CN=Users,"+domain, "call-center", "call-center", callsSID),
		},
	}
}

// site is a source, its directory and the controllers that serve it.
type site struct {
	*ldap.Source
	dir *directory
	dcs []*dc
}

// open serves a directory by n controllers and makes a source of them.
func open(t testing.TB, dir *directory, n int, change func(*ldap.Config)) site {
	t.Helper()
	a := newAuthority(t)
	s := site{dir: dir}
	cfg := ldap.Config{
		Name: "corp", BaseDNs: []string{people}, BindUser: service, BindPassword: idp.NewSecret("Svc-Passw0rd!"), RootCAs: a.pool,
		Timeouts: ldap.Timeouts{Dial: 2 * time.Second, Operation: 5 * time.Second, Wait: 10 * time.Second, Hedge: time.Hour},
	}
	for range n {
		d := dir.serve(t, a.server(t, time.Now().Add(time.Hour), net.IPv4(127, 0, 0, 1)), false)
		s.dcs = append(s.dcs, d)
		cfg.Servers = append(cfg.Servers, d.url())
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.Source, err = ldap.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s site) find(t testing.TB, name string) *idp.User {
	t.Helper()
	u, err := s.Find(t.Context(), name)
	if err != nil {
		t.Fatalf("finding %q: %v", name, err)
	}
	return u
}

func TestFind(t *testing.T) {
	s := open(t, corp(), 1, func(c *ldap.Config) { c.Attributes.More = []string{"department"} })
	for _, name := range []string{"alice", "ALICE", "alice@corp.example.test", "alice@EXAMPLE.test", `CORP\alice`} {
		u := s.find(t, name)
		if u.Key() != "corp:00112233-4455-6677-8899-aabbccddee61" {
			t.Errorf("%s: key %s", name, u.Key())
		}
		if u.Name != "alice@corp.example.test" || u.DN != alice || u.Email != "Alice@example.test" || u.FirstName != "Alice" || u.LastName != "Test" || u.DisplayName != "Alice Test" {
			t.Errorf("%s: %+v", name, u)
		}
		if !slices.Equal(u.Attribute("department"), []string{"Sales", "Support"}) {
			t.Errorf("%s: department %v", name, u.Attribute("department"))
		}
		for _, g := range []string{"Agents, First", "agents", `cn=agents\, first,cn=users,` + domain, "Call-Center"} {
			if !u.In(idp.GroupRef{Source: "corp", Name: g}) {
				t.Errorf("%s is not in %s: %v", name, g, u.Groups)
			}
		}
		if u.In(idp.GroupRef{Source: "other", Name: "agents"}) {
			t.Errorf("%s is in another source's group", name)
		}
		if len(u.Groups) != 2 {
			t.Errorf("groups: %v", u.Groups)
		}
	}
	if n := s.dcs[0].dials(); n != 1 {
		t.Errorf("%d connections for searches that came one by one", n)
	}
}

// TestFindGroupsOnce: what groups are called is asked once in five minutes, and who is in them once in two.
func TestFindGroupsOnce(t *testing.T) {
	now := time.Now()
	s := open(t, corp(), 1, func(c *ldap.Config) { c.Now = func() time.Time { return now } })
	count := func() int {
		s.dir.forget()
		s.find(t, "alice")
		_, searches := s.dir.seen()
		return len(searches)
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 4}, {0, 1}, {2*time.Minute - time.Second, 1}, {time.Second, 2}, {3*time.Minute - time.Second, 2}, {time.Second, 3}, {2 * time.Minute, 2}} {
		now = now.Add(step.after)
		if n := count(); n != step.want {
			t.Errorf("%s later: %d searches, want %d", step.after, n, step.want)
		}
	}
}

// TestFilterBytes is C-48: what is typed is a value and never a part of the filter.
func TestFilterBytes(t *testing.T) {
	s := open(t, corp(), 1, nil)
	names := []string{
		"*)(uid=*", "*", "\x00", `alice)(|(cn=*`, ",ou=People", "é*", "(", "a=b", "#", " alice", strings.Repeat("(", 256),
	}
	for _, name := range names {
		s.dir.forget()
		if u, err := s.Find(t.Context(), name); !errors.Is(err, idp.ErrNoUser) {
			t.Errorf("%q: %v, %v", name, u, err)
		}
		_, searches := s.dir.seen()
		got, other := searches[0].equalities()
		want := [][2]string{{"mail", name}, {"userPrincipalName", name}, {"sAMAccountName", name}, {"sAMAccountType", "805306368"}}
		if !slices.Equal(got, want) || other > 0 {
			t.Errorf("%q: filter %s", name, searches[0].text)
		}
	}
	s.dir.forget()
	if _, err := s.Find(t.Context(), `CORP\*)(x=\`); !errors.Is(err, idp.ErrNoUser) {
		t.Error(err)
	}
	_, searches := s.dir.seen()
	searches = slices.DeleteFunc(searches, func(q search) bool { return q.base != people })
	if got, _ := searches[0].equalities(); !slices.Equal(got[:len(got)-1], [][2]string{{"sAMAccountName", `*)(x=\`}}) {
		t.Errorf("filter %s", searches[0].text)
	}
	s.dir.forget()
	for _, name := range []string{"", `CORP\`, strings.Repeat("a", 10_000), "\xff\xfe"} {
		if _, err := s.Find(t.Context(), name); !errors.Is(err, idp.ErrNoUser) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	if _, searches := s.dir.seen(); len(searches) > 0 {
		t.Errorf("asked for a name that nobody can have: %v", searches)
	}
}

// TestFindRefuses is C-49.
func TestFindRefuses(t *testing.T) {
	both := func(c *ldap.Config) { c.BaseDNs = []string{people, "OU=Others," + domain} }
	elsewhere := person("Bob Test", 'b', "bob@example.test")
	elsewhere.dn = "CN=Bob Test,OU=Others," + domain
	for name, c := range map[string]struct {
		more   []entry
		change func(*ldap.Config)
		typed  string
		want   error
		says   string
	}{
		"nobody":                        {nil, nil, "zoe", idp.ErrNoUser, ""},
		"one's mail, another's name":    {[]entry{person("Bob Test", 'b', "alice@corp.example.test")}, nil, "alice@corp.example.test", idp.ErrAmbiguous, "CN=Bob Test"},
		"three":                         {[]entry{person("Bob T", 'b', "x@example.test"), person("Cy T", 'c', "x@example.test"), person("Di T", 'd', "x@example.test")}, nil, "x@example.test", idp.ErrAmbiguous, ""},
		"one below each base DN":        {[]entry{{"OU=Others," + domain, nil}, person("Bob Test", 'c', "bob@example.test"), elsewhere}, both, "bob", idp.ErrAmbiguous, "OU=Others"},
		"one, seen from two base DNs":   {nil, func(c *ldap.Config) { c.BaseDNs = []string{domain, people} }, "alice", nil, ""},
		"without an objectGUID":         {[]entry{{"CN=x," + people, map[string][]string{"sAMAccountType": {"805306368"}, "sAMAccountName": {"x"}}}}, nil, "x", nil, "objectGUID"},
		"a base DN that is not there":   {nil, both, "alice", nil, "OU=Others"},
		"a contact is nobody's account": {[]entry{{"CN=y," + people, map[string][]string{"objectClass": {"contact"}, "mail": {"y@example.test"}}}}, nil, "y@example.test", idp.ErrNoUser, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := corp()
			dir.entries = append(dir.entries, c.more...)
			s := open(t, dir, 1, c.change)
			u, err := s.Find(t.Context(), c.typed)
			if c.want == nil && c.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, %v", u, err)
			}
			if c.want == nil && (errors.Is(err, idp.ErrNoUser) || errors.Is(err, idp.ErrAmbiguous)) {
				t.Errorf("a fault of the directory is taken for an answer: %v", err)
			}
		})
	}
}

// TestSharedGroupNames: a name that two groups have gives neither.
func TestSharedGroupNames(t *testing.T) {
	dir := corp()
	dir.entries = append(dir.entries,
		group("CN=Agents\\, First,OU=Corner,"+domain, "Agents, First", "corner", "\x01sid1"),
		group("CN=x,OU=Corner,"+domain, "CALL-center", "x", "\x01sid2"),
		group("CN=k,OU=Corner,"+domain, "Supervisors \u212a", "k", "\x01sid3"),
		group("CN=d,OU=Corner,"+domain, "CN=call-center,CN=Users,"+domain, "d", "\x01sid4"),
		person("Mal Test", 'm', "mal@example.test", "\x01sid1", "\x01sid2", "\x01sid3", "\x01sid4"),
	)
	for _, most := range []int{0, 1} { // also where the directory does not show them all
		s := open(t, dir, 1, nil)
		dir.mu.Lock()
		dir.most = most
		dir.mu.Unlock()
		mal := s.find(t, "mal")
		for _, g := range []string{"Agents, First", "call-center", "Supervisors K", "CN=call-center,CN=Users," + domain} {
			if mal.In(idp.GroupRef{Source: "corp", Name: g}) {
				t.Errorf("most %d: Mal is in %s: %v", most, g, mal.Groups)
			}
		}
		if !mal.In(idp.GroupRef{Source: "corp", Name: `CN=Agents\, First,OU=Corner,` + domain}) {
			t.Errorf("the DN means one group: %v", mal.Groups)
		}
		if s.find(t, "alice").In(idp.GroupRef{Source: "corp", Name: "Agents, First"}) {
			t.Error("a shared name still means Alice's group")
		}
	}
}

func TestFindGroup(t *testing.T) {
	dir := corp()
	dir.entries = append(dir.entries, group("CN=twin,OU=a,"+domain, "twin", "t1", "\x01s1"), group("CN=twin,OU=b,"+domain, "twin", "t2", "\x01s2"))
	s := open(t, dir, 1, nil)
	for name, want := range map[string]error{
		"agents": nil, "Agents, First": nil, "CN=call-center,CN=Users," + domain: nil,
		"nothing": idp.ErrNotFound, "CN=nothing," + domain: idp.ErrNotFound, "*": idp.ErrNotFound, alice: idp.ErrNotFound,
		"twin": idp.ErrAmbiguous, "t1": nil,
	} {
		if err := s.FindGroup(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

// TestManyAtOnce: everybody is served on a handful of connections.
func TestManyAtOnce(t *testing.T) {
	s := open(t, corp(), 1, func(c *ldap.Config) { c.Searches, c.Binds = 4, 4 })
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			u, err := s.Find(context.Background(), "alice")
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Authenticate(context.Background(), u, "Us3r-Passw0rd!"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := s.dcs[0].dials(); n > 8 {
		t.Errorf("%d connections, at most 8 are allowed", n)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*ldap.Config){
		"no name":              func(c *ldap.Config) { c.Name = "" },
		"no server":            func(c *ldap.Config) { c.Servers = nil },
		"no base DN":           func(c *ldap.Config) { c.BaseDNs = nil },
		"a base DN of its own": func(c *ldap.Config) { c.BaseDNs = []string{"OU=People"} },
		"no DN":                func(c *ldap.Config) { c.BaseDNs = []string{"People"} },
		"no password":          func(c *ldap.Config) { c.BindPassword = idp.Secret{} },
		"no service account":   func(c *ldap.Config) { c.BindUser = "" },
		"another kind":         func(c *ldap.Config) { c.Kind = "phone_book" },
		"no scheme":            func(c *ldap.Config) { c.Servers = []string{"dc1.corp.example.test"} },
		"a path":               func(c *ldap.Config) { c.Servers = []string{"ldaps://dc1/DC=x"} },
		"a socket":             func(c *ldap.Config) { c.Servers = []string{"ldapi:///run/x"} },
		"http":                 func(c *ldap.Config) { c.Servers = []string{"https://dc1"} },
		"a password in it":     func(c *ldap.Config) { c.Servers = []string{"ldaps://u:p@dc1"} },
	} {
		cfg := ldap.Config{
			Name: "corp", Servers: []string{"ldaps://dc1", "ldap://[::1]:3389"}, BaseDNs: []string{domain},
			BindUser: service, BindPassword: idp.NewSecret("canary-5c1"),
		}
		if _, err := ldap.New(cfg); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if _, err := ldap.New(cfg); err == nil || strings.Contains(err.Error(), "canary-5c1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
