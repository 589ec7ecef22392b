package caddymodule

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// runs runs caddy gatehouse with a configuration of the site.
func (s *site) runs(caddyfile string, args ...string) (string, error) {
	s.t.Helper()
	config := filepath.Join(s.dir, "Caddyfile.explained")
	if err := os.WriteFile(config, []byte(caddyfile), 0o600); err != nil {
		s.t.Fatal(err)
	}
	root := &cobra.Command{Use: appName}
	addCommands(root)
	var out strings.Builder
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append(args, "--config", config))
	err := root.Execute()
	return out.String(), err
}

const explained = `
	network office 203.0.113.0/24
	policy default {
		mfa always
	}
	policy weekly {
		mfa every 7d
		networks {
			blocked office
		}
	}
	policy agents {
		browsers {
			minimum chrome 140
		}
	}
	application wiki link https://wiki.example.com {
		policy weekly
		policy agents for Agents
	}
`

func TestExplainASupposedVisit(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile(explained)
	chrome := "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{
			"the group's policy, an unknown browser",
			[]string{"--app", "wiki", "--ip", "198.51.100.7"},
			[]string{"wiki: deny (browser_unknown)", "by      browsers minimum chrome 140, of policy agents", `policy  agents, for "people/Agents"`, "* browsers minimum chrome 140 # agents → denies"},
		},
		{
			"inherited from the application's",
			[]string{"--app", "wiki", "--ip", "203.0.113.7", "--user-agent", chrome},
			[]string{"wiki: deny (network)", "by      networks blocked office, of policy weekly"},
		},
		{
			"a device that is known",
			[]string{"--app", "wiki", "--ip", "198.51.100.7", "--user-agent", chrome, "--device", "known", "--passed", "totp=6d"},
			[]string{"wiki: allow", "by      mfa every 7d, of policy weekly"},
		},
		{
			"a week later",
			[]string{"--app", "wiki", "--ip", "198.51.100.7", "--user-agent", chrome, "--device", "known", "--passed", "totp=7d"},
			[]string{"wiki: ask (mfa)"},
		},
		{"the portal", []string{"--app", "portal"}, []string{"portal: ask (mfa)", "by      mfa always, of policy default"}},
		{"all", []string{"--ip", "203.0.113.7", "--user-agent", chrome}, []string{"portal  ask (mfa)", "wiki    deny (network)"}},
		{"nobody", []string{"--user", "nobody", "--app", "wiki"}, []string{"wiki: deny (no_user)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := s.runs(file, append([]string{"explain", "--user", "demo"}, tt.args...)...)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in:\n%s", want, out)
				}
			}
		})
	}
	for flag, args := range map[string][]string{
		"--ip": {"--ip", "home"}, "--at": {"--at", "noon"}, "--device": {"--device", "mine"}, "--passed": {"--passed", "totp"},
		"no factor is named": {"--passed", "sms=1h"}, "no application is named": {"--app", "bank"}, "--met": {"--met", "x"},
		"is no country": {"--country", "Germany"}, "anonymous": {"--anonymous", "perhaps"}, "say which decision": {"--ref", "7K3M-9QXT"},
	} {
		if out, err := s.runs(file, append([]string{"explain", "--user", "demo"}, args...)...); err == nil || errors.Is(err, errFinding) || !strings.Contains(out, flag) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

var flowField = regexp.MustCompile(`name="f" value="([^"]+)"`)

// signInAs shows name and password in a browser of its own, and follows to where that leads.
func (s *site) signInAs(name, password string) {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	// Caddy serves http here, and the cookies are for https: this browser takes localhost for safe, as real ones do.
	c := &http.Client{Jar: jar, Transport: secureOnLocalhost{jar}}
	page := func(res *http.Response, err error) string {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			s.t.Fatal(err)
		}
		return string(body)
	}
	body := page(c.Get(s.origin + "/login"))
	f := flowField.FindStringSubmatch(body)
	if f == nil {
		s.t.Fatalf("no form:\n%s", body)
	}
	page(c.PostForm(s.origin+"/login", url.Values{"f": {f[1]}, "username": {name}, "password": {password}}))
}

// secureOnLocalhost sends the cookies of https to http as well.
type secureOnLocalhost struct{ jar http.CookieJar }

func (t secureOnLocalhost) RoundTrip(r *http.Request) (*http.Response, error) {
	safe := *r.URL
	safe.Scheme = "https"
	r.Header.Del("Cookie")
	for _, c := range t.jar.Cookies(&safe) {
		r.AddCookie(c)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		t.jar.SetCookies(&safe, res.Cookies())
	}
	return res, err
}

// TestExplainAReference: a decision of the past is made again from what the audit log keeps, also after the policy has
// changed, with the rule of that time.
func TestExplainAReference(t *testing.T) {
	s := newSite(t)
	before := s.caddyfile("policy default {\nmfa every 3d\n}")
	s.load(before)
	s.signInAs("demo", "try-gatehouse")
	var decided *idp.Event
	err := active(t).store.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool {
		if e.Kind == idp.EventDecision {
			decided = &e
		}
		return true
	})
	if err != nil || decided == nil {
		t.Fatalf("no decision was recorded (%v)", err)
	}
	after := s.caddyfile("policy default {\nmfa off\n}")
	s.load(after)
	out, err := s.runs(after, "explain", "--ref", strings.ToLower(decided.Ref))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{decided.Ref + " of demo", "portal: ask (mfa)", "by      mfa every 3d, of policy default", "It comes out as it was recorded."} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	out, err = s.runs(after, "explain", "--ref", decided.Ref, "--json")
	var replayed []idp.Replayed
	if err != nil || json.Unmarshal([]byte(out), &replayed) != nil || len(replayed) != 1 || !replayed[0].Agrees {
		t.Errorf("%v\n%s", err, out)
	}

	// A line that somebody changed does not come out as it says.
	forged := *decided
	forged.Ref, forged.Result, forged.Kind = "0000-0000", idp.Success, idp.EventLaunch
	if err := active(t).store.Append(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	out, err = s.runs(after, "explain", "--ref", forged.Ref)
	if !errors.Is(err, errFinding) || !strings.Contains(out, `the verdict was "allow" and is "ask"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = s.runs(after, "explain", "--ref", "ZZZZ-ZZZZ"); err == nil || !strings.Contains(out, "no line of ZZZZ-ZZZZ") {
		t.Errorf("%v\n%s", err, out)
	}
}
