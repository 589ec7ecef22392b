package samlapp

import (
	"fmt"
	"regexp"
	"strings"
)

// Account types of the configuration, as Duo's page names them.
const (
	Commercial = "commercial"
	GovCloud   = "govcloud"
)

const chinaReason = "Amazon Connect is not offered in the AWS China regions"

// instance is one Amazon Connect instance.
type instance struct {
	partition string // aws or aws-us-gov
	region    string
	account   string
	id        string
}

// Shapes of AWS's API models: iam 2010-05-08, connect 2017-08-08. A length that is counted in a shape is compiled
// into as many copies of it, 100 KiB for a provider; so lengths are compared beside it.
var (
	accountShape  = regexp.MustCompile(`^[0-9]{12}$`)
	regionShape   = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]$`)
	instanceShape = regexp.MustCompile(`^[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}$`)
	roleShape     = regexp.MustCompile(`^([A-Za-z0-9_+=.@-]+/)*[A-Za-z0-9_+=.@-]+$`)
	providerShape = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
)

// resolveInstance joins the ARN with the fields written one by one.
func (c ConnectConfig) resolveInstance() (instance, error) {
	var in instance
	if c.Instance != "" {
		var err error
		if in, err = parseInstanceARN(c.Instance); err != nil {
			return in, err
		}
	}
	for _, f := range []struct {
		name, value string
		into        *string
	}{{"account_number", c.AccountNumber, &in.account}, {"region", c.Region, &in.region}, {"instance_id", c.InstanceID, &in.id}} {
		if f.value == "" {
			continue
		}
		if *f.into != "" && *f.into != f.value {
			return in, conflict("instance", "says "+*f.into, f.name, "says "+f.value)
		}
		*f.into = f.value
	}
	if err := in.checkShapes(); err != nil {
		return in, err
	}
	return in, in.settlePartition(c.AccountType)
}

func conflict(a, saysA, b, saysB string) error {
	return &FieldError{b, fmt.Sprintf("%s %s and %s %s", a, saysA, b, saysB), "remove " + b + " or correct one of them"}
}

func parseInstanceARN(arn string) (instance, error) {
	wrong := &FieldError{
		"instance", fmt.Sprintf("%.200q is not the ARN of an Amazon Connect instance", arn),
		"copy it from the instance's account overview: arn:aws:connect:REGION:ACCOUNT:instance/ID",
	}
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "connect" {
		return instance{}, wrong
	}
	id, ok := strings.CutPrefix(parts[5], "instance/")
	if !ok || id == "" || parts[3] == "" || parts[4] == "" {
		return instance{}, wrong
	}
	switch parts[1] {
	case "aws", "aws-us-gov":
		return instance{partition: parts[1], region: parts[3], account: parts[4], id: id}, nil
	case "aws-cn":
		return instance{}, &FieldError{"instance", chinaReason, "use an instance of a commercial or GovCloud account"}
	}
	return instance{}, wrong
}

func (in *instance) checkShapes() error {
	for _, f := range []struct {
		name, value string
		shape       *regexp.Regexp
		cure        string
	}{
		{"account_number", in.account, accountShape, "write the 12 digits of the AWS account, or the instance's ARN as instance"},
		{"region", in.region, regionShape, "write the region of the instance, such as us-east-1, or the instance's ARN as instance"},
		{"instance_id", in.id, instanceShape, "copy what follows instance/ in the instance's ARN, in lower case, or write the ARN as instance"},
	} {
		if f.value == "" {
			return &FieldError{f.name, "is missing", f.cure}
		}
		if !f.shape.MatchString(f.value) {
			return &FieldError{f.name, fmt.Sprintf("%.100q is malformed", f.value), f.cure}
		}
	}
	return nil
}

// settlePartition derives the partition from the region and holds the account type and the ARN
// against it.
func (in *instance) settlePartition(accountType string) error {
	partition, kind := "aws", Commercial
	switch {
	case strings.HasPrefix(in.region, "cn-"):
		return &FieldError{"region", chinaReason, "use a commercial or GovCloud region"}
	case strings.HasPrefix(in.region, "us-gov-"):
		partition, kind = "aws-us-gov", GovCloud
	case strings.Contains(in.region, "-iso") || strings.HasPrefix(in.region, "eusc-"):
		return &FieldError{"region", fmt.Sprintf("%s is of a partition without Amazon Connect", in.region), "use a commercial or GovCloud region"}
	}
	if in.partition != "" && in.partition != partition {
		return &FieldError{"instance", fmt.Sprintf("the partition %s and the region %s do not belong together", in.partition, in.region), "copy the ARN again from the AWS console"}
	}
	in.partition = partition
	switch accountType {
	case "", kind:
		return nil
	case Commercial, GovCloud:
		return conflict("region", in.region+" is a "+kind+" one", "account_type", "says "+accountType)
	case "china":
		return &FieldError{"account_type", chinaReason, "write commercial or govcloud"}
	}
	return &FieldError{"account_type", fmt.Sprintf("%.100q is not known", accountType), "write commercial or govcloud"}
}

func (in instance) arn() string {
	return "arn:" + in.partition + ":connect:" + in.region + ":" + in.account + ":instance/" + in.id
}

func (in instance) roleARN(role string) string {
	return "arn:" + in.partition + ":iam::" + in.account + ":role/" + role
}

func (in instance) providerARN(name string) string {
	return "arn:" + in.partition + ":iam::" + in.account + ":saml-provider/" + name
}

// signInHost is the host of the partition's sign-in pages, without a region.
func (in instance) signInHost() string {
	if in.partition == "aws-us-gov" {
		return "signin.amazonaws-us-gov.com"
	}
	return "signin.aws.amazon.com"
}

// homeACS is the partition's endpoint without a region in its name: us-east-1's in the commercial
// partition, the one that AWS's GovCloud guide gives in the other.
func (in instance) homeACS() string { return "https://" + in.signInHost() + "/saml" }

// regionalACS is the endpoint of a region by name.
func (in instance) regionalACS() string {
	return "https://" + in.region + "." + in.signInHost() + "/saml"
}

// acs is the endpoint of the instance's region: a failure elsewhere does not reach it (AWS, "How to use
// regional SAML endpoints for failover"). That of us-east-1 has no prefix.
func (in instance) acs() string {
	if in.region == "us-east-1" {
		return in.homeACS()
	}
	return in.regionalACS()
}

// audience is the entity id of AWS's service provider.
func (in instance) audience() string {
	if in.partition == "aws-us-gov" {
		return "urn:amazon:webservices:govcloud"
	}
	return "urn:amazon:webservices"
}

// federate is the console page that turns the AWS session into one of Connect. GovCloud's console has
// no region in its name.
func (in instance) federate() string {
	if in.partition == "aws-us-gov" {
		return "https://console.amazonaws-us-gov.com/connect/federate/" + in.id
	}
	return "https://" + in.region + ".console.aws.amazon.com/connect/federate/" + in.id
}

// connectRegions have Amazon Connect, by AWS's table of endpoints (2026). Others are a warning: the
// table grows.
var connectRegions = map[string]bool{
	"us-east-1": true, "us-west-2": true, "af-south-1": true, "ap-northeast-1": true, "ap-northeast-2": true,
	"ap-southeast-1": true, "ap-southeast-2": true, "ca-central-1": true, "eu-central-1": true, "eu-west-2": true,
	"us-gov-west-1": true,
}
