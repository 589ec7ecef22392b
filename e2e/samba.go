package e2e

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Domain is an Active Directory domain of Samba's, corp.example.test. A domain controller's ports are fixed
// and below 1024, so it needs root, and each has an address of the loopback network to itself.
type Domain struct {
	// Controller is the first domain controller.
	Controller
	// BaseDN is the top of the directory.
	BaseDN string
	// CA is the file with the certificate of the authority that signed the controllers'.
	CA string
	// Authority signs for what stands in front of them.
	Authority *Authority

	t      testing.TB
	dir    string
	second Controller
}

// Controller is a server of a domain. It answers over TLS on port 636, and with StartTLS on 389.
type Controller struct {
	// Host is its address, and Addr that of its port for TLS.
	Host, Addr string
	// Name is what its certificate calls it beside the address, dc1.corp.example.test or dc2.
	Name string
	// URL is where it answers over TLS.
	URL string
	// Process is the server; nil before Start.
	Process *Process

	t    testing.TB
	conf string
}

//go:embed testdata/samba/users.py
var usersScript string

// fresh is the empty domain of this run, packed, of which every domain is a copy.
var fresh struct {
	once      sync.Once
	path      string
	conf      string // its smb.conf
	authority *Authority
	copies    atomic.Int64
	err       error
}

// NewDomain starts a domain with the people in it, until the test ends. Provisioning takes ten seconds and
// more, so it happens once in a run. Domains of one run share a name and a SID, and nothing else.
func NewDomain(t testing.TB, people People) *Domain {
	t.Helper()
	f := &fresh
	f.once.Do(func() { f.err = provision() })
	if f.err != nil {
		t.Fatalf("provisioning the domain: %v", f.err)
	}
	dir := filepath.Join(f.path, strconv.FormatInt(f.copies.Add(1), 10))
	asRoot(t, nil, "mkdir", dir)
	t.Cleanup(func() { asRoot(t, nil, "rm", "-rf", dir) })
	asRoot(t, nil, "tar", "-C", dir, "-xzf", filepath.Join(f.path, "fresh.tar.gz"))
	d := &Domain{BaseDN: "DC=corp,DC=example,DC=test", CA: f.authority.CA, Authority: f.authority, t: t, dir: dir}
	tls := ShortDir(t, "dc-tls")
	d.Controller = d.controller("dc1", tls)
	d.second = d.controller("dc2", tls)
	// Clients find them under either name, and through proxies on 127.0.0.1.
	err := f.authority.WritePair(tls, d.Name, d.second.Name, "corp.example.test", "localhost", "127.0.0.1", d.Host, d.second.Host)
	if err != nil {
		t.Fatal(err)
	}
	asRoot(t, nil, "chown", "root", filepath.Join(tls, "key.pem"))
	data, err := json.Marshal(people)
	if err != nil {
		t.Fatal(err)
	}
	// Debian's own Python: Samba's modules are there.
	asRoot(t, data, "/usr/bin/python3", WriteFile(t, filepath.Join(tls, "users.py"), usersScript), d.conf, d.database())
	d.Start()
	return d
}

// Second starts the second domain controller, or returns it. It is a server of its own on an address of its own, and
// reads and writes the database of the first: two that replicate at once. Joining a second controller to this
// domain works, too, but without DNS its replication works in one direction only.
func (d *Domain) Second() *Controller {
	d.t.Helper()
	if d.second.Process == nil {
		d.second.Start()
	}
	return &d.second
}

// database is the file that both controllers keep everybody in.
func (d *Domain) database() string { return filepath.Join(d.dir, "dc", "private", "sam.ldb") }

// controller prepares a server of the domain. What belongs to a process is in a directory of its own.
func (d *Domain) controller(name, tls string) Controller {
	d.t.Helper()
	host, err := freeHost()
	if err != nil {
		d.t.Fatal(err)
	}
	own := filepath.Join(d.dir, name)
	asRoot(d.t, nil, "mkdir", own)
	options := map[string]string{
		"interfaces": host + "/8", "lock directory": own, "cache directory": own, "pid directory": own, "ncalrpc dir": filepath.Join(own, "ncalrpc"),
		"log file": filepath.Join(own, "log.%m"), "tls certfile": filepath.Join(tls, "cert.pem"), "tls keyfile": filepath.Join(tls, "key.pem"),
	}
	var conf strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(fresh.conf, filepath.Join(fresh.path, "dc"), filepath.Join(d.dir, "dc"))) {
		option, _, _ := strings.Cut(strings.TrimSpace(line), " = ")
		if value, ours := options[option]; ours {
			line = option + " = " + value + "\n"
		}
		conf.WriteString(line)
	}
	return Controller{
		Host: host, Addr: net.JoinHostPort(host, "636"), Name: name + ".corp.example.test", URL: "ldaps://" + host, t: d.t,
		conf: WriteFile(d.t, filepath.Join(tls, name+".conf"), conf.String()),
	}
}

// Start starts the server, again after Stop or Process.Kill, with what the domain knows.
func (c *Controller) Start() {
	c.t.Helper()
	name, args := rootly("samba", "-s", c.conf, "-F", "--no-process-group", "-M", "single", "--debug-stdout", "-d", "1")
	c.Process = Start(c.t, NewLog(c.t, "samba"), nil, name, args...)
	c.Process.Await("the domain to answer", func() error {
		conn, err := net.DialTimeout("tcp", c.Addr, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Stop ends the server.
func (c *Controller) Stop() { c.Process.Stop() }

// runs reports whether the server runs.
func (c *Controller) runs() bool { return c.Process != nil && !c.Process.ended() }

// freeHost finds an address of the loopback network on which nobody serves a directory.
func freeHost() (string, error) {
	for range 100 {
		host := fmt.Sprintf("127.%d.%d.%d", 16+rand.IntN(200), rand.IntN(250), 2+rand.IntN(250))
		free := true
		for _, port := range []string{"389", "636", "3268", "3269"} {
			if c, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), time.Second); err == nil {
				free = false
				_ = c.Close()
			}
		}
		if free {
			return host, nil
		}
	}
	return "", errors.New("no address of the loopback network is free for a domain")
}

// provision makes an empty domain and packs it.
func provision() (err error) {
	f := &fresh
	if f.path, err = os.MkdirTemp("", "gh-samba-"); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(f.path, name) }
	dir, base := in("dc"), in("base.conf")
	// An empty base configuration, or Debian's own is merged into the new one.
	if err := errors.Join(os.Chmod(f.path, 0o755), os.WriteFile(base, []byte("[global]\n"), 0o644)); err != nil {
		return err
	}
	if f.authority, err = NewAuthority(f.path); err != nil {
		return err
	}
	for _, command := range [][]string{
		{
			"samba-tool", "domain", "provision", "-s", base, "--targetdir=" + dir, "--realm=CORP.EXAMPLE.TEST", "--domain=CORP",
			"--host-name=dc1", "--host-ip=127.0.0.1", "--server-role=dc", "--dns-backend=NONE", "--adminpass=" + adminPassword,
			"--option=interfaces = 127.0.0.1/8", "--option=bind interfaces only = yes", "--option=server services = ldap",
			"--option=vfs objects = dfs_samba4 acl_xattr", "--option=ldap server require strong auth = yes", "--option=tls enabled = yes",
			"--option=tls certfile = " + in("cert.pem"), "--option=tls keyfile = " + in("key.pem"), "--option=tls cafile = " + f.authority.CA,
			"--option=pid directory = " + dir + "/run", "--option=ncalrpc dir = " + dir + "/ncalrpc", "--option=log file = " + dir + "/log.%m",
		},
		{"tar", "-C", f.path, "-czf", in("fresh.tar.gz"), "dc"},
		{"chmod", "a+r", dir + "/etc/smb.conf"},
	} {
		name, args := rootly(command[0], command[1:]...)
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", command, err, out)
		}
	}
	conf, err := os.ReadFile(dir + "/etc/smb.conf")
	if err != nil {
		return err
	}
	// Otherwise the password before the last change keeps working for an hour. provision does not write this option.
	f.conf = strings.Replace(string(conf), "[global]\n", "[global]\n\told password allowed period = 0\n", 1)
	return nil
}

// RemoveDomain deletes what provision made, at the end of the run.
func RemoveDomain() error {
	if fresh.path == "" {
		return nil
	}
	name, args := rootly("rm", "-rf", fresh.path)
	return exec.Command(name, args...).Run()
}

// rootly is a command line that runs as root; "make test" has asked for the right to.
func rootly(name string, args ...string) (string, []string) {
	if os.Geteuid() == 0 {
		return name, args
	}
	return "sudo", append([]string{"-n", name}, args...)
}

func asRoot(t testing.TB, stdin []byte, name string, args ...string) {
	t.Helper()
	name, args = rootly(name, args...)
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
