package samlapp

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// RoleRow gives an IAM role to groups.
type RoleRow struct {
	Role   string // name of the role, with its path if it has one: ConnectFederation, team/ConnectFederation
	Groups []idp.GroupRef
}

// Values of ConnectConfig.RoleMode.
const (
	RolesFirst  = "first"
	RolesChoose = "choose"
)

// checkRoles refuses rows that AWS could not mean. Roles come from here only, never from directory
// text: a group named like an ARN gives nothing.
func checkRoles(rows []RoleRow, in instance) ([]RoleRow, error) {
	if len(rows) == 0 {
		return nil, &FieldError{"role", "is missing", "write: role ROLE SOURCE/GROUP…"}
	}
	out := make([]RoleRow, 0, len(rows))
	seen := map[string]bool{}
	for i, row := range rows {
		name, err := checkRole(row, in)
		if err == nil && seen[strings.ToLower(name)] { // AWS keeps role names unique without regard to case
			err = &FieldError{"role", fmt.Sprintf("%s is written twice", row.Role), "put its groups in one row"}
		}
		if err != nil {
			return nil, &RowError{i, err}
		}
		seen[strings.ToLower(name)] = true
		out = append(out, RoleRow{name, slices.Clone(row.Groups)})
	}
	return out, nil
}

// checkRole returns the role's name with its path.
func checkRole(row RoleRow, in instance) (string, error) {
	name, ok := strings.CutPrefix(row.Role, in.roleARN(""))
	base := name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case !ok && strings.HasPrefix(row.Role, "arn:"):
		return "", &FieldError{"role", fmt.Sprintf("%.200q is not a role of account %s", row.Role, in.account), "write the role's name alone; it must be in the account of the instance"}
	case strings.Contains(name, ","):
		// IAM allows it, but the attribute's pair "role,provider" is split at the comma.
		return "", &FieldError{"role", fmt.Sprintf("%.100q holds a comma, which separates role and provider in SAML", row.Role), "name the role without a comma"}
	case !roleShape.MatchString(name) || len(name) > 512 || len(base) > 64:
		return "", &FieldError{"role", fmt.Sprintf("%.100q cannot be the name of an IAM role", row.Role), "write 1 to 64 of the characters A-Z a-z 0-9 _ + = . @ -"}
	case strings.HasPrefix(base, "AWSReservedSSO_"):
		return "", &FieldError{"role", fmt.Sprintf("%s belongs to IAM Identity Center, which AWS does not let others sign in to", row.Role), "make a role of your own, for example by caddy gatehouse aws"}
	case len(row.Groups) == 0:
		return "", &FieldError{"role", row.Role + " names no group", "write: role " + row.Role + " SOURCE/GROUP…"}
	}
	return name, nil
}

// matching returns the roles that the person's groups give, in the order of the configuration.
func (c *Connect) matching(u *idp.User) []string {
	var out []string
	for _, row := range c.roles {
		if u.InAny(row.Groups) {
			out = append(out, row.Role)
		}
	}
	return out
}

// Entitled reports whether a group of the person gives a role.
func (c *Connect) Entitled(u *idp.User) bool { return len(c.matching(u)) > 0 }

// Choices returns the roles to pick from, where the configuration says that people choose.
func (c *Connect) Choices(u *idp.User) []idp.Choice {
	if c.c.RoleMode != RolesChoose {
		return nil
	}
	var out []idp.Choice
	for _, role := range c.matching(u) {
		out = append(out, idp.Choice{Value: role, Label: role[strings.LastIndexByte(role, '/')+1:]})
	}
	return out
}

// role returns the one role of this launch. Two values would make AWS ask, while the five minutes of
// the response run out. A choice came through the browser, so that it counts only where the person's
// groups give that role now.
func (c *Connect) role(u *idp.User, choice string) (string, error) {
	roles := c.matching(u)
	switch {
	case len(roles) == 0:
		return "", &idp.Error{
			Status: http.StatusForbidden,
			Public: "You have no role in " + c.c.Label + " yet. " + c.askForGroups(u),
			Reason: "no_role",
			Err:    fmt.Errorf("none of the groups of %s gives a role", u.Key()),
		}
	case choice != "" && c.c.RoleMode == RolesChoose && slices.Contains(roles, choice):
		return choice, nil
	case choice != "" && choice != roles[0]:
		return "", &idp.Error{
			Status: http.StatusForbidden,
			Public: "The role that was picked is not yours. Open " + c.c.Label + " again and pick one that is shown.",
			Reason: "foreign_role",
			Err:    fmt.Errorf("%s picked %.100q", u.Key(), choice),
		}
	case len(roles) > 1 && choice == "" && c.c.RoleMode == RolesChoose:
		return "", &idp.Error{
			Status: http.StatusBadRequest,
			Public: "You have more than one role in " + c.c.Label + ". Open it again and pick one.",
			Reason: "no_choice",
			Err:    fmt.Errorf("%s picked none of %d roles", u.Key(), len(roles)),
		}
	}
	return roles[0], nil
}

// askForGroups names the groups that would help this person: those of their own source.
func (c *Connect) askForGroups(u *idp.User) string {
	var names []string
	for _, row := range c.roles {
		for _, g := range row.Groups {
			if g.Source == u.Source && !slices.Contains(names, g.Name) {
				names = append(names, g.Name)
			}
		}
	}
	switch len(names) {
	case 0:
		return "Accounts of this kind can't open it. Ask the service desk."
	case 1:
		return "Ask the service desk to add you to the group " + names[0] + "."
	}
	return "Ask the service desk to add you to one of these groups: " + strings.Join(names, ", ") + "."
}
