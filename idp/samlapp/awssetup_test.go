package samlapp

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestSetup(t *testing.T) {
	m, err := Metadata(testEntityID, "https://sso.example.com/saml/sso", "", testKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	two := twoRoles(RolesFirst)
	two.Instance = strings.Replace(two.Instance, "us-east-1", "eu-west-2", 1)
	two.SessionDuration = 0
	for name, c := range map[string]ConnectConfig{
		"us-east-1": connectIn("aws", "us-east-1"), "two-roles": two, "govcloud": connectIn("aws-us-gov", "us-gov-west-1"),
	} {
		for format, ext := range map[string]string{SetupCLI: "sh", SetupCloudFormation: "json", SetupTerraform: "tf"} {
			out, err := connect(t, c).Setup(format, m)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "setup-"+name+"."+ext, out)
			for _, want := range []string{"SAML:aud", "connect:GetFederationToken", c.ProviderName, "/user/", "${aws:userid}", "sts:AssumeRoleWithSAML"} {
				if !bytes.Contains(out, []byte(want)) {
					t.Errorf("%s, %s: no %s", name, format, want)
				}
			}
			if bytes.Contains(out, []byte("localhost")) {
				t.Errorf("%s, %s: AWS is told to trust a practice address", name, format)
			}
			if format == SetupCloudFormation {
				cloudFormationHolds(t, out, m)
			}
			if format == SetupCLI {
				if _, err := run(t, nil, out, "sh", "-n"); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

func cloudFormationHolds(t *testing.T, out, metadata []byte) {
	t.Helper()
	var tmpl struct {
		Resources map[string]struct {
			Type       string
			Properties struct{ SamlMetadataDocument string }
		}
	}
	if err := json.Unmarshal(out, &tmpl); err != nil {
		t.Fatal(err)
	}
	if tmpl.Resources["Provider"].Properties.SamlMetadataDocument != string(metadata) || tmpl.Resources["Role1"].Type != "AWS::IAM::Role" {
		t.Errorf("%+v", tmpl.Resources)
	}
}

// The values of SAML:aud are the addresses that responses may name as Recipient: both of AWS's, and
// never the practice address.
func TestTrustedAudiences(t *testing.T) {
	for _, tt := range []struct{ partition, region, override, want string }{
		{"aws", "us-east-1", "", "https://signin.aws.amazon.com/saml"},
		{"aws", "eu-west-2", "", "https://signin.aws.amazon.com/saml https://eu-west-2.signin.aws.amazon.com/saml"},
		{"aws", "eu-west-2", "https://localhost:8443/aws", "https://signin.aws.amazon.com/saml https://eu-west-2.signin.aws.amazon.com/saml"},
		{"aws", "eu-west-2", "https://signin.aws.amazon.com.evil.example/saml", "https://signin.aws.amazon.com/saml https://eu-west-2.signin.aws.amazon.com/saml"},
		{"aws", "us-east-1", "https://us-east-1.signin.aws.amazon.com/saml/acs/SAMLSPD9IMTW2LM46J042K", "https://signin.aws.amazon.com/saml https://us-east-1.signin.aws.amazon.com/saml/acs/SAMLSPD9IMTW2LM46J042K"},
		{"aws-us-gov", "us-gov-west-1", "", "https://signin.amazonaws-us-gov.com/saml https://us-gov-west-1.signin.amazonaws-us-gov.com/saml"},
	} {
		c := connectIn(tt.partition, tt.region)
		c.SignInURL = tt.override
		if got := strings.Join(connect(t, c).trustedAudiences(), " "); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

func TestSetupRefuses(t *testing.T) {
	a := connect(t, connectIn("aws", "us-east-1"))
	if _, err := a.Setup("cdk", nil); err == nil || !strings.Contains(err.Error(), "cli, cloudformation or terraform") {
		t.Error(err)
	}
	if _, err := a.Setup(SetupCloudFormation, nil); err == nil {
		t.Error("a template without metadata")
	}
}
