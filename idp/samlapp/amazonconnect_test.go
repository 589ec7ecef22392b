package samlapp

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func TestConnectMistakes(t *testing.T) {
	agents := []idp.GroupRef{{Source: "corp", Name: "Agents"}}
	byField := func(c *ConnectConfig) {
		c.Instance, c.AccountNumber, c.Region, c.InstanceID = "", "123456789012", "eu-west-2", testInstance
	}
	for name, tt := range map[string]struct {
		change func(*ConnectConfig)
		field  string
		words  string // which the error says
	}{
		"no instance":        {func(c *ConnectConfig) { c.Instance = "" }, "account_number", "ARN"},
		"not an ARN":         {func(c *ConnectConfig) { c.Instance = testInstance }, "instance", "arn:aws:connect:REGION"},
		"ARN of a user":      {func(c *ConnectConfig) { c.Instance += "/user/x" }, "instance_id", "malformed"},
		"ARN of a role":      {func(c *ConnectConfig) { c.Instance = "arn:aws:iam::123456789012:role/x" }, "instance", "copy it"},
		"China by ARN":       {func(c *ConnectConfig) { c.Instance = strings.Replace(c.Instance, ":aws:", ":aws-cn:", 1) }, "instance", "not offered in the AWS China"},
		"China by region":    {func(c *ConnectConfig) { byField(c); c.Region = "cn-north-1" }, "region", "not offered in the AWS China"},
		"China by type":      {func(c *ConnectConfig) { c.AccountType = "china" }, "account_type", "not offered in the AWS China"},
		"unknown type":       {func(c *ConnectConfig) { c.AccountType = "gov" }, "account_type", "commercial or govcloud"},
		"isolated partition": {func(c *ConnectConfig) { byField(c); c.Region = "us-iso-east-1" }, "region", "without Amazon Connect"},
		"sovereign cloud":    {func(c *ConnectConfig) { byField(c); c.Region = "eusc-de-east-1" }, "region", "without Amazon Connect"},
		"account conflict":   {func(c *ConnectConfig) { c.AccountNumber = "210987654321" }, "account_number", "instance says 123456789012 and account_number says 210987654321"},
		"region conflict":    {func(c *ConnectConfig) { c.Region = "eu-west-2" }, "region", "instance says us-east-1 and region says eu-west-2"},
		"id conflict":        {func(c *ConnectConfig) { c.InstanceID = strings.Replace(testInstance, "1", "2", 1) }, "instance_id", "instance says"},
		"type conflict":      {func(c *ConnectConfig) { c.AccountType = GovCloud }, "account_type", "region us-east-1 is a commercial one and account_type says govcloud"},
		"partition":          {func(c *ConnectConfig) { c.Instance = strings.Replace(c.Instance, "us-east-1", "us-gov-west-1", 1) }, "instance", "do not belong together"},
		"account":            {func(c *ConnectConfig) { byField(c); c.AccountNumber = "1234" }, "account_number", "12 digits"},
		"no region":          {func(c *ConnectConfig) { byField(c); c.Region = "" }, "region", "is missing"},
		"region":             {func(c *ConnectConfig) { byField(c); c.Region = "London" }, "region", "us-east-1"},
		"instance id":        {func(c *ConnectConfig) { byField(c); c.InstanceID = strings.ToUpper(testInstance) }, "instance_id", "lower case"},
		"no provider":        {func(c *ConnectConfig) { c.ProviderName = "" }, "provider_name", "IAM"},
		"provider ARN":       {func(c *ConnectConfig) { c.ProviderName = "arn:aws:iam::123456789012:saml-provider/G" }, "provider_name", "not its ARN"},
		"no role":            {func(c *ConnectConfig) { c.Roles = nil }, "role", "SOURCE/GROUP"},
		"role":               {func(c *ConnectConfig) { c.Roles[0].Role = "Connect Federation" }, "role", "characters"},
		"role quote":         {func(c *ConnectConfig) { c.Roles[0].Role = "a'/b" }, "role", "characters"},
		"role too long":      {func(c *ConnectConfig) { c.Roles[0].Role = strings.Repeat("a", 65) }, "role", "64"},
		"role comma":         {func(c *ConnectConfig) { c.Roles[0].Role = "a,b" }, "role", "comma"},
		"role of SSO":        {func(c *ConnectConfig) { c.Roles[0].Role = "AWSReservedSSO_Admin_0123" }, "role", "Identity Center"},
		"role elsewhere":     {func(c *ConnectConfig) { c.Roles[0].Role = "arn:aws:iam::210987654321:role/x" }, "role", "account 123456789012"},
		"role twice":         {func(c *ConnectConfig) { c.Roles = []RoleRow{{"a", agents}, {"A", agents}} }, "role", "one row"},
		"role for nobody":    {func(c *ConnectConfig) { c.Roles[0].Groups = nil }, "role", "names no group"},
		"roles":              {func(c *ConnectConfig) { c.RoleMode = "all" }, "roles", "first or choose"},
		"destination":        {func(c *ConnectConfig) { c.Destinations = []DestinationRow{{"ccp-v2", nil}} }, "destination", "path"},
		"encoded":            {func(c *ConnectConfig) { c.Destinations = []DestinationRow{{"%2Fccp-v2", nil}} }, "destination", "plainly"},
		"new_domain inside":  {func(c *ConnectConfig) { c.Destinations = []DestinationRow{{"/ccp-v2&new_domain=true", nil}} }, "destination", "new_domain"},
		"two slashes":        {func(c *ConnectConfig) { c.Destinations = []DestinationRow{{"//evil.example", nil}} }, "destination", "two slashes"},
		"script":             {func(c *ConnectConfig) { c.Destinations = []DestinationRow{{"javascript:alert(1)", nil}} }, "destination", "path"},
		"backslash":          {func(c *ConnectConfig) { c.Destinations = []DestinationRow{{`/\evil.example`, nil}} }, "destination", "encode"},
		"never reached":      {func(c *ConnectConfig) { c.Destinations = []DestinationRow{{"/a", nil}, {"/b", agents}} }, "destination", "never reached"},
		"session name":       {func(c *ConnectConfig) { c.SessionName.Case = "upper" }, "session_name", "keep or lower"},
		"short session":      {func(c *ConnectConfig) { c.SessionDuration = 14 * time.Minute }, "session_duration", "15m"},
		"long session":       {func(c *ConnectConfig) { c.SessionDuration = 12*time.Hour + time.Second }, "session_duration", "12h"},
		"part of a second":   {func(c *ConnectConfig) { c.SessionDuration = time.Hour + time.Millisecond }, "session_duration", "whole seconds"},
		"negative":           {func(c *ConnectConfig) { c.SessionDuration = -time.Hour }, "session_duration", "15m"},
		"direct sign-in":     {func(c *ConnectConfig) { c.SignInURL = "https://example.my.connect.aws/login" }, "sign_in_url", "takes no SAML"},
		"name":               {func(c *ConnectConfig) { c.Name = "a\nrm -rf /" }, "name", "control"},
	} {
		t.Run(name, func(t *testing.T) {
			c := connectIn("aws", "us-east-1")
			tt.change(&c)
			misconfigured(t, c.Validate(), tt.field, tt.words)
		})
	}
	if _, err := NewConnect(connectIn("aws", "us-east-1")); err == nil {
		t.Error("no issuer")
	}
}

func TestConnectByField(t *testing.T) {
	c := connectIn("aws", "us-gov-west-1")
	c.Instance, c.AccountNumber, c.Region, c.InstanceID, c.AccountType = "", "123456789012", "us-gov-west-1", testInstance, GovCloud
	c.Roles[0].Role = "arn:aws-us-gov:iam::123456789012:role/team/Federation"
	a := connect(t, c)
	if got := a.Endpoint(); got != (Endpoint{"https://us-gov-west-1.signin.amazonaws-us-gov.com/saml", "https://us-gov-west-1.signin.amazonaws-us-gov.com/saml", "urn:amazon:webservices:govcloud", "aws-us-gov"}) {
		t.Errorf("%+v", got)
	}
	if f := signIn(t, a, testUser(), testLaunch()); f.Record.Role != c.Roles[0].Role {
		t.Error(f.Record.Role)
	}
	both := connectIn("aws", "eu-west-2")
	both.AccountNumber, both.Region, both.InstanceID, both.AccountType = "123456789012", "eu-west-2", testInstance, Commercial
	if err := both.Validate(); err != nil {
		t.Error(err)
	}
}

func TestPracticeAddressReplacesAllThree(t *testing.T) {
	c := connectIn("aws", "eu-west-2")
	c.SignInURL = "https://localhost:8443/aws/saml"
	a := connect(t, c)
	f := signIn(t, a, testUser(), testLaunch())
	doc := string(responseOf(t, f))
	if f.Action != c.SignInURL || strings.Count(doc, `"`+c.SignInURL+`"`) != 2 || strings.Contains(doc, "signin.aws") {
		t.Errorf("%s\n%s", f.Action, doc)
	}
	if e := a.Endpoint(); e.ACS != c.SignInURL || e.AWS != "https://eu-west-2.signin.aws.amazon.com/saml" {
		t.Errorf("%+v", e)
	}
}

func member(groups ...string) *idp.User {
	u := testUser()
	u.Groups = nil
	for _, g := range groups {
		u.Groups = append(u.Groups, idp.Group{Names: []string{g}})
	}
	return u
}

func twoRoles(mode string) ConnectConfig {
	c := connectIn("aws", "us-east-1")
	c.RoleMode = mode
	c.Roles = []RoleRow{
		{"ConnectSupervisors", []idp.GroupRef{{Source: "corp", Name: "Supervisors"}, {Source: "emergency", Name: "Breakers"}}},
		{"team/ConnectAgents", []idp.GroupRef{{Source: "corp", Name: "Agents"}}},
	}
	return c
}

func TestRoles(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:role/"
	for name, tt := range map[string]struct {
		mode   string
		groups []string
		choice string
		role   string // or
		reason string
	}{
		"first of two":         {"", []string{"Agents", "Supervisors"}, "", "ConnectSupervisors", ""},
		"second":               {RolesFirst, []string{"agents"}, "", "team/ConnectAgents", ""},
		"none":                 {RolesFirst, []string{"Others"}, "", "", "no_role"},
		"none, yet picked":     {RolesChoose, nil, "ConnectSupervisors", "", "no_role"},
		"picked":               {RolesChoose, []string{"Agents", "Supervisors"}, "team/ConnectAgents", "team/ConnectAgents", ""},
		"picked the other":     {RolesChoose, []string{"Agents", "Supervisors"}, "ConnectSupervisors", "ConnectSupervisors", ""},
		"not picked":           {RolesChoose, []string{"Agents", "Supervisors"}, "", "", "no_choice"},
		"nothing to pick":      {RolesChoose, []string{"Agents"}, "", "team/ConnectAgents", ""},
		"picked another's":     {RolesChoose, []string{"Agents"}, "ConnectSupervisors", "", "foreign_role"},
		"picked an ARN":        {RolesChoose, []string{"Agents", "Supervisors"}, arn + "Admin", "", "foreign_role"},
		"picked where nothing": {RolesFirst, []string{"Agents", "Supervisors"}, "team/ConnectAgents", "", "foreign_role"},
	} {
		t.Run(name, func(t *testing.T) {
			a := connect(t, twoRoles(tt.mode))
			u, l := member(tt.groups...), testLaunch()
			l.Choice = tt.choice
			f, err := a.SignIn(context.Background(), u, l)
			if tt.reason != "" {
				refused(t, err, tt.reason)
			} else if err != nil || f.Record.Role != arn+tt.role || bytes.Count(responseOf(t, f), []byte(":role/")) != 1 {
				t.Errorf("%+v, %v", f, err)
			}
			if got, want := a.Entitled(u), tt.reason != "no_role"; got != want {
				t.Errorf("entitled %v", got)
			}
			if got := len(a.Choices(u)); tt.mode != RolesChoose && got != 0 || tt.mode == RolesChoose && got != len(tt.groups) {
				t.Errorf("%d choices", got)
			}
		})
	}
	a := connect(t, twoRoles(RolesChoose))
	if got := a.Choices(member("Agents", "Supervisors")); !slices.Equal(got, []idp.Choice{{Value: "ConnectSupervisors", Label: "ConnectSupervisors"}, {Value: "team/ConnectAgents", Label: "ConnectAgents"}}) {
		t.Error(got)
	}
	_, err := a.SignIn(context.Background(), member(), testLaunch())
	if e := refusal(t, err, "no_role"); !strings.Contains(e.Public, "Supervisors, Agents") || strings.Contains(e.Public, "Breakers") {
		t.Error(e.Public)
	}
	local := member("Supervisors", "Agents")
	local.Source = "emergency" // the same names in another source give nothing
	_, err = a.SignIn(context.Background(), local, testLaunch())
	if e := refusal(t, err, "no_role"); !strings.Contains(e.Public, "group Breakers") {
		t.Error(e.Public)
	}
	local.Source = "third"
	_, err = a.SignIn(context.Background(), local, testLaunch())
	refused(t, err, "no_role")
}

func TestDestinations(t *testing.T) {
	c := connectIn("aws", "us-east-1")
	c.Roles[0].Groups = []idp.GroupRef{{Source: "corp", Name: "all"}}
	c.Destinations = []DestinationRow{
		{"/", []idp.GroupRef{{Source: "corp", Name: "Supervisors"}}},
		{"/agent-app-v2?VDIPlatform=CITRIX_413", []idp.GroupRef{{Source: "corp", Name: "Citrix"}}},
		{"https://crm.example.com/desk?a=b+c", []idp.GroupRef{{Source: "corp", Name: "CRM"}}},
		{"/ccp-v2/chat", nil},
	}
	old := c
	old.OldDomain = true
	none := c
	none.Destinations = nil
	const base = "https://us-east-1.console.aws.amazon.com/connect/federate/" + testInstance
	for _, tt := range []struct {
		c            ConnectConfig
		group, asked string
		relay        string
	}{
		{c, "Supervisors", "", base + "?new_domain=true"},
		{c, "Citrix", "", base + "?destination=%2Fagent-app-v2%3FVDIPlatform%3DCITRIX_413&new_domain=true"},
		{c, "CRM", "", base + "?destination=https%3A%2F%2Fcrm.example.com%2Fdesk%3Fa%3Db%2Bc&new_domain=true"},
		{c, "x", "", base + "?destination=%2Fccp-v2%2Fchat&new_domain=true"},
		{c, "Supervisors", "/ccp-v2/chat", base + "?destination=%2Fccp-v2%2Fchat&new_domain=true"},
		{c, "x", "/", ""},
		{c, "x", "/users", ""},
		{c, "x", "/ccp-v2/chat/", ""},
		{old, "x", "", base + "?destination=%2Fccp-v2%2Fchat"},
		{old, "Supervisors", "", base},
		{none, "x", "", base + "?new_domain=true"},
	} {
		l := testLaunch()
		l.Destination = tt.asked
		f, err := connect(t, tt.c).SignIn(context.Background(), member("all", tt.group), l)
		switch {
		case tt.relay == "":
			refused(t, err, "foreign_destination")
		case err != nil || field(f, "RelayState") != tt.relay:
			t.Errorf("%s %s: %v, %v", tt.group, tt.asked, f, err)
		}
	}
	a := connect(t, c)
	if !a.Allows("/") || !a.Allows("/ccp-v2/chat") || a.Allows("") || a.Allows("/CCP-v2/chat") || a.Allows("https://evil.example/") {
		t.Error("Allows")
	}
}

// T6 and X4: what Connect cannot hold is refused before the post.
func TestX4SessionNames(t *testing.T) {
	for name, why := range map[string]string{
		"jane@example.com": "", "jd": "", "Jane.Doe_1-x": "", "a@b.c": "", strings.Repeat("a", 64): "",
		"j": "fewer than 2", strings.Repeat("a", 65): "more than 64", strings.Repeat("a", 53) + "@example.com": "more than 64",
		"jane+x@example.com": "“+”", "jane=x": "“=”", "a,b": "“,”", "jane@example": "whole e-mail", "@example.com": "whole e-mail", "a@b@c.example": "whole e-mail",
		"jane doe": "space", "jané@example.com": "“é”", "jane@bücher.example": "“ü”", "a\x00b": "control", "a\xffb": "control", "jane@.com": "whole e-mail", "jane@example.com.": "whole e-mail",
	} {
		u := testUser()
		u.Email = name
		f, err := connect(t, connectIn("aws", "us-east-1")).SignIn(context.Background(), u, testLaunch())
		if why == "" {
			if err != nil || f.Record.SessionName != name {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if e := refusal(t, err, "bad_session_name"); !strings.Contains(e.Public, why) {
			t.Errorf("%q: %s", name, e.Public)
		}
	}
	u := testUser()
	u.Email = ""
	_, err := connect(t, connectIn("aws", "us-east-1")).SignIn(context.Background(), u, testLaunch())
	if e := refusal(t, err, "no_session_name"); !strings.HasPrefix(e.Public, "Your account has no e-mail address, by which ") {
		t.Error(e.Public)
	}
	c := connectIn("aws", "us-east-1")
	c.SessionName = SessionName{"telephoneNumber", CaseKeep}
	_, err = connect(t, c).SignIn(context.Background(), testUser(), testLaunch())
	if e := refusal(t, err, "no_session_name"); !strings.HasPrefix(e.Public, "Your account has several values of “telephoneNumber”, and ") {
		t.Error(e.Public)
	}
	c.SessionName = SessionName{"username", CaseLower}
	u.Name = "JANE@Corp.Example.com"
	if f := signIn(t, connect(t, c), u, testLaunch()); f.Record.SessionName != "jane@corp.example.com" {
		t.Error(f.Record.SessionName)
	}
}

func TestConnectWithoutDuration(t *testing.T) {
	c := connectIn("aws", "us-east-1")
	c.SessionDuration = 0
	if bytes.Contains(responseOf(t, signIn(t, connect(t, c), testUser(), testLaunch())), []byte("SessionDuration")) {
		t.Error("SessionDuration is sent")
	}
}

func TestConnectCheck(t *testing.T) {
	levels := func(c ConnectConfig) string {
		var out []string
		for _, f := range connect(t, c).Check(context.Background()) {
			if f.Where != "application connect" || f.What == "" || f.Level != "ok" && f.Cure == "" {
				t.Errorf("%+v", f)
			}
			out = append(out, fmt.Sprintf("%s:%s", f.Rule, f.Level))
		}
		return strings.Join(out, " ")
	}
	const start = "S3:ok U4:ok T3:ok T4:ok X4:ok X1:ok "
	for name, tt := range map[string]struct {
		change func(*ConnectConfig)
		want   string
	}{
		"as it should be": {func(*ConnectConfig) {}, start + "X2:ok X2:ok X6:ok"},
		"old path":        {func(c *ConnectConfig) { c.Destinations = []DestinationRow{{"/connect/ccp-v2", nil}} }, start + "X2:warning X6:ok"},
		"old domain": {func(c *ConnectConfig) {
			c.OldDomain, c.Destinations = true, []DestinationRow{{"/connect/ccp-v2", nil}}
		}, start + "X2:ok X6:ok"},
		"http":           {func(c *ConnectConfig) { c.Destinations = []DestinationRow{{"http://crm.example.com", nil}} }, start + "X2:warning X6:ok"},
		"other site":     {func(c *ConnectConfig) { c.Destinations = []DestinationRow{{"https://crm.example.com", nil}} }, start + "X2:warning X6:ok"},
		"direct":         {func(c *ConnectConfig) { c.Destinations = []DestinationRow{{"https://x.my.connect.aws/ccp-v2", nil}} }, start + "X7:warning X6:ok"},
		"unknown region": {func(c *ConnectConfig) { *c = connectIn("aws", "eu-west-9") }, start + "X2:ok X2:ok X6:warning X6:ok"},
		"practice":       {func(c *ConnectConfig) { c.SignInURL = "https://localhost:8443/aws" }, start + "X2:ok X2:ok X6:warning"},
		"choose": {func(c *ConnectConfig) {
			c.Roles, c.RoleMode, c.Destinations = twoRoles("").Roles, RolesChoose, nil
		}, "S3:ok U4:ok T3:ok T4:ok T4:ok X4:ok X1:ok X6:ok"},
		"no list": {func(c *ConnectConfig) { c.UsernamesFile, c.Destinations = "testdata/none", nil }, start + "X6:ok X3:error"},
	} {
		c := connectIn("aws", "us-east-1")
		tt.change(&c)
		if got := levels(c); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tt.want)
		}
	}
}
