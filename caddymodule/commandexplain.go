package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func explainCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "explain",
		Short: "Says what a policy decides, and which rule made it so",
		Long: `Says what a policy decides about a visit, which rule made it so, and what every section said.

With --ref it makes a decision of the past again, from the visit and the policy that the audit log kept of that
moment, and says whether it comes out the same; the number is the one that the person was shown. The
configuration may have changed since. Of files and of the matchers of require it says whether they have.

With --user it supposes a visit, by the configuration as it is: of that person, to --app or to the portal and
every application, from the address --ip, with the browser --user-agent, at the time --at (default: now), on
a device that is known (the person called it their own) or new, where the factors of --passed were shown so
long ago (totp=3d). What the files of the configuration do not tell may be said by --country, --anonymous,
--certificate and --met. No password is tried and nothing is written.

Works whether Caddy is running or not. Exits with 1 where a decision of the past comes out another one.`,
		Example: `  caddy gatehouse explain --ref 7K3M-9QXT
  caddy gatehouse explain --user ann@example.com --app connect --ip 203.0.113.7 --device known --passed totp=3d
  caddy gatehouse explain --user ann@example.com --at 2026-11-28T22:00:00+01:00`,
		RunE: run(0, explain),
	})
	f := cmd.Flags()
	f.String("ref", "", "explain the decision of this reference `NUMBER`")
	f.String("user", "", "suppose a visit of the person of this `NAME`, as typed at sign-in")
	f.String("app", "", "with --user: the `APPLICATION`; \"portal\" is the portal (default: all)")
	f.String("ip", "", "with --user: the `ADDRESS` that the person comes from")
	f.String("user-agent", "", "with --user: what the browser says of itself")
	f.String("at", "", "with --user: when, as 2006-01-02T15:04:05Z (default: now)")
	f.String("device", "new", "with --user: known or new")
	f.StringSlice("passed", nil, "with --user: `FACTOR=AGE` that was shown before, in this session and on a known device")
	f.String("country", "", "with --user: the country of the address, two letters or unknown")
	f.String("anonymous", "", "with --user: whether an anonymising service lends the address, yes or no")
	f.String("certificate", "", "with --user: the subject of a client certificate that was verified")
	f.StringSlice("met", nil, "with --user: names of conditions (require) that are met")
	return cmd
}

func explain(cmd *cobra.Command, _ []string) error {
	ref, err := cmd.Flags().GetString("ref")
	if err != nil {
		return err
	}
	user, err := cmd.Flags().GetString("user")
	if err != nil {
		return err
	}
	switch {
	case (ref == "") == (user == ""):
		return errors.New("say which decision: --ref NUMBER, or --user NAME")
	case ref != "":
		return withApp(cmd, func(ctx context.Context, l *loaded) error { return l.replay(ctx, cmd, strings.ToUpper(ref)) })
	}
	return explainUser(cmd, user)
}

// replay makes the decisions of one reference number again.
func (l *loaded) replay(ctx context.Context, cmd *cobra.Command, ref string) error {
	var events []idp.Event
	err := l.store.Events(ctx, idp.EventQuery{Ref: ref}, func(e idp.Event) bool {
		events = append(events, e)
		return true
	})
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return noLineOf(ref)
	}
	out, differs := []idp.Replayed{}, false
	for _, e := range events {
		r, err := idp.Replay(ctx, l.store, e)
		if errors.Is(err, idp.ErrNotExplained) {
			continue
		}
		if err != nil {
			return err
		}
		r.Since = l.gateway.Since(&r)
		out, differs = append(out, r), differs || !r.Agrees
	}
	if len(out) == 0 {
		e := events[0]
		return &refusal{fmt.Errorf("%s is no decision of a policy: %s, %s, %s; see caddy gatehouse audit --ref %[1]s", ref, e.Kind, e.Result, e.Reason)}
	}
	if wantsJSON(cmd) {
		err = printJSON(cmd.OutOrStdout(), out)
	} else {
		for _, r := range out {
			printReplayed(cmd.OutOrStdout(), r)
		}
	}
	if err == nil && differs {
		return errFinding
	}
	return err
}

func printReplayed(w io.Writer, r idp.Replayed) {
	fmt.Fprintf(w, "%s  %s of %s\n", r.Event.Time.Local().Format(time.RFC3339), r.Event.Ref, plain(r.Event.Name))
	printExplanation(w, r.Explanation)
	if r.Agrees {
		fmt.Fprintln(w, "It comes out as it was recorded.")
	} else {
		fmt.Fprintf(w, "IT COMES OUT OTHERWISE than it was recorded: %s\n", plain(r.Differ))
	}
	for _, s := range r.Since {
		fmt.Fprintf(w, "Since then %s.\n", plain(s))
	}
}

func printExplanation(w io.Writer, x idp.Explanation) {
	fmt.Fprintf(w, "%s: %s", place(x.App), x.Verdict)
	if x.Reason != "" {
		fmt.Fprintf(w, " (%s)", x.Reason)
	}
	if len(x.Factors) > 0 {
		fmt.Fprintf(w, " %s", strings.Join(x.Factors, " or "))
	}
	fmt.Fprintln(w)
	if x.Rule != "" {
		fmt.Fprintf(w, "  by      %s", plain(x.Rule))
		if x.Policy != "" {
			fmt.Fprintf(w, ", of policy %s", x.Policy)
		}
		fmt.Fprintln(w)
	}
	if x.InForce != "" {
		fmt.Fprintf(w, "  policy  %s", x.InForce)
		if x.For != "" {
			fmt.Fprintf(w, ", for %s", plain(x.For))
		}
		fmt.Fprintln(w)
	}
	for _, s := range []struct{ head, text string }{{"told", x.Public}, {"warned", x.Warning}} {
		if s.text != "" {
			fmt.Fprintf(w, "  %-7s %q\n", s.head, s.text)
		}
	}
	for _, s := range x.Sections {
		mark, says := " ", ""
		if s.Decided {
			mark = "*"
		}
		if s.Says != "" {
			says = " → " + s.Says
		}
		fmt.Fprintf(w, "  %s %s # %s%s\n", mark, plain(s.Rule), s.From, says)
	}
}

// place is what people call an application, or the portal.
func place(app string) string {
	if app == "" {
		return "portal"
	}
	return app
}

// explainUser supposes a visit.
func explainUser(cmd *cobra.Command, user string) (err error) {
	l, err := loadApp(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Cleanup()) }()
	s, err := l.supposed(cmd)
	if err != nil {
		return err
	}
	app, err := appFlag(cmd)
	if err != nil {
		return err
	}
	ctx, cancel := deadline(cmd)
	defer cancel()
	if err := l.openExisting(cmd); err != nil && !errors.Is(err, errNoStore) {
		return err
	}
	out, err := l.gateway.ExplainUser(ctx, user, app, s)
	if err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), out)
	}
	if app == nil {
		printMatrix(cmd.OutOrStdout(), out)
		return nil
	}
	for _, x := range out {
		printExplanation(cmd.OutOrStdout(), x)
	}
	return nil
}

// printMatrix prints a line for the portal and for each application.
func printMatrix(w io.Writer, list []idp.Explanation) {
	wide := 0
	for _, x := range list {
		wide = max(wide, len(place(x.App)))
	}
	for _, x := range list {
		what := x.Verdict
		if x.Reason != "" {
			what += " (" + x.Reason + ")"
		}
		fmt.Fprintf(w, "%-*s  %-24s", wide, place(x.App), what)
		switch {
		case x.Rule != "" && x.Policy != "":
			fmt.Fprintf(w, "  %s # %s", plain(x.Rule), x.Policy)
		case x.Public != "":
			fmt.Fprintf(w, "  %s", plain(x.Public))
		}
		fmt.Fprintln(w)
	}
}

// appFlag reads --app: nil is all, "" the portal.
func appFlag(cmd *cobra.Command) (*string, error) {
	app, err := cmd.Flags().GetString("app")
	switch {
	case err != nil:
		return nil, err
	case !cmd.Flags().Changed("app"):
		return nil, nil
	case app == "portal":
		app = ""
	}
	return &app, nil
}

// supposed reads the flags of a supposed visit.
func (l *loaded) supposed(cmd *cobra.Command) (s idp.Supposed, err error) {
	texts := map[string]string{}
	for _, name := range []string{"ip", "user-agent", "at", "device", "country", "anonymous", "certificate"} {
		if texts[name], err = cmd.Flags().GetString(name); err != nil {
			return s, err
		}
	}
	if s.Client, err = parseClient(texts["ip"]); err != nil {
		return s, fmt.Errorf("--ip: %w", err)
	}
	l.facts.place(&s.Facts, s.Client)
	s.Facts.Agent = l.agentOf(texts["user-agent"])
	s.Facts.Certificate = texts["certificate"]
	if err := placeWords(&s.Facts, texts["country"], texts["anonymous"]); err != nil {
		return s, err
	}
	s.At = time.Now()
	if texts["at"] != "" {
		if s.At, err = time.Parse(time.RFC3339, texts["at"]); err != nil {
			return s, fmt.Errorf("--at: %q is no time: write 2006-01-02T15:04:05Z", texts["at"])
		}
	}
	if s.Own = texts["device"] == "known"; !s.Own && texts["device"] != "new" {
		return s, fmt.Errorf("--device %q is unknown; it takes: known, new", texts["device"])
	}
	if s.Facts.Met, err = cmd.Flags().GetStringSlice("met"); err != nil {
		return s, err
	}
	for _, m := range s.Facts.Met {
		if !slices.ContainsFunc(l.facts.conditions, func(c *ConditionConfig) bool { return c.Name == m }) {
			return s, fmt.Errorf("--met: no policy has a condition %q (require)", m)
		}
	}
	passed, err := cmd.Flags().GetStringSlice("passed")
	if err != nil {
		return s, err
	}
	for _, text := range passed {
		p, err := l.passedOf(text, s.At)
		if err != nil {
			return s, fmt.Errorf("--passed: %w", err)
		}
		s.Passed = append(s.Passed, p)
	}
	return s, nil
}

// parseClient reads an address; nothing is one that is not known.
func parseClient(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, fmt.Errorf("%q is no address", s)
	}
	return a.WithZone("").Unmap(), nil
}

// agentOf reads a User-Agent as a request would bring it.
func (a *App) agentOf(userAgent string) idp.Agent {
	if userAgent == "" {
		return idp.Agent{}
	}
	return agentOf(a.facts.agents.Read(http.Header{"User-Agent": {userAgent}}))
}

// placeWords takes what is said of an address over what the files tell.
func placeWords(f *idp.Facts, country, anonymous string) error {
	if country != "" {
		var err error
		if f.Country, err = countryWord(country); err != nil {
			return err
		}
	}
	switch anonymous {
	case "":
	case string(idp.Yes), string(idp.No):
		f.Anonymous = idp.Answer(anonymous)
	default:
		return fmt.Errorf("anonymous %q is unknown; it takes: yes, no", anonymous)
	}
	return nil
}

// passedOf reads FACTOR=AGE.
func (a *App) passedOf(text string, now time.Time) (idp.Passed, error) {
	factor, age, ok := strings.Cut(text, "=")
	d, err := caddy.ParseDuration(age)
	if !ok || err != nil || d < 0 {
		return idp.Passed{}, fmt.Errorf("%q is not FACTOR=AGE, as in totp=3d", text)
	}
	return a.passed(factor, now.Add(-d))
}

func (a *App) passed(factor string, at time.Time) (idp.Passed, error) {
	n := a.names()
	if !slices.Contains(n.factors, factor) {
		return idp.Passed{}, fmt.Errorf("no factor is named %q; there are: %s", factor, listed(n.factors))
	}
	return idp.Passed{Proof: idp.Proof{Factor: factor, At: at}, Scope: idp.SharedScope}, nil
}
