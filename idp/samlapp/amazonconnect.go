package samlapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Attribute names of AWS, exact and case-sensitive (IAM user guide, "Configure SAML assertions").
const (
	awsRole            = "https://aws.amazon.com/SAML/Attributes/Role"
	awsRoleSessionName = "https://aws.amazon.com/SAML/Attributes/RoleSessionName"
	awsSessionDuration = "https://aws.amazon.com/SAML/Attributes/SessionDuration"
)

// Bounds of SessionDuration, rule T7.
const (
	minSessionDuration = 15 * time.Minute
	maxSessionDuration = 12 * time.Hour
)

// ConnectConfig is an Amazon Connect instance whose identity management is SAML. The instance is given
// by its ARN, or field by field, or both where they agree.
type ConnectConfig struct {
	Name   string
	Label  string // default "Amazon Connect"
	Issuer *Issuer

	Instance      string // ARN
	AccountNumber string
	Region        string
	InstanceID    string
	AccountType   string // commercial or govcloud; default by region

	ProviderName string // name of the SAML provider in IAM, which must be in the instance's account
	Roles        []RoleRow
	RoleMode     string // first (default): the first matching row; choose: the person picks
	Destinations []DestinationRow
	OldDomain    bool // new_domain off, for an instance still at NAME.awsapps.com
	SessionName  SessionName

	// SessionDuration bounds the AWS console session, 15 min to 12 h; 0 leaves it out, which AWS takes as
	// 1 h. Connect's own session always ends after 12 h.
	SessionDuration time.Duration
	// SignInURL, for practice, takes the place of AWS's endpoint as form action, Destination and
	// Recipient together.
	SignInURL string
	// UsernamesFile holds Connect's user names, as `aws connect list-users` prints them or one to a
	// line; empty for no check. It is read again when it changes.
	UsernamesFile string
	// Now is the clock of Check; default time.Now. A launch brings its own time.
	Now func() time.Time
}

// Connect signs people in to Amazon Connect.
type Connect struct {
	c            ConnectConfig
	instance     instance
	roles        []RoleRow
	destinations []DestinationRow
	acs          string
	usernames    *usernames // nil for no check
}

var (
	_ idp.SAMLSender   = (*Connect)(nil)
	_ idp.Entitler     = (*Connect)(nil)
	_ idp.Chooser      = (*Connect)(nil)
	_ idp.Destinations = (*Connect)(nil)
	_ idp.Checker      = (*Connect)(nil)
)

// NewConnect checks c. Mistakes in an option are a *FieldError that says what to write. It opens no file.
func NewConnect(c ConnectConfig) (*Connect, error) {
	if err := c.Issuer.check(); err != nil {
		return nil, err
	}
	return newConnect(c)
}

// Validate checks everything but the issuer, which there is none of while a Caddyfile is adapted.
func (c ConnectConfig) Validate() error {
	_, err := newConnect(c)
	return err
}

func checkProvider(name string) error {
	if name == "" {
		return &FieldError{"provider_name", "is missing", "write the name that the SAML provider has in IAM"}
	}
	if !providerShape.MatchString(name) || len(name) > 128 {
		return &FieldError{"provider_name", fmt.Sprintf("%.200q cannot be the name of a SAML provider", name), "write its name, not its ARN: 1 to 128 of the characters A-Z a-z 0-9 _ . -"}
	}
	return nil
}

func completeRoleMode(mode string) (string, error) {
	switch mode {
	case "":
		return RolesFirst, nil
	case RolesFirst, RolesChoose:
		return mode, nil
	}
	return "", &FieldError{"roles", fmt.Sprintf("%.100q is not known", mode), "write first or choose"}
}

func newConnect(cfg ConnectConfig) (*Connect, error) {
	if err := checkText("name", cfg.Name); err != nil {
		return nil, err
	}
	c := &Connect{c: cfg}
	if c.c.Label == "" {
		c.c.Label = "Amazon Connect"
	}
	var err error
	if c.instance, err = cfg.resolveInstance(); err != nil {
		return nil, err
	}
	if err := checkProvider(cfg.ProviderName); err != nil {
		return nil, err
	}
	if c.roles, err = checkRoles(cfg.Roles, c.instance); err != nil {
		return nil, err
	}
	if c.c.RoleMode, err = completeRoleMode(cfg.RoleMode); err != nil {
		return nil, err
	}
	if c.destinations, err = checkDestinations(cfg.Destinations); err != nil {
		return nil, err
	}
	if c.c.SessionName, err = cfg.SessionName.complete(); err != nil {
		return nil, err
	}
	d := cfg.SessionDuration
	if d != 0 && (d < minSessionDuration || d > maxSessionDuration || d%time.Second != 0) {
		return nil, &FieldError{"session_duration", fmt.Sprintf("%s is not between 15m and 12h in whole seconds", d), "write for example 12h"}
	}
	if c.c.Now == nil {
		c.c.Now = time.Now
	}
	c.acs = c.instance.acs()
	if cfg.SignInURL != "" {
		if err := checkSignInURL(cfg.SignInURL); err != nil {
			return nil, err
		}
		c.acs = cfg.SignInURL
	}
	if cfg.UsernamesFile != "" {
		c.usernames = &usernames{path: cfg.UsernamesFile}
	}
	return c, nil
}

func checkSignInURL(address string) error {
	if err := checkEndpoint("sign_in_url", address); err != nil {
		return err
	}
	if connectLogin(address) {
		return &FieldError{"sign_in_url", "Amazon Connect's own sign-in page takes no SAML response", "leave sign_in_url out, or write the practice address"}
	}
	return nil
}

// Tile is how the portal shows the instance.
func (c *Connect) Tile() idp.Tile { return idp.Tile{Name: c.c.Name, Label: c.c.Label} }

// Endpoint is where and for whom responses are made.
type Endpoint struct {
	ACS       string // form action, Destination and Recipient
	AWS       string // what AWS expects there; another than ACS while sign_in_url is set
	Audience  string
	Partition string // "aws" or "aws-us-gov"
}

// Endpoint tells a check of the responses what to expect.
func (c *Connect) Endpoint() Endpoint {
	return Endpoint{c.acs, c.instance.acs(), c.instance.audience(), c.instance.partition}
}

// SignIn makes the form. Whatever AWS or Connect would refuse is refused here, where a page can say
// what to do: no role, no or an impossible session name, nobody of that name in Connect.
func (c *Connect) SignIn(ctx context.Context, u *idp.User, l idp.Launch) (*idp.Form, error) {
	if l.ACS != "" && l.ACS != c.acs || l.InResponseTo != "" {
		// AWS sends no requests: whoever made one wants an assertion for AWS.
		return nil, &idp.Error{
			Status: http.StatusBadRequest,
			Public: "Open " + c.c.Label + " from the portal.",
			Reason: "unexpected_request",
			Err:    errors.New("a SAML request in the name of AWS, which makes none"),
		}
	}
	role, err := c.role(u, l.Choice)
	if err != nil {
		return nil, err
	}
	destination, err := c.destination(u, l.Destination)
	if err != nil {
		return nil, err
	}
	name, err := c.c.SessionName.of(u, c.c.Label)
	if err != nil {
		return nil, err
	}
	name, notes, err := c.usernames.spelled(name, l.Now)
	if err != nil {
		return nil, err
	}
	r, err := newResponse(l)
	if err != nil {
		return nil, err
	}
	roleARN := c.instance.roleARN(role)
	r.recipient, r.audience = c.acs, c.instance.audience()
	// CloudTrail keeps the NameID for ever; AWS advises one that is not personal.
	r.nameIDFormat, r.nameID = formatPersistent, pairwiseID(u.Key(), c.c.Issuer.EntityID, r.audience)
	r.attributes = []attribute{
		{name: awsRole, values: []string{roleARN + "," + c.instance.providerARN(c.c.ProviderName)}},
		{name: awsRoleSessionName, values: []string{name}},
	}
	if d := c.c.SessionDuration; d > 0 {
		r.attributes = append(r.attributes, attribute{name: awsSessionDuration, values: []string{strconv.Itoa(int(d / time.Second))}})
	}
	encoded, id, err := c.c.Issuer.issue(ctx, r)
	if err != nil {
		return nil, err
	}
	return &idp.Form{
		Action: c.acs,
		Fields: []idp.FormField{{Name: "SAMLResponse", Value: encoded}, {Name: "RelayState", Value: c.relayState(destination)}},
		Record: idp.LaunchRecord{Role: roleARN, SessionName: name, NameID: r.nameID, AssertionID: id, Destination: destination, Notes: notes},
	}, nil
}
