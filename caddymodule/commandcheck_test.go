package caddymodule

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// findings runs check --json.
func (s *site) findings(caddyfile string, args ...string) (found []idp.Finding, err error) {
	s.t.Helper()
	out, err := s.command(caddyfile, append([]string{"check", "--json"}, args...)...)
	if jerr := json.Unmarshal([]byte(out), &found); jerr != nil {
		s.t.Fatalf("%v\n%s", jerr, out)
	}
	for _, f := range found {
		if f.Where == "" || f.What == "" || f.Level != idp.LevelOK && f.Level != idp.LevelWarning && f.Level != idp.LevelError {
			s.t.Errorf("a finding that says nothing: %+v", f)
		}
	}
	return found, err
}

func pick(found []idp.Finding, where, what string) *idp.Finding {
	for _, f := range found {
		if f.Where == where && strings.Contains(f.What, what) {
			return &f
		}
	}
	return nil
}

func TestCheckFindsNothingWhereAllIsWell(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	found, err := s.findings(file, "--strict")
	if err != nil {
		t.Errorf("%v: %+v", err, found)
	}
	for where, what := range map[string]string{
		"metadata": "IAM takes the", "clock": "after every line", "configuration": "this file is what was loaded last",
		"portal": "a site serves", "proxies": "not the client's to choose",
	} {
		if f := pick(found, where, what); f == nil || f.Level != idp.LevelOK {
			t.Errorf("%s: %+v in %+v", where, f, found)
		}
	}
}

func TestCheckFinds(t *testing.T) {
	s := newSite(t)
	s.load(s.caddyfile(""))
	proxies := "servers {\n\t\ttrusted_proxies static 10.0.0.0/8\n\t}"
	from := "network office 203.0.113.0/24\npolicy office {\nenroll_first from office\n}\napplication wiki link https://wiki.example.com {\npolicy office\n}"
	supervisors := `source more local {
		user boss ` + DemoHash + ` {
			groups Supervisors
		}
	}
	policy bosses {
		groups people/Agents
	}
	application connect amazon_connect {
		instance arn:aws:connect:us-east-1:123456789012:instance/12345678-90ab-cdef-1234-567890abcdef
		provider_name Gatehouse
		role ConnectAdmin more/Supervisors
		policy bosses
	}`
	for name, c := range map[string]struct{ file, where, what, level string }{
		"a changed file":      {s.caddyfile("application a link https://a.example"), "configuration", "not what was loaded last", idp.LevelWarning},
		"an unused policy":    {s.caddyfile("policy lonely {\nmfa off\n}"), "policy lonely", "neither the portal nor", idp.LevelWarning},
		"nobody's tile":       {s.caddyfile(supervisors), "application connect", "nobody is in a group", idp.LevelWarning},
		"proxies, audit only": {s.caddyfileWith(proxies, ""), "proxies", "in the audit log", idp.LevelWarning},
		"proxies, policies":   {s.caddyfileWith(proxies, from), "proxies", "policies read networks", idp.LevelError},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := s.findings(c.file)
			f := pick(found, c.where, c.what)
			if f == nil || f.Level != c.level || f.Cure == "" {
				t.Errorf("%+v, want a finding of level %s with its cure, in %+v", f, c.level, found)
			}
			if failed := errors.Is(err, errFinding); failed != (c.level == idp.LevelError) {
				t.Errorf("exit: %v", err)
			}
			if _, err := s.findings(c.file, "--strict"); !errors.Is(err, errFinding) {
				t.Errorf("exit with --strict: %v", err)
			}
		})
	}
}

func TestCheckFindsRotatedSecrets(t *testing.T) {
	s := newSite(t)
	hash := s.secret("hash", DemoHash+"\n")
	file := strings.Replace(s.caddyfile(""), DemoHash, hash, 1)
	s.load(file)
	secret := filepath.Join(s.dir, "hash")
	before, after := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for _, c := range []struct {
		at   time.Time
		want bool
	}{{before, false}, {after, true}} {
		if err := os.Chtimes(secret, c.at, c.at); err != nil {
			t.Fatal(err)
		}
		found, _ := s.findings(file)
		if f := pick(found, "secrets", secret); (f != nil) != c.want {
			t.Errorf("of %v: %+v", c.at, f)
		}
	}
}

func TestLastLoadIsFoundHoweverLongAgo(t *testing.T) {
	s := newSite(t)
	s.load(s.caddyfile(""))
	now := time.Now().AddDate(2, 0, 0)
	l := &loaded{App: &App{store: s.openedStore()}}
	last, err := l.lastLoad(t.Context(), now)
	if err != nil || last == nil || last.Kind != idp.EventConfig {
		t.Errorf("%+v, %v", last, err)
	}
}
