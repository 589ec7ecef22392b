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

	"github.com/gatehouse-sso/gatehouse/idp/store"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  appName,
		Short: "Checks and administers the SSO gateway",
		Long: `Checks and administers the SSO gateway.

All subcommands but "restore" work on the configuration file and on the store, whether Caddy is running or
not; those about people ("user") have a Caddy that runs do it, and "restore" needs Caddy stopped. Run them as
the user that Caddy runs as, to whom the database belongs, or those about people with an operator token. They
exit with 0 when all is well, with 1 when there is something to tell (a finding, a refusal), and with 2 when
they could not run.`,
		CobraFunc: addCommands,
	})
}

// addCommands hangs the commands under caddy gatehouse.
func addCommands(root *cobra.Command) {
	root.Example = "  caddy gatehouse check --config /etc/caddy/Caddyfile"
	root.PersistentFlags().StringP("config", "c", "", "configuration file (default: ./Caddyfile, where there is one)")
	root.PersistentFlags().StringP("adapter", "a", "", "adapter of the configuration file (default: by its name)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return exit(cmd, couldNotRun, err) })
	hold(root, checkCommand(), explainCommand(), policyCommand(), metadataCommand(), awsCommand(), auditCommand(), userCommand(), tokenCommand(),
		factorsCommand(), keysCommand(), backupCommand(), restoreCommand())
}

// hold makes cmd a command that only holds others. Without this a misspelt command would be a page of
// help and exit code 0, which a script takes for success.
func hold(cmd *cobra.Command, list ...*cobra.Command) {
	cmd.AddCommand(list...)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		names := make([]string, len(list))
		for i, c := range list {
			names[i] = c.Name()
		}
		return exit(cmd, couldNotRun, fmt.Errorf("%s has no command %q; there are: %s", cmd.CommandPath(), args[0], listed(names)))
	}
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
	return runBetween(args, args, f)
}

// runBetween is run for a command whose arguments may be left out or repeated.
func runBetween(least, most int, f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, given []string) error {
		cmd.SilenceUsage = true
		if len(given) < least || len(given) > most {
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

// exit prints the error and ends with the code. Caddy's own wrapper is the only way to a code above 1;
// the error goes around it, because its text would come out as a line of the log.
func exit(cmd *cobra.Command, code int, err error) error {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.PrintErrln("Error:", err)
	if code == finding {
		return err
	}
	coded := caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(cmd, nil)
	return &failure{cause: err, coded: coded}
}

// failure is an error with the exit code that Caddy looks for.
type failure struct{ cause, coded error }

func (f *failure) Error() string { return f.cause.Error() }

func (f *failure) Unwrap() []error { return []error{f.coded, f.cause} }

// refusal is a step that would be wrong now; the command itself ran.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }

func (r *refusal) Unwrap() error { return r.err }

// commandTime bounds what a command does with the store: an export of a long audit log takes its time.
const commandTime = 30 * time.Minute

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
	by   string // who gives the command, for the audit log
}

// quiet keeps Caddy's own messages out of what a command prints; errors are returned.
func quiet() *caddy.Logging {
	return &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "ERROR"}}}}
}

// sorted writes JSON with its keys in order, as Caddy does with what it loads: the fingerprint of a
// configuration is that of its bytes.
func sorted(raw []byte) ([]byte, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// readConfig returns the configuration as JSON, and the file that it is from.
func readConfig(cmd *cobra.Command) (raw []byte, used string, err error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, "", err
	}
	adapter, err := cmd.Flags().GetString("adapter")
	if err != nil {
		return nil, "", err
	}
	raw, used, _, err = caddycmd.LoadConfig(file, adapter)
	if err != nil {
		return nil, "", err
	}
	if len(raw) == 0 {
		return nil, "", errors.New("there is no configuration: name it by --config FILE, or run the command beside a Caddyfile")
	}
	if raw, err = sorted(raw); err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", used, err)
	}
	return raw, used, nil
}

// loadApp reads the configuration and provisions the app alone: no server, no log file, no certificate.
func loadApp(cmd *cobra.Command) (*loaded, error) {
	if _, err := caddy.ProvisionContext(&caddy.Config{Logging: quiet()}); err != nil {
		return nil, fmt.Errorf("quieting the log: %w", err)
	}
	raw, used, err := readConfig(cmd)
	if err != nil {
		return nil, err
	}
	var whole caddy.Config
	if err := json.Unmarshal(raw, &whole); err != nil {
		return nil, fmt.Errorf("reading %s: %w", used, err)
	}
	if whole.AppsRaw[appName] == nil {
		return nil, fmt.Errorf("%s has no gatehouse option", used)
	}
	ctx, err := caddy.ProvisionContext(&caddy.Config{
		Logging: quiet(), StorageRaw: whole.StorageRaw, AppsRaw: caddy.ModuleMap{appName: whole.AppsRaw[appName]},
	})
	if err != nil {
		return nil, err
	}
	app, err := ctx.AppIfConfigured(appName)
	if err != nil {
		return nil, err
	}
	return &loaded{app.(*App), used, raw, operator()}, nil
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
	ctx, cancel := deadline(cmd)
	defer cancel()
	path, err := l.ownFile()
	if err != nil {
		return err
	}
	if path != "" {
		if err := errors.Join(l.sealThere(ctx, path), mayMigrate(ctx, path)); err != nil {
			return err
		}
	}
	if err := l.store.open(ctx); err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	return nil
}

// ownFile returns the file of a store that is one. It must be there, and be of whoever runs the command.
func (l *loaded) ownFile() (string, error) {
	f, ok := l.engine.(interface{ file() (string, error) })
	if !ok {
		return "", nil
	}
	path, err := f.file()
	if err == nil {
		path, err = store.RealFile(path)
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w (%s): start Caddy once, or run this as the user that Caddy runs as, with the same HOME and XDG_DATA_HOME", errNoStore, path)
	}
	if err != nil {
		return "", err
	}
	return path, checkOwner(info, path, os.Geteuid(), os.Args)
}

// mayMigrate refuses to change the schema under a Caddy of an older binary.
func mayMigrate(ctx context.Context, path string) error {
	have, newest, err := store.Schema(ctx, path)
	if err != nil || have >= newest {
		return err
	}
	used, err := store.InUse(ctx, path)
	if err == nil && used {
		err = fmt.Errorf("the Caddy that has %s open is of an older binary (schema %d, this one %d): restart it first", path, have, newest)
	}
	return err
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
func (l *loaded) record(ctx context.Context, kind, reason, detail string) error {
	if err := l.gateway.Note(ctx, kind, reason, detail, l.by); err != nil {
		return fmt.Errorf("done, but %w", err)
	}
	return nil
}

// operator says who runs the command. It is no name of the audit log: those are of people who sign in.
func operator() string {
	name := "an unknown user"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if by := os.Getenv("SUDO_USER"); by != "" {
		name += " for " + by + " (sudo)"
	}
	return "command as " + name
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

// report tells what was done: in words, or with --json as fields.
func report(cmd *cobra.Command, words string, fields map[string]any) error {
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), fields)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), words)
	return err
}

func wantsJSON(cmd *cobra.Command) bool {
	on, err := cmd.Flags().GetBool("json")
	return err == nil && on
}
