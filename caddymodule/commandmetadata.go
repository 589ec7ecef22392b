package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp/samlapp"
)

func metadataCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "metadata",
		Short: "Writes the SAML metadata that service providers are given",
		Long: `Writes the SAML metadata that service providers are given, IAM for one: the same document that the
portal serves at /saml/metadata. It holds the certificate of the key that signs and that of the key that
stands by.

Works whether Caddy is running or not, once it has run.`,
		Example: "  caddy gatehouse metadata --output " + samlapp.SetupMetadataFile,
		RunE: run(0, func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd, func(_ context.Context, l *loaded) error {
				doc, err := l.metadata()
				if err != nil {
					return err
				}
				return writeOutput(cmd, doc)
			})
		}),
	})
	cmd.Flags().StringP("output", "o", "", "file to write (default: standard output)")
	return cmd
}

func awsCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "aws NAME",
		Short: "Writes what AWS needs for an Amazon Connect application",
		Long: `Writes what the administrator of the AWS account runs once for the application NAME: the SAML
provider, each role with its trust policy, and the permission to sign in to Connect. Nothing is sent to
AWS. The formats:

  cli             a shell script for the AWS command line; its last lines undo it
  cloudformation  a template; undo it by deleting the stack (the command is in its Metadata)
  terraform       a file for a Terraform directory; undo it by terraform destroy

cli and terraform read the gateway's metadata from ` + samlapp.SetupMetadataFile + ` beside them, which
"caddy gatehouse metadata --output ` + samlapp.SetupMetadataFile + `" writes; the template holds it.

Works whether Caddy is running or not, once it has run.`,
		Example: `  caddy gatehouse aws connect --output connect.sh
  caddy gatehouse aws connect --format cloudformation --output connect.json`,
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
					return fmt.Errorf("no amazon_connect application is named %q; there are: %s", args[0], listed(l.connectApps()))
				}
				doc, err := l.metadata()
				if err != nil {
					return err
				}
				text, err := app.Setup(format, doc)
				if err != nil {
					return fmt.Errorf("--format: %w", err)
				}
				return writeOutput(cmd, text)
			})
		}),
	})
	cmd.Flags().StringP("format", "f", samlapp.SetupCLI, "cli, cloudformation or terraform")
	cmd.Flags().StringP("output", "o", "", "file to write (default: standard output)")
	return cmd
}

// connectApps are the names of the applications that aws knows.
func (l *loaded) connectApps() (names []string) {
	for _, e := range l.Applications {
		if _, ok := l.apps[e.Name].(*samlapp.Connect); ok {
			names = append(names, e.Name)
		}
	}
	return names
}

// writeOutput writes to the file of --output, whole or not at all, or to standard output. What is
// written is public. With --json it tells of the file, or holds the text as a string.
func writeOutput(cmd *cobra.Command, text []byte) error {
	file, err := cmd.Flags().GetString("output")
	if err != nil {
		return err
	}
	if file == "" {
		if wantsJSON(cmd) {
			return printJSON(cmd.OutOrStdout(), map[string]string{"document": string(text)})
		}
		_, err := cmd.OutOrStdout().Write(text)
		return err
	}
	part := file + ".part"
	if err = os.WriteFile(part, text, 0o644); err == nil { //nolint:gosec // G306: metadata and templates are for others to read
		err = os.Rename(part, file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("--output: %w", err), os.RemoveAll(part))
	}
	return report(cmd, fmt.Sprintf("%d bytes written to %s", len(text), file), map[string]any{"file": file, "bytes": len(text)})
}
