package e2e

import (
	"bytes"
	"embed"
	"errors"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"
)

//go:embed testdata/dirsrv
var dirsrvFiles embed.FS

// Dirsrv is a 389 Directory Server with the MemberOf plugin. It locks after five wrong passwords within ten minutes, for an
// hour, and gives three sign-ins after a password has expired.
type Dirsrv struct {
	// URL is where it answers over TLS.
	URL string
	// BaseDN is the top of the directory; people are in ou=people.
	BaseDN string
	// CA is the file with the certificate of the authority that signed the server's.
	CA string
	// BindDN and BindPassword are a service account that may read every entry and no password.
	BindDN, BindPassword string

	t       testing.TB
	dir     string
	process *Process
}

const (
	dirsrvRoot     = "cn=Directory Manager"
	dirsrvPassword = "Root-Only-77x"
	// dirsrvTemplate is what the project's own tool makes an instance of; the tool itself wants systemd.
	dirsrvTemplate = "/usr/share/dirsrv/data/template-dse.ldif"
)

// NewDirsrv starts a directory with the people in it, until the test ends. Of the states that TreeUser knows it has all but
// "expiring".
func NewDirsrv(t testing.TB, tree Tree) *Dirsrv {
	t.Helper()
	dir := ShortDir(t, "dirsrv")
	a, err := NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(FreePort(t))
	d := &Dirsrv{
		URL: "ldaps://127.0.0.1:" + port, BaseDN: "dc=example,dc=test", CA: a.CA, BindPassword: "Still-Water-31x", t: t, dir: dir,
	}
	d.BindDN = "cn=svc-gatehouse," + d.BaseDN
	if err := a.WritePair(dir, "127.0.0.1", "localhost"); err != nil {
		t.Fatal(err)
	}
	d.configure(port)
	d.process = Start(t, NewLog(t, "dirsrv"), nil, "/usr/sbin/ns-slapd", "-D", d.in("conf"), "-i", d.in("run/pid"), "-d", "0") // in the foreground
	d.process.Await("the directory to answer", func() error {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	})
	d.fill(tree)
	return d
}

func (d *Dirsrv) in(path string) string { return filepath.Join(d.dir, path) }

// configure makes an instance: its directories, its configuration, and the store of certificates that it reads.
func (d *Dirsrv) configure(port string) {
	t := d.t
	t.Helper()
	for _, name := range []string{"conf/schema", "log", "run", "lock", "tmp", "ldif", "bak", "db", "inst"} {
		if err := os.MkdirAll(d.in(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Debian lets only the server's own account look.
	asRoot(t, nil, "cp", "/etc/dirsrv/config/certmap.conf", "/etc/dirsrv/config/slapd-collations.conf", d.in("conf"))
	asRoot(t, nil, "cp", "/etc/dirsrv/schema/99user.ldif", d.in("conf/schema"))
	asRoot(t, nil, "chmod", "-R", "a+rwX", d.in("conf"))
	me, err := user.Current()
	made, unread := os.ReadFile(dirsrvTemplate)
	if err := errors.Join(err, unread); err != nil {
		t.Fatal(err)
	}
	hash := strings.TrimSpace(Run(t, nil, "pwdhash", "-s", "SSHA512", dirsrvPassword))
	text := strings.NewReplacer(
		"%schema_dir%", d.in("conf/schema"), "%config_dir%", d.in("conf"), "%cert_dir%", d.in("conf"), "%lock_dir%", d.in("lock"),
		"%tmp_dir%", d.in("tmp"), "%ldif_dir%", d.in("ldif"), "%bak_dir%", d.in("bak"), "%run_dir%", d.in("run"), "%inst_dir%", d.in("inst"),
		"%log_dir%", d.in("log"), "%db_dir%", d.in("db"), "%db_home_dir%", d.in("db"), "%db_lib%", "bdb", "%fqdn%", "localhost",
		"%ds_port%", strconv.Itoa(FreePort(t))+"\nnsslapd-listenhost: 127.0.0.1\nnsslapd-securelistenhost: 127.0.0.1\nnsslapd-securePort: "+port+"\nnsslapd-security: on",
		"%ds_user%", me.Username, "%rootdn%", dirsrvRoot, "%ds_passwd%", hash+"\nnsslapd-rootpwstoragescheme: SSHA512",
		"%ldapi_enabled%", "off", "%ldapi%", d.in("run/ldapi"), "%ldapi_autobind%", "off", "%ds_suffix%", d.BaseDN, "Server-Cert", "server",
	).Replace(string(made))
	head, plugin, found := strings.Cut(text, "cn: MemberOf Plugin\n")
	if !found {
		t.Fatalf("%s has no MemberOf plugin", dirsrvTemplate)
	}
	plugin = strings.Replace(plugin, "nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on\nmemberofautoaddoc: nsMemberOf", 1)
	WriteFile(t, d.in("conf/dse.ldif"), head+"cn: MemberOf Plugin\n"+plugin)
	Run(t, nil, "openssl", "pkcs12", "-export", "-in", d.in("cert.pem"), "-inkey", d.in("key.pem"), "-name", "server", "-passout", "pass:x", "-out", d.in("pair.p12"))
	Run(t, nil, "certutil", "-N", "-d", d.in("conf"), "--empty-password")
	Run(t, nil, "pk12util", "-i", d.in("pair.p12"), "-d", d.in("conf"), "-W", "x", "-K", "")
}

// fill puts the people in, then brings their accounts into their states. Whoever got a password from somebody else has to
// change it.
func (d *Dirsrv) fill(tree Tree) {
	d.t.Helper()
	tmpl, err := template.ParseFS(dirsrvFiles, "testdata/dirsrv/entries.ldif")
	if err != nil {
		d.t.Fatal(err)
	}
	var text bytes.Buffer
	err = tmpl.Execute(&text, map[string]any{
		"BaseDN": d.BaseDN, "BindDN": d.BindDN, "BindPassword": d.BindPassword, "Users": tree.Users, "Groups": tree.Groups,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.modify(text.String())
	const later, gone = "20380101000000Z", "20200101000000Z"
	d.Replace(d.BindDN, "passwordExpirationTime", later)
	for _, u := range tree.Users {
		dn := d.UserDN(u.Name)
		switch u.State {
		case "must_change":
		case "":
			d.Replace(dn, "passwordExpirationTime", later)
		case "locked":
			d.Replace(dn, "passwordExpirationTime", later)
			d.Replace(dn, "accountUnlockTime", later)
			d.Replace(dn, "passwordRetryCount", "5")
		case "grace":
			d.Replace(dn, "passwordExpirationTime", gone)
		case "expired":
			d.Replace(dn, "passwordExpirationTime", gone)
			d.Replace(dn, "passwordGraceUserTime", "3")
		default:
			d.t.Fatalf("no state of an account is named %s", u.State)
		}
	}
}

// UserDN is the name of a person's entry.
func (d *Dirsrv) UserDN(name string) string { return "uid=" + name + ",ou=people," + d.BaseDN }

// Replace sets an attribute of an entry.
func (d *Dirsrv) Replace(dn, attribute, value string) {
	d.t.Helper()
	d.modify("dn: " + dn + "\nchangetype: modify\nreplace: " + attribute + "\n" + attribute + ": " + value + "\n")
}

// Values are the values of an attribute, operational ones included.
func (d *Dirsrv) Values(dn, attribute string) []string {
	d.t.Helper()
	out := Run(d.t, d.trusting(), "ldapsearch", d.as(dirsrvRoot, dirsrvPassword, "-LLL", "-o", "ldif-wrap=no", "-b", dn, "-s", "base", attribute)...)
	return ldifValues(out, attribute)
}

// Bind signs in to the directory itself, past the gateway, with the ppolicy control, and returns what the client says about
// it.
func (d *Dirsrv) Bind(name, password string) (string, error) {
	return Try(d.trusting(), "ldapwhoami", d.as(d.UserDN(name), password, "-e", "ppolicy")...)
}

func (d *Dirsrv) modify(ldif string) {
	d.t.Helper()
	file := WriteFile(d.t, filepath.Join(d.t.TempDir(), "stdin.ldif"), ldif)
	Run(d.t, d.trusting(), "ldapmodify", d.as(dirsrvRoot, dirsrvPassword, "-f", file)...)
}

func (d *Dirsrv) as(dn, password string, args ...string) []string {
	return append([]string{"-x", "-H", d.URL, "-D", dn, "-w", password}, args...)
}

func (d *Dirsrv) trusting() []string { return []string{"LDAPTLS_CACERT=" + d.CA} }
