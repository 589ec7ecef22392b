package caddymodule

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func TestCheckOfOnePerson(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile(connectBlock + `
		network office 203.0.113.0/24
		source night local {
			user owl ` + DemoHash + ` {
				email owl+1@example.com
				groups Agents
			}
		}
		route night network office
		route people`)
	file = strings.Replace(file, "role ConnectAgent Agents", "role ConnectAgent people/Agents night/Agents", 1)
	for _, running := range []bool{false, true} {
		if running {
			s.load(file)
		}
		found, err := s.findings(file, "--user", "demo")
		if err != nil {
			t.Errorf("running %v: %v", running, err)
		}
		for where, whats := range map[string][]string{
			"source people": {`"demo" is people:demo, mail "demo@example.com", groups: Agents`},
			"source night":  {`nobody is named "demo"`},
			"sign-in":       {"the way is: route people", `"demo" signs in as people:demo of source people`},
			"application connect": {
				"may open it, by mfa always of policy", "the role is arn:aws:iam::123456789012:role/ConnectAgent",
				"the user name in Connect is demo@example.com, and Connect can hold it",
			},
			"application handbook": {"may open it"},
		} {
			for _, what := range whats {
				if f := pick(found, where, what); f == nil || f.Level != idp.LevelOK {
					t.Errorf("running %v: %s: nothing of %q in %+v", running, where, what, found)
				}
			}
		}
		if f := pick(found, "application connect", "has totp to set up first"); running && (f == nil || f.Level != idp.LevelOK) {
			t.Errorf("the second factor: %+v", found)
		}
	}

	found, err := s.findings(file, "--user", "owl", "--from", "203.0.113.9")
	if f := pick(found, "application connect", "holds the character “+”"); f == nil || f.Level != idp.LevelError || !errors.Is(err, errFinding) {
		t.Errorf("a name that Connect cannot hold: %v %+v", err, found)
	}
	found, err = s.findings(file, "--user", "owl")
	if f := pick(found, "sign-in", `nobody is named "owl"`); f == nil || !errors.Is(err, errFinding) {
		t.Errorf("a name that the route does not lead to: %v %+v", err, found)
	}
	if got := s.mustCommand(file, "check", "--user", "demo"); !strings.Contains(got, "ok      sign-in: the way is: route people\n") {
		t.Errorf("text:\n%s", got)
	}
}

// TestCheckOfAPassword: the first line of a file is tried, and written down.
func TestCheckOfAPassword(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile(connectBlock)
	s.load(file)
	path := filepath.Join(s.dir, "password")
	if err := os.WriteFile(path, []byte("canary-77d\r\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := s.findings(file, "--user", "demo", "--password-file", path)
	f := pick(found, "password", "source people does not sign in people:demo with it")
	if f == nil || f.Level != idp.LevelError || !errors.Is(err, errFinding) || strings.Contains(fmt.Sprint(found), "canary") {
		t.Errorf("a wrong password: %v %+v", err, found)
	}
	if got := s.mustCommand(file, "audit", "--from", "1h"); !strings.Contains(got, `reason="password_checked"`) || strings.Contains(got, "canary") {
		t.Errorf("the audit log says:\n%s", got)
	}
}

func TestCheckUserMistakes(t *testing.T) {
	s := newSite(t)
	for want, args := range map[string][]string{
		"--user takes a name":            {"check", "--user", ""},
		"--from goes with --user":        {"check", "--from", "203.0.113.9"},
		"--password-file goes with":      {"check", "--password-file", "-"},
		"no such file":                   {"check", "--user", "demo", "--password-file", "nowhere"},
		`--from: "office" is no address`: {"check", "--user", "demo", "--from", "office"},
	} {
		_, err := s.command(s.caddyfile(""), args...)
		wantFailure(t, err, want)
	}
}
