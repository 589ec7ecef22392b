package samlapp

import (
	"context"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// a response is posted to https (or loopback) addresses that are what they look like.
func TestR05ACSAddresses(t *testing.T) {
	for _, good := range []string{
		"https://app.example.com/acs", "https://app.example.com:8443/acs?so=1&x=%20", "https://192.0.2.1/acs",
		"http://localhost:8080/acs", "http://sp.localhost/acs", "http://127.0.0.5/acs", "http://[::1]:80/acs",
	} {
		if err := checkEndpoint("acs", good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "javascript:alert(1)", "JavaScript://x/%0aalert(1)", "data:text/html,x", "http://app.example.com/acs", "https://good@evil.example/",
		"https://good:pw@evil.example/", "https://app.example.com/acs#x", "https://app.example.com/acs#", "//app.example.com/acs", "/acs",
		"https:app.example.com", "https:///acs", "https://", "ftp://app.example.com/", "https://app.example.com\\@evil.example/", "https://app example/",
		"https://app.example.com/\n", "\thttps://app.example.com/", "https://bücher.example/", "http://localhost.evil.example/", "http://127.0.0.1.evil.example/",
		"https://app.example.com/\"><script>", "https://app.example.com:x/", "https://app.example.com/" + strings.Repeat("a", 2048),
	} {
		misconfigured(t, checkEndpoint("acs", bad), "acs")
		c := salesforce()
		c.ACS = bad
		misconfigured(t, c.Validate(), "acs")
		cc := connectIn("aws", "us-east-1")
		if cc.SignInURL = bad; bad != "" {
			misconfigured(t, cc.Validate(), "sign_in_url")
		}
	}
}

func TestConfigMistakes(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		field  string
	}{
		"no entity id":      {func(c *Config) { c.EntityID = "" }, "entity_id"},
		"entity id":         {func(c *Config) { c.EntityID = "a\x00" }, "entity_id"},
		"audience":          {func(c *Config) { c.Audience = "a\n" }, "audience"},
		"relay state":       {func(c *Config) { c.RelayState = "a\xff" }, "relay_state"},
		"sign":              {func(c *Config) { c.Sign = "response" }, "sign"},
		"name id":           {func(c *Config) { c.NameID.Format = "email" }, "name_id"},
		"transient":         {func(c *Config) { c.NameID = NameID{"transient", "email"} }, "name_id"},
		"injected format":   {func(c *Config) { c.NameID.Format = `urn:oasis:names:tc:SAML:"><x` }, "name_id"},
		"attribute no name": {func(c *Config) { c.Attributes = []Attribute{{From: "email"}} }, "attribute"},
		"attribute twice":   {func(c *Config) { c.Attributes = []Attribute{{Name: "a", From: "email"}, {Name: "a", From: "email"}} }, "attribute"},
		"attribute empty":   {func(c *Config) { c.Attributes = []Attribute{{Name: "a"}} }, "attribute"},
		"attribute both":    {func(c *Config) { c.Attributes = []Attribute{{Name: "a", From: "email", Literal: "x"}} }, "attribute"},
		"attribute control": {func(c *Config) { c.Attributes = []Attribute{{Name: "a\x01", Literal: "x"}} }, "attribute"},
	} {
		t.Run(name, func(t *testing.T) {
			c := salesforce()
			tt.change(&c)
			misconfigured(t, c.Validate(), tt.field)
		})
	}
	c := salesforce()
	if _, err := New(c); err == nil {
		t.Error("no issuer")
	}
	c.Issuer = testIssuer(t)
	c.Issuer.EntityID = ""
	_, err := New(c)
	misconfigured(t, err, "entity_id")
	if err := salesforce().Validate(); err != nil {
		t.Error(err)
	}
}

func TestNameIDs(t *testing.T) {
	nameID := func(n NameID, u *idp.User, entityID string) string {
		c := salesforce()
		c.NameID, c.EntityID = n, entityID
		return signIn(t, application(t, c), u, testLaunch()).Record.NameID
	}
	u := testUser()
	for want, n := range map[string]NameID{
		"Jane.Doe@example.com": {}, "jane@corp.example.com": {Format: "unspecified"}, "Jane": {"persistent", "first_name"},
		"Doe": {"urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos", "last_name"},
	} {
		if got := nameID(n, u, "https://a.example"); got != want {
			t.Errorf("%+v: %s", n, got)
		}
	}
	a, b := nameID(NameID{Format: "persistent"}, u, "https://a.example"), nameID(NameID{Format: "persistent"}, u, "https://b.example")
	renamed := testUser()
	renamed.Name, renamed.Email = "x", "x@example.com"
	other := testUser()
	other.ID = "another"
	if a == b || len(a) != 43 || a != nameID(NameID{Format: "persistent"}, renamed, "https://a.example") || a == nameID(NameID{Format: "persistent"}, other, "https://a.example") {
		t.Error("a persistent id is one per person and application, whatever their name", a, b)
	}
	app := application(t, Config{Name: "t", EntityID: "x", ACS: "https://a.example", NameID: NameID{Format: "transient"}})
	first := signIn(t, app, u, testLaunch()).Record.NameID
	if again := signIn(t, app, u, testLaunch()).Record.NameID; first == again {
		t.Error("a transient id came twice")
	}
	if pairwiseID("a", "b", "c") == pairwiseID("a", "bc", "") {
		t.Error("parts run into each other")
	}
}

// C-43b: who lacks what the application knows people by gets a page and no assertion.
func TestC43bMissingNameID(t *testing.T) {
	for says, change := range map[string]func(*idp.User){
		"no “telephoneNumber” that":                  func(u *idp.User) { u.Attributes = nil },
		"several values of “telephoneNumber”, and":   func(*idp.User) {},
		"no “telephoneNumber” that this application": func(u *idp.User) { u.Attributes["telephoneNumber"] = []string{" "} },
	} {
		c := salesforce()
		c.NameID.Attribute = "telephoneNumber"
		u := testUser()
		change(u)
		_, err := application(t, c).SignIn(context.Background(), u, testLaunch())
		if e := refusal(t, err, "no_name_id"); !strings.HasPrefix(e.Public, "Your account has "+says) {
			t.Errorf("%q, want %s", e.Public, says)
		}
	}
}

func TestResponsesGoNowhereElse(t *testing.T) {
	l := testLaunch()
	l.ACS = "https://example.my.salesforce.com/other"
	_, err := application(t, salesforce()).SignIn(context.Background(), testUser(), l)
	refused(t, err, "foreign_acs")
	for _, change := range []func(*idp.Launch){
		func(l *idp.Launch) { l.ACS = "https://evil.example/saml" },
		func(l *idp.Launch) { l.InResponseTo = "id-1" },
	} {
		l := testLaunch()
		change(&l)
		_, err = connect(t, connectIn("aws", "us-east-1")).SignIn(context.Background(), testUser(), l)
		refused(t, err, "unexpected_request")
	}
}

func TestLink(t *testing.T) {
	l, err := NewLink("handbook", "", "https://handbook.example.com/#top")
	if err != nil || l.URL() != "https://handbook.example.com/#top" || l.Tile() != (idp.Tile{Name: "handbook", Label: "handbook"}) {
		t.Fatal(l, err)
	}
	if f := l.Check(t.Context()); f[0].Level != "ok" {
		t.Error(f)
	}
	for _, bad := range []string{"", "javascript:alert(1)", "data:,x", "https://a@b/", "//x"} {
		_, err := NewLink("x", "", bad)
		misconfigured(t, err, "link")
	}
	l, err = NewLink("cc", "", "https://example.my.connect.aws/login")
	if err != nil {
		t.Fatal(err)
	}
	if f := l.Check(t.Context()); f[0].Level != "warning" || f[0].Rule != "X7" {
		t.Error(f)
	}
}

func TestMetadata(t *testing.T) {
	m, err := Metadata(testEntityID, "https://sso.example.com/saml/sso", "https://sso.example.com/saml/slo", testKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "metadata.golden.xml", m)
	valid(t, m, "saml-schema-metadata-2.0.xsd")
	m, err = Metadata(testEntityID, "https://sso.example.com/saml/sso", "", testKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	valid(t, m, "saml-schema-metadata-2.0.xsd")
	if len(m) < 1000 || m[0] != '<' || strings.Contains(string(m), "validUntil") || strings.Contains(string(m), "cacheDuration") || strings.Contains(string(m), "SingleLogout") {
		t.Errorf("not what IAM should be given:\n%s", m)
	}
	e, err := parseEntity(m)
	if err != nil {
		t.Fatal(err)
	}
	d := e.IDPSSODescriptors[0]
	if e.EntityID != testEntityID || len(d.KeyDescriptors) != 2 || len(d.SingleSignOnServices) != 2 || d.SingleSignOnServices[0].Location != "https://sso.example.com/saml/sso" {
		t.Errorf("%+v", e)
	}
	keys := testKeys(t)
	keys[0], keys[1] = keys[1], keys[0]
	if _, err := Metadata(testEntityID, "https://sso.example.com/saml/sso", "", keys); err == nil {
		t.Error("the next key came first")
	}
	retired := append(testKeys(t), testKey(t, "next", idp.KeyRetired))
	if again, err := Metadata(testEntityID, "https://sso.example.com/saml/sso", "", retired); err != nil || string(again) != string(m) {
		t.Errorf("a retired key is published: %v", err)
	}
	for _, address := range []string{"", "javascript:x"} {
		if _, err := Metadata(testEntityID, address, "", testKeys(t)); err == nil {
			t.Errorf("address %q", address)
		}
	}
}
