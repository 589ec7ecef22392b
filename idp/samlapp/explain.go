package samlapp

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Explain says which role and which user name AWS would be sent for a person, and whether Connect could hold it.
func (c *Connect) Explain(u *idp.User) []idp.Finding {
	f := findings{where: "application " + c.c.Name}
	switch roles := c.matching(u); {
	case len(roles) == 0:
		f.warn("T4", "no group of the person gives a role, so that there is no tile", "put the person in a group of one of the role rows")
		return f.list
	case len(roles) > 1 && c.c.RoleMode == RolesChoose:
		f.ok("T4", "the person picks one of the roles %s", strings.Join(roles, ", "))
	default:
		f.ok("T4", "the role is %s", c.instance.roleARN(roles[0]))
	}
	name, err := c.c.SessionName.of(u, c.c.Label)
	if err != nil {
		f.refused("X4", err, "correct "+attributeLabel(c.c.SessionName.Attribute)+" at the source, or name another attribute in session_name")
		return f.list
	}
	spelled, notes, err := c.usernames.spelled(name, c.c.Now())
	if err != nil {
		cure := "add the user in Amazon Connect, or write usernames_file again"
		if public, ok := errors.AsType[*idp.Error](err); ok && public.Reason == ambiguousUsername {
			cure = "remove all but one of them in Amazon Connect, then write usernames_file again"
		}
		f.refused("X3", err, cure)
		return f.list
	}
	f.ok("X4", "the user name in Connect is %s, and Connect can hold it", spelled)
	for _, n := range notes {
		cure := "write usernames_file again, best by a timer every hour"
		if n == respelled(spelled, name) {
			cure = "nothing needs doing: AWS is sent the spelling of the list"
			if c.c.SessionName.Case == CaseKeep {
				cure += "; or correct the " + attributeLabel(c.c.SessionName.Attribute) + " at the source"
			}
		}
		f.warn("X3", n, cure)
	}
	if page, err := c.destination(u, ""); err == nil {
		f.ok("X1", "AWS sends the browser on to %s", c.relayState(page))
	}
	return f.list
}

// Explain says as whom the application would know a person, and what it would be told of them.
func (a *Application) Explain(u *idp.User) []idp.Finding {
	f := findings{where: "application " + a.c.Name}
	switch nameID, err := a.c.NameID.value(u, a.c.Issuer.EntityID, a.c.EntityID, a.c.Issuer.random()); {
	case err != nil:
		f.refused("", err, "correct the attribute at the source, or name another one in name_id")
	case a.c.NameID.Format == formatTransient:
		f.ok("", "the NameID is a new random id at each sign-in")
	default:
		f.ok("", "the NameID is %s", nameID)
	}
	sent := map[string]bool{}
	for _, at := range attributesOf(u, a.c.Attributes) {
		sent[at.name] = true
		f.ok("", "the attribute %s is %s", at.name, strings.Join(at.values, ", "))
	}
	for _, row := range a.c.Attributes {
		if !sent[row.Name] {
			f.warn("", fmt.Sprintf("the attribute %s is left out: the person has no %s", row.Name, attributeLabel(row.From)), "fill it at the source, unless the application does without")
		}
	}
	return f.list
}

// refused reports why a person would be refused, as the log has it.
func (f *findings) refused(rule string, err error, cure string) {
	if public, ok := errors.AsType[*idp.Error](err); ok && public.Err != nil {
		err = public.Err
	}
	f.fail(rule, "the sign-in would be refused: "+err.Error(), cure)
}

var (
	_ idp.Explainer = (*Connect)(nil)
	_ idp.Explainer = (*Application)(nil)
)
