package samlapp

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Check looks at the configuration as AWS would, without asking AWS. Rule ids are those of the
// sign-in stand-in.
func (c *Connect) Check(context.Context) []idp.Finding {
	f := findings{where: "application " + c.c.Name}
	f.key(c.c.Issuer)
	f.ok("U4", "the NameID is an opaque id, the same at every sign-in")
	if c.c.RoleMode == RolesChoose && len(c.roles) > 1 {
		f.ok("T3", "people with several roles pick one here; AWS is sent one")
	} else {
		f.ok("T3", "AWS is sent one role, the first that fits")
	}
	for _, r := range c.roles {
		f.ok("T4", "role %s with provider %s", c.instance.roleARN(r.Role), c.instance.providerARN(c.c.ProviderName))
	}
	c.checkSessionName(&f)
	f.ok("X1", "AWS sends the browser on to %s", c.relayState(""))
	for _, d := range c.destinations {
		c.checkDestination(&f, d.Path)
	}
	c.checkEndpoint(&f)
	if c.usernames != nil {
		c.checkUsernames(&f, c.c.Now())
	}
	return f.list
}

func (c *Connect) checkSessionName(f *findings) {
	if c.c.SessionName.Case == CaseKeep && c.usernames == nil {
		f.ok("X4", "user names in Connect must equal %s letter by letter, as the source spells it", attributeLabel(c.c.SessionName.Attribute))
		return
	}
	f.ok("X4", "user names in Connect are matched by %s, case %s", attributeLabel(c.c.SessionName.Attribute), c.c.SessionName.Case)
}

func (c *Connect) checkDestination(f *findings, path string) {
	u, err := url.Parse(path)
	switch {
	case err == nil && u.Host != "" && connectLogin(path):
		f.warn("X7", "destination "+path+" opens Amazon Connect directly; with SAML that ends in “Session Expired”", "write the path alone")
	case err == nil && u.Scheme == "http":
		f.warn("X2", "destination "+path+" is http, and Connect changes it to https", "write https")
	case err == nil && u.Host != "":
		f.warn("X2", "destination "+path+" is another site; Connect refuses it unless it is an approved origin", "add "+u.Scheme+"://"+u.Host+" to the instance's approved origins")
	case (path == "/connect" || strings.HasPrefix(path, "/connect/")) && !c.c.OldDomain:
		f.warn("X2", "destination "+path+" is a path of the old domain awsapps.com", "write it without /connect, or new_domain off for an instance that was never moved")
	default:
		f.ok("X2", "destination %s is sent as %s", path, c.relayState(path))
	}
}

func (c *Connect) checkEndpoint(f *findings) {
	if !connectRegions[c.instance.region] {
		f.warn("X6", "Amazon Connect is not known to be offered in "+c.instance.region, "compare the region with the instance's ARN")
	}
	if c.acs != c.instance.acs() {
		f.warn("X6", "responses go to the practice address "+c.acs+"; AWS would expect "+c.instance.acs(), "remove sign_in_url when practice is over")
		return
	}
	f.ok("X6", "responses go to %s for %s", c.acs, c.instance.audience())
}

func (c *Connect) checkUsernames(f *findings, now time.Time) {
	names, mod, err := c.usernames.look()
	if err != nil {
		f.fail("X3", err.Error(), "write it again by: aws connect list-users --instance-id "+c.instance.id+" --region "+c.instance.region)
		return
	}
	before := len(f.list)
	if now.Sub(mod) > usernamesAge {
		f.warn("X3", "usernames_file is of "+mod.UTC().Format(time.DateOnly)+", older than 7 days", "write it again, best by a timer every hour")
	}
	var twins, impossible []string
	for _, spellings := range names {
		if len(spellings) > 1 {
			twins = append(twins, strings.Join(spellings, " and "))
		}
		for _, n := range spellings {
			if usernameProblem(n) != "" {
				impossible = append(impossible, n)
			}
		}
	}
	slices.Sort(twins)
	slices.Sort(impossible)
	if len(twins) > 0 {
		f.warn("X3", "user names in Connect that differ in case only: "+few(twins), "remove one of each pair in Connect")
	}
	if len(impossible) > 0 {
		f.warn("X4", "user names in Connect that no SAML sign-in can have: "+few(impossible), "rename these users in Connect")
	}
	if len(f.list) == before {
		f.ok("X3", "usernames_file holds %d names", len(names))
	}
}

// few keeps a finding readable.
func few(list []string) string {
	const most = 5
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}
