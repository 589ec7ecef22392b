package samlapp

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// SessionName says which attribute is the person's user name in Connect. Connect compares it letter
// by letter, case included.
type SessionName struct {
	Attribute string // bridge attribute; default email
	Case      string // keep (default) or lower
}

// Values of SessionName.Case.
const (
	CaseKeep  = "keep"
	CaseLower = "lower"
)

func (s SessionName) complete() (SessionName, error) {
	if s.Attribute == "" {
		s.Attribute = "email"
	}
	if s.Case == "" {
		s.Case = CaseKeep
	}
	if s.Case != CaseKeep && s.Case != CaseLower {
		return s, &FieldError{"session_name", fmt.Sprintf("%.100q is not known", s.Case), "write keep or lower after the attribute"}
	}
	return s, nil
}

// of returns the person's user name in Connect, or the reason why there is none.
func (s SessionName) of(u *idp.User, label string) (string, error) {
	values := u.Attribute(s.Attribute)
	what := attributeLabel(s.Attribute)
	if len(values) != 1 || values[0] == "" {
		public := "Your account has no " + what + ", by which " + label + " would know you. Ask the service desk to add it."
		if len(values) > 1 {
			public = "Your account has several values of " + what + ", and " + label + " would know you by one only. Ask the service desk to leave one."
		}
		return "", &idp.Error{
			Status: http.StatusForbidden,
			Public: public,
			Reason: "no_session_name",
			Err:    fmt.Errorf("session_name: attribute %s has %d values, one is needed", s.Attribute, len(values)),
		}
	}
	name := values[0]
	if s.Case == CaseLower {
		name = strings.ToLower(name)
	}
	if problem := usernameProblem(name); problem != "" {
		return "", &idp.Error{
			Status: http.StatusForbidden,
			Public: "Your " + what + " can't be a user name in " + label + ": it " + problem + ". Ask the service desk to change it.",
			Reason: "bad_session_name",
			Err:    fmt.Errorf("session_name: %.100q %s", name, problem),
		}
	}
	return name, nil
}

var mailDomain = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)

// usernameProblem says why Connect cannot hold a user name, rules T6 and X4: what both STS
// ([A-Za-z0-9_+=,.@-]{2,64}) and Connect's CreateUser take. It is empty where there is no problem.
func usernameProblem(name string) string {
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-', r == '@':
		case r == ' ':
			return "holds a space"
		case r < ' ' || r == 0x7f || r == 0xfffd:
			return "holds a control character"
		default:
			return "holds the character “" + string(r) + "”"
		}
	}
	switch {
	case len(name) < 2:
		return "has fewer than 2 characters"
	case len(name) > 64:
		return "has more than 64 characters"
	}
	local, domain, ok := strings.Cut(name, "@")
	if ok && (local == "" || !mailDomain.MatchString(domain)) {
		return "holds an “@” but is not a whole e-mail address"
	}
	return ""
}
