package caddymodule

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp/samlapp"
)

func metadataCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "metadata",
		Short: "Writes the SAML metadata that service providers are given",
		Long: `Writes the SAML metadata that service providers are given, IAM for one: the same document that the
portal serves at /saml/metadata. Works whether Caddy is running or not, once it has run.`,
		RunE: run(0, func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd, func(_ context.Context, l *loaded) error {
				doc, err := l.metadata()
				if err != nil {
					return err
				}
				return writeOutput(cmd, doc)
			})
		}),
	}
	cmd.Flags().StringP("output", "o", "", "file to write (default: standard output)")
	return cmd
}

func awsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "aws NAME",
		Short: "Writes what AWS needs for an Amazon Connect application",
		Long: `Writes what the administrator of the AWS account runs once for the application NAME: the SAML
provider, each role with its trust policy, the permission to sign in to Connect, and how to undo it
all. Nothing is sent to AWS. The formats cli and terraform read the gateway's metadata from
` + samlapp.SetupMetadataFile + `, which "caddy gatehouse metadata --output ` + samlapp.SetupMetadataFile + `" writes.

Works whether Caddy is running or not, once it has run.`,
		RunE: run(1, func(cmd *cobra.Command, args []string) error {
			format, err := cmd.Flags().GetString("format")
			if err != nil {
				return err
			}
			return withApp(cmd, func(_ context.Context, l *loaded) error {
				app, ok := l.apps[args[0]].(interface {
					Setup(format string, metadata []byte) ([]byte, error)
				})
				if !ok {
					return fmt.Errorf("no amazon_connect application is named %q", args[0])
				}
				doc, err := l.metadata()
				if err != nil {
					return err
				}
				text, err := app.Setup(format, doc)
				if err != nil {
					return err
				}
				return writeOutput(cmd, text)
			})
		}),
	}
	cmd.Flags().StringP("format", "f", samlapp.SetupCLI, "cli, cloudformation or terraform")
	cmd.Flags().StringP("output", "o", "", "file to write (default: standard output)")
	return cmd
}

// writeOutput writes to the file of --output, or to standard output. What is written is public.
func writeOutput(cmd *cobra.Command, text []byte) error {
	file, err := cmd.Flags().GetString("output")
	if err != nil {
		return err
	}
	if file == "" {
		_, err := cmd.OutOrStdout().Write(text)
		return err
	}
	return os.WriteFile(file, text, 0o644) //nolint:gosec // G306: metadata and templates are for others to read
}
