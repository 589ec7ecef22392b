package caddymodule

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func factorsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "factors",
		Short:   "Looks at who holds which second factor",
		Long:    "Looks at who holds which second factor.\n\nWorks whether Caddy is running or not.",
		Example: "  caddy gatehouse factors report",
	}
	hold(cmd, factorsReportCommand())
	return cmd
}

func factorsReportCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "report",
		Short: "Lists who could not sign in if their only factor were lost or away",
		Long: `Says how many people hold each factor, and lists, for the portal and for each application, who holds a
single one that the policy takes, and could not sign in if it were lost, or could not be asked and the plan
for that (outage) does not help: there is none, it refuses them, or it names a factor that they have not set
up. Look at it before a plan is needed, and have them set up another factor.

Only people who have set up something here are looked at, where they may open the application and a policy
may ask them. A factor whose own service knows who has it counts as everybody's. Sources are asked for
people's groups; where one does not answer, the groups of the last sign-in stand for them.

Works whether Caddy is running or not.`,
		Example: `  caddy gatehouse factors report
  caddy gatehouse factors report --json | jq '.applications[] | select(.app == "connect").without_fallback'`,
		RunE: run(0, func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd, func(ctx context.Context, l *loaded) error { return reportFactors(ctx, cmd, l) })
		}),
	})
}

func reportFactors(ctx context.Context, cmd *cobra.Command, l *loaded) error {
	r, err := l.gateway.ReportFactors(ctx)
	if err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), r)
	}
	printFactorReport(cmd.OutOrStdout(), r)
	return nil
}

func printFactorReport(w io.Writer, r idp.FactorReport) {
	wide := 0
	for _, f := range r.Factors {
		wide = max(wide, len(f.Factor))
	}
	for _, f := range r.Factors {
		fmt.Fprintf(w, "%-*s  %s\n", wide, f.Factor, heldWords(f))
	}
	for _, source := range r.Silent {
		fmt.Fprintf(w, "source %s does not answer: the groups of its people are those of their last sign-in\n", source)
	}
	for _, p := range r.Places {
		fmt.Fprintf(w, "\n%s: %d of %d people have no fallback\n", place(p.App), len(p.Unbacked), p.Asked)
		for _, u := range p.Unbacked {
			fmt.Fprintf(w, "  %s (%s) holds %s only, and without it %s", plain(u.Name), plain(u.User), u.Factor, u.Then)
			if u.Rule != "" {
				fmt.Fprintf(w, ": %s", plain(u.Rule))
			}
			fmt.Fprintf(w, " # %s\n", u.Policy)
		}
	}
}

// heldWords says how many people hold a factor.
func heldWords(f idp.HeldFactor) string {
	var words []string
	if !f.Elsewhere || f.People > 0 {
		words = append(words, fmt.Sprintf("%d people, %d enrollments", f.People, f.Enrollments))
	}
	if f.Elsewhere {
		words = append(words, "its own service knows who has it; it counts as everybody's")
	}
	if f.Unconfigured {
		words = append(words, "no factor of this name is configured")
	}
	return strings.Join(words, "; ")
}
