package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
)

// adminAddress is the address of the admin endpoint: as given, or as the configuration says.
func adminAddress(cmd *cobra.Command) (string, error) {
	given, err := cmd.Flags().GetString(addressFlag)
	if err != nil || given != "" {
		return given, err
	}
	raw, used, err := readConfig(cmd)
	if err != nil {
		return "", err
	}
	var c struct {
		Admin caddy.AdminConfig `json:"admin"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", fmt.Errorf("reading %s: %w", used, err)
	}
	switch {
	case c.Admin.Disabled:
		return "", fmt.Errorf(`a Caddy serves from the store, and %s turns its admin endpoint off, by which the command would reach it: write "admin unix//run/caddy/admin.sock|0600", or stop Caddy for the command`, used)
	}
	listen := cmp.Or(c.Admin.Listen, caddy.DefaultAdminListen)
	address, err := caddy.NewReplacer().ReplaceOrErr(listen, true, true) // as Caddy does
	if err != nil {
		return "", fmt.Errorf("the admin endpoint of %s is %s, and this command has not what Caddy had for it (%w): name the endpoint by --%s", used, listen, err, addressFlag)
	}
	return address, nil
}
