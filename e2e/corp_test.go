package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// company is a gateway whose people are in a domain, with one local account for emergencies.
type company struct {
	*Caddy
	domain       *Domain
	alice, susan *Person
	emergency    *Person
	secrets      map[string]string // what nobody may find in a log, by name
}

const (
	agentsGroup = "Agents, First (EU)"
	lockoutAt   = 5
)

// passwords of people in the domain, by account.
var passwords = map[string]string{
	"svc-gatehouse": "Quiet-Lantern-58x", "alice": "Blue-Harbour-41x", "susan": "Warm-Granite-73x", "victor": "Slow-Orchard-26x",
	"dora": "Tall-Meadow-19x", "edgar": "Grey-Willow-84x", "mona": "Thin-Copper-37x", "petra": "Cold-Saddle-62x",
}

func openCompany(t *testing.T) *company {
	t.Helper()
	user := func(name string, u ADUser) ADUser {
		u.Name, u.Password = name, passwords[name]
		if u.Mail == "" {
			u.Mail = name + "@example.test"
		}
		return u
	}
	c := &company{
		alice:     &Person{Name: "alice.agent@example.test", Password: passwords["alice"], Own: true},
		susan:     &Person{Name: "susan", Password: passwords["susan"], Own: true},
		emergency: &Person{Name: "breakglass", Password: "Deep-Furnace-95x", Own: true},
		secrets:   maps.Clone(passwords),
	}
	c.secrets["breakglass"] = c.emergency.Password
	c.domain = NewDomain(t, People{
		Lockout: lockoutAt,
		Groups: []ADGroup{
			{Name: agentsGroup, Account: "cc-agents"},
			{Name: "Berlin Floor 2", MemberOf: []string{agentsGroup}},
			{Name: "Contact Centre Supervisors", Account: "cc-supervisors"},
		},
		Users: []ADUser{
			user("svc-gatehouse", ADUser{}),
			user("alice", ADUser{Mail: "alice.agent@example.test", UPN: "a.agent@corp.example.test", Groups: []string{"Berlin Floor 2"}}),
			user("susan", ADUser{Groups: []string{agentsGroup, "Contact Centre Supervisors"}}),
			user("victor", ADUser{Groups: []string{agentsGroup}}),
			user("dora", ADUser{State: "disabled"}), user("edgar", ADUser{State: "expired"}),
			user("mona", ADUser{State: "must_change"}), user("petra", ADUser{State: "password_expired"}),
		},
	})
	c.Caddy = NewCaddy(t, "directory", map[string]any{
		"Server": c.domain.URL, "BaseDN": c.domain.BaseDN, "CA": c.domain.CA,
		"Users": []LocalUser{NewLocalUser(t, c.emergency, "Supervisors")},
	})
	WriteFile(t, filepath.Join(c.Dir, "ad_bind"), passwords["svc-gatehouse"]+"\n")
	c.Start()
	return c
}

// on is the company as a subtest sees it, which fails on its own.
func (c *company) on(t *testing.T) *company {
	own, gateway := *c, *c.Caddy
	gateway.t = t
	own.Caddy = &gateway
	return &own
}

// try types a name and a password in a browser that was never here, and returns the page that comes.
func (c *company) try(name, password string) *Page {
	c.t.Helper()
	who := &Person{Name: name, Password: password}
	client := c.Client()
	p, _ := client.Walk(client.Get(c.Portal("/")), who, "password")
	p, err := client.answer(p, who)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// logins counts the sign-ins so far, by account.
func (c *company) logins() map[string]int {
	c.t.Helper()
	n := map[string]int{}
	for _, l := range c.audit() {
		if l.Kind == "login" && l.Result == "success" {
			n[l.User]++
		}
	}
	return n
}

// ask reads attributes of an account, as the service account.
func (c *company) ask(account string, attributes ...string) string {
	c.t.Helper()
	out, err := c.bind("svc-gatehouse@corp.example.test", passwords["svc-gatehouse"], account, attributes...)
	if err != nil || !strings.Contains(out, "dn: CN="+account) {
		c.t.Fatalf("asking the domain for %s: %v\n%s", account, err, out)
	}
	return out
}

// bind signs in to the directory itself, past the gateway, and reads an account.
func (c *company) bind(who, password, account string, attributes ...string) (string, error) {
	return Try([]string{"LDAPTLS_CACERT=" + c.domain.CA}, "ldapsearch", append([]string{
		"-LLL", "-x", "-H", c.domain.URL, "-D", who, "-w", password, "-b", c.domain.BaseDN, "(sAMAccountName=" + account + ")",
	}, attributes...)...)
}

// TestDirectory: the people of an Active Directory domain sign in, with nested groups, by every way to write a
// name, in every state of an account, and an emergency account while the domain is away. The steps are in the
// order of one day: each finds what those before have left.
func TestDirectory(t *testing.T) {
	c := openCompany(t)
	for _, step := range []struct {
		name string
		run  func(*company, *testing.T)
	}{
		{"an agent in Chromium", (*company).agentWalks},
		{"a supervisor", (*company).supervisorLaunches},
		{"a lost phone", (*company).phoneIsLost},
		{"every way to write a name", (*company).namesMeanOne},
		{"states of an account", (*company).statesAreTold},
		{"lockout stays away", (*company).lockoutStaysAway},
		{"check names the groups", (*company).checkNamesGroups},
		{"a group that is not there", (*company).missingGroupIsPlaced},
		{"StartTLS after a reload", (*company).startTLS},
		{"the domain is away", (*company).domainIsAway},
		{"no password in the log", (*company).logIsClean},
	} {
		t.Run(step.name, func(t *testing.T) { step.run(c.on(t), t) })
	}
}

func (c *company) agentWalks(t *testing.T) {
	b := OpenBrowser(t, c.NewProfile())
	if way := b.SignIn(c.Caddy, c.alice); !slices.Equal(way, []string{"login", "password", "enroll", "device"}) {
		t.Errorf("first sign-in: %v", way)
	}
	if text := Eval[string](b, "document.body.innerText"); strings.Contains(strings.ToLower(text), "handbook") {
		t.Errorf("a tile whose group nobody is in: %s", text)
	}
	if way := b.Launch("connect", c.alice, c.URL("console.third.test", "")); len(way) > 0 {
		t.Errorf("on the way to Connect: %v", way)
	}
	b.WaitText(accepted)
	facts := Eval[string](b, `document.querySelector(".facts").innerText`)
	for _, want := range []string{"arn:aws:iam::123456789012:role/ConnectFederation", "alice.agent@example.test"} {
		if !strings.Contains(facts, want) {
			t.Errorf("the verdict does not name %s: %s", want, facts)
		}
	}
	b.Close()
}

func (c *company) supervisorLaunches(t *testing.T) {
	client := c.Client()
	tiles, _ := client.SignIn(c.Caddy, c.susan)
	post, _ := client.Launch(tiles, "connect", c.susan)
	response, err := post.SAMLResponse()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(response), ":role/ConnectFederation"); n != 1 {
		t.Errorf("%d role values in %s", n, response)
	}
	f, err := post.Form("", "SAMLResponse")
	if err != nil {
		t.Fatal(err)
	}
	relay, err := url.QueryUnescape(f.Fields.Get("RelayState"))
	if err != nil || !strings.Contains(relay, "/real-time-metrics") || strings.Contains(relay, "/ccp-v2") {
		t.Errorf("RelayState %q, %v", relay, err)
	}
}

// namesMeanOne: another account would be asked to enroll.
func (c *company) namesMeanOne(t *testing.T) {
	before := c.logins()
	names := []string{"alice.agent@example.test", "a.agent@corp.example.test", "alice", `CORP\alice`, "Alice.Agent@EXAMPLE.test", `corp\ALICE`}
	for _, name := range names {
		client := c.Client()
		if _, way := client.Walk(client.Get(c.Portal("/")), &Person{Name: name, Password: c.alice.Password}, "mfa"); !slices.Equal(way, []string{"login", "password"}) {
			t.Errorf("%s: %v", name, way)
		}
	}
	more := c.logins()
	for user, n := range before {
		if more[user] -= n; more[user] == 0 {
			delete(more, user)
		}
	}
	if n := slices.Collect(maps.Values(more)); !slices.Equal(n, []int{len(names)}) {
		t.Errorf("the sign-ins are of the accounts %v", more)
	}
}

// checkNamesGroups: one group is not there, so the command says no.
func (c *company) checkNamesGroups(t *testing.T) {
	out, err := c.Command("gatehouse", "check", "--config", c.config())
	if err == nil {
		t.Error("a group that is not there is no finding")
	}
	for _, want := range []string{
		`the directory has the group "corp/` + agentsGroup + `"`, `the directory has the group "corp/cc-supervisors"`,
		`the directory has the group "corp/CN=Contact Centre Supervisors,CN=Users,` + c.domain.BaseDN + `"`,
		`the directory has no group "corp/No Such Group"`, c.placeOf("No Such Group"),
	} {
		if !strings.Contains(out, want) {
			t.Errorf("check does not say %s:\n%s", want, out)
		}
	}
}

// placeOf is where the configuration has some words.
func (c *company) placeOf(words string) string {
	c.t.Helper()
	text, err := os.ReadFile(c.config())
	if err != nil {
		c.t.Fatal(err)
	}
	before, _, found := strings.Cut(string(text), words)
	if !found {
		c.t.Fatalf("the configuration does not say %s", words)
	}
	return fmt.Sprintf("%s:%d", c.config(), 1+strings.Count(before, "\n"))
}

func (c *company) missingGroupIsPlaced(t *testing.T) {
	want := "policy closed, at " + c.placeOf("No Such Group")
	Await(t, "a warning that names "+want, func() error {
		var warnings []string
		for line := range strings.Lines(c.Log.String()) {
			var l struct {
				Level, Msg string
				NamedBy    string `json:"named_by"`
			}
			if json.Unmarshal([]byte(line), &l) != nil || l.Level != "warn" || l.NamedBy == "" {
				continue
			}
			if l.NamedBy == want && strings.Contains(l.Msg, `no group "corp/No Such Group"`) {
				return nil
			}
			warnings = append(warnings, line)
		}
		return fmt.Errorf("the log warns of groups: %v", warnings)
	})
}

// startTLS: this domain takes no password in clear text, so TLS was started.
func (c *company) startTLS(t *testing.T) {
	server := "ldap://" + c.domain.Host
	c.Configure("directory", map[string]any{"Server": server})
	if err := c.Reload(); err != nil {
		t.Fatal(err)
	}
	if p := c.try("susan", "Not-"+c.susan.Password); p.Status != http.StatusUnauthorized || !strings.Contains(p.Text, "do not match") {
		t.Errorf("a wrong password: %s", p)
	}
	if p := c.try("susan", c.susan.Password); p.Kind != "mfa" {
		t.Errorf("the right password: %s", p)
	}
	if out, _ := c.Command("gatehouse", "check", "--config", c.config()); !strings.Contains(out, server) || strings.Contains(out, c.domain.URL) {
		t.Errorf("check does not ask %s:\n%s", server, out)
	}
}
