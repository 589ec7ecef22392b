package caddymodule

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestFivePolicies: the five policies of the README are what the README has, and do what their tests expect.
func TestFivePolicies(t *testing.T) {
	files, err := filepath.Glob("testdata/policies/*.Caddyfile")
	if err != nil || len(files) != 5 {
		t.Fatalf("%d policies (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".Caddyfile"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(readme(t), "```caddyfile\n"+string(text)+"```") {
				t.Error("README.md has it otherwise")
			}
			out, err := testPolicies(t, wholeFile(t, string(text)), strings.TrimSuffix(file, ".Caddyfile")+".test")
			if err != nil || !strings.Contains(out, ", 0 failed") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// testPolicies runs caddy gatehouse policy test with a configuration, whose hash of a password is made one.
func testPolicies(t *testing.T, caddyfile, file string, flags ...string) (string, error) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "Caddyfile")
	caddyfile = strings.ReplaceAll(caddyfile, "{file./run/secrets/ann}", DemoHash)
	caddyfile = strings.ReplaceAll(caddyfile, "https://sso.example.com", "http://localhost")
	if err := os.WriteFile(config, []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	root := &cobra.Command{Use: appName}
	addCommands(root)
	var out strings.Builder
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"policy", "test", "--config", config, file}, flags...))
	err := root.Execute()
	return out.String(), err
}

const oneGroup = "# not a whole file\npolicy default {\n\tmfa always\n\tgroups Agents\n}\n"

// TestPolicyTestFails: a test that fails says what came instead and by which rule, and the command fails.
func TestPolicyTestFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.test")
	text := "test \"a supervisor\" {\n\tgiven {\n\t\tapplication portal\n\t\tgroups Supervisors\n\t}\n\texpect allow\n}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := testPolicies(t, wholeFile(t, oneGroup), file)
	if !errors.Is(err, errFinding) {
		t.Errorf("it ends with %v", err)
	}
	for _, want := range []string{"FAIL  a supervisor (" + file + ":1)", `the verdict is "deny", expected "allow"`, `by      groups "people/Agents", of policy default`, "1 tests, 1 failed"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	if out, err = testPolicies(t, wholeFile(t, oneGroup), file, "--json"); !errors.Is(err, errFinding) || !strings.Contains(out, `"ok": false`) {
		t.Errorf("as JSON: %v\n%s", err, out)
	}
}

// A test says how somebody signed in: by the password, where nothing else is written.
func TestPolicyTestOfPasswordless(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.test")
	text := "test typed {\n\tgiven {\n\t\tapplication portal\n\t}\n\texpect ask mfa\n}\n" +
		"test key {\n\tgiven {\n\t\tapplication portal\n\t\tpasswordless totp\n\t}\n\texpect ask session_old\n\trule \"passwordless off\"\n}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := testPolicies(t, wholeFile(t, "# not a whole file\npolicy default {\n\tmfa always\n\tpasswordless off\n}\n"), file)
	if err != nil || !strings.Contains(out, "2 tests, 0 failed") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestPolicyTestErrors: what a test file must not have is told with file and line, and what it takes.
func TestPolicyTestErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"no test":         {"", []string{"has no test", "test NAME"}},
		"another word":    {"check x {\n}\n", []string{"unknown word \"check\"", ":1"}},
		"no expectation":  {"test x {\n\tgiven {\n\t\tapplication portal\n\t}\n}\n", []string{"needs the option expect"}},
		"no application":  {"test x {\n\tgiven {\n\t\tdevice new\n\t}\n\texpect allow\n}\n", []string{"needs the option application"}},
		"unknown fact":    {"test x {\n\tgiven {\n\t\tmoon full\n\t}\n\texpect allow\n}\n", []string{"unknown option \"moon\"", "user_agent", ":3"}},
		"unknown app":     {"test x {\n\tgiven {\n\t\tapplication bank\n\t}\n\texpect allow\n}\n", []string{"no application is named \"bank\"", ":1"}},
		"unknown group":   {"test x {\n\tgiven {\n\t\tapplication portal\n\t\tgroups nobody/Agents\n\t}\n\texpect allow\n}\n", []string{"no source is named \"nobody\""}},
		"unknown factor":  {"test x {\n\tgiven {\n\t\tapplication portal\n\t\tpassed sms now\n\t}\n\texpect allow\n}\n", []string{"no factor is named \"sms\"", "totp"}},
		"unknown verdict": {"test x {\n\tgiven {\n\t\tapplication portal\n\t}\n\texpect maybe\n}\n", []string{"expect \"maybe\" is unknown"}},
		"a bad time":      {"test x {\n\tgiven {\n\t\tapplication portal\n\t\tat noon\n\t}\n\texpect allow\n}\n", []string{"\"noon\" is no time", "DAY HH:MM ZONE"}},
		"a bad zone":      {"test x {\n\tgiven {\n\t\tapplication portal\n\t\tat mon 08:00 Berlin\n\t}\n\texpect allow\n}\n", []string{"is no time"}},
		"a bad address":   {"test x {\n\tgiven {\n\t\tapplication portal\n\t\tip home\n\t}\n\texpect allow\n}\n", []string{"\"home\" is no address"}},
		"twice":           {"test x {\n\tgiven {\n\t\tapplication portal\n\t}\n\texpect allow\n}\ntest x {\n\tgiven {\n\t\tapplication portal\n\t}\n\texpect allow\n}\n", []string{"written twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "bad.test")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := testPolicies(t, wholeFile(t, oneGroup), file)
			if err == nil || errors.Is(err, errFinding) {
				t.Errorf("it ends with %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in: %s", want, out)
				}
			}
		})
	}
}
