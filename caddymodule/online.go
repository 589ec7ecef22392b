package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatehouse-sso/gatehouse/idp/store"
)

// tokenVariable is where a command finds an operator's token. It is no flag: every process of the machine can read those.
const tokenVariable = "GATEHOUSE_TOKEN"

// addressFlag names the admin endpoint of the Caddy that runs.
const addressFlag = "address"

// order is a command about people as the Caddy that runs is given it.
type order struct {
	Args []string `json:"args"`
	By   string   `json:"by"` // who gives it, as they say
}

// answer is what came of an order.
type answer struct {
	Out   string `json:"out,omitempty"`
	Error string `json:"error,omitempty"`
	Code  int    `json:"code"` // as the command exits
}

// withPeople runs f, a command about people, where they are being signed in: in the Caddy that runs, which is given the whole
// command by its admin endpoint and runs it itself, or here on the store, where no Caddy serves from it. Whoever has a token is
// not asked for the store first: they may not be let at it.
func withPeople(cmd *cobra.Command, f func(context.Context, *loaded) error) error {
	ctx, cancel := deadline(cmd)
	defer cancel()
	if l, inCaddy := ctx.Value(inCaddyKey{}).(*loaded); inCaddy {
		return f(ctx, l)
	}
	if token := os.Getenv(tokenVariable); token != "" {
		err := giveOrder(ctx, cmd, token)
		if _, nobody := errors.AsType[*unreached](err); nobody {
			return withoutCaddy(ctx, cmd, f, err)
		}
		return err
	}
	l, err := openApp(cmd)
	if err != nil {
		return err
	}
	return errors.Join(l.withPeople(ctx, cmd, f), l.Cleanup())
}

// withPeople is withPeople for the owner of the database, who needs no token of their own. An address that was typed is of a gateway
// that need not be the one whose store this machine has: the order goes there, or nowhere.
func (l *loaded) withPeople(ctx context.Context, cmd *cobra.Command, f func(context.Context, *loaded) error) error {
	served, err := l.served(ctx)
	if err != nil {
		return err
	}
	given, err := cmd.Flags().GetString(addressFlag)
	if err != nil {
		return err
	}
	if !served && given == "" {
		return f(ctx, l)
	}
	e, err := runningCaddy(cmd)
	if err != nil {
		return whileServed(served, err)
	}
	token, err := l.gateway.MakeOwnerToken(ctx, l.by)
	if err != nil {
		return err
	}
	a, err := e.give(ctx, token, orderOf(cmd))
	unspent, ended := l.gateway.EndOwnerToken(context.WithoutCancel(ctx), token)
	switch {
	case err != nil:
		err = whileServed(served, err)
	case unspent: // any server answers, and some of them in JSON
		err = e.failed(fmt.Errorf("what answers there has not taken the order, and is not the Caddy that serves from this store: --%s names another", addressFlag))
	default:
		err = a.tell(cmd)
	}
	return errors.Join(err, ended)
}

// withoutCaddy is withPeople where nobody takes the token of the owner of the database, who needs none while no Caddy serves
// from it. To others, to whoever typed an address, and where one serves at another, it says what giving the order has come to.
func withoutCaddy(ctx context.Context, cmd *cobra.Command, f func(context.Context, *loaded) error, refused error) error {
	if given, err := cmd.Flags().GetString(addressFlag); err != nil || given != "" {
		return errors.Join(refused, err)
	}
	l, err := openApp(cmd)
	if err != nil {
		return fmt.Errorf("%w; nor does the store do without it: %w", refused, err)
	}
	served, err := l.served(ctx)
	switch {
	case err != nil:
	case served:
		err = whileServed(served, refused)
	default:
		if err = f(ctx, l); err == nil { // "reached": only of SQLite it is known that none runs
			cmd.PrintErrln("No Caddy was reached: done on the store, as its owner, and not by the token.")
		}
	}
	return errors.Join(err, l.Cleanup())
}

// whileServed tells whoever reached nobody that a Caddy serves from the store all the same, where one does.
func whileServed(served bool, err error) error {
	if _, nobody := errors.AsType[*unreached](err); nobody && served {
		return fmt.Errorf("a Caddy serves from the store, and %w", err)
	}
	return err
}

// served reports whether a Caddy serves from the store. One of another engine than SQLite does not say.
func (l *loaded) served(ctx context.Context) (bool, error) {
	path, err := l.ownFile()
	if path == "" || err != nil {
		return false, err
	}
	return store.Served(ctx, path)
}

// giveOrder has the Caddy that runs do what the command says.
func giveOrder(ctx context.Context, cmd *cobra.Command, token string) error {
	e, err := runningCaddy(cmd)
	if err != nil {
		return err
	}
	a, err := e.give(ctx, token, orderOf(cmd))
	if err != nil {
		return err
	}
	return a.tell(cmd)
}

// tell ends the command as the order has ended.
func (a answer) tell(cmd *cobra.Command) error {
	if _, err := fmt.Fprint(cmd.OutOrStdout(), a.Out); err != nil {
		return err
	}
	switch {
	case a.Code == 0:
		return nil
	case a.Error == "":
		return errFinding
	case a.Code == finding:
		return &refusal{errors.New(a.Error)}
	}
	return errors.New(a.Error)
}

// orderOf is the command as the Caddy that runs is given it.
func orderOf(cmd *cobra.Command) order { return order{words(cmd), operator()} }

// words is the command line from the command's own name on, without what is for this process alone.
func words(cmd *cobra.Command) []string {
	args := []string{cmd.Name()}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			args = append(args, "--"+f.Name+"="+f.Value.String())
		}
	})
	return append(append(args, "--"), cmd.Flags().Args()...)
}
