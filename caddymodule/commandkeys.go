package caddymodule

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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
	}
	keys.AddCommand(
		jsonFlag(&cobra.Command{
			Use: "list", Short: "Lists the keys and which applications lack them",
			Long: "Lists the keys and which applications have not been told of them. Works whether Caddy is running or not.",
			RunE: run(0, keysList),
		}),
		&cobra.Command{
			Use: "uploaded KEY APPLICATION", Short: "Notes that an application was given the metadata with this key",
			Long: "Notes that an application was given the metadata with this key. Works whether Caddy is running or not.",
			RunE: run(2, func(cmd *cobra.Command, args []string) error {
				return keyStep(cmd, "key "+args[0]+" noted as uploaded to "+args[1], func(ctx context.Context, l *loaded, s keySteps) error {
					if _, ok := l.apps[args[1]].(idp.SAMLSender); !ok {
						return fmt.Errorf("no SAML application is named %q; there are: %s", args[1], listed(l.samlApps()))
					}
					return s.MarkUploaded(ctx, args[0], args[1])
				})
			}),
		},
		&cobra.Command{
			Use: "promote KEY", Short: "Makes the next key the one that signs",
			Long: "Makes the next key the one that signs. Refused while an application is not noted as having it. Works whether Caddy is running or not.",
			RunE: run(1, func(cmd *cobra.Command, args []string) error {
				return keyStep(cmd, "key "+args[0]+" promoted", func(ctx context.Context, l *loaded, s keySteps) error {
					err := s.PromoteKey(ctx, args[0], l.samlApps()...)
					var lacking *store.NotUploadedError
					if errors.As(err, &lacking) {
						return &refusal{fmt.Errorf("%w; give them the metadata, then: caddy gatehouse keys uploaded %s APPLICATION", err, args[0])}
					}
					return err
				})
			}),
		},
		&cobra.Command{
			Use: "retire KEY", Short: "Takes a key out of the metadata and destroys its private half",
			Long: "Takes a key out of the metadata and destroys its private half; a fresh next key takes its place. Works whether Caddy is running or not.",
			RunE: run(1, func(cmd *cobra.Command, args []string) error {
				return keyStep(cmd, "key "+args[0]+" retired", func(ctx context.Context, _ *loaded, s keySteps) error {
					return s.RetireKey(ctx, args[0])
				})
			}),
		},
	)
	return keys
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
func keyStep(cmd *cobra.Command, done string, step func(context.Context, *loaded, keySteps) error) error {
	return withApp(cmd, func(ctx context.Context, l *loaded) error {
		s, ok := l.store.Store.(keySteps)
		if !ok {
			return errors.New("this store cannot roll keys over")
		}
		err := step(ctx, l, s)
		switch {
		case errors.Is(err, store.ErrKeyState), errors.Is(err, idp.ErrNotFound):
			return &refusal{err}
		case err != nil:
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), done)
		return l.record(ctx, idp.EventKeys, done)
	})
}

// keyLine is one key of the list.
type keyLine struct {
	ID          string    `json:"id"`
	State       string    `json:"state"`
	Created     time.Time `json:"created"`
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
			line := keyLine{ID: k.ID, State: string(k.State), Created: k.Created, Fingerprint: fmt.Sprintf("%x", sha256.Sum256(k.Certificate))}
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
			fmt.Fprintf(cmd.OutOrStdout(), "%-8s%s  made %s  sha256 %.16s…  not uploaded to: %s\n",
				k.State, k.ID, k.Created.Format(time.DateOnly), k.Fingerprint, listed(k.Lacking))
		}
		return nil
	})
}
