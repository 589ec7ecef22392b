package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/awssignin"
	"github.com/gatehouse-sso/gatehouse/idp/samlapp"
	"github.com/gatehouse-sso/gatehouse/idp/store"
)

// TestVerdict: what Amazon Connect is sent is judged against AWS's own addresses, from the metadata
// alone, by rules that know nothing of the writer. No rule of level E or S may complain.
func TestVerdict(t *testing.T) {
	keys, err := store.New(store.Config{
		Path: t.TempDir() + "/gatehouse.db", SealKey: func(context.Context) ([]byte, error) { return make([]byte, 32), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := keys.Close(); err != nil {
			t.Error(err)
		}
	}()
	entity := "https://sso.example.com/saml/metadata"
	published, err := keys.SAMLKeys()
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := samlapp.Metadata(entity, "https://sso.example.com/saml/sso", "", published)
	if err != nil {
		t.Fatal(err)
	}
	issuer := &samlapp.Issuer{EntityID: entity, Keys: keys.SAMLKeys}
	for _, at := range []struct{ partition, region, acs string }{
		{"aws", "us-east-1", "https://signin.aws.amazon.com/saml"},
		{"aws", "eu-west-2", "https://eu-west-2.signin.aws.amazon.com/saml"},
		{"aws-us-gov", "us-gov-west-1", "https://us-gov-west-1.signin.amazonaws-us-gov.com/saml"},
	} {
		t.Run(at.region, func(t *testing.T) {
			const id = "12345678-90ab-cdef-1234-567890abcdef"
			app, err := samlapp.NewConnect(samlapp.ConnectConfig{
				Name: "connect", Issuer: issuer, Instance: "arn:" + at.partition + ":connect:" + at.region + ":123456789012:instance/" + id,
				ProviderName:    "Gatehouse",
				Roles:           []samlapp.RoleRow{{Role: "ConnectFederation", Groups: []idp.GroupRef{{Source: "corp", Name: "Agents"}}}},
				Destinations:    []samlapp.DestinationRow{{Path: "/ccp-v2"}},
				SessionDuration: 12 * time.Hour,
			})
			if err != nil {
				t.Fatal(err)
			}
			judge, err := awssignin.New(awssignin.Expect{ACS: at.acs, Partition: at.partition, Metadata: metadata, Now: time.Now, Region: at.region, InstanceID: id})
			if err != nil {
				t.Fatal(err)
			}
			u := &idp.User{Source: "corp", ID: "1", Name: "alice@corp.example.com", Email: "Alice.Agent@example.com", Groups: []idp.Group{{Names: []string{"Agents"}}}}
			now := time.Now()
			form, err := app.SignIn(t.Context(), u, idp.Launch{Now: now, SignedInAt: now, Proofs: []idp.Proof{{Factor: idp.PasswordFactor, At: now, ACR: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"}}, Session: "_s"})
			if err != nil {
				t.Fatal(err)
			}
			if form.Action != at.acs {
				t.Errorf("posted to %s, want %s", form.Action, at.acs)
			}
			field := func(name string) string {
				i := slices.IndexFunc(form.Fields, func(f idp.FormField) bool { return f.Name == name })
				if i < 0 {
					t.Fatalf("no field %s", name)
				}
				return form.Fields[i].Value
			}
			v := judge.Judge(field("SAMLResponse"), field("RelayState"))
			for _, f := range v.Findings {
				t.Logf("finding %s %s: %s", f.Rule, f.Level, f.Seen)
			}
			if !v.Accepted || v.Practice || len(v.Skipped) > 0 {
				t.Errorf("not accepted: %+v", v)
			}
			if v.SessionName != "Alice.Agent@example.com" || v.Roles != 1 || !strings.HasSuffix(v.Role, ":role/ConnectFederation") || !strings.HasPrefix(v.Role, "arn:"+at.partition+":") {
				t.Errorf("it asks for %s as %s (%d roles)", v.Role, v.SessionName, v.Roles)
			}
		})
	}
}
