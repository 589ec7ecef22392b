package caddymodule

import (
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "policy",
		Short:   "Tries policies out",
		Long:    "Tries policies out, before people meet them.\n\nWorks whether Caddy is running or not.",
		Example: "  caddy gatehouse policy test --config Caddyfile policies.test",
	}
	hold(cmd, policyTestCommand())
	return cmd
}

func policyTestCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "test FILE…",
		Short: "Holds the policies against tests of your own",
		Long: `Holds the policies of the configuration against tests of your own, for a CI that looks at a change before it is
loaded. It needs no store and asks no source: the person of a test is made up. A file has

  test "an agent at home" {
      given {
          application connect
          groups corp/Agents
          ip 198.51.100.7
          device known
          passed totp 6d
      }
      expect allow
      rule "mfa every 7d shared"
  }

given takes application (or portal), source, groups, ip, networks, user_agent, at (a time, or mon 08:00
Europe/Berlin), signed_in, device, passed, factors (set up), unreachable, country, anonymous, certificate, met,
must_change, and passwordless (the factor that they signed in by, in the place of the password). A factor
that was passed before counts in this session, or, on a known device, on that; "passed totp now" is one
shown on this very way. expect takes allow, deny or ask, with a reason; factors, section, rule and policy
may be expected too.

Works whether Caddy is running or not. Exits with 1 when a test fails.`,
		Example: `  caddy gatehouse policy test --config Caddyfile policies.test`,
		RunE:    runBetween(1, math.MaxInt, policyTests),
	})
}

// tested is a test and what came of it.
type tested struct {
	Test   string          `json:"test"`
	Place  string          `json:"place"`
	OK     bool            `json:"ok"`
	Failed string          `json:"failed,omitempty"`
	Got    idp.Explanation `json:"got"`
}

func policyTests(cmd *cobra.Command, files []string) (err error) {
	l, err := loadApp(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Cleanup()) }()
	var all []tested
	failed := 0
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // G304: a file that whoever runs the command names
		if err != nil {
			return err
		}
		list, err := l.runPolicyTests(file, text)
		if err != nil {
			return err
		}
		for _, t := range list {
			if !t.OK {
				failed++
			}
		}
		all = append(all, list...)
	}
	if err := printTested(cmd, all, failed); err != nil {
		return err
	}
	if failed > 0 {
		return errFinding
	}
	return nil
}

// runPolicyTests runs the tests of one file.
func (a *App) runPolicyTests(file string, text []byte) ([]tested, error) {
	tests, err := a.parsePolicyTests(file, text)
	if err != nil {
		return nil, err
	}
	var out []tested
	for _, t := range tests {
		x, err := a.gateway.Suppose(t.app, t.visit)
		if err != nil {
			return nil, fmt.Errorf("%s: test %q: %w", t.place, t.name, err)
		}
		failed := t.want.failed(x)
		out = append(out, tested{Test: t.name, Place: t.place, OK: failed == "", Failed: failed, Got: x})
	}
	return out, nil
}

func printTested(cmd *cobra.Command, all []tested, failed int) error {
	out := cmd.OutOrStdout()
	if wantsJSON(cmd) {
		return printJSON(out, all)
	}
	for _, t := range all {
		if t.OK {
			fmt.Fprintf(out, "ok    %s\n", plain(t.Test))
			continue
		}
		fmt.Fprintf(out, "FAIL  %s (%s): %s\n", plain(t.Test), t.Place, plain(t.Failed))
		printExplanation(out, t.Got)
	}
	_, err := fmt.Fprintf(out, "%d tests, %d failed\n", len(all), failed)
	return err
}
