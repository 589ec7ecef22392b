package e2e

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"
)

//go:embed testdata/slapd
var slapdFiles embed.FS

// Slapd is an OpenLDAP server with the overlays ppolicy and memberOf. It takes passwords over TLS only.
type Slapd struct {
	// URL is where it answers over TLS; PlainURL is the port for StartTLS.
	URL, PlainURL string
	// Addr is the host and port of URL.
	Addr string
	// BaseDN is the top of the directory; people are in ou=people, groups in ou=groups.
	BaseDN string
	// CA is the file with the certificate of the authority that signed the server's.
	CA string
	// Authority signs for what stands in front of it.
	Authority *Authority
	// BindDN and BindPassword are a service account that may read every entry and no password.
	BindDN, BindPassword string
	// Process is the server.
	Process *Process

	t   testing.TB
	dir string
}

// Tree is what is in an OpenLDAP directory.
type Tree struct {
	Policy PasswordPolicy // of those whose state needs none of its own
	Users  []TreeUser
	Groups []TreeGroup
}

// TreeUser is somebody in an OpenLDAP directory, uid=NAME,ou=people,BASE.
type TreeUser struct {
	Name, Password, Mail string
	// State is empty for one who may sign in, or "expired", "grace" (expired, with three sign-ins left), "expiring"
	// (in about two days, with the warning), "must_change" or "locked".
	State string
	// Policy is the name of the policy entry that applies; the state sets it.
	Policy string
}

// TreeGroup is a group, and the users and groups in it, by name.
type TreeGroup struct {
	Name    string
	Members []string
	Within  []string // groups in it
}

const (
	slapdRoot     = "cn=admin,"
	slapdPassword = "Root-Only-77x"
)

// NewSlapd starts a directory with the people in it, until the test ends.
func NewSlapd(t testing.TB, tree Tree) *Slapd {
	t.Helper()
	dir := ShortDir(t, "slapd")
	tls, plain := strconv.Itoa(FreePort(t)), strconv.Itoa(FreePort(t))
	a, err := NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.WritePair(dir, "127.0.0.1", "localhost", "ldap.example.test"), os.Mkdir(filepath.Join(dir, "db"), 0o700)); err != nil {
		t.Fatal(err)
	}
	s := &Slapd{
		URL: "ldaps://127.0.0.1:" + tls, PlainURL: "ldap://127.0.0.1:" + plain, Addr: net.JoinHostPort("127.0.0.1", tls), BaseDN: "dc=example,dc=test",
		CA: a.CA, Authority: a, BindPassword: "Still-Water-31x", t: t, dir: dir,
	}
	s.BindDN = "cn=svc-gatehouse," + s.BaseDN
	s.render("slapd.conf", map[string]any{"Dir": dir, "BaseDN": s.BaseDN, "RootDN": slapdRoot + s.BaseDN, "RootPassword": slapdPassword})
	s.Start()
	s.fill(tree)
	return s
}

// Start starts the server, again after Process.Stop, with what the directory knows.
func (s *Slapd) Start() {
	s.t.Helper()
	// With -d it stays in the foreground.
	s.Process = Start(s.t, NewLog(s.t, "slapd"), nil, "/usr/sbin/slapd", "-f", filepath.Join(s.dir, "slapd.conf"), "-h", s.URL+" "+s.PlainURL, "-d", "0")
	s.Process.Await("the directory to answer", func() error {
		c, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// Grant restarts the server with another clause in the list of who may do what with passwords.
func (s *Slapd) Grant(clause string) {
	s.t.Helper()
	s.Process.Stop()
	file := filepath.Join(s.dir, "slapd.conf")
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	const self = "attrs=userPassword by self write "
	WriteFile(s.t, file, strings.Replace(string(text), self, self+clause+" ", 1))
	s.Start()
}

// UserDN is the name of a person's entry, and GroupDN that of a group's.
func (s *Slapd) UserDN(name string) string { return "uid=" + name + ",ou=people," + s.BaseDN }

// GroupDN is the name of a group's entry.
func (s *Slapd) GroupDN(name string) string { return "cn=" + name + ",ou=groups," + s.BaseDN }

// Modify changes an entry: the LDIF is what follows the line with its DN.
func (s *Slapd) Modify(dn, ldif string) {
	s.t.Helper()
	// Operational attributes need the relax control.
	s.must("ldapmodify", "dn: "+dn+"\n"+strings.TrimSpace(ldif)+"\n", "-e", "relax")
}

// Locked reports whether the server has locked an account.
func (s *Slapd) Locked(name string) bool {
	s.t.Helper()
	return len(s.Values(s.UserDN(name), "pwdAccountLockedTime")) > 0
}

// BadPasswords counts the wrong passwords that the server remembers of an account.
func (s *Slapd) BadPasswords(name string) int {
	s.t.Helper()
	return len(s.Values(s.UserDN(name), "pwdFailureTime"))
}

// Values are the values of an attribute, operational ones included.
func (s *Slapd) Values(dn, attribute string) []string {
	s.t.Helper()
	return ldifValues(s.must("ldapsearch", "", "-LLL", "-o", "ldif-wrap=no", "-b", dn, "-s", "base", attribute), attribute)
}

// Bind signs in to the directory itself, past the gateway, with the ppolicy control, and returns what the
// client says about it.
func (s *Slapd) Bind(name, password string) (string, error) {
	return Try([]string{"LDAPTLS_CACERT=" + s.CA}, "ldapwhoami", "-x", "-e", "ppolicy", "-H", s.URL, "-D", s.UserDN(name), "-w", password)
}

// must runs a client as the administrator.
func (s *Slapd) must(client, stdin string, args ...string) string {
	s.t.Helper()
	file := WriteFile(s.t, filepath.Join(s.t.TempDir(), "stdin.ldif"), stdin)
	all := append([]string{"-x", "-H", s.URL, "-D", slapdRoot + s.BaseDN, "-w", slapdPassword}, args...)
	if stdin != "" {
		all = append(all, "-f", file)
	}
	return Run(s.t, []string{"LDAPTLS_CACERT=" + s.CA}, client, all...)
}

// treePolicy is a policy entry.
type treePolicy struct {
	Name string
	PasswordPolicy
	Grace   int
	Warning time.Duration
}

// fill puts the people in, then brings their accounts into their states.
func (s *Slapd) fill(tree Tree) {
	s.t.Helper()
	const day = 24 * time.Hour
	named := func(name string, maxAge time.Duration, grace int) treePolicy {
		p := treePolicy{Name: name, PasswordPolicy: tree.Policy, Grace: grace, Warning: 3 * day}
		p.MaxAge = maxAge
		return p
	}
	policies := []treePolicy{{Name: "default", PasswordPolicy: tree.Policy}, named("expired", 30*day, 0), named("grace", 30*day, 3), named("expiring", 30*day, 0)}
	users := append([]TreeUser(nil), tree.Users...)
	age := map[string]time.Duration{"expired": 60 * day, "grace": 60 * day, "expiring": 28 * day}
	for i, u := range users {
		if age[u.State] > 0 {
			users[i].Policy = u.State
		}
	}
	groups := make([]map[string]any, 0, len(tree.Groups))
	for _, g := range tree.Groups {
		var members []string
		for _, name := range g.Members {
			members = append(members, s.UserDN(name))
		}
		for _, name := range g.Within {
			members = append(members, s.GroupDN(name))
		}
		groups = append(groups, map[string]any{"Name": g.Name, "Members": members})
	}
	s.must("ldapadd", s.render("entries.ldif", map[string]any{
		"BaseDN": s.BaseDN, "Policies": policies, "BindDN": s.BindDN, "BindPassword": s.BindPassword, "Users": users, "Groups": groups,
	}))
	for _, u := range users {
		switch u.State {
		case "":
		case "must_change":
			s.Modify(s.UserDN(u.Name), "changetype: modify\nreplace: pwdReset\npwdReset: TRUE")
		case "locked":
			s.Modify(s.UserDN(u.Name), "changetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: "+generalized(time.Now()))
		default:
			if age[u.State] == 0 {
				s.t.Fatalf("no state of an account is named %s", u.State)
			}
			s.Modify(s.UserDN(u.Name), "changetype: modify\nreplace: pwdChangedTime\npwdChangedTime: "+generalized(time.Now().Add(-age[u.State])))
		}
	}
}

// generalized is a time as LDAP writes it.
func generalized(at time.Time) string { return at.UTC().Format("20060102150405Z") }

// render writes a file of testdata/slapd into the private directory.
func (s *Slapd) render(name string, values map[string]any) string {
	s.t.Helper()
	tmpl, err := template.New(name).Funcs(template.FuncMap{
		"seconds": func(d time.Duration) string { return fmt.Sprint(int(d.Seconds())) },
	}).ParseFS(slapdFiles, "testdata/slapd/"+name)
	if err != nil {
		s.t.Fatal(err)
	}
	var text bytes.Buffer
	if err := tmpl.Execute(&text, values); err != nil {
		s.t.Fatal(err)
	}
	WriteFile(s.t, filepath.Join(s.dir, name), text.String())
	return text.String()
}
