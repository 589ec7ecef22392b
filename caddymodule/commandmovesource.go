package caddymodule

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// warnOrphans logs what the store keeps of people whose source is not configured: factors that a renamed
// source has left behind. That is three counts of an index, which a start can wait for.
func (a *App) warnOrphans() {
	ctx, cancel := context.WithTimeout(a.ctx, recordTime)
	defer cancel()
	for _, f := range a.gateway.CheckOrphans(ctx) {
		a.log.Warn(f.What, zap.String("cure", f.Cure))
	}
}

func moveSourceCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "move-source OLD NEW",
		Short: "Keeps people's factors after a source was renamed",
		Long: `Gives what is kept of the people of source OLD, their enrollments, remembered devices and sessions, to
the people of source NEW, who are the same under the same ids. Run it after a source was renamed: rename
it in the configuration, reload, then move. It is refused while OLD is in the configuration, where NEW is
not, and where somebody has enrolled or has a remembered device at both meanwhile ("caddy gatehouse user
reset-mfa" and "revoke" clear that). All is moved or nothing. To undo it, give the source its old name back,
reload, and run it the other way round; whatever NEW had before comes along.

What it does not move: invitation codes that were not used yet, and the audit log, which tells what was.
Applications that are sent a persistent NameID without an attribute see new ids, because those are made
from the source's name too.

Works whether Caddy is running or not.`,
		Example: "  caddy gatehouse user move-source corp headquarters",
		RunE: run(2, func(cmd *cobra.Command, args []string) error {
			return withPeople(cmd, func(ctx context.Context, l *loaded) error { return moveSource(ctx, cmd, l, args[0], args[1]) })
		}),
	})
}

func moveSource(ctx context.Context, cmd *cobra.Command, l *loaded, from, to string) error {
	moved, err := l.gateway.MoveSource(ctx, from, to, l.by)
	switch {
	case errors.Is(err, idp.ErrTaken), errors.Is(err, idp.ErrNotFound):
		return &refusal{err}
	case err != nil:
		return err
	}
	out := cmd.OutOrStdout()
	if wantsJSON(cmd) {
		return printJSON(out, struct {
			From string `json:"from"`
			To   string `json:"to"`
			idp.Kept
		}{from, to, moved})
	}
	_, err = fmt.Fprintf(out, "%s is now %s: %d enrollments, %d devices and %d sessions moved\n", plain(from), plain(to), moved.Enrollments, moved.Devices, moved.Sessions)
	return err
}
