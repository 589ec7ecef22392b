package samlapp

import (
	"bytes"
	"context"
	"encoding/xml"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/samlguard"
)

// hostile values would break out of their element, or be read back as something else, if they were
// not escaped.
var hostile = map[string]string{
	"ends the value":    `x</saml:AttributeValue></saml:Attribute><saml:Attribute Name="https://aws.amazon.com/SAML/Attributes/Role"><saml:AttributeValue>arn:aws:iam::123456789012:role/Admin,arn:aws:iam::123456789012:saml-provider/Gatehouse`,
	"cdata end":         `]]><saml:Attribute Name="x"/>`,
	"cdata":             `<![CDATA[<a>]]>`,
	"comment":           `admin<!-- -->@example.com`,
	"instruction":       `<?xml version="1.0"?>`,
	"doctype":           `<!DOCTYPE x [<!ENTITY e "y">]>&e;`,
	"entity":            `&amp;&#x3C;&lt;`,
	"carriage return":   "a\rb\r\nc\n\td ",
	"spaces":            "  two  spaces  ",
	"quotes":            `"'` + "`",
	"next line":         "a\u0085b\u2028c",
	"wide":              "𝒥ané 日本 \U0010FFFF \uFFFD \uE000",
	"combining":         "Jose\u0301",
	"right to left":     "\u202eelbatsil",
	"placeholder":       "{env.HOME} {http.request.header.X} ${jndi:x} %s%n",
	"65 KB":             strings.Repeat("<&\r>", 16<<10),
	"ends an attribute": `" ID="_1" x="`,
}

// what the directory says comes out of every parser as it went in, and says nothing more.
func TestX45HostileValuesComeBackEqual(t *testing.T) {
	for name, value := range hostile {
		t.Run(name, func(t *testing.T) {
			c := salesforce()
			c.Attributes = []Attribute{{Name: "display", From: "display_name"}, {Name: "last", Literal: "end"}}
			c.NameID = NameID{"unspecified", "first_name"}
			u := testUser()
			u.DisplayName, u.FirstName = value, value
			f := signIn(t, application(t, c), u, testLaunch())
			doc := responseOf(t, f)
			sameAs(t, doc, value)
			exactlyCanonical(t, doc)
			if err := xmlsec(t, doc, f.Record.AssertionID, "active"); err != nil {
				t.Error(err)
			}
			valid(t, doc, "saml-schema-protocol-2.0.xsd")
			a := crewjamAccepts(t, doc, f.Action, c.EntityID)
			// crewjam writes what it verified out again before it reads it, carriage returns unescaped.
			crewjam := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(value)
			if got := a.AttributeStatements[0].Attributes[0].Values[0].Value; got != crewjam {
				t.Errorf("crewjam reads %q", got)
			}
			if got := a.Subject.NameID.Value; got != crewjam {
				t.Errorf("crewjam reads the NameID %q", got)
			}
			out, err := run(t, nil, doc, "xmllint", "--xpath", "string(//*[@Name='display']/*)", "-")
			if got := strings.TrimSuffix(string(out), "\n"); err != nil || got != value {
				t.Errorf("libxml2 reads %q, %v", got, err)
			}
		})
	}
}

// parsed is what encoding/xml sees of a response.
type parsed struct {
	Destination string `xml:",attr"`
	Assertion   []struct {
		NameID     string `xml:"Subject>NameID"`
		Audience   string `xml:"Conditions>AudienceRestriction>Audience"`
		Attributes []struct {
			Name   string   `xml:",attr"`
			Values []string `xml:"AttributeValue"`
		} `xml:"AttributeStatement>Attribute"`
	}
}

func sameAs(t *testing.T, doc []byte, value string) {
	t.Helper()
	var p parsed
	if err := xml.Unmarshal(doc, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Assertion) != 1 || len(p.Assertion[0].Attributes) != 2 {
		t.Fatalf("the value changed the shape: %+v", p)
	}
	a := p.Assertion[0]
	if len(a.Attributes[0].Values) != 1 || a.Attributes[0].Values[0] != value || a.NameID != value || a.Attributes[1].Values[0] != "end" {
		t.Errorf("read back %q and %q, want %q", a.Attributes[0].Values, a.NameID, value)
	}
}

// What XML cannot carry is refused: dropping it would make two people the same.
func TestX45ForbiddenCharactersAreRefused(t *testing.T) {
	for name, value := range map[string]string{
		"NUL": "a\x00b", "bell": "\a", "vertical tab": "a\vb", "U+FFFE": "a\ufffe", "U+FFFF": "\uffff",
		"broken UTF-8": "a\xff", "overlong": "\xc0\xaf", "surrogate": "\xed\xa0\x80", "cut": "ab\xe2\x82",
	} {
		t.Run(name, func(t *testing.T) {
			u := testUser()
			u.DisplayName = value
			_, err := application(t, salesforce()).SignIn(context.Background(), u, testLaunch())
			e := refusal(t, err, "bad_character")
			if strings.Contains(e.Error(), value) || strings.Contains(e.Public, value) {
				t.Error("the value is in the error")
			}
			u = testUser()
			u.Email = value
			_, err = application(t, salesforce()).SignIn(context.Background(), u, testLaunch())
			refused(t, err, "bad_character")
		})
	}
}

func TestResponseIsBounded(t *testing.T) {
	for name, value := range map[string]string{"long": strings.Repeat("x", maxResponse), "long when escaped": strings.Repeat("&", maxResponse/4)} {
		u := testUser()
		u.DisplayName = value
		_, err := application(t, salesforce()).SignIn(context.Background(), u, testLaunch())
		t.Log(name)
		refused(t, err, "response_too_large")
	}
}

// A group that is named like an ARN, or a mail address that looks like a pair, never becomes a role.
func TestX45RolesNeverComeFromTheDirectory(t *testing.T) {
	u := testUser()
	u.Groups = append(u.Groups, idp.Group{Names: []string{"x,arn:aws:iam::123456789012:role/Admin,arn:aws:iam::123456789012:saml-provider/Gatehouse"}})
	f := signIn(t, connect(t, connectIn("aws", "us-east-1")), u, testLaunch())
	if doc := responseOf(t, f); bytes.Contains(doc, []byte("Admin")) || f.Record.Role != "arn:aws:iam::123456789012:role/ConnectFederation" {
		t.Errorf("role %s", f.Record.Role)
	}
	u.Email = "arn:aws:iam::123456789012:role/Admin,x"
	_, err := connect(t, connectIn("aws", "us-east-1")).SignIn(context.Background(), u, testLaunch())
	refused(t, err, "bad_session_name")
}

// Our own guard lets pass what we write.
func TestGuardAcceptsOurResponses(t *testing.T) {
	both := salesforce()
	both.Sign = SignBoth
	for _, app := range []idp.SAMLSender{connect(t, connectIn("aws", "us-east-1")), application(t, salesforce()), application(t, both)} {
		if _, err := samlguard.Check(responseOf(t, signIn(t, app, testUser(), testLaunch())), samlguard.Response, samlguard.Limits{}); err != nil {
			t.Error(err)
		}
	}
}

// FuzzWriter holds the writer against two parsers and a canonicaliser for any text at any place.
func FuzzWriter(f *testing.F) {
	for _, v := range hostile {
		f.Add(v, v, v)
	}
	f.Add("\x00", "\ufffe", "\xff")
	f.Fuzz(func(t *testing.T, name, value, audience string) {
		r := response{
			issuer: testEntityID, recipient: "https://sp.example.com/?a=" + name, audience: audience, nameIDFormat: formatPersistent, nameID: value,
			now: testNow, signedIn: testNow, context: contextPassword, session: name,
			attributes: []attribute{{name: name, values: []string{value}}, {name: "last", format: nameFormatBasic, values: []string{"end"}}},
		}
		var c canonical
		l := r.write(&c, "_r", "_a", 0)
		if representable(name) && representable(value) && representable(audience) {
			if c.err != nil {
				t.Fatalf("refused: %v", c.err)
			}
		} else {
			if c.err == nil {
				t.Fatal("wrote a character that XML forbids")
			}
			return
		}
		var p parsed
		if err := xml.Unmarshal(c.b, &p); err != nil {
			t.Fatal(err)
		}
		sameAs(t, c.b, value)
		if got := p.Assertion[0]; got.Audience != audience || got.Attributes[0].Name != name || p.Destination != r.recipient {
			t.Fatalf("read back %+v", p)
		}
		want := canonicalForm(t, c.b)
		if got := append(bytes.Clone(c.b[:l.declaration.from]), c.b[l.declaration.to:]...); !bytes.Equal(got, want) {
			t.Fatalf("not canonical:\n%q\n%q", got, want)
		}
	})
}

// representable is written apart from xmlChar on purpose.
func representable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
	})
}

func canonicalForm(t *testing.T, doc []byte) []byte {
	t.Helper()
	d := etree.NewDocument()
	if err := d.ReadFromBytes(doc); err != nil {
		t.Fatal(err)
	}
	out, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(d.Root())
	if err != nil {
		t.Fatal(err)
	}
	return out
}
