package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/gatehouse-sso/gatehouse/idp/awssignin"
)

func init() {
	caddy.RegisterModule(new(AWSSignIn))
	httpcaddyfile.RegisterHandlerDirective("gatehouse_aws_signin", parseAWSSignIn)
	httpcaddyfile.RegisterDirectiveOrder("gatehouse_aws_signin", httpcaddyfile.Before, "respond")
}

// AWSSignIn stands in for AWS sign-in while one practises: it judges SAML responses as AWS documents
// that it does, says which rule each breaks, and signs nobody in. It answers every request of its
// sites: one for the sign-in address, and one for the console that AWS redirects to.
type AWSSignIn struct {
	// Address is the base address of the stand-in; responses are posted to /saml under it.
	Address string `json:"address"`
	// Console is the base address of the site that shows verdicts. Default: Address.
	Console string `json:"console,omitempty"`
	// Instance is the ARN of the Amazon Connect instance whose sign-ins are judged. Default: any.
	Instance string `json:"instance,omitempty"`
	// Metadata is the gateway's metadata, as a file or an https address. Default: that of the gateway in
	// this Caddy.
	Metadata string `json:"metadata,omitempty"`

	handler http.Handler
}

// verdicts wait here to be shown: the site that takes a response and the one that shows what came of
// it are two handlers, and a reload may come between.
var verdicts = sync.OnceValue(awssignin.NewVerdicts)

// CaddyModule returns the Caddy module information.
func (*AWSSignIn) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.gatehouse_aws_signin", New: func() caddy.Module { return new(AWSSignIn) }}
}

// Provision builds the stand-in.
func (s *AWSSignIn) Provision(ctx caddy.Context) error {
	cfg, err := s.config()
	if err != nil {
		return fmt.Errorf("gatehouse_aws_signin: %w", err)
	}
	cfg.Log, cfg.Verdicts = ctx.Slogger(), verdicts()
	switch {
	case strings.HasPrefix(s.Metadata, "https://"):
		cfg.Metadata = func(ctx context.Context) ([]byte, error) { return fetchMetadata(ctx, s.Metadata) }
	case s.Metadata != "":
		cfg.Metadata = func(context.Context) ([]byte, error) { return os.ReadFile(s.Metadata) }
	default:
		app, err := configuredApp(ctx)
		if err != nil {
			return fmt.Errorf("gatehouse_aws_signin: %w; or write: metadata FILE", err)
		}
		cfg.Metadata = func(context.Context) ([]byte, error) { return app.publicMetadata() }
	}
	s.handler, err = awssignin.NewStandIn(cfg)
	if err != nil {
		return fmt.Errorf("gatehouse_aws_signin: %w", err)
	}
	return nil
}

// config is all but where the metadata comes from.
func (s *AWSSignIn) config() (c awssignin.StandInConfig, err error) {
	if s.Address == "" {
		return c, errors.New("the option address is missing")
	}
	if c.Address, err = url.Parse(s.Address); err != nil {
		return c, errors.New("address is no web address")
	}
	if s.Console != "" {
		if c.Console, err = url.Parse(s.Console); err != nil {
			return c, errors.New("console is no web address")
		}
	}
	if s.Instance != "" {
		part := strings.Split(s.Instance, ":")
		if len(part) != 6 || part[0] != "arn" || part[2] != "connect" || !strings.HasPrefix(part[5], "instance/") {
			return c, fmt.Errorf("instance %q: write arn:aws:connect:REGION:ACCOUNT:instance/ID", s.Instance)
		}
		c.Partition, c.Region, c.InstanceID = part[1], part[3], strings.TrimPrefix(part[5], "instance/")
	}
	return c, nil
}

// maxMetadata is what IAM takes.
const maxMetadata = 10_000_000

func fetchMetadata(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("getting the metadata: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("getting the metadata from %s: %s", address, res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, maxMetadata))
}

// publicMetadata is metadata for a handler beside the portal, which holds no store of its own.
func (a *App) publicMetadata() ([]byte, error) {
	leave, err := a.store.use()
	if err != nil {
		return nil, err
	}
	defer leave()
	return a.metadata()
}

// ServeHTTP serves one request.
func (s *AWSSignIn) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if err := refuseEarlyData(r); err != nil {
		return err
	}
	defer limitTime(w, r, readTime)()
	s.handler.ServeHTTP(w, r)
	return nil
}

// parseAWSSignIn reads
//
//	gatehouse_aws_signin {
//		address <url>
//		console <url>
//		instance <arn>
//		metadata <file or https url>
//	}
func parseAWSSignIn(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive
	if h.NextArg() {
		return nil, h.Errf("gatehouse_aws_signin takes a block with: address, console, instance, metadata")
	}
	s := new(AWSSignIn)
	b := newBlock(h.Dispenser, "gatehouse_aws_signin", "address", "console", "instance", "metadata")
	for b.next() {
		switch b.option {
		case "address":
			b.text(&s.Address, "URL")
			b.webAddress(s.Address)
		case "console":
			b.text(&s.Console, "URL")
			b.webAddress(s.Console)
		case "instance":
			b.text(&s.Instance, "ARN")
		case "metadata":
			b.text(&s.Metadata, "FILE or https URL")
		}
	}
	b.need("address")
	if b.err != nil {
		return nil, b.err
	}
	if _, err := s.config(); err != nil {
		return nil, h.WrapErr(err)
	}
	if s.Metadata == "" {
		if _, err := globalApp(h); err != nil {
			return nil, err
		}
	}
	return s, nil
}

var (
	_ caddy.Provisioner           = (*AWSSignIn)(nil)
	_ caddyhttp.MiddlewareHandler = (*AWSSignIn)(nil)
)
