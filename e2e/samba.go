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
	"sync"
	"testing"
	"time"
)

// Domain is an Active Directory domain of Samba's, corp.example.test. A domain controller's ports are fixed
// and below 1024, so it needs root, and each run has an address of the loopback network to itself.
type Domain struct {
	// Host is its address. It answers over TLS on port 636, and with StartTLS on 389.
	Host string
	// URL is where it answers over TLS.
	URL string
	// BaseDN is the top of the directory.
	BaseDN string
	// CA is the file with the certificate of the authority that signed the server's.
	CA string
	// Process is the server.
	Process *Process

	t   testing.TB
	dir string
}

// People is who is in a domain.
type People struct {
	Groups  []ADGroup
	Users   []ADUser
	Lockout int // wrong passwords that lock an account; 0 is never
}

// ADGroup is a group, and the groups that it is in.
type ADGroup struct {
	Name     string // the CN
	Account  string // sAMAccountName; the CN where it is empty
	MemberOf []string
}

// ADUser is somebody in a domain.
type ADUser struct {
	Name, Password, Mail string
	UPN                  string // NAME@corp.example.test where it is empty
	State                string // "disabled", "expired", "password_expired", "must_change"; empty for one who may sign in
	Groups               []string
}

//go:embed testdata/samba/users.py
var usersScript string

// sambaDir is where the domain of this run lives. Its paths are written into its own files.
var sambaDir struct {
	once sync.Once
	path string
	host string
	err  error
}

// NewDomain starts a domain with the people in it. Provisioning takes ten seconds and more, so it happens
// once in a run; every domain begins as a copy of that.
func NewDomain(t testing.TB, people People) *Domain {
	t.Helper()
	s := &sambaDir
	s.once.Do(func() { s.path, s.host, s.err = provision() })
	if s.err != nil {
		t.Fatalf("provisioning the domain: %v", s.err)
	}
	dir := filepath.Join(s.path, "dc")
	asRoot(t, nil, "rm", "-rf", dir)
	asRoot(t, nil, "tar", "-C", s.path, "-xzf", filepath.Join(s.path, "fresh.tar.gz"))
	data, err := json.Marshal(people)
	if err != nil {
		t.Fatal(err)
	}
	// Debian's own Python: Samba's modules are there.
	asRoot(t, data, "/usr/bin/python3", "-c", usersScript, dir)
	d := &Domain{
		Host: s.host, URL: "ldaps://" + s.host, BaseDN: "DC=corp,DC=example,DC=test", CA: filepath.Join(s.path, "ca.pem"), t: t, dir: dir,
	}
	d.Start()
	return d
}

// Start starts the server, again after Process.Stop, with what the domain knows.
func (d *Domain) Start() {
	d.t.Helper()
	name, args := rootly("samba", "-s", filepath.Join(d.dir, "etc", "smb.conf"), "-F", "--no-process-group", "-M", "single", "--debug-stdout", "-d", "1")
	d.Process = Start(d.t, NewLog(d.t, "samba"), nil, name, args...)
	d.Process.Await("the domain to answer", func() error {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(d.Host, "636"), time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

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
func provision() (path, host string, err error) {
	if host, err = freeHost(); err != nil {
		return "", "", err
	}
	if path, err = os.MkdirTemp("", "gh-samba-"); err != nil {
		return "", "", err
	}
	dir := filepath.Join(path, "dc")
	// An empty base configuration, or Debian's own is merged into the new one.
	base := filepath.Join(path, "base.conf")
	err = errors.Join(os.Chmod(path, 0o755), os.WriteFile(base, []byte("[global]\n"), 0o644),
		os.WriteFile(filepath.Join(path, "names"), []byte("subjectAltName=DNS:dc1.corp.example.test,DNS:corp.example.test,IP:"+host+"\n"), 0o644))
	if err != nil {
		return path, host, err
	}
	in := func(name string) string { return filepath.Join(path, name) }
	for _, command := range [][]string{
		{"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=test domain CA", "-keyout", in("ca.key"), "-out", in("ca.pem")},
		{"openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=dc1.corp.example.test", "-keyout", in("key.pem"), "-out", in("request.pem")},
		{"openssl", "x509", "-req", "-in", in("request.pem"), "-CA", in("ca.pem"), "-CAkey", in("ca.key"), "-CAcreateserial", "-days", "30", "-extfile", in("names"), "-out", in("cert.pem")},
		{"chown", "root", in("key.pem")},
		{"chmod", "600", in("key.pem")}, // Samba refuses a key that others may read
		{
			"samba-tool", "domain", "provision", "-s", base, "--targetdir=" + dir, "--realm=CORP.EXAMPLE.TEST", "--domain=CORP",
			"--host-name=dc1", "--host-ip=" + host, "--server-role=dc", "--dns-backend=NONE", "--adminpass=Adm1n-Passw0rd!",
			"--option=interfaces = " + host + "/8", "--option=bind interfaces only = yes", "--option=server services = ldap",
			"--option=vfs objects = dfs_samba4 acl_xattr", "--option=ldap server require strong auth = yes", "--option=tls enabled = yes",
			"--option=tls certfile = " + in("cert.pem"), "--option=tls keyfile = " + in("key.pem"), "--option=tls cafile = " + in("ca.pem"),
			"--option=pid directory = " + dir + "/run", "--option=ncalrpc dir = " + dir + "/ncalrpc", "--option=log file = " + dir + "/log.%m",
		},
		// Otherwise the password before the last change keeps working for an hour. provision does not write this option.
		{"sed", "-i", `s/^\[global\]/&\n\told password allowed period = 0/`, dir + "/etc/smb.conf"},
		{"tar", "-C", path, "-czf", in("fresh.tar.gz"), "dc"},
	} {
		name, args := rootly(command[0], command[1:]...)
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			return path, host, fmt.Errorf("%v: %w: %s", command, err, out)
		}
	}
	return path, host, nil
}

// removeDomain deletes what provision made, at the end of the run.
func removeDomain() error {
	if sambaDir.path == "" {
		return nil
	}
	name, args := rootly("rm", "-rf", sambaDir.path)
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
