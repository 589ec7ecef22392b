package caddymodule

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"
)

// checkedPerson is whom check --user is about.
type checkedPerson struct {
	name string // "" where it is about the configuration
	from netip.Addr
}

// personOf reads the flags user and from.
func personOf(cmd *cobra.Command) (p checkedPerson, err error) {
	if p.name, err = cmd.Flags().GetString("user"); err != nil {
		return p, err
	}
	from, err := cmd.Flags().GetString("from")
	switch {
	case err != nil:
		return p, err
	case p.name == "" && cmd.Flags().Changed("user"):
		return p, errors.New("--user takes a name")
	case from == "":
		return p, nil
	case p.name == "":
		return p, errors.New("--from goes with --user")
	}
	if p.from, err = netip.ParseAddr(from); err != nil {
		return p, fmt.Errorf("--from: %q is no address", from)
	}
	return p, nil
}
