package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  appName,
		Short: "Checks and administers the SSO gateway",
		Long: `Checks and administers the SSO gateway.

All subcommands work on the configuration file and on the store, whether Caddy is running or not. Run
them as the user that Caddy runs as. They exit with 0 when all is well, with 1 when there is something
to tell (a finding, a refusal), and with 2 when they could not run.`,
		CobraFunc: addCommands,
	})
}

// addCommands hangs the commands under caddy gatehouse.
func addCommands(root *cobra.Command) {
	root.PersistentFlags().StringP("config", "c", "", "configuration file (default: ./Caddyfile, where there is one)")
	root.PersistentFlags().StringP("adapter", "a", "", "adapter of the configuration file (default: by its name)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return exit(cmd, couldNotRun, err) })
	root.AddCommand(checkCommand(), metadataCommand(), awsCommand(), auditCommand(), userCommand(),
		keysCommand(), backupCommand(), restoreCommand())
}

// Exit codes of the commands.
const (
	finding     = 1
	couldNotRun = 2
)

// errFinding ends a command whose findings were printed already.
var errFinding = errors.New("there are findings")

// run makes the RunE of a command that takes so many arguments. An error is exit code 2, unless it
// wraps errFinding or a *refusal.
func run(args int, f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, given []string) error {
		cmd.SilenceUsage = true
		if len(given) != args {
			return exit(cmd, couldNotRun, fmt.Errorf("usage: %s", cmd.UseLine()))
		}
		err := f(cmd, given)
		var no *refusal
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errFinding):
			cmd.SilenceErrors = true
			return err
		case errors.As(err, &no):
			return exit(cmd, finding, err)
		}
		return exit(cmd, couldNotRun, err)
	}
}

func exit(cmd *cobra.Command, code int, err error) error {
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, err })(cmd, nil)
}

// refusal is a step that would be wrong now; the command itself ran.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }

func (r *refusal) Unwrap() error { return r.err }

// commandTime bounds what a command does with the store.
const commandTime = 2 * time.Minute

// deadline is the context of one command.
func deadline(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	return context.WithTimeout(ctx, commandTime)
}

// loaded is the configuration file with its app, provisioned and not started.
type loaded struct {
	*App
	file string
	raw  []byte // JSON of the whole configuration
}

// loadApp reads the configuration and provisions the app alone: no server, no log file, no certificate.
func loadApp(cmd *cobra.Command) (*loaded, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	adapter, err := cmd.Flags().GetString("adapter")
	if err != nil {
		return nil, err
	}
	raw, used, _, err := caddycmd.LoadConfig(file, adapter)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return nil, errors.New("no configuration: name it by --config")
	}
	var whole caddy.Config
	if err := json.Unmarshal(raw, &whole); err != nil {
		return nil, fmt.Errorf("reading %s: %w", used, err)
	}
	if whole.AppsRaw[appName] == nil {
		return nil, fmt.Errorf("%s has no gatehouse option", used)
	}
	ctx, err := caddy.ProvisionContext(&caddy.Config{
		StorageRaw: whole.StorageRaw, AppsRaw: caddy.ModuleMap{appName: whole.AppsRaw[appName]},
	})
	if err != nil {
		return nil, err
	}
	app, err := ctx.AppIfConfigured(appName)
	if err != nil {
		return nil, err
	}
	return &loaded{app.(*App), used, raw}, nil
}

// errNoStore says that the gateway has never run.
var errNoStore = errors.New("the gateway has never run: there is no store yet")

// openApp is loadApp, and opens the store. It makes none: one made here would belong to whoever typed
// the command, and the gateway could not open it.
func openApp(cmd *cobra.Command) (*loaded, error) {
	l, err := loadApp(cmd)
	if err != nil {
		return nil, err
	}
	if err := l.openExisting(cmd); err != nil {
		return nil, errors.Join(err, l.Cleanup())
	}
	return l, nil
}

func (l *loaded) openExisting(cmd *cobra.Command) error {
	if f, ok := l.engine.(interface{ file() (string, error) }); ok {
		path, err := f.file()
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w (%s)", errNoStore, path)
		}
	}
	ctx, cancel := deadline(cmd)
	defer cancel()
	return l.store.open(ctx)
}

// withApp runs f with an open store.
func withApp(cmd *cobra.Command, f func(context.Context, *loaded) error) error {
	l, err := openApp(cmd)
	if err != nil {
		return err
	}
	ctx, cancel := deadline(cmd)
	defer cancel()
	return errors.Join(f(ctx, l), l.Cleanup())
}

// record writes an audit line about what an admin did here.
func (l *loaded) record(ctx context.Context, kind, detail string) error {
	e := idp.Event{Time: time.Now(), Kind: kind, Result: idp.Success, Detail: detail}
	if u, err := user.Current(); err == nil {
		e.Name = u.Username
	}
	if err := l.store.Append(ctx, e); err != nil {
		return fmt.Errorf("done, but the audit line could not be written: %w", err)
	}
	return nil
}

// printJSON writes v for programs.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// jsonFlag adds --json.
func jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Bool("json", false, "print JSON")
	return cmd
}

func wantsJSON(cmd *cobra.Command) bool {
	on, err := cmd.Flags().GetBool("json")
	return err == nil && on
}
