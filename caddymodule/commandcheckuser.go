package caddymodule

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// checkedPerson is whom check --user is about.
type checkedPerson struct {
	name     string // "" where it is about the configuration
	from     netip.Addr
	password *idp.Secret // nil where none is to be tried
}

// personOf reads the flags user, from and password-file.
func personOf(cmd *cobra.Command) (p checkedPerson, err error) {
	if p.name, err = cmd.Flags().GetString("user"); err != nil {
		return p, err
	}
	from, err := cmd.Flags().GetString("from")
	if err != nil {
		return p, err
	}
	file, err := cmd.Flags().GetString("password-file")
	switch {
	case err != nil:
		return p, err
	case p.name == "" && cmd.Flags().Changed("user"):
		return p, errors.New("--user takes a name")
	case p.name == "" && from != "":
		return p, errors.New("--from goes with --user")
	case p.name == "" && file != "":
		return p, errors.New("--password-file goes with --user")
	}
	if from != "" {
		if p.from, err = netip.ParseAddr(from); err != nil {
			return p, fmt.Errorf("--from: %q is no address", from)
		}
	}
	if file != "" {
		p.password, err = readPassword(cmd, file)
	}
	return p, err
}

// readPassword reads the first line of a file, or of standard input where it is "-". A flag with the password itself
// would be in the list of processes and in the shell's history.
func readPassword(cmd *cobra.Command, file string) (*idp.Secret, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // G304: a file that whoever runs the command names
		if err != nil {
			return nil, fmt.Errorf("--password-file: %w", err)
		}
		defer f.Close()
		in = f
	}
	line, err := bufio.NewReader(io.LimitReader(in, mostPasswordFile)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("--password-file: %w", err)
	}
	password := idp.NewSecret(strings.TrimRight(line, "\r\n"))
	return &password, nil
}

// mostPasswordFile bounds the line; a sign-in takes less.
const mostPasswordFile = 4096

// checkPerson looks at one person.
func (l *loaded) checkPerson(ctx context.Context, who checkedPerson) []idp.Finding {
	found := l.gateway.CheckUser(ctx, who.name, who.from)
	if who.password != nil {
		found = append(found, l.gateway.CheckPassword(ctx, who.name, who.from, *who.password, l.by))
	}
	return found
}
