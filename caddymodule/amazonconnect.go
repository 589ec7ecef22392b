package caddymodule

import (
	"errors"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/samlapp"
)

func init() {
	caddy.RegisterModule(new(AmazonConnect))
}

// AmazonConnect is an Amazon Connect instance whose identity management is SAML. The instance is given
// by its ARN, or by account_number, region and instance_id; where both are written they must agree.
type AmazonConnect struct {
	// Instance is the instance's ARN.
	Instance string `json:"instance,omitempty"`
	// AccountNumber is the AWS account, 12 digits.
	AccountNumber string `json:"account_number,omitempty"`
	// Region of the instance.
	Region string `json:"region,omitempty"`
	// InstanceID is what follows instance/ in the ARN.
	InstanceID string `json:"instance_id,omitempty"`
	// AccountType is commercial or govcloud. Default: by region.
	AccountType string `json:"account_type,omitempty"`
	// ProviderName is the name of the SAML provider in IAM.
	ProviderName string `json:"provider_name"`
	// Roles give an IAM role to groups. At least one.
	Roles []ConnectRole `json:"roles"`
	// RoleMode says what happens when several rows fit: first takes the first one, choose asks the
	// person. Default: first.
	RoleMode string `json:"role_mode,omitempty"`
	// Destinations are pages of Connect to land on; the first row that fits is taken. Default: the
	// home page.
	Destinations []ConnectDestination `json:"destinations,omitempty"`
	// NewDomain is false for an instance whose address still ends in awsapps.com. Default: true.
	NewDomain *bool `json:"new_domain,omitempty"`
	// SessionName is the attribute that is the person's user name in Connect: email, username,
	// first_name, last_name, display_name or one of the source's own. Default: email.
	SessionName string `json:"session_name,omitempty"`
	// SessionNameCase is keep or lower. Connect compares names letter by letter. Default: keep.
	SessionNameCase string `json:"session_name_case,omitempty"`
	// SessionDuration bounds the AWS console session, 15 minutes to 12 hours; Connect's own is always
	// 12 hours. Default: AWS's, 1 hour.
	SessionDuration caddy.Duration `json:"session_duration,omitempty"`
	// SignInURL takes the place of AWS's endpoint, for practice. Default: AWS's endpoint in the region
	// of the instance.
	SignInURL string `json:"sign_in_url,omitempty"`
	// UsernamesFile holds Connect's user names, as `aws connect list-users` prints them or one to a
	// line; people missing from it are told before AWS refuses them. Default: no check.
	UsernamesFile string `json:"usernames_file,omitempty"`
}

// ConnectRole gives an IAM role to groups.
type ConnectRole struct {
	// Role is the role's name, with its path if it has one.
	Role string `json:"role"`
	// Groups are "source/name"; the source may be left out where there is one source only.
	Groups []string `json:"groups"`
}

// ConnectDestination is a page of Connect to land on.
type ConnectDestination struct {
	// Path is a page, "/" for the home page, or an https address that is an approved origin.
	Path string `json:"path"`
	// Groups may land there. Default: everybody.
	Groups []string `json:"groups,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*AmazonConnect) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  ApplicationNamespace + ".amazon_connect",
		New: func() caddy.Module { return new(AmazonConnect) },
	}
}

// Application implements [ApplicationModule].
func (c *AmazonConnect) Application(t idp.Tile, env *Env) (idp.Application, error) {
	cfg, err := c.config(env.groups)
	if err != nil {
		return nil, err
	}
	cfg.Name, cfg.Label, cfg.Issuer = t.Name, t.Label, env.Issuer
	return samlapp.NewConnect(cfg)
}

func (c *AmazonConnect) config(groups func([]string) ([]idp.GroupRef, error)) (samlapp.ConnectConfig, error) {
	cfg := samlapp.ConnectConfig{
		Instance: c.Instance, AccountNumber: c.AccountNumber, Region: c.Region,
		InstanceID: c.InstanceID, AccountType: c.AccountType,
		ProviderName: c.ProviderName, RoleMode: c.RoleMode,
		OldDomain:       c.NewDomain != nil && !*c.NewDomain,
		SessionName:     samlapp.SessionName{Attribute: c.SessionName, Case: c.SessionNameCase},
		SessionDuration: time.Duration(c.SessionDuration),
		SignInURL:       c.SignInURL, UsernamesFile: c.UsernamesFile,
	}
	for _, r := range c.Roles {
		refs, err := groups(r.Groups)
		if err != nil {
			return cfg, err
		}
		cfg.Roles = append(cfg.Roles, samlapp.RoleRow{Role: r.Role, Groups: refs})
	}
	for _, d := range c.Destinations {
		refs, err := groups(d.Groups)
		if err != nil {
			return cfg, err
		}
		cfg.Destinations = append(cfg.Destinations, samlapp.DestinationRow{Path: d.Path, Groups: refs})
	}
	return cfg, nil
}

// GroupRefs implements [GroupReferrer].
func (c *AmazonConnect) GroupRefs() []string {
	var refs []string
	for _, r := range c.Roles {
		refs = append(refs, r.Groups...)
	}
	for _, d := range c.Destinations {
		refs = append(refs, d.Groups...)
	}
	return refs
}

// UnmarshalCaddyfile reads
//
//	amazon_connect {
//		instance <arn>
//		account_number <digits>
//		region <region>
//		instance_id <id>
//		account_type commercial|govcloud
//		provider_name <name>
//		role <role> <group...>
//		roles first|choose
//		destination <path> [<group...>]
//		new_domain on|off
//		session_name <attribute> [keep|lower]
//		session_duration <duration>
//		sign_in_url <url>
//		usernames_file <file>
//	}
//
// role and destination may be repeated.
func (c *AmazonConnect) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	segment := d.NextSegment()
	d = caddyfile.NewDispenser(segment)
	d.Next()
	if d.NextArg() {
		return d.Errf("amazon_connect takes a block, and nothing before it")
	}
	b := newBlock(d, "amazon_connect", "instance", "account_number", "region", "instance_id", "account_type",
		"provider_name", "role", "roles", "destination", "new_domain", "session_name", "session_duration",
		"sign_in_url", "usernames_file").repeatable("role", "destination").beside(entryOptions)
	for b.next() {
		c.option(b)
	}
	if b.err != nil {
		return b.err
	}
	cfg, _ := c.config(asWritten)
	return atField(segment, cfg.Validate())
}

func (c *AmazonConnect) option(b *block) {
	switch b.option {
	case "instance":
		b.text(&c.Instance, "ARN")
	case "account_number":
		b.text(&c.AccountNumber, "DIGITS")
	case "region":
		b.text(&c.Region, "REGION")
	case "instance_id":
		b.text(&c.InstanceID, "ID")
	case "account_type":
		b.text(&c.AccountType, "commercial|govcloud")
	case "provider_name":
		b.text(&c.ProviderName, "NAME")
	case "role":
		if a := b.leaf(2, -1, "ROLE GROUP…"); len(a) > 1 {
			c.Roles = append(c.Roles, ConnectRole{a[0], a[1:]})
		}
	case "roles":
		b.word(&c.RoleMode, samlapp.RolesFirst, samlapp.RolesChoose)
	case "destination":
		if a := b.leaf(1, -1, "PATH [GROUP…]"); len(a) > 0 {
			c.Destinations = append(c.Destinations, ConnectDestination{a[0], a[1:]})
		}
	case "new_domain":
		b.onOff(&c.NewDomain)
	case "session_name":
		if a := b.leaf(1, 2, "ATTRIBUTE [keep|lower]"); len(a) > 0 {
			c.SessionName = a[0]
			if len(a) > 1 {
				c.SessionNameCase = a[1]
			}
		}
	case "session_duration":
		b.duration(&c.SessionDuration)
	case "sign_in_url":
		b.text(&c.SignInURL, "URL")
	case "usernames_file":
		b.text(&c.UsernamesFile, "FILE")
	}
}

// asWritten stands in for the sources, which are not known while one application is parsed.
func asWritten(names []string) ([]idp.GroupRef, error) {
	var refs []idp.GroupRef
	for _, n := range names {
		refs = append(refs, idp.GroupRef{Source: "?", Name: n})
	}
	return refs, nil
}

// atField adds file and line of the option that an error of samlapp is about, of the row where it is repeated.
func atField(s caddyfile.Segment, err error) error {
	if err == nil {
		return nil
	}
	rows := 0 // before the one that is wrong
	if r, ok := errors.AsType[*samlapp.RowError](err); ok {
		rows = r.Row
	}
	if f, ok := errors.AsType[*samlapp.FieldError](err); ok {
		for i, t := range s {
			if t.Text != f.Field || lineStart(s, i) != i {
				continue
			}
			if rows--; rows < 0 {
				return tokenError(t, "%w", err)
			}
		}
	}
	return tokenError(s[0], "%w", err)
}

var (
	_ ApplicationModule     = (*AmazonConnect)(nil)
	_ GroupReferrer         = (*AmazonConnect)(nil)
	_ caddyfile.Unmarshaler = (*AmazonConnect)(nil)
)
