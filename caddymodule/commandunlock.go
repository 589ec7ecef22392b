package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func unlockCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "unlock NAME [FACTOR]",
		Short: "Lifts what wrong passwords and codes have locked",
		Long: `Forgets the wrong passwords and codes of a person, so that the next one is judged, and says which those
were. With FACTOR it forgets those of that factor alone; beside the names of the factors there are password,
rescue (recovery and bypass codes) and invitation. What a directory has counted by itself stays: an account
that is locked there is unlocked there.

` + nameIsKey + `

Works whether Caddy is running or not.`,
		Example: `  caddy gatehouse user unlock alice@example.com
  caddy gatehouse user unlock alice@example.com totp`,
		RunE: runBetween(1, 2, func(cmd *cobra.Command, args []string) error {
			return withPeople(cmd, func(ctx context.Context, l *loaded) error { return unlock(ctx, cmd, l, args) })
		}),
	})
}

func unlock(ctx context.Context, cmd *cobra.Command, l *loaded, args []string) error {
	factor := ""
	if len(args) > 1 {
		factor = args[1]
		if m := find("factor", factor, slices.Concat(l.names().factors, idp.UnlockWords()), "user", args[0]); m != nil {
			return errors.New(m.text)
		}
	}
	u, err := l.gateway.Unlock(ctx, args[0], factor, l.by)
	if err != nil {
		return personError(args[0], err)
	}
	lifted, left := shownTriesOf(u.Lifted), shownTriesOf(u.Left)
	var words []string
	for _, t := range lifted {
		words = append(words, fmt.Sprintf("%s: lifted: %s", who(u.User), t))
	}
	if len(lifted) == 0 {
		words = append(words, who(u.User)+": nothing is locked here, and no wrong answer counts")
	}
	for _, t := range left {
		words = append(words, fmt.Sprintf("%s: still counted by the directory: %s; wait, or unlock the account there", who(u.User), t))
	}
	return report(cmd, strings.Join(words, "\n"), map[string]any{"user": u.User.Key(), "lifted": lifted, "left": left})
}
