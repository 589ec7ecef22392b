package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
)

// runningCaddy is the admin endpoint of [adminAddress], as a command waits for it.
func runningCaddy(cmd *cobra.Command) (endpoint, error) {
	address, err := adminAddress(cmd)
	return endpoint{address, silenceMost}, err
}

// adminAddress is the address of the admin endpoint: as given, or as the configuration says. Where that says none, or none that is
// known here, it is *unreached: whether a Caddy serves has to be asked elsewhere.
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
	if c.Admin.Disabled {
		return "", &unreached{fmt.Errorf(`%s turns the admin endpoint off, by which the command would reach Caddy: write "admin unix//run/caddy/admin.sock|0600", or stop Caddy for the command`, used)}
	}
	listen := cmp.Or(c.Admin.Listen, caddy.DefaultAdminListen)
	address, err := caddy.NewReplacer().ReplaceOrErr(listen, true, true) // as Caddy does
	if err != nil {
		return "", &unreached{fmt.Errorf("the admin endpoint of %s is %s, and this command has not what Caddy had for it (%w): name the endpoint by --%s", used, listen, err, addressFlag)}
	}
	return address, nil
}
