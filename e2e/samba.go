package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Domain is an Active Directory domain of Samba's, corp.example.test, on 127.0.0.1. A domain controller's
// ports are fixed and below 1024, so there is one at a time, and it needs root.
type Domain struct {
	// URL is where it answers over TLS.
	URL string
	// BaseDN is the top of the directory.
	BaseDN string
	// CA is the file with the certificate of the authority that signed the server's.
	CA string
	// Process is the server.
	Process *Process
}

// People is who is in a domain.
type People struct {
	Groups []ADGroup
	Users  []ADUser
}

// ADGroup is a group, and the groups that it is in.
type ADGroup struct {
	Name     string
	MemberOf []string
}

// ADUser is somebody in a domain.
type ADUser struct {
	Name, Password, Mail string
	Groups               []string
}

// sambaDir is where the domain of this run lives. Its paths are written into its own files.
var sambaDir struct {
	once sync.Once
	path string
	err  error
}

// NewDomain starts a domain with the people in it. Provisioning takes ten seconds and more, so it happens
// once in a run; every domain begins as a copy of that.
func NewDomain(t testing.TB, people People) *Domain {
	t.Helper()
	s := &sambaDir
	s.once.Do(func() { s.path, s.err = provision() })
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
	asRoot(t, data, "/usr/bin/python3", "testdata/samba/users.py", dir)

	log := NewLog(t, "samba")
	name, args := rootly("samba", "-s", filepath.Join(dir, "etc", "smb.conf"), "-F", "--no-process-group", "-M", "single", "--debug-stdout", "-d", "1")
	d := &Domain{
		URL: "ldaps://127.0.0.1", BaseDN: "DC=corp,DC=example,DC=test", CA: filepath.Join(s.path, "ca.pem"),
		Process: Start(t, log, nil, name, args...),
	}
	d.Process.Await("the domain to answer", func() error { return answers(636) })
	return d
}

// provision makes an empty domain and packs it.
func provision() (string, error) {
	path, err := os.MkdirTemp("", "gh-samba-")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(path, "dc")
	// An empty base configuration, or Debian's own is merged into the new one.
	base := filepath.Join(path, "base.conf")
	err = errors.Join(os.Chmod(path, 0o755), os.WriteFile(base, []byte("[global]\n"), 0o644),
		os.WriteFile(filepath.Join(path, "names"), []byte("subjectAltName=DNS:dc1.corp.example.test,DNS:corp.example.test,IP:127.0.0.1\n"), 0o644))
	if err != nil {
		return path, err
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
			"--host-name=dc1", "--host-ip=127.0.0.1", "--server-role=dc", "--dns-backend=NONE", "--adminpass=Adm1n-Passw0rd!",
			"--option=interfaces = 127.0.0.1/8", "--option=bind interfaces only = yes", "--option=server services = ldap",
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
			return path, fmt.Errorf("%v: %w: %s", command, err, out)
		}
	}
	return path, nil
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
