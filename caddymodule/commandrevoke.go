package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const nameIsKey = `NAME is a name that signs in, or the user key of the audit log (SOURCE:ID), which also fits people
whom their source no longer knows.`

// connectLife is how long a session in Amazon Connect may live after its sign-in, whatever becomes of ours.
const connectLife = "12h"

func revokeCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "revoke NAME",
		Short: "Ends a person's sessions and forgets their devices",
		Long: `Ends all sessions of a person in the portal and forgets their remembered devices. Disable the account
where it lives first, or the person signs in again. What an application has begun goes on by itself: a
session in Amazon Connect lives up to 12 hours.

` + nameIsKey + `

Works whether Caddy is running or not.`,
		Example: `  caddy gatehouse user revoke alice@example.com
  caddy gatehouse user revoke corp:4f2a91d0-7d1e-4a3c-9a57-2f1f0f7f3c11`,
		RunE: run(1, func(cmd *cobra.Command, args []string) error {
			return withPeople(cmd, func(ctx context.Context, l *loaded) error { return revoke(ctx, cmd, l, args[0]) })
		}),
	})
}

func revoke(ctx context.Context, cmd *cobra.Command, l *loaded, name string) error {
	r, err := l.gateway.Revoke(ctx, name, l.by)
	if err != nil {
		return personError(name, err)
	}
	words := fmt.Sprintf("%s: %d sessions ended, %d devices forgotten\na session that is open in Amazon Connect may go on for up to %s", who(r.User), r.Sessions, r.Devices, connectLife)
	return report(cmd, words, map[string]any{"user": r.User.Key(), "sessions": r.Sessions, "devices": r.Devices, "amazon_connect_goes_on": connectLife})
}

func resetMFACommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "reset-mfa NAME [FACTOR]",
		Short: "Deletes what a person enrolled, for a lost phone",
		Long: `Deletes a person's enrollments for one factor, or for all. The person then enrolls anew, past the same
gate as the first time (enroll_first; see "caddy gatehouse user invite"). Their sessions end, their devices are
forgotten, and without FACTOR their recovery codes are deleted too.

` + nameIsKey + `

Works whether Caddy is running or not.`,
		Example: "  caddy gatehouse user reset-mfa alice@example.com totp",
		RunE: runBetween(1, 2, func(cmd *cobra.Command, args []string) error {
			return withPeople(cmd, func(ctx context.Context, l *loaded) error { return resetMFA(ctx, cmd, l, args) })
		}),
	})
}

// deleted is an enrollment that is gone.
type deleted struct {
	Factor  string    `json:"factor"`
	Label   string    `json:"label,omitempty"`
	Created time.Time `json:"created"`
}

func resetMFA(ctx context.Context, cmd *cobra.Command, l *loaded, args []string) error {
	factor := ""
	if len(args) > 1 {
		factor = args[1]
		if m := find("factor", factor, l.names().factors, "user", args[0]); m != nil {
			return errors.New(m.text)
		}
	}
	u, gone, err := l.gateway.ResetMFA(ctx, args[0], factor, l.by)
	if err != nil {
		return personError(args[0], err)
	}
	list := make([]deleted, len(gone))
	for i, e := range gone {
		list[i] = deleted{e.Factor, e.Label, e.Created}
	}
	out := cmd.OutOrStdout()
	if wantsJSON(cmd) {
		return printJSON(out, map[string]any{"user": u.Key(), "deleted": list})
	}
	if len(list) == 0 {
		return &refusal{fmt.Errorf("%s has enrolled nothing of that; their sessions have ended, and their devices are forgotten", who(u))}
	}
	for _, e := range list {
		fmt.Fprintf(out, "%s: %s of %s deleted\n", who(u), e.Factor, e.Created.Local().Format(time.DateOnly))
	}
	return nil
}

// who is a person as commands speak of them.
func who(u *idp.User) string { return plain(u.Label()) + " (" + plain(u.Key()) + ")" }

// personError makes a refusal of a name that fits nobody; all else is a failure.
func personError(name string, err error) error {
	if errors.Is(err, idp.ErrNoUser) || errors.Is(err, idp.ErrAmbiguous) {
		return &refusal{fmt.Errorf("%s: %w", name, err)}
	}
	return err
}

// plain shows text that somebody else may have typed: control characters in a name could rewrite what a
// terminal shows (CWE-150).
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\ufffd'
		}
		return r
	}, s)
}
