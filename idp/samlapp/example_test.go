package samlapp_test

import (
	"fmt"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/samlapp"
)

// The instance's ARN says it all; what is written beside it must agree.
func ExampleConnectConfig_Validate() {
	c := samlapp.ConnectConfig{
		Name:         "connect",
		Instance:     "arn:aws:connect:eu-west-2:123456789012:instance/12345678-90ab-cdef-1234-567890abcdef",
		Region:       "us-east-1",
		ProviderName: "Gatehouse",
		Roles:        []samlapp.RoleRow{{Role: "ConnectFederation", Groups: []idp.GroupRef{{Source: "corp", Name: "Agents"}}}},
	}
	fmt.Println(c.Validate())
	c.Region = ""
	fmt.Println(c.Validate())
	// Output:
	// region: instance says eu-west-2 and region says us-east-1; remove region or correct one of them
	// <nil>
}
