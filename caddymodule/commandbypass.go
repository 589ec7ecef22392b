package caddymodule

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func bypassCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bypass NAME",
		Short: "Makes a code that stands in for a lost second factor",
		Long: `Makes a code that the person of that name types in the place of a second factor: on the page that asks
for it, behind "I can't use this". It counts where the policy takes it (rescue_codes), for that sign-in, and
lets the person set up another factor in the settings. Give it to somebody whom you know to be that person.
The codes of a person end with "caddy gatehouse user revoke" and "reset-mfa".

` + nameIsKey + `

Works whether Caddy is running or not.`,
		Example: `  caddy gatehouse user bypass alice@example.com
  caddy gatehouse user bypass alice@example.com --ttl 8h --uses 3`,
	}
	ttl := c.Flags().String("ttl", "1h", "how long the code is good, up to 1d")
	uses := c.Flags().Int("uses", 1, fmt.Sprintf("how many times it can be used, up to %d", idp.MostBypassUses))
	c.RunE = run(1, func(cmd *cobra.Command, args []string) error {
		life, err := lifeFlag(*ttl)
		if err != nil {
			return err
		}
		return withPeople(cmd, func(ctx context.Context, l *loaded) error { return bypass(ctx, cmd, l, args[0], life, *uses) })
	})
	return jsonFlag(c)
}

func bypass(ctx context.Context, cmd *cobra.Command, l *loaded, name string, life time.Duration, uses int) error {
	b, err := l.gateway.IssueBypass(ctx, name, life, uses, l.by)
	if err != nil {
		return personError(name, err)
	}
	times := "once"
	if b.Uses > 1 {
		times = fmt.Sprintf("%d times", b.Uses)
	}
	words := fmt.Sprintf("%s: %s\ngood %s, until %s", who(b.User), b.Code, times, moment(b.Expires))
	return report(cmd, words, map[string]any{"user": b.User.Key(), "code": b.Code, "uses": b.Uses, "expires": b.Expires.Format(time.RFC3339)})
}
