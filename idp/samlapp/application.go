package samlapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Values of Config.Sign.
const (
	SignAssertion = "assertion"
	SignBoth      = "both"
)

// Config is an application of any SAML 2.0 service provider.
type Config struct {
	Name   string
	Label  string // default Name
	Issuer *Issuer

	EntityID   string      // the service provider's
	ACS        string      // where responses are posted: https, or http on loopback
	Audience   string      // default EntityID
	NameID     NameID      // default emailAddress email
	Attributes []Attribute // none by default
	RelayState string      // sent with every response; none by default
	Sign       string      // assertion (default), or both: the assertion and then the response
}

// Attribute is one attribute of the assertion. It is left out for people who have no value.
type Attribute struct {
	Name string // as the service provider calls it
	// From is a bridge attribute (email, username, first_name, last_name, display_name), groups (the
	// first name of each group), or one of the source's own attributes.
	From    string
	Literal string // sent as it is; exactly one of From and Literal is set
}

// Application is a SAML application that sign-in begins at our portal.
type Application struct {
	c Config
}

var (
	_ idp.SAMLSender = (*Application)(nil)
	_ idp.Checker    = (*Application)(nil)
)

// New checks c. Mistakes in an option are a *FieldError.
func New(c Config) (*Application, error) {
	if err := c.Issuer.check(); err != nil {
		return nil, err
	}
	return newApplication(c)
}

// Validate checks everything but the issuer, which there is none of while a Caddyfile is adapted.
func (c Config) Validate() error {
	_, err := newApplication(c)
	return err
}

func newApplication(c Config) (*Application, error) {
	if c.Label == "" {
		c.Label = c.Name
	}
	if c.EntityID == "" {
		return nil, &FieldError{"entity_id", "is missing", "write the entity id from the service provider's metadata"}
	}
	if c.Audience == "" {
		c.Audience = c.EntityID
	}
	if c.Sign == "" {
		c.Sign = SignAssertion
	}
	if c.Sign != SignAssertion && c.Sign != SignBoth {
		return nil, &FieldError{"sign", fmt.Sprintf("%q is not known", c.Sign), "write assertion or both"}
	}
	for _, t := range []struct{ field, value string }{{"entity_id", c.EntityID}, {"audience", c.Audience}, {"relay_state", c.RelayState}} {
		if err := checkText(t.field, t.value); err != nil {
			return nil, err
		}
	}
	if err := checkEndpoint("acs", c.ACS); err != nil {
		return nil, err
	}
	var err error
	if c.NameID, err = c.NameID.complete(); err != nil {
		return nil, err
	}
	if err := checkAttributes(c.Attributes); err != nil {
		return nil, err
	}
	return &Application{c}, nil
}

func checkAttributes(rows []Attribute) error {
	seen := map[string]bool{}
	for i, a := range rows {
		err := checkAttribute(a)
		if err == nil && seen[a.Name] {
			err = &FieldError{"attribute", fmt.Sprintf("%q is written twice", a.Name), "keep one row for each name"}
		}
		if err != nil {
			return &RowError{i, err}
		}
		seen[a.Name] = true
	}
	return nil
}

func checkAttribute(a Attribute) error {
	switch {
	case a.Name == "":
		return &FieldError{"attribute", "a row has no name", "write: attribute NAME SOURCE"}
	case (a.From == "") == (a.Literal == ""):
		return &FieldError{"attribute", fmt.Sprintf("%q needs a source attribute or a literal, and not both", a.Name), "write: attribute NAME SOURCE"}
	}
	return checkText("attribute", a.Name+a.Literal)
}

// Tile is how the portal shows the application.
func (a *Application) Tile() idp.Tile { return idp.Tile{Name: a.c.Name, Label: a.c.Label} }

// ACS is where the application's responses go.
func (a *Application) ACS() string { return a.c.ACS }

// EntityID is the service provider's.
func (a *Application) EntityID() string { return a.c.EntityID }

// SignIn makes the form. It refuses people without a NameID, values that XML cannot hold, and requests
// to answer anywhere but at the configured ACS.
func (a *Application) SignIn(ctx context.Context, u *idp.User, l idp.Launch) (*idp.Form, error) {
	// An AuthnRequest is not proof of who asks: the answer goes to the configured address or nowhere.
	if l.ACS != "" && l.ACS != a.c.ACS {
		return nil, &idp.Error{
			Status: http.StatusBadRequest,
			Public: "The application asked to be answered at an address that is not set up here. Ask the service desk.",
			Reason: "foreign_acs",
			Err:    fmt.Errorf("application %s asked for %.200q", a.c.Name, l.ACS),
		}
	}
	nameID, err := a.c.NameID.value(u, a.c.Issuer.EntityID, a.c.EntityID, a.c.Issuer.random())
	if err != nil {
		return nil, err
	}
	r, err := newResponse(l)
	if err != nil {
		return nil, err
	}
	r.recipient, r.audience, r.inResponseTo = a.c.ACS, a.c.Audience, l.InResponseTo
	r.nameIDFormat, r.nameID = a.c.NameID.Format, nameID
	r.attributes = attributesOf(u, a.c.Attributes)
	r.both = a.c.Sign == SignBoth
	encoded, id, err := a.c.Issuer.issue(ctx, r)
	if err != nil {
		return nil, err
	}
	f := &idp.Form{
		Action: a.c.ACS,
		Fields: []idp.FormField{{Name: "SAMLResponse", Value: encoded}},
		Record: idp.LaunchRecord{NameID: nameID, AssertionID: id},
	}
	if a.c.RelayState != "" {
		f.Fields = append(f.Fields, idp.FormField{Name: "RelayState", Value: a.c.RelayState})
	}
	return f, nil
}

// newResponse takes what every response says of the sign-in itself.
func newResponse(l idp.Launch) (*response, error) {
	if l.Now.IsZero() || l.SignedInAt.IsZero() {
		return nil, internal("no_time", errors.New("a response was asked for without the time of sign-in"))
	}
	class, err := authnContext(l.Proofs)
	if err != nil {
		return nil, err
	}
	return &response{now: l.Now, signedIn: l.SignedInAt, context: class, session: l.Session}, nil
}

// NameFormats of SAML core §8.2. Shibboleth's default attribute map wants uri for names that are URIs.
const (
	nameFormatURI   = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
	nameFormatBasic = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
)

func attributesOf(u *idp.User, rows []Attribute) []attribute {
	out := make([]attribute, 0, len(rows))
	for _, row := range rows {
		a := attribute{name: row.Name, format: nameFormatBasic}
		if strings.Contains(row.Name, ":") {
			a.format = nameFormatURI
		}
		switch {
		case row.Literal != "":
			a.values = []string{row.Literal}
		case row.From == "groups":
			for _, g := range u.Groups {
				if len(g.Names) > 0 {
					a.values = append(a.values, g.Names[0])
				}
			}
		default:
			a.values = u.Attribute(row.From)
		}
		if len(a.values) > 0 {
			out = append(out, a)
		}
	}
	return out
}

// Check says what the application will send and whether it can be signed.
func (a *Application) Check(context.Context) []idp.Finding {
	f := findings{where: "application " + a.c.Name}
	f.key(a.c.Issuer)
	f.ok("", "responses go to %s for %s, %s signed", a.c.ACS, a.c.Audience, map[string]string{SignAssertion: "the assertion", SignBoth: "assertion and response"}[a.c.Sign])
	if len(a.c.RelayState) > 80 {
		f.warn("", "the RelayState has more than the 80 bytes that SAML bindings §3.4.3 allows", "shorten relay_state, unless the service provider is known to take it")
	}
	return f.list
}
