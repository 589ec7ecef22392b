package caddymodule

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:      appName,
		Short:     "Checks and administers the SSO gateway",
		CobraFunc: addCommands,
	})
}

// addCommands hangs the commands under caddy gatehouse.
func addCommands(root *cobra.Command) {
	root.PersistentFlags().StringP("config", "c", "", "configuration file (default: ./Caddyfile, where there is one)")
	root.PersistentFlags().StringP("adapter", "a", "", "adapter of the configuration file (default: by its name)")
}

