package e2e

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// unixDesk is a gateway in front of 389 Directory Server.
type unixDesk struct {
	*Caddy
	tree *Dirsrv
}

const dirsrvFirst = "Warm-Granite-73x"

func openDirsrv(t *testing.T) *unixDesk {
	t.Helper()
	tree := Tree{Groups: []TreeGroup{{Name: "agents"}}}
	for name, state := range map[string]string{"ann": "", "nora": "", "gina": "grace", "max": "must_change", "eve": "expired", "lou": "locked"} {
		tree.Users = append(tree.Users, TreeUser{Name: name, Password: dirsrvFirst, Mail: name + "@example.test", State: state})
		if name != "nora" {
			tree.Groups[0].Members = append(tree.Groups[0].Members, name)
		}
	}
	u := &unixDesk{tree: NewDirsrv(t, tree)}
	u.Caddy = NewCaddy(t, "dirsrv", map[string]any{"Tree": u.tree})
	WriteFile(t, filepath.Join(u.Dir, "ldap_bind"), u.tree.BindPassword+"\n")
	u.Start()
	return u
}

// arrive signs somebody in on the way to Amazon Connect, until the page of that kind.
func (u *unixDesk) arrive(from, name, want string) (*Client, *Page) {
	u.t.Helper()
	c := u.ClientFrom(from)
	p, _ := c.Walk(c.Get(u.Portal("/apps/connect")), &Person{Name: name, Password: dirsrvFirst}, want)
	return c, p
}

// tries types a name and a password once, from an address of its own.
func (u *unixDesk) tries(from, name, password string) *Page {
	u.t.Helper()
	c := u.ClientFrom(from)
	p := c.Get(u.Portal("/"))
	for _, fill := range []url.Values{{"username": {name}}, {"password": {password}}} {
		for field := range fill {
			f, err := p.Form("", field)
			if err != nil {
				u.t.Fatal(err)
			}
			p = c.Submit(p, f, fill)
		}
	}
	return p
}

// TestDirsrv: people of 389 Directory Server in each state of an account.
func TestDirsrv(t *testing.T) {
	t.Parallel()
	u := openDirsrv(t)
	u.arrive("127.0.11.1", "ann", "post")
	if l := login(u.audit(), "ann"); l.User != "unix:"+strings.ToLower(u.tree.Values(u.tree.UserDN("ann"), "nsUniqueId")[0]) {
		t.Errorf("ann signs in as %+v", l)
	}
	u.arrive("127.0.11.2", "nora", "error") // in no group, and so without a role

	// One answer to whoever is nobody, and who has mistyped.
	nobody := u.tries("127.0.11.3", "zoe", dirsrvFirst)
	for name, password := range map[string]string{"ann": "Not-" + dirsrvFirst, "eve": "Not-" + dirsrvFirst, "max": "Not-" + dirsrvFirst} {
		if p := u.tries("127.0.11.4", name, password); p.Status != 401 || p.Status != nobody.Status || p.Text != nobody.Text {
			t.Errorf("%s: %s; and nobody: %s", name, p, nobody)
		}
	}
	// As many failures are counted as lock: the right password is not passed on, which the audit log alone tells.
	if p := u.tries("127.0.11.4", "lou", dirsrvFirst); p.Status != nobody.Status || p.Text != nobody.Text {
		t.Errorf("lou: %s; and nobody: %s", p, nobody)
	}
	if l := login(u.audit(), "lou"); l.Kind != "lockout" || l.Reason != "limited" {
		t.Errorf("lou: %+v", l)
	}
	out, err := u.Command("gatehouse", "check", "--config", u.config(), "--user", "lou")
	if err != nil || !strings.Contains(out, "the account is locked until 2038-01-01T00:00:00Z") || !strings.Contains(out, `1 groups: "agents"`) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err = u.Command("gatehouse", "check", "--config", u.config()); err != nil || !strings.Contains(out, "locks an account after 5 failures within 10m0s") {
		t.Errorf("%v: %s", err, out)
	}
	u.renews(t)
}

// renews: a password that has expired, with sign-ins left and without, and one that somebody else has set.
func (u *unixDesk) renews(t *testing.T) {
	choose := func(c *Client, p *Page, next string) *Page {
		t.Helper()
		f, err := p.Form("/password", "new")
		if err != nil {
			t.Fatal(err)
		}
		return c.Submit(p, f, url.Values{"old": {dirsrvFirst}, "new": {next}, "again": {next}})
	}
	for _, who := range []struct{ name, from, due string }{{"gina", "127.0.11.5", "password_expired"}, {"max", "127.0.11.6", "must_change"}} {
		c, p := u.arrive(who.from, who.name, "newpassword")
		if !strings.Contains(p.Text, whyChange[who.due]) {
			t.Errorf("%s: %s", who.name, p)
		}
		if p = choose(c, p, "Sh0rt-x"); p.Kind != "newpassword" || p.Status != 422 {
			t.Errorf("%s with a short one: %s", who.name, p)
		}
		if p = choose(c, p, "New-Harbour-52x"); p.Kind != "post" {
			t.Errorf("%s: %s", who.name, p)
		}
		if out, err := u.tree.Bind(who.name, "New-Harbour-52x"); err != nil || strings.Contains(out, "xpired") {
			t.Errorf("%s: %v: %s", who.name, err, out)
		}
	}
	// Nobody is let in with it any more, and the service account may not write.
	c, p := u.arrive("127.0.11.7", "eve", "newpassword")
	if p = choose(c, p, "New-Harbour-52x"); p.Kind != "newpassword" || p.Status != 422 || !strings.Contains(p.Text, "You may not change this password yourself.") {
		t.Errorf("eve: %s", p)
	}
}
