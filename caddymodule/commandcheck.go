package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/awssignin"
)

func checkCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "check",
		Short: "Finds the fault before people do",
		Long: `Finds the fault before people do. It looks at

  - sources, factors and applications, these by the rules of AWS (the ids in brackets),
  - groups that their source does not know, policies that nothing uses, applications that nobody may open,
    plans for an outage with a factor that nobody has set up,
  - the signing keys and their ends, and the metadata as IAM would at upload,
  - the clock against the audit log,
  - whether this file is what was loaded last, and secret files that are newer (then: caddy reload --force),
  - whether a site of this file serves the portal, and whether a client can choose the address that policies see.

With --user it looks at one person instead: what each source finds under the name, which route it takes and
whom a sign-in would mean, and for each application whether they may open it and by which rule, which
second factor they would be asked for, and what would be sent, in Amazon Connect the role and the user
name. --from says where they would come from, for routes and policies that read networks. No password is
tried, unless --password-file has theirs: it is shown to the source once, which in a directory is a bind as
the person, and charged and written to the audit log like any sign-in.

Works whether Caddy is running or not. Exits with 1 when a finding is an error; with --strict also when one
is a warning.`,
		Example: `  caddy gatehouse check --config /etc/caddy/Caddyfile
  caddy gatehouse check --user ann@example.com --from 203.0.113.7
  systemd-ask-password | caddy gatehouse check --user ann@example.com --password-file -
  caddy gatehouse check --json | jq '.[] | select(.level != "ok")'`,
		RunE: run(0, check),
	})
	cmd.Flags().Bool("strict", false, "let warnings count as errors")
	cmd.Flags().String("user", "", "look at the person of this `NAME`, as typed at sign-in")
	cmd.Flags().String("from", "", "with --user: the `ADDRESS` that the person would come from")
	cmd.Flags().String("password-file", "", "with --user: try the password in the first line of the `FILE`, or of standard input: -")
	return cmd
}

// check prints what it looked at and what it found.
func check(cmd *cobra.Command, _ []string) (err error) {
	strict, err := cmd.Flags().GetBool("strict")
	if err != nil {
		return err
	}
	who, err := personOf(cmd)
	if err != nil {
		return err
	}
	l, err := loadApp(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Cleanup()) }()
	ctx, cancel := deadline(cmd)
	defer cancel()
	var found []idp.Finding
	opened := l.openExisting(cmd)
	if errors.Is(opened, errNoStore) {
		found = append(found, idp.Finding{Level: idp.LevelWarning, Where: "store", What: opened.Error(), Cure: "then check again: keys and what needs them were left out"})
	} else if opened != nil {
		found = append(found, idp.Finding{Level: idp.LevelError, Where: "store", What: opened.Error()})
	}
	if who.name != "" {
		return printFindings(cmd, append(found, l.checkPerson(ctx, who)...), strict)
	}
	for _, f := range l.gateway.Check(ctx) {
		if opened == nil || f.Rule != "S3" { // which is about the key that signs
			found = append(found, f)
		}
	}
	found = append(found, l.checkGroups(ctx)...)
	if opened == nil {
		found = append(found, l.gateway.CheckStore(ctx)...)
		found = append(found, l.checkOutages(ctx)...)
		found = append(found, l.checkMetadata()...)
		found = append(found, l.checkLoaded(ctx)...)
	}
	found = append(found, l.checkSite(), l.checkProxies())
	return printFindings(cmd, found, strict)
}

// checkMetadata holds the metadata that service providers are given against what IAM takes.
func (l *loaded) checkMetadata() []idp.Finding {
	const where = "metadata"
	doc, err := l.metadata()
	if err != nil {
		return []idp.Finding{{Level: idp.LevelError, Where: where, What: err.Error()}}
	}
	var found []idp.Finding
	for _, f := range awssignin.CheckMetadata(doc, time.Now()) {
		level := idp.LevelError
		if f.Level == awssignin.Warn {
			level = idp.LevelWarning
		}
		found = append(found, idp.Finding{Level: level, Where: where, Rule: f.Rule, What: f.Seen, Cure: f.Cure})
	}
	if len(found) == 0 {
		found = append(found, idp.Finding{Level: idp.LevelOK, Where: where, Rule: "M1", What: fmt.Sprintf("IAM takes the %d characters at %s", len(doc), l.entityID())})
	}
	return found
}

func printFindings(cmd *cobra.Command, found []idp.Finding, strict bool) error {
	failed := false
	for _, f := range found {
		failed = failed || f.Level == idp.LevelError || strict && f.Level == idp.LevelWarning
	}
	out := cmd.OutOrStdout()
	if wantsJSON(cmd) {
		if err := printJSON(out, found); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			printFinding(out, f)
		}
	}
	if failed {
		return errFinding
	}
	return nil
}

func printFinding(w io.Writer, f idp.Finding) {
	rule := ""
	if f.Rule != "" {
		rule = " [" + f.Rule + "]"
	}
	fmt.Fprintf(w, "%-8s%s%s: %s\n", f.Level, f.Where, rule, plain(f.What))
	if f.Cure != "" {
		fmt.Fprintf(w, "        %s\n", plain(f.Cure))
	}
}
