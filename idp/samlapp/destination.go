package samlapp

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// DestinationRow is a page of Connect to land on.
type DestinationRow struct {
	Path   string         // "/" is Connect's home; an https address must be one of its approved origins
	Groups []idp.GroupRef // empty: everybody
}

func checkDestinations(rows []DestinationRow) ([]DestinationRow, error) {
	out := make([]DestinationRow, 0, len(rows))
	everybody := ""
	for i, row := range rows {
		err := checkDestination(row.Path)
		if err == nil && everybody != "" {
			err = &FieldError{"destination", fmt.Sprintf("%s is never reached: %s before it has no groups and takes everybody", row.Path, everybody), "write the row without groups last"}
		}
		if err != nil {
			return nil, &RowError{i, err}
		}
		if len(row.Groups) == 0 {
			everybody = row.Path
		}
		out = append(out, DestinationRow{row.Path, slices.Clone(row.Groups)})
	}
	return out, nil
}

func checkDestination(path string) error {
	wrong := func(problem, cure string) error {
		return &FieldError{"destination", fmt.Sprintf("%.200q %s", path, problem), cure}
	}
	for _, c := range []byte(path) {
		if c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>' {
			return wrong("holds a character that addresses must encode", "write a path, such as /ccp-v2")
		}
	}
	switch {
	case strings.HasPrefix(strings.ToLower(path), "%2f"):
		return wrong("is encoded already; the gateway encodes it", "write it plainly, such as /ccp-v2")
	case strings.Contains(path, "new_domain="):
		return wrong("holds new_domain", "leave it out of the path; it is the option new_domain")
	case strings.HasPrefix(path, "//"):
		return wrong("begins with two slashes", "write one")
	case strings.HasPrefix(path, "/"):
		return nil
	}
	if _, err := parseAddress("destination", path); err != nil {
		return wrong("is neither a path nor an address", "write a path, such as /ccp-v2, or an https address of an approved origin")
	}
	return nil
}

// Allows reports whether a deep link may name the page: only what a row lists, letter by letter.
func (c *Connect) Allows(destination string) bool {
	return slices.ContainsFunc(c.destinations, func(row DestinationRow) bool { return row.Path == destination })
}

// destination returns the page for this launch: the one a deep link asked for, if a row gives it to
// this person, else that of the first row that fits, else none.
func (c *Connect) destination(u *idp.User, asked string) (string, error) {
	for _, row := range c.destinations {
		if asked != "" && row.Path != asked {
			continue
		}
		if len(row.Groups) == 0 || u.InAny(row.Groups) {
			return row.Path, nil
		}
	}
	if asked == "" {
		return "", nil
	}
	return "", &idp.Error{
		Status: http.StatusForbidden,
		Public: "This page of " + c.c.Label + " is not for you. Open " + c.c.Label + " from the portal instead.",
		Reason: "foreign_destination",
		Err:    fmt.Errorf("no destination row gives %.100q to %s", asked, u.Key()),
	}
}

// relayState is the address that AWS sends the browser to after sign-in.
func (c *Connect) relayState(destination string) string {
	out, sep := c.instance.federate(), "?"
	if destination != "" && destination != "/" { // no destination means the home page
		// QueryEscape alone would write a space as a plus, which only forms read back.
		out += sep + "destination=" + strings.ReplaceAll(url.QueryEscape(destination), "+", "%20")
		sep = "&"
	}
	if !c.c.OldDomain {
		out += sep + "new_domain=true"
	}
	return out
}

// connectLogin reports whether the address is Connect's own sign-in page, which has no way back to us
// under SAML and ends in "Session Expired".
func connectLogin(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return strings.HasSuffix(host, ".my.connect.aws") || strings.HasSuffix(host, ".awsapps.com")
}
