package samlapp

import (
	"bytes"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// TestMain stops the clocks of crewjam, which are globals.
func TestMain(m *testing.M) {
	saml.TimeNow = func() time.Time { return testNow }
	saml.Clock = dsig.NewFakeClockAt(testNow)
	os.Exit(m.Run())
}

const testInstance = "12345678-90ab-cdef-1234-567890abcdef"

func connectIn(partition, region string) ConnectConfig {
	return ConnectConfig{
		Name: "connect", Label: "Contact centre",
		Instance:     "arn:" + partition + ":connect:" + region + ":123456789012:instance/" + testInstance,
		ProviderName: "Gatehouse",
		Roles: []RoleRow{
			{"ConnectFederation", []idp.GroupRef{{Source: "corp", Name: "Contact Centre Agents"}, {Source: "corp", Name: "Contact Centre Supervisors"}, {Source: "emergency", Name: "Supervisors"}}},
		},
		Destinations: []DestinationRow{
			{"/", []idp.GroupRef{{Source: "corp", Name: "Contact Centre Supervisors"}}},
			{"/ccp-v2", nil},
		},
		SessionDuration: 12 * time.Hour,
	}
}

func connect(t testing.TB, c ConnectConfig) *Connect {
	t.Helper()
	c.Issuer = testIssuer(t)
	a, err := NewConnect(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func salesforce() Config {
	return Config{
		Name: "salesforce", EntityID: "https://example.my.salesforce.com", ACS: "https://example.my.salesforce.com?so=00D000000000001&x=1",
		NameID: NameID{"emailAddress", "email"},
		Attributes: []Attribute{
			{Name: "urn:oid:2.16.840.1.113730.3.1.241", From: "display_name"},
			{Name: "phone", From: "telephoneNumber"},
			{Name: "groups", From: "groups"},
			{Name: "tenant", Literal: "north & south"},
			{Name: "nothing", From: "no_such_attribute"},
		},
		RelayState: "/lightning?a=1&b=2",
	}
}

func application(t testing.TB, c Config) *Application {
	t.Helper()
	c.Issuer = testIssuer(t)
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var ids = regexp.MustCompile(` ID="(_[0-9a-f]{40})"`)

// TestResponse holds each kind of response against its golden file, the schema, and three verifiers
// that know nothing of our writer.
func TestResponse(t *testing.T) {
	both := salesforce()
	both.Sign = SignBoth
	for name, tt := range map[string]struct {
		app      idp.SAMLSender
		audience string
		relay    string
	}{
		"connect-us-east-1": {connect(t, connectIn("aws", "us-east-1")), "urn:amazon:webservices", "https://us-east-1.console.aws.amazon.com/connect/federate/" + testInstance + "?destination=%2Fccp-v2&new_domain=true"},
		"connect-eu-west-2": {connect(t, connectIn("aws", "eu-west-2")), "urn:amazon:webservices", "https://eu-west-2.console.aws.amazon.com/connect/federate/" + testInstance + "?destination=%2Fccp-v2&new_domain=true"},
		"connect-govcloud":  {connect(t, connectIn("aws-us-gov", "us-gov-west-1")), "urn:amazon:webservices:govcloud", "https://console.amazonaws-us-gov.com/connect/federate/" + testInstance + "?destination=%2Fccp-v2&new_domain=true"},
		"saml-assertion":    {application(t, salesforce()), "https://example.my.salesforce.com", "/lightning?a=1&b=2"},
		"saml-both":         {application(t, both), "https://example.my.salesforce.com", "/lightning?a=1&b=2"},
	} {
		t.Run(name, func(t *testing.T) {
			f := signIn(t, tt.app, testUser(), testLaunch())
			doc := responseOf(t, f)
			golden(t, name+".golden.xml", doc)
			valid(t, doc, "saml-schema-protocol-2.0.xsd")
			if got := field(f, "RelayState"); got != tt.relay {
				t.Errorf("RelayState %s, want %s", got, tt.relay)
			}
			signed := ids.FindAllSubmatch(doc, -1)
			if len(signed) != 2 || string(signed[1][1]) != f.Record.AssertionID {
				t.Fatalf("ids %q, record %s", signed, f.Record.AssertionID)
			}
			if name != "saml-both" {
				signed = signed[1:]
			}
			if n := bytes.Count(doc, []byte("<ds:Signature ")); n != len(signed) {
				t.Fatalf("%d signatures, want %d", n, len(signed))
			}
			for _, id := range signed {
				if err := xmlsec(t, doc, string(id[1]), "active"); err != nil {
					t.Errorf("xmlsec1: %v", err)
				}
				if err := xmlsec(t, doc, string(id[1]), "next"); err == nil {
					t.Error("xmlsec1 verified with another certificate")
				}
				goxmldsigVerify(t, doc, string(id[1]))
			}
			crewjamAccepts(t, doc, f.Action, tt.audience)
			exactlyCanonical(t, doc)
		})
	}
}

func parseEntity(metadata []byte) (*saml.EntityDescriptor, error) {
	var e saml.EntityDescriptor
	return &e, xml.Unmarshal(metadata, &e)
}

func goxmldsigVerify(t *testing.T, doc []byte, id string) {
	t.Helper()
	d := etree.NewDocument()
	if err := d.ReadFromBytes(doc); err != nil {
		t.Fatal(err)
	}
	el := d.FindElement("//[@ID='" + id + "']")
	cert, err := x509.ParseCertificate(testKey(t, "active", idp.KeyActive).Certificate)
	if err != nil {
		t.Fatal(err)
	}
	v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
	v.IdAttribute = "ID"
	v.Clock = dsig.NewFakeClockAt(testNow)
	if _, err := v.Validate(el); err != nil {
		t.Errorf("goxmldsig: %v", err)
	}
}

// crewjamAccepts parses the response as a service provider that has our metadata.
func crewjamAccepts(t *testing.T, doc []byte, acs, audience string) *saml.Assertion {
	t.Helper()
	m, err := Metadata(testEntityID, "https://sso.example.com/saml/sso", "", testKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	entity, err := parseEntity(m)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(acs)
	if err != nil {
		t.Fatal(err)
	}
	sp := saml.ServiceProvider{EntityID: audience, AcsURL: *address, IDPMetadata: entity, AllowIDPInitiated: true}
	assertion, err := sp.ParseXMLResponse(doc, nil, *address)
	if err != nil {
		bad := &saml.InvalidResponseError{}
		if errors.As(err, &bad) {
			err = bad.PrivateErr
		}
		t.Fatalf("crewjam: %v", err)
	}
	return assertion
}

// exactlyCanonical demands that the document is its own exclusive canonical form, but for xmlns:xs.
func exactlyCanonical(t *testing.T, doc []byte) {
	t.Helper()
	want, err := run(t, nil, doc, "xmllint", "--exc-c14n", "-")
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.Replace(doc, []byte(` xmlns:xs="`+nsSchema+`"`), nil, 1); !bytes.Equal(got, want) {
		t.Errorf("not canonical:\n%s\n%s", got, want)
	}
}

// TestResponseSaysOnlyWhatIsMeant checks what AWS's rules R5, U5 and C2 and the design ask for.
func TestResponseSaysOnlyWhatIsMeant(t *testing.T) {
	doc := string(responseOf(t, signIn(t, connect(t, connectIn("aws", "eu-west-2")), testUser(), testLaunch())))
	for _, want := range []string{
		`Destination="https://eu-west-2.signin.aws.amazon.com/saml"`, `Recipient="https://eu-west-2.signin.aws.amazon.com/saml"`,
		`IssueInstant="2026-10-05T06:30:15Z"`, `NotBefore="2026-10-05T06:29:15Z" NotOnOrAfter="2026-10-05T06:35:15Z"`,
		`AuthnInstant="2026-10-05T06:20:15Z" SessionIndex="s-0f1e2d3c"`, contextTimeSync,
		`>arn:aws:iam::123456789012:role/ConnectFederation,arn:aws:iam::123456789012:saml-provider/Gatehouse<`,
		`>Jane.Doe@example.com<`, `>43200<`,
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, not := range []string{"InResponseTo", "Address=", "SessionNotOnOrAfter", "Jane “", "<!--", "<?"} {
		if strings.Contains(doc, not) {
			t.Errorf("%s in the response", not)
		}
	}
	if n := strings.Count(doc, "<saml:Attribute "); n != 3 {
		t.Errorf("%d attributes, want 3", n)
	}
}

// C-42: an assertion made for one application is worthless at another.
func TestC42AssertionIsForOneApplication(t *testing.T) {
	f := signIn(t, application(t, salesforce()), testUser(), testLaunch())
	m, _ := Metadata(testEntityID, "https://sso.example.com/saml/sso", "", testKeys(t))
	entity, err := parseEntity(m)
	if err != nil {
		t.Fatal(err)
	}
	acs, _ := url.Parse(f.Action)
	sp := saml.ServiceProvider{EntityID: "https://other.example.com", AcsURL: *acs, IDPMetadata: entity, AllowIDPInitiated: true}
	if _, err := sp.ParseXMLResponse(responseOf(t, f), nil, *acs); err == nil {
		t.Error("another service provider took the assertion")
	}
}

func TestTamperedResponseDoesNotVerify(t *testing.T) {
	f := signIn(t, connect(t, connectIn("aws", "us-east-1")), testUser(), testLaunch())
	doc := bytes.Replace(responseOf(t, f), []byte("role/ConnectFederation"), []byte("role/ConnectFederatioN"), 1)
	if err := xmlsec(t, doc, f.Record.AssertionID, "active"); err == nil {
		t.Error("xmlsec1 verified a changed role")
	}
}

func TestResponseToARequest(t *testing.T) {
	l := testLaunch()
	l.InResponseTo, l.ACS = "id-42", salesforce().ACS
	doc := responseOf(t, signIn(t, application(t, salesforce()), testUser(), l))
	if n := bytes.Count(doc, []byte(` InResponseTo="id-42"`)); n != 2 {
		t.Errorf("InResponseTo %d times, want 2", n)
	}
	valid(t, doc, "saml-schema-protocol-2.0.xsd")
	exactlyCanonical(t, doc)
}
