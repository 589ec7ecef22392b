package ldap_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// set writes attributes of Alice's entry.
func (d *directory) set(attribute string, values ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries {
		if e.dn == alice {
			delete(e.attributes, attribute)
			if len(values) > 0 {
				e.attributes[attribute] = values
			}
		}
	}
}

// TestFindAddresses: one of several mail addresses finds the one account, and the same one in two accounts none.
func TestFindAddresses(t *testing.T) {
	dir := corp()
	dir.set("proxyAddresses", "SMTP:alice@example.test", "smtp:a.before@old.example.test", "X400:c=us;a= ;p=corp", "sip:alice.sip@example.test")
	other := person("Bob Test", 'b', "bob@example.test")
	other.attributes["proxyAddresses"] = []string{"smtp:BOTH@example.test"}
	dir.entries = append(dir.entries, other, person("Cy Test", 'c', "both@example.test"))
	s := open(t, dir, 1, nil)
	for _, name := range []string{"a.before@old.example.test", "A.BEFORE@OLD.example.test", "alice@example.test"} {
		if u := s.find(t, name); u.DN != alice {
			t.Errorf("%s finds %s", name, u.DN)
		}
	}
	for _, name := range []string{"smtp:a.before@old.example.test", "alice.sip@example.test", "a.before"} {
		if u, err := s.Find(t.Context(), name); !errors.Is(err, idp.ErrNoUser) {
			t.Errorf("%s: %v, %v", name, u, err)
		}
	}
	_, err := s.Find(t.Context(), "both@example.test")
	if !errors.Is(err, idp.ErrAmbiguous) || !strings.Contains(err.Error(), `"CN=Bob Test,`) || !strings.Contains(err.Error(), `"CN=Cy Test,`) {
		t.Errorf("%v", err)
	}
	if _, err := s.Find(t.Context(), "*@example.test)(x=y"); !errors.Is(err, idp.ErrNoUser) {
		t.Errorf("%v", err)
	}
}

// TestFindMore: three accounts under one name are two too many, and no fault of the server's, whether or not it keeps
// to the number of entries that it was asked for.
func TestFindMore(t *testing.T) {
	for _, boundless := range []bool{false, true} {
		dir := corp()
		dir.boundless = boundless
		dir.entries = append(dir.entries, person("Bob T", 'b', "x@example.test"), person("Cy T", 'c', "x@example.test"), person("Di T", 'd', "x@example.test"))
		s := open(t, dir, 2, nil)
		asked := func(name string) int {
			dir.forget()
			_, _ = s.Find(t.Context(), name)
			_, searches := dir.seen()
			return len(searches)
		}
		if several, none := asked("x@example.test"), asked("y@example.test"); several != none {
			t.Errorf("boundless %v: %d searches for a name of several, and %d for nobody's", boundless, several, none)
		}
		_, err := s.Find(t.Context(), "x@example.test")
		if !errors.Is(err, idp.ErrAmbiguous) || strings.Count(err.Error(), "T,"+people) != 2 || !strings.Contains(err.Error(), "more") {
			t.Errorf("boundless %v: %v", boundless, err)
		}
		if n := strings.Count(strings.Join(levels(s.CheckUser(t.Context(), "x@example.test")), "\n"), "T,"+people); n != 2 {
			t.Errorf("boundless %v: check names %d accounts", boundless, n)
		}
		if st := s.Status(); st[0].State != "up" || st[1].State != "unknown" {
			t.Errorf("boundless %v: %+v", boundless, st)
		}
	}
}

// TestFindDomain: what stands before a backslash has to be this domain.
func TestFindDomain(t *testing.T) {
	bare := corp()
	bare.entries = slices.DeleteFunc(bare.entries, func(e entry) bool { return strings.Contains(e.dn, "Partitions") })
	for _, c := range []struct {
		dir      *directory
		netBIOS  string
		name     string
		isKnown  bool
		searches int // for the name of the domain
	}{
		{corp(), "", `CORP\alice`, true, 2},
		{corp(), "", `corp\ALICE`, true, 2},
		{corp(), "", `corp.example.test\alice`, true, 2},
		{corp(), "", `OTHER\alice`, false, 2},
		{corp(), "", `\alice`, false, 2},
		{corp(), "MERGED", `merged\alice`, true, 0},
		{corp(), "MERGED", `CORP\alice`, false, 0},
		{bare, "", `ANY\alice`, true, 2},
	} {
		s := open(t, c.dir, 1, func(cfg *ldap.Config) { cfg.NetBIOS = c.netBIOS })
		for n := range 2 {
			c.dir.forget()
			u, err := s.Find(t.Context(), c.name)
			if c.isKnown && (err != nil || u.DN != alice) || !c.isKnown && !errors.Is(err, idp.ErrNoUser) {
				t.Errorf("%s, NetBIOS %q: %v, %v", c.name, c.netBIOS, u, err)
			}
			_, searches := c.dir.seen()
			searches = slices.DeleteFunc(searches, func(q search) bool { return q.base != "" && !strings.Contains(q.base, "Partitions") })
			if want := c.searches * (1 - n); len(searches) != want {
				t.Errorf("%s: %d searches for the name of the domain, want %d", c.name, len(searches), want)
			}
		}
	}
}

// TestAttributes: an attribute under a name of the gateway's, with values that are no text, and many.
func TestAttributes(t *testing.T) {
	dir := corp()
	dir.set("employeeID", "E-17")
	dir.set("thumbnailPhoto", "\xff\xd8\xff")
	dir.set("objectSid", "\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x2c\x02\x00\x00")
	var many []string
	for n := range 3200 {
		many = append(many, fmt.Sprintf("value-%d", n))
	}
	dir.set("url", many...)
	dir.set("info", "text", "\xff", "", "\x00\x01", "more\ttext\n", "\ufffe", "\u0085")
	s := open(t, dir, 1, func(c *ldap.Config) {
		c.Attributes.Username = "employeeID"
		c.Attributes.More = []string{"objectGUID", "objectSid", "thumbnailPhoto", "url", "info", "absent"}
		c.Attributes.Own = []ldap.Attribute{{Name: "staff_number", From: "employeeID"}, {Name: "agent", From: "absent"}}
	})
	u := s.find(t, "alice")
	if u.Name != "E-17" {
		t.Errorf("username %q", u.Name)
	}
	for name, want := range map[string][]string{
		"objectGUID": {"00112233-4455-6677-8899-aabbccddee61"}, "objectSid": {"S-1-5-32-556"}, "thumbnailPhoto": nil,
		"url": many, "info": {"text", "more\ttext\n", "\u0085"}, "absent": nil, "staff_number": {"E-17"}, "agent": nil, "employeeID": nil,
	} {
		if got := u.Attribute(name); !slices.Equal(got, want) {
			t.Errorf("%s: %.100v", name, got)
		}
	}
	dir.set("displayName", "\x01", "Alice A.")
	guid := open(t, dir, 1, func(c *ldap.Config) { c.Attributes.Username = "objectGUID" })
	if u := guid.find(t, "alice"); u.Name != "00112233-4455-6677-8899-aabbccddee61" || u.DisplayName != "Alice A." {
		t.Errorf("by GUID: %+v", u)
	}
	dir.set("employeeID")
	if u := s.find(t, "alice"); u.Name != "alice@corp.example.test" || u.Attribute("staff_number") != nil {
		t.Errorf("without an employeeID: %+v", u)
	}
}

func TestGroupsFilter(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		want     int
	}{{nil, 2}, {[]string{"CALL-*"}, 1}, {[]string{"x", "*first"}, 1}, {[]string{"*"}, 2}, {[]string{"?all-center"}, 1}, {[]string{"call"}, 0}, {[]string{"*,*"}, 1}, {[]string{"*e*e*"}, 1}} {
		s := open(t, corp(), 1, func(cfg *ldap.Config) { cfg.GroupsFilter = c.patterns })
		if got := s.find(t, "alice").Groups; len(got) != c.want {
			t.Errorf("%v: %v", c.patterns, got)
		}
	}
	s := open(t, corp(), 1, func(cfg *ldap.Config) { cfg.GroupsFilter = []string{"call-*"} })
	for name, want := range map[string]error{"call-center": nil, "agents": idp.ErrNotFound, `CN=Agents\, First,CN=Users,` + domain: idp.ErrNotFound} {
		if err := s.FindGroup(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefresh(t *testing.T) {
	now := time.Now()
	dir := corp()
	s := open(t, dir, 1, func(c *ldap.Config) { c.Now = func() time.Time { return now } })
	u := s.find(t, "alice")
	dir.set("tokenGroups", callsSID)
	dir.set("mail", "Alice.New@example.test")
	dir.set("userAccountControl", "512")
	dir.set("accountExpires", "9223372036854775807")
	dir.set("lockoutTime", fileTime(now))
	if got, err := s.Refresh(t.Context(), u); err != nil || got.Key() != u.Key() || len(got.Groups) != 1 || got.Email != "Alice.New@example.test" {
		t.Errorf("%+v, %v", got, err)
	}
	if got := s.find(t, "alice"); len(got.Groups) != 1 {
		t.Errorf("a sign-in after a refresh knows less: %+v", got.Groups)
	}
	moved := "CN=Alice Married,OU=Sub," + people
	dir.mu.Lock()
	for i, e := range dir.entries {
		if e.dn == alice {
			dir.entries[i].dn = moved
		}
	}
	dir.mu.Unlock()
	if got, err := s.Refresh(t.Context(), u); err != nil || got.DN != moved {
		t.Errorf("moved: %+v, %v", got, err)
	}
	dir.mu.Lock()
	for i, e := range dir.entries {
		if e.dn == moved {
			dir.entries[i].dn = alice
		}
	}
	dir.mu.Unlock()
	for _, c := range []struct{ attribute, value, state string }{
		{"userAccountControl", "514", "disabled"}, {"accountExpires", fileTime(now.Add(-time.Second)), "expired"},
	} {
		dir.set(c.attribute, c.value)
		got, err := s.Refresh(t.Context(), u)
		if state, ok := errors.AsType[*idp.AccountState](err); !ok || state.State != c.state || got != nil {
			t.Errorf("%s: %v, %v", c.attribute, got, err)
		}
		dir.set(c.attribute)
		dir.set("userAccountControl", "512")
	}
	// What is not shown is no reason to let anybody go on.
	dir.set("userAccountControl")
	if got, err := s.Refresh(t.Context(), u); err == nil || got != nil || errors.Is(err, idp.ErrNoUser) {
		t.Errorf("an entry that shows no state: %v, %v", got, err)
	}
	dir.set("userAccountControl", "512")
	for _, id := range []string{"00112233-4455-6677-8899-aabbccddee62", "", "x", "00112233-4455-6677-8899-aabbccddee6"} {
		if got, err := s.Refresh(t.Context(), &idp.User{Source: "corp", ID: id}); !errors.Is(err, idp.ErrNoUser) {
			t.Errorf("%q: %v, %v", id, got, err)
		}
	}
	s.dcs[0].stop()
	if _, err := s.Refresh(t.Context(), u); err == nil || errors.Is(err, idp.ErrNoUser) {
		t.Errorf("a directory that is away: %v", err)
	}
}
