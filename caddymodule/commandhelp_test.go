package caddymodule

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelp holds the help of every command against one file, and to what each help has to say.
func TestHelp(t *testing.T) {
	root := &cobra.Command{Use: appName}
	addCommands(root)
	var all strings.Builder
	walk(root, func(c *cobra.Command) {
		if !strings.Contains(c.Long, "Works w") || c.Example == "" || c.Short == "" {
			t.Errorf("the help of %s lacks an example, or whether it works with Caddy stopped", c.CommandPath())
		}
		if !c.HasSubCommands() && c.Flags().Lookup("json") == nil {
			t.Errorf("%s tells programs nothing: it has no --json", c.CommandPath())
		}
		var out bytes.Buffer
		c.SetOut(&out)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 115 {
				t.Errorf("a line in the help of %s is %d columns wide: %s", c.CommandPath(), n, line)
			}
		}
		fmt.Fprintf(&all, "=== %s\n%s\n", c.CommandPath(), out.String())
	})
	const golden = "testdata/help.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if all.String() != string(want) {
		t.Errorf("the help has changed; look at it, then: go test -run TestHelp -update\n%s", all.String())
	}
}

func TestMisspeltCommandsAreErrors(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	for want, args := range map[string][]string{
		`gatehouse has no command "chek"; there are: check`:                     {"chek"},
		`gatehouse keys has no command "rotate"; there are: list`:               {"keys", "rotate"},
		`gatehouse user has no command "reset-factor"; there are: show, invite`: {"user", "reset-factor", "demo"},
		"usage: gatehouse user reset-mfa NAME [FACTOR]":                         {"user", "reset-mfa"},
		"usage: gatehouse keys uploaded KEY APPLICATION":                        {"keys", "uploaded", "x"},
		`--from: "yesterday" is no time`:                                        {"audit", "--from", "yesterday"},
		"--csv and --json are two formats":                                      {"audit", "--csv", "--json"},
		"unknown flag: --colour":                                                {"check", "--colour"},
	} {
		_, err := s.command(file, args...)
		wantFailure(t, err, want)
	}
	if out, err := s.command(file, "keys"); err != nil || !strings.Contains(out, "Available Commands") {
		t.Errorf("keys alone: %v\n%s", err, out)
	}
}

func TestNoDatabaseIsMade(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile(connectBlock)
	for _, args := range [][]string{
		{"metadata"},
		{"aws", "connect"},
		{"audit"},
		{"user", "invite", "demo"},
		{"user", "revoke", "demo"},
		{"user", "reset-mfa", "demo"},
		{"user", "show", "demo"},
		{"user", "unlock", "demo"},
		{"keys", "list"},
		{"keys", "promote", "x"},
		{"backup", s.dir + "/b"},
	} {
		_, err := s.command(file, args...)
		wantFailure(t, err, "never run", "start Caddy once", "HOME")
	}
	if _, err := os.Stat(s.dir + "/db"); err == nil {
		t.Error("a command has made the directory of the database")
	}
}
