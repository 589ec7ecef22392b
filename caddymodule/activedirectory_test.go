package caddymodule

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// corpSource is a source block; nobody listens where it points to.
func (s *site) corpSource(password, more string) string {
	return fmt.Sprintf(`source corp active_directory {
	server ldaps://127.0.0.1:1
	base_dn DC=corp,DC=example,DC=test
	bind svc@corp.example.test %s
	%s
}`, password, more)
}

func directoriesInPool() (n int) {
	directories.Range(func(_, _ any) bool { n++; return true })
	return n
}

// TestDirectorySurvivesReloads: the connections do, unless what they are made of changes.
func TestDirectorySurvivesReloads(t *testing.T) {
	s := newSite(t)
	password := s.secret("ad", "canary-8fe\n")
	source := func() any {
		var found any
		directories.Range(func(_, v any) bool { found = v.(sharedDirectory).Source; return true })
		return found
	}
	s.load(s.caddyfile(s.corpSource(password, "")))
	first := source()
	s.load(s.caddyfile(s.corpSource(password, "") + "\napplication a link https://a.example"))
	if source() != first || directoriesInPool() != 1 {
		t.Errorf("after a reload there are %d sources", directoriesInPool())
	}
	s.secret("ad", "canary-8ff\n")
	s.load(s.caddyfile(s.corpSource(password, "")))
	if source() == first || directoriesInPool() != 1 {
		t.Errorf("after a new password there are %d sources, the first is one: %v", directoriesInPool(), source() == first)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := directoriesInPool(); n > 0 {
		t.Errorf("%d sources are left in the pool", n)
	}
}

func TestDirectoryRefused(t *testing.T) {
	s := newSite(t)
	password := s.secret("ad", "canary-8fe\n")
	noPEM := filepath.Join(s.dir, "ca.pem")
	if err := os.WriteFile(noPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, file := range map[string]string{
		"missing, unreadable or empty": s.corpSource("{file./nonexistent}", ""),
		"nonexistent.pem":              s.corpSource(password, "ca_file /nonexistent.pem"),
		"holds no certificate":         s.corpSource(password, "ca_file "+noPEM),
	} {
		err := caddy.Load(s.json(s.caddyfile(file)), true)
		wantError(t, err, want)
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("the error has the password: %v", err)
		}
		if n := directoriesInPool(); n > 0 {
			t.Errorf("%d sources are left in the pool", n)
		}
	}
}

// TestStartsWithoutDirectory: a directory that is down holds up neither the start nor local people.
func TestStartsWithoutDirectory(t *testing.T) {
	s := newSite(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file := strings.Replace(s.corpSource(s.secret("ad", "x"), ""), "127.0.0.1:1", ln.Addr().String(), 1)
	began := time.Now()
	s.load(s.caddyfile(file + "\npolicy default {\ngroups corp/Agents\n}"))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("loading took %s", took)
	}
	if got, _ := s.get("/login"); got != 200 {
		t.Errorf("/login: %d", got)
	}
}

// groupsOf is a source that knows what it is asked.
type groupsOf map[string]error

func (groupsOf) Name() string { return "corp" }

func (g groupsOf) FindGroup(_ context.Context, name string) error { return g[name] }

func TestCheckGroups(t *testing.T) {
	a := &App{
		Sources: []*SourceEntry{{Name: "corp"}},
		sources: []idp.Source{groupsOf{
			"Twins": fmt.Errorf("%w: \"CN=Twins,OU=a\"", idp.ErrAmbiguous), "Gone": idp.ErrNotFound, "Slow": os.ErrDeadlineExceeded,
		}},
		Policies:  []*PolicyConfig{{Name: "a", Groups: []string{"Agents", "corp/Twins"}}, {Name: "b", Groups: []string{"Gone", "Slow", "Gone"}}},
		HelpDesks: []*HelpDeskConfig{{Groups: []string{"Help"}, For: []string{"corp/Gone"}}},
	}
	var got []string
	for _, f := range a.checkGroups(t.Context()) {
		got = append(got, f.Level+" "+f.Where+" "+f.What)
	}
	for i, want := range []string{
		`ok policy a the directory has the group "corp/Agents"`,
		`error policy a the directory has more than one group "corp/Twins"`,
		`error policy b the directory has no group "corp/Gone"`,
		`warning policy b the directory cannot be asked for the group "corp/Slow"`,
		`ok helpdesk the directory has the group "corp/Help"`,
		`error helpdesk the directory has no group "corp/Gone"`,
	} {
		if len(got) != 6 || !strings.HasPrefix(got[i], want) {
			t.Errorf("want %s first in line %d of\n%s", want, i, strings.Join(got, "\n"))
		}
	}
	if !strings.Contains(strings.Join(got, "\n"), "OU=a") {
		t.Errorf("it does not say which groups: %v", got)
	}
}

// A start says in the log what check says: that a group is not there, or that nobody could be asked.
func TestStartWarnsOfGroups(t *testing.T) {
	s := newSite(t)
	logFile := filepath.Join(s.dir, "caddy.log")
	file := s.corpSource(s.secret("ad", "x"), "") + "\npolicy default {\ngroups corp/Agents\n}"
	s.load(s.caddyfileWith(fmt.Sprintf("log {\noutput file %s\n}", logFile), file))
	const want = `the directory cannot be asked for the group \"corp/Agents\"`
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
		text, err := os.ReadFile(logFile)
		if err == nil && strings.Contains(string(text), want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log lacks %s (%v):\n%s", want, err, text)
		}
	}
}

// The authority of ca_file vouches for the server, and no other does: without it a server of an unknown one is refused.
func TestCAFileVouchesForTheServer(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler()) // it speaks TLS, which is as far as this goes
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ca := write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for name, c := range map[string]struct {
		file    string
		refused bool
	}{"named": {ca, false}, "not named": {"", true}} {
		a := &ActiveDirectorySource{Directory: Directory{
			Servers: []string{strings.Replace(server.URL, "https:", "ldaps:", 1)}, BaseDNs: []string{"DC=corp,DC=example,DC=test"},
			BindUser: "svc@corp.example.test", BindPassword: "{file." + write("password", []byte("x")) + "}", CAFile: c.file,
			OperationTimeout: caddy.Duration(leastTimeout),
		}}
		source, err := a.Source("corp", nil)
		if err != nil {
			t.Fatal(err)
		}
		found := fmt.Sprint(source.(idp.Checker).Check(t.Context()))
		if got := strings.Contains(found, "unknown authority"); got != c.refused {
			t.Errorf("%s: refused for its authority: %v, want %v\n%s", name, got, c.refused, found)
		}
		if err := a.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}
