package caddymodule

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/store"
)

// keyStore is a store whose signing keys can be rolled over.
type keyStore interface {
	AllSAMLKeys() ([]idp.SAMLKey, error)
	NotUploaded(ctx context.Context, id string, apps []string) ([]string, error)
}

// keySteps are the steps of a rollover.
type keySteps interface {
	PromoteKey(ctx context.Context, id string, apps ...string) error
	RetireKey(ctx context.Context, id string) error
	MarkUploaded(ctx context.Context, id, app string) error
}

func keysCommand() *cobra.Command {
	keys := &cobra.Command{
		Use:   "keys",
		Short: "Rolls over the keys that sign SAML responses",
		Long: `Rolls over the keys that sign SAML responses. Two are in the metadata: the active one signs, the next
one can take over. The steps: give the metadata to each application, note that by "uploaded", then
"promote" the next key, and "retire" the former one when nothing needs it.

Works whether Caddy is running or not; a running Caddy follows within seconds.`,
		Example: `  caddy gatehouse metadata --output metadata.xml
  caddy gatehouse keys uploaded 66f0cda2 connect salesforce
  caddy gatehouse keys promote 66f0cda2
  caddy gatehouse keys retire 44d50d8b`,
	}
	hold(keys, keysListCommand(), keysUploadedCommand(), keysPromoteCommand(), keysRetireCommand())
	return keys
}

func keysListCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "list",
		Short: "Lists the keys and which applications lack them",
		Long: `Lists the keys, the end of their certificates, and which applications have not been told of them.

Works whether Caddy is running or not.`,
		Example: "  caddy gatehouse keys list --json",
		RunE:    run(0, keysList),
	})
}

func keysUploadedCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "uploaded KEY APPLICATION…",
		Short: "Notes that an application was given the metadata with this key",
		Long: `Notes that applications were given the metadata with this key. A key is promoted only when all SAML
applications have it: one that does not would refuse every sign-in from that moment on.

Works whether Caddy is running or not.`,
		Example: "  caddy gatehouse keys uploaded 66f0cda2 connect salesforce",
		RunE: runBetween(2, 1000, func(cmd *cobra.Command, args []string) error {
			key, apps := args[0], args[1:]
			done := "key " + key + " noted as uploaded to " + listed(apps)
			return keyStep(cmd, "uploaded", key, done, func(ctx context.Context, l *loaded, s keySteps) error {
				for _, app := range apps {
					if _, ok := l.apps[app].(idp.SAMLSender); !ok {
						return fmt.Errorf("no SAML application is named %q; there are: %s", app, listed(l.samlApps()))
					}
				}
				for _, app := range apps {
					if err := s.MarkUploaded(ctx, key, app); err != nil {
						return err
					}
				}
				return nil
			})
		}),
	})
}

func keysPromoteCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "promote KEY",
		Short: "Makes the next key the one that signs",
		Long: `Makes the next key the one that signs. The former one stays in the metadata, so that promoting it is
the way back. Refused while a SAML application is not noted as having the key.

Works whether Caddy is running or not; a running Caddy follows within seconds.`,
		Example: "  caddy gatehouse keys promote 66f0cda2",
		RunE: run(1, func(cmd *cobra.Command, args []string) error {
			return keyStep(cmd, "promoted", args[0], "key "+args[0]+" promoted", func(ctx context.Context, l *loaded, s keySteps) error {
				err := s.PromoteKey(ctx, args[0], l.samlApps()...)
				if lacking, ok := errors.AsType[*store.NotUploadedError](err); ok {
					return &refusal{fmt.Errorf("%w, which would refuse every sign-in; give them the metadata, then: caddy gatehouse keys uploaded %s %s",
						err, args[0], strings.Join(lacking.Apps, " "))}
				}
				return err
			})
		}),
	})
}

func keysRetireCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "retire KEY",
		Short: "Takes a key out of the metadata and destroys its private half",
		Long: `Takes a next key out of the metadata and destroys its private half for good. Where no other stands by,
a fresh one is made; give the new metadata to the applications before it is promoted.

Works whether Caddy is running or not.`,
		Example: "  caddy gatehouse keys retire 44d50d8b",
		RunE: run(1, func(cmd *cobra.Command, args []string) error {
			return keyStep(cmd, "retired", args[0], "key "+args[0]+" retired", func(ctx context.Context, _ *loaded, s keySteps) error {
				return s.RetireKey(ctx, args[0])
			})
		}),
	})
}

// samlApps are the names of the applications that know our keys.
func (l *loaded) samlApps() (names []string) {
	for _, e := range l.Applications {
		if _, ok := l.apps[e.Name].(idp.SAMLSender); ok {
			names = append(names, e.Name)
		}
	}
	return names
}

// keyStep does one step and puts it on record.
func keyStep(cmd *cobra.Command, reason, key, done string, step func(context.Context, *loaded, keySteps) error) error {
	return withApp(cmd, func(ctx context.Context, l *loaded) error {
		s, ok := l.store.Store.(keySteps)
		if !ok {
			return errors.New("this store cannot roll keys over")
		}
		err := step(ctx, l, s)
		switch {
		case errors.Is(err, idp.ErrNotFound):
			return &refusal{fmt.Errorf("no live key is named so: %w; see caddy gatehouse keys list", err)}
		case errors.Is(err, store.ErrKeyState):
			return &refusal{err}
		case err != nil:
			return err
		}
		if err := report(cmd, done, map[string]any{"key": key, "step": reason}); err != nil {
			return err
		}
		return l.record(ctx, idp.EventKeys, reason, done)
	})
}

// keyLine is one key of the list.
type keyLine struct {
	ID          string    `json:"id"`
	State       string    `json:"state"`
	Created     time.Time `json:"created"`
	Ends        time.Time `json:"not_after"`
	Fingerprint string    `json:"fingerprint"`            // SHA-256 of the certificate
	Lacking     []string  `json:"not_uploaded,omitempty"` // applications that have not been told of it
}

func keysList(cmd *cobra.Command, _ []string) error {
	return withApp(cmd, func(ctx context.Context, l *loaded) error {
		s, ok := l.store.Store.(keyStore)
		if !ok {
			return errors.New("this store cannot list its keys")
		}
		keys, err := s.AllSAMLKeys()
		if err != nil {
			return err
		}
		lines := make([]keyLine, 0, len(keys))
		for _, k := range keys {
			cert, err := x509.ParseCertificate(k.Certificate)
			if err != nil {
				return fmt.Errorf("key %s: %w", k.ID, err)
			}
			line := keyLine{ID: k.ID, State: string(k.State), Created: k.Created, Ends: cert.NotAfter, Fingerprint: fmt.Sprintf("%x", sha256.Sum256(k.Certificate))}
			if k.State != idp.KeyRetired {
				if line.Lacking, err = s.NotUploaded(ctx, k.ID, l.samlApps()); err != nil {
					return err
				}
			}
			lines = append(lines, line)
		}
		if wantsJSON(cmd) {
			return printJSON(cmd.OutOrStdout(), lines)
		}
		for _, k := range lines {
			fmt.Fprintf(cmd.OutOrStdout(), "%-8s%s  made %s  ends %s  sha256 %.16s…  not uploaded to: %s\n",
				k.State, k.ID, k.Created.Format(time.DateOnly), k.Ends.Format(time.DateOnly), k.Fingerprint, listed(k.Lacking))
		}
		return nil
	})
}
