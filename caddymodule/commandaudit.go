package caddymodule

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func auditCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "audit",
		Short: "Prints who did what, when, and by which rule",
		Long: `Prints audit lines from the store, oldest first. Times are RFC 3339, days (2006-01-02) or ages (24h,
7d), --from inclusive and --to exclusive. --by takes a part of the name of a helper, a token or whoever ran a
command, and finds what they did for others. --json prints one object for each line. In CSV, a cell that a
spreadsheet would take for a formula begins with an apostrophe. --rule-text adds the policy text that the
digest of a line stands for.

--user takes a name that signs in, or a user key (SOURCE:ID), and finds what that person did and what was done
for them, under whatever name, and each line with that very name, as a failed sign-in keeps it. The sources
are asked whose the name is. Where none knows, or one has not answered within 5 seconds, a warning on standard
error says so, and the lines are those with that very name; a user key finds the others.

A --ref that no line has is an error, which says where else to look.

Works whether Caddy is running or not. Lines that commands write are in the store only, not in Caddy's
log gatehouse.audit, but for those about people ("user") that a Caddy that runs has done.`,
		Example: `  caddy gatehouse audit --from 24h --user alice@example.com
  caddy gatehouse audit --ref 7K3M-9QXT --rule-text
  caddy gatehouse audit --from 2026-11-01 --to 2026-12-01 --csv`,
		RunE: run(0, audit),
	})
	f := cmd.Flags()
	f.String("from", "", "first moment, day or age")
	f.String("to", "", "moment, day or age before which to end")
	f.String("user", "", "name that signs in, or user key")
	f.String("by", "", "part of who did it for somebody else")
	f.String("app", "", "application")
	f.String("ref", "", "reference number that the person was shown")
	f.Bool("csv", false, "print CSV")
	f.Bool("rule-text", false, "print the policy in force with each line")
	return cmd
}

// auditLine is an event with the policy text that was asked for.
type auditLine struct {
	idp.Event
	RuleText string `json:"rule_text,omitempty"`
}

func audit(cmd *cobra.Command, _ []string) error {
	q, err := auditQuery(cmd)
	if err != nil {
		return err
	}
	asCSV, err := cmd.Flags().GetBool("csv")
	if err != nil {
		return err
	}
	withText, err := cmd.Flags().GetBool("rule-text")
	if err != nil {
		return err
	}
	if asCSV && wantsJSON(cmd) {
		return errors.New("--csv and --json are two formats")
	}
	by, err := cmd.Flags().GetString("by")
	if err != nil {
		return err
	}
	by = strings.ToLower(by)
	user, err := cmd.Flags().GetString("user")
	if err != nil {
		return err
	}
	return withApp(cmd, func(ctx context.Context, l *loaded) error {
		emit, flush := auditPrinter(cmd.OutOrStdout(), asCSV, wantsJSON(cmd), withText)
		if user != "" {
			q.Users = l.whoseLines(ctx, cmd, user, lookTime)
		}
		texts := map[string]string{}
		var failed error
		found := false
		err := l.store.Events(ctx, q, func(e idp.Event) bool {
			if !strings.Contains(strings.ToLower(e.By), by) {
				return true
			}
			found = true
			line := auditLine{Event: e}
			if withText && e.Digest != "" {
				if line.RuleText, failed = ruleText(ctx, l, texts, e.Digest); failed != nil {
					return false
				}
			}
			failed = emit(line)
			return failed == nil
		})
		if err := errors.Join(err, failed, flush()); err != nil || found || q.Ref == "" {
			return err
		}
		return l.noneOf(ctx, q)
	})
}

// noneOf says why a reference number has no line to print: none at all, or none that fits what else was asked.
func (l *loaded) noneOf(ctx context.Context, q idp.EventQuery) error {
	found := false
	err := l.store.Events(ctx, idp.EventQuery{Ref: q.Ref}, func(idp.Event) bool {
		found = true
		return false
	})
	switch {
	case err != nil:
		return err
	case found:
		return &refusal{fmt.Errorf("no line of %s fits the other flags", q.Ref)}
	}
	return noLineOf(q.Ref)
}

// noLineOf says where else the reference number of a page may lead.
func noLineOf(ref string) error {
	return &refusal{fmt.Errorf("the audit log has no line of %s: is it typed as the page shows it? What was refused before anybody was known, a wrong address or a form from another site, "+
		"is in Caddy's log alone, under the same number; and lines are kept for as long as the option audit says", ref)}
}

// ruleText reads each text once.
func ruleText(ctx context.Context, l *loaded, texts map[string]string, digest string) (string, error) {
	if t, ok := texts[digest]; ok {
		return t, nil
	}
	t, err := l.store.RuleText(ctx, digest)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return "", err
	}
	texts[digest] = idp.RuleText(t)
	return texts[digest], nil
}

// lookTime is how long sources may take to say whose a name is.
const lookTime = 5 * time.Second

// whoseLines returns what the lines of a person are found by: the name as it was given, which a failed sign-in keeps, and the key of
// whoever has it now, which is in every other. Where nobody can tell, the lines that there are of the name are printed all the same,
// and it is said that there may be more.
func (l *loaded) whoseLines(ctx context.Context, cmd *cobra.Command, name string, within time.Duration) []string {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	u, err := l.gateway.Person(ctx, name)
	if err != nil {
		cmd.PrintErrf("Warning: these are only the lines with that very name, and the person may have others: %s\n", plain(err.Error()))
		return []string{name}
	}
	if u.BreakGlass {
		cmd.PrintErrf("Warning: a source does not answer, which may have somebody of that name too; these are the lines of %s and of that very name\n", plain(u.Key()))
	}
	return []string{name, u.Key()}
}

func auditQuery(cmd *cobra.Command) (q idp.EventQuery, err error) {
	f := cmd.Flags()
	for _, s := range []struct {
		flag string
		to   *string
	}{{"app", &q.App}, {"ref", &q.Ref}} {
		if *s.to, err = f.GetString(s.flag); err != nil {
			return q, err
		}
	}
	q.Ref = strings.ToUpper(q.Ref) // read out over the telephone
	for _, s := range []struct {
		flag string
		to   *time.Time
	}{{"from", &q.From}, {"to", &q.To}} {
		text, err := f.GetString(s.flag)
		if err != nil {
			return q, err
		}
		if *s.to, err = parseMoment(text, time.Now()); err != nil {
			return q, fmt.Errorf("--%s: %w", s.flag, err)
		}
	}
	return q, nil
}

// parseMoment reads a moment, a day of this machine's time zone, or an age. Nothing gives the zero time.
func parseMoment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		return t, nil
	}
	if age, err := caddy.ParseDuration(s); err == nil && age >= 0 {
		return now.Add(-age), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2006-01-02T15:04:05Z, 2006-01-02, or an age like 24h or 7d", s)
}

// auditColumns are the columns of CSV and the members of Caddy's events, under the names of JSON. The id is left out, which only orders lines, and the visit,
// which "explain --ref" reads.
var auditColumns = []string{
	"time", "kind", "result", "reason", "ref", "user", "name", "source", "app", "factor", "client",
	"policy", "rule", "digest", "role", "session_name", "name_id", "assertion_id", "destination", "detail", "by",
	"notes", "section", "agent", "cross_site", "break_glass",
}

func auditPrinter(w io.Writer, asCSV, asJSON, withText bool) (emit func(auditLine) error, flush func() error) {
	switch {
	case asJSON:
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return func(l auditLine) error { return enc.Encode(l) }, func() error { return nil }
	case asCSV:
		c := csv.NewWriter(w)
		columns := auditColumns
		if withText {
			columns = append(slices.Clip(columns), "rule_text")
		}
		head := c.Write(columns)
		return func(l auditLine) error {
				row := auditRow(l.Event)
				if withText {
					row = append(row, inert(l.RuleText))
				}
				return errors.Join(head, c.Write(row))
			}, func() error {
				c.Flush()
				return c.Error()
			}
	}
	return func(l auditLine) error {
		e := l.Event
		_, err := fmt.Fprintf(w, "%s  %-8s %-8s", e.Time.Local().Format(time.RFC3339), e.Kind, e.Result)
		for i, v := range auditRow(e) {
			if i > 2 && v != "" && err == nil {
				_, err = fmt.Fprintf(w, " %s=%q", auditColumns[i], v)
			}
		}
		if err == nil {
			_, err = fmt.Fprintln(w)
		}
		if withText && l.RuleText != "" && err == nil {
			for line := range strings.Lines(l.RuleText) {
				fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
			}
		}
		return err
	}, func() error { return nil }
}

// auditCells has a text for each of the auditColumns, empty where the line does not say.
func auditCells(e idp.Event) []string {
	var launch idp.LaunchRecord
	if e.Launch != nil {
		launch = *e.Launch
	}
	return []string{
		e.Time.UTC().Format(time.RFC3339Nano), e.Kind, e.Result, e.Reason, e.Ref, e.User, e.Name, e.Source, e.App,
		e.Factor, client(e), e.Policy, e.Rule, e.Digest, launch.Role, launch.SessionName, launch.NameID,
		launch.AssertionID, launch.Destination, e.Detail, e.By, strings.Join(launch.Notes, "; "), e.Section, e.Agent,
		ifTrue(e.CrossSite), ifTrue(e.BreakGlass),
	}
}

// auditRow is auditCells for a table.
func auditRow(e idp.Event) []string {
	row := auditCells(e)
	for i := range row {
		row[i] = inert(row[i])
	}
	return row
}

func ifTrue(b bool) string {
	if b {
		return "true"
	}
	return ""
}

// inert keeps a spreadsheet from taking a cell for a formula: a name is what anybody typed into the
// sign-in form (OWASP, "CSV Injection").
func inert(s string) string {
	if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@' || s[0] == '\t' || s[0] == '\r') {
		return "'" + s
	}
	return s
}
