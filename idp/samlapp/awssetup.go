package samlapp

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"
)

// Formats of [Connect.Setup].
const (
	SetupCLI            = "cli"
	SetupCloudFormation = "cloudformation"
	SetupTerraform      = "terraform"
)

// SetupMetadataFile is the name under which a setup looks for the gateway's metadata.
const SetupMetadataFile = "gatehouse-metadata.xml"

// setupPolicy is the name of the permission policy inside each role.
const setupPolicy = "AmazonConnectFederation"

//go:embed setup/*.tmpl
var setupFiles embed.FS

// setupTemplates are read when an administrator first asks: most programs that hold them never do.
var setupTemplates = sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(setupFiles, "setup/*.tmpl")) })

// setup is what AWS needs to know, as the templates print it. Its values come from checked options
// and hold no quote, dollar or line end.
type setup struct {
	Application, ID          string
	Account, Region          string
	InstanceARN              string
	Provider, ProviderARN    string
	MetadataFile, PolicyName string
	MaxSession               int // seconds
	Audiences                []string
	Trust, Permission        string // JSON
	Roles                    []setupRole
}

type setupRole struct{ Name, Path, ID string }

// Setup returns what the administrator of the AWS account runs once: a shell script, a CloudFormation
// template or Terraform. Each makes the SAML provider and, for every role of the configuration, the
// role with its trust policy and the one permission that signing in to Connect takes; and each says
// how to undo it. AWS is not called. CloudFormation carries the gateway's metadata itself; the
// others read [SetupMetadataFile].
func (c *Connect) Setup(format string, metadata []byte) ([]byte, error) {
	s, err := c.setup()
	if err != nil {
		return nil, err
	}
	var file string
	switch format {
	case SetupCloudFormation:
		return s.cloudFormation(metadata)
	case SetupCLI:
		file = "cli.sh.tmpl"
	case SetupTerraform:
		file = "terraform.tf.tmpl"
	default:
		return nil, fmt.Errorf("format %q is not known; use cli, cloudformation or terraform", format)
	}
	var out bytes.Buffer
	if err := setupTemplates().ExecuteTemplate(&out, file, s); err != nil {
		return nil, fmt.Errorf("writing %s: %w", format, err)
	}
	return out.Bytes(), nil
}

var notInNames = regexp.MustCompile(`[^a-z0-9_]+`)

func (c *Connect) setup() (*setup, error) {
	s := &setup{
		Application: c.c.Name, ID: "gatehouse_" + notInNames.ReplaceAllString(strings.ToLower(c.c.Name), "_"),
		Account: c.instance.account, Region: c.instance.region, InstanceARN: c.instance.arn(),
		Provider: c.c.ProviderName, ProviderARN: c.instance.providerARN(c.c.ProviderName),
		MetadataFile: SetupMetadataFile, PolicyName: setupPolicy,
		// The role's own limit must not be below the duration that we ask for (rule T8).
		MaxSession: int(max(c.c.SessionDuration, time.Hour) / time.Second),
		Audiences:  c.trustedAudiences(),
	}
	for i, row := range c.roles {
		cut := strings.LastIndexByte(row.Role, '/') + 1
		r := setupRole{Name: row.Role[cut:], Path: "/" + row.Role[:cut], ID: s.ID}
		if len(c.roles) > 1 {
			r.ID += "_" + strconv.Itoa(i+1)
		}
		s.Roles = append(s.Roles, r)
	}
	trust, err := indented(s.trust(s.ProviderARN), "\t")
	if err != nil {
		return nil, err
	}
	permission, err := indented(s.permission(), "\t")
	if err != nil {
		return nil, err
	}
	s.Trust, s.Permission = string(trust), string(permission)
	return s, nil
}

// trustedAudiences are the values of SAML:aud that a role admits. AWS means by it the Recipient of the
// response, not its Audience. Both endpoints are listed in advance, so that moving from one to the
// other in a failure needs no change in IAM. A practice address is never among them.
func (c *Connect) trustedAudiences() []string {
	out := []string{c.instance.homeACS()}
	if c.instance.region != "us-east-1" {
		out = append(out, c.instance.regionalACS())
	}
	if awsEndpoint.MatchString(c.acs) && !slices.Contains(out, c.acs) {
		out = append(out, c.acs)
	}
	return out
}

// awsEndpoint is every address at which AWS takes SAML responses, rule U3.
var awsEndpoint = regexp.MustCompile(`^https://([a-z]{2,4}(-[a-z]+)+-[0-9]\.)?signin\.(aws\.amazon\.com|amazonaws-us-gov\.com)/saml(/acs/SAMLSP[A-Z0-9]+)?$`)

// policyDocument is an IAM policy.
type policyDocument struct {
	Version   string
	Statement []policyStatement
}

type policyStatement struct {
	Effect    string
	Principal *policyPrincipal `json:",omitempty"`
	Action    string
	Resource  string           `json:",omitempty"`
	Condition *policyCondition `json:",omitempty"`
}

type policyPrincipal struct{ Federated any }

type policyCondition struct{ StringEquals map[string][]string }

// trust lets responses of our provider, and only those made for AWS's own endpoints, take a role.
func (s *setup) trust(provider any) policyDocument {
	return policyDocument{"2012-10-17", []policyStatement{{
		Effect: "Allow", Principal: &policyPrincipal{provider}, Action: "sts:AssumeRoleWithSAML",
		Condition: &policyCondition{map[string][]string{"SAML:aud": s.Audiences}},
	}}}
}

// permission is all that an agent's role may do: become the Connect user of their session name.
func (s *setup) permission() policyDocument {
	return policyDocument{"2012-10-17", []policyStatement{{
		Effect: "Allow", Action: "connect:GetFederationToken", Resource: s.InstanceARN + "/user/${aws:userid}",
	}}}
}

// cfnTemplate is a CloudFormation template. JSON has no comments: how to use it is in Metadata.
type cfnTemplate struct {
	AWSTemplateFormatVersion string
	Description              string
	Metadata                 map[string]map[string]string
	Resources                map[string]cfnResource
	Outputs                  map[string]cfnOutput
}

type cfnResource struct {
	Type       string
	Properties any
}

type cfnOutput struct {
	Description string
	Value       any
}

type cfnProvider struct {
	Name                 string
	SamlMetadataDocument string
}

type cfnRole struct {
	RoleName                 string
	Path                     string
	MaxSessionDuration       int
	AssumeRolePolicyDocument policyDocument
	Policies                 []cfnPolicy
}

type cfnPolicy struct {
	PolicyName     string
	PolicyDocument policyDocument
}

func (s *setup) cloudFormation(metadata []byte) ([]byte, error) {
	if len(metadata) < minMetadata {
		return nil, errors.New("cloudformation: the gateway's metadata is missing")
	}
	stack := strings.ReplaceAll(s.ID, "_", "-")
	attr := func(resource string) any { return map[string][]string{"Fn::GetAtt": {resource, "Arn"}} }
	t := cfnTemplate{
		AWSTemplateFormatVersion: "2010-09-09",
		Description:              "Lets Gatehouse sign people in to the Amazon Connect instance " + s.InstanceARN,
		Metadata: map[string]map[string]string{"Gatehouse": {
			"Create": "aws cloudformation deploy --region " + s.Region + " --stack-name " + stack + " --capabilities CAPABILITY_NAMED_IAM --template-file FILE",
			"Update": "the same command with a new file, after the gateway has made a new key",
			"Undo":   "aws cloudformation delete-stack --region " + s.Region + " --stack-name " + stack,
		}},
		Resources: map[string]cfnResource{
			"Provider": {"AWS::IAM::SAMLProvider", cfnProvider{s.Provider, string(metadata)}},
		},
		Outputs: map[string]cfnOutput{"ProviderArn": {"ARN of the SAML provider", attr("Provider")}},
	}
	for i, r := range s.Roles {
		id := "Role" + strconv.Itoa(i+1)
		t.Resources[id] = cfnResource{"AWS::IAM::Role", cfnRole{
			RoleName: r.Name, Path: r.Path, MaxSessionDuration: s.MaxSession,
			AssumeRolePolicyDocument: s.trust(attr("Provider")),
			Policies:                 []cfnPolicy{{s.PolicyName, s.permission()}},
		}}
		t.Outputs[id+"Arn"] = cfnOutput{"ARN of the role " + r.Name, attr(id)}
	}
	return indented(t, "")
}

// indented is JSON for people, without the escapes that only HTML needs.
func indented(v any, prefix string) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	if prefix != "" {
		return bytes.TrimRight(out.Bytes(), "\n"), nil
	}
	return out.Bytes(), nil
}
