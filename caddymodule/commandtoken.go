package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func tokenCommand() *cobra.Command {
	tokens := &cobra.Command{
		Use:   "token",
		Short: "Lets operators give commands about people to a Caddy that runs",
		Long: `Makes, lists and revokes operator tokens. Whoever has one, in the environment variable ` + tokenVariable + `,
and reaches Caddy's admin endpoint may give all commands about people ("caddy gatehouse user") to the Caddy
that runs, without being the user that owns the database. That user needs none.

Works whether Caddy is running or not.`,
		Example: "  caddy gatehouse token make service-desk",
	}
	hold(tokens, makeTokenCommand(), listTokensCommand(), revokeTokenCommand())
	return tokens
}

func makeTokenCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "make NAME",
		Short: "Makes a token and prints it, this once",
		Long: `Makes a token and prints it. The store keeps only a hash of it, so keep it as you keep a password. NAME tells
tokens from each other here and in the audit log, where it stands beside what is done with the token.

Works whether Caddy is running or not.`,
		Example: `  caddy gatehouse token make service-desk
  caddy gatehouse token make laptop-of-ann --ttl 30d`,
	}
	ttl := c.Flags().String("ttl", "90d", "how long the token is good, up to 365d")
	c.RunE = run(1, func(cmd *cobra.Command, args []string) error {
		life, err := lifeFlag(*ttl)
		if err != nil {
			return err
		}
		return withApp(cmd, func(ctx context.Context, l *loaded) error { return makeToken(ctx, cmd, l, args[0], life) })
	})
	return jsonFlag(c)
}

func makeToken(ctx context.Context, cmd *cobra.Command, l *loaded, name string, life time.Duration) error {
	secret, t, err := l.gateway.MakeOperatorToken(ctx, name, life, l.by)
	if errors.Is(err, idp.ErrTaken) {
		return &refusal{fmt.Errorf("%w: revoke it first, or take another name", err)}
	}
	if err != nil {
		return err
	}
	words := fmt.Sprintf("%s\ngood until %s; give it to commands in the variable %s", secret, moment(t.Expires), tokenVariable)
	return report(cmd, words, map[string]any{"name": t.Name, "token": secret, "expires": t.Expires.Format(time.RFC3339)})
}

func listTokensCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:     "list",
		Short:   "Lists the tokens that are good",
		Long:    "Lists the tokens that are good: by name, with who made them, and until when. What they are is kept nowhere.\n\nWorks whether Caddy is running or not.",
		Example: "  caddy gatehouse token list",
		RunE: run(0, func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd, func(ctx context.Context, l *loaded) error { return listTokens(ctx, cmd, l) })
		}),
	})
}

// tokenLine is an operator token as programs read it.
type tokenLine struct {
	Name    string    `json:"name"`
	By      string    `json:"by"`
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
}

func listTokens(ctx context.Context, cmd *cobra.Command, l *loaded) error {
	list, err := l.gateway.OperatorTokens(ctx)
	if err != nil {
		return err
	}
	lines := make([]tokenLine, len(list))
	for i, t := range list {
		lines[i] = tokenLine{t.Name, t.By, t.Created, t.Expires}
	}
	out := cmd.OutOrStdout()
	if wantsJSON(cmd) {
		return printJSON(out, lines)
	}
	if len(lines) == 0 {
		_, err := fmt.Fprintln(out, "there is no token")
		return err
	}
	for _, t := range lines {
		fmt.Fprintf(out, "%s: made %s by %s, good until %s\n", t.Name, moment(t.Made), plain(t.By), moment(t.Expires))
	}
	return nil
}

func revokeTokenCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:     "revoke NAME",
		Short:   "Ends a token",
		Long:    "Ends the token of that name: a Caddy that runs takes it no more, from then on.\n\nWorks whether Caddy is running or not.",
		Example: "  caddy gatehouse token revoke laptop-of-ann",
		RunE: run(1, func(cmd *cobra.Command, args []string) error {
			return withApp(cmd, func(ctx context.Context, l *loaded) error {
				err := l.gateway.RevokeOperatorToken(ctx, args[0], l.by)
				if errors.Is(err, idp.ErrNotFound) {
					return &refusal{err}
				}
				if err != nil {
					return err
				}
				return report(cmd, args[0]+" is good no more", map[string]any{"name": args[0], "revoked": true})
			})
		}),
	})
}
