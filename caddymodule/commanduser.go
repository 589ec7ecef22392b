package caddymodule

import (
	"context"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
)

func userCommand() *cobra.Command {
	users := &cobra.Command{
		Use:   "user",
		Short: "Helps one person",
		Long: `Helps one person: with the first enrollment, with a lost phone, after too many wrong codes, or at the end
of the job. Helps all of a source that was renamed.

Works whether Caddy is running or not. A Caddy that runs is given the command by its admin endpoint and does
it; where none runs, the command works on the store. It takes the user that owns the database, or for a Caddy
that runs an operator token in the variable GATEHOUSE_TOKEN (see "caddy gatehouse token"). With a token, the
user that owns the database works on the store all the same where no Caddy runs. With --address, with a token
or without, the command is given to the Caddy there, and fails where none answers.`,
		Example: "  caddy gatehouse user invite alice@example.com",
	}
	users.PersistentFlags().String(addressFlag, "", "admin endpoint of the Caddy that runs (default: that of the configuration)")
	hold(users, showCommand(), inviteCommand(), bypassCommand(), unlockCommand(), revokeCommand(), resetMFACommand(), moveSourceCommand())
	return users
}

func inviteCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "invite NAME",
		Short: "Makes a code for setting up a factor",
		Long: `Makes a code with which the person of that name may set up a first factor where the policy asks for one
(enroll_first and enroll_after_change: with_code, or from outside the networks that they name), or another in
the place of those that they cannot use: on the page that asks for one of them, behind "I can't use this",
where the policy takes the codes of the service desk (rescue_codes). It is good once, for 30 minutes. Give it
to the person whom you know to be that person, by another way than the one the password took.

Works whether Caddy is running or not; the person's source must answer.`,
		Example: `  caddy gatehouse user invite alice@example.com
  caddy gatehouse user invite alice@example.com --ttl 8h`,
	}
	ttl := c.Flags().String("ttl", "30m", "how long the code is good, up to 24h")
	c.RunE = run(1, func(cmd *cobra.Command, args []string) error {
		life, err := lifeFlag(*ttl)
		if err != nil {
			return err
		}
		return withPeople(cmd, func(ctx context.Context, l *loaded) error { return invite(ctx, cmd, l, args[0], life) })
	})
	return jsonFlag(c)
}

// lifeFlag reads --ttl.
func lifeFlag(ttl string) (time.Duration, error) {
	life, err := caddy.ParseDuration(ttl)
	if err != nil {
		return 0, &refusal{fmt.Errorf("--ttl: %w; write a time as in 30m, 8h or 90d", err)}
	}
	return life, nil
}

func invite(ctx context.Context, cmd *cobra.Command, l *loaded, name string, life time.Duration) error {
	code, u, expires, err := l.gateway.Invite(ctx, name, life, l.by)
	if err != nil {
		return personError(name, err)
	}
	words := fmt.Sprintf("%s: %s\ngood once, until %s", who(u), code, moment(expires))
	return report(cmd, words, map[string]any{"user": u.Key(), "code": code, "expires": expires.Format(time.RFC3339)})
}
