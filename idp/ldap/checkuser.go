package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// CheckUser implements [idp.UserChecker]. It asks for everything anew. That nobody has the name is no fault here: another
// source may be theirs, and whether a sign-in finds anybody is not this source's to say.
func (s *Source) CheckUser(ctx context.Context, name string) []idp.Finding {
	bases, filter, err := s.asked(ctx, name)
	var found accounts
	if err == nil {
		found, err = s.entries(ctx, bases, filter, s.whole)
	}
	switch {
	case errors.Is(err, idp.ErrNoUser):
		return []idp.Finding{s.finding("ok", "nobody can have the name %q here: compare what stands before the backslash with the domain's NetBIOS name", "", name)}
	case err != nil:
		return []idp.Finding{s.finding("error", "%v", cureOf(err), err)}
	case found.several():
		return s.checkSeveral(name, found)
	case len(found.byID) == 0:
		return []idp.Finding{s.finding("ok", "nobody has the name %q; searched %s below %q", "", name, filter, bases)}
	}
	var findings []idp.Finding
	for id, e := range found.byID {
		findings = append(findings, s.finding("ok", "%q finds %q by %s, id %s", "", name, e.DN, s.attributeOf(e, name), id))
		findings = append(findings, s.checkAccount(ctx, id, e)...)
	}
	return findings
}

// checkSeveral names accounts that have one name.
func (s *Source) checkSeveral(name string, found accounts) (findings []idp.Finding) {
	named, more := found.first()
	for _, e := range named {
		findings = append(findings, s.finding("error", "%q finds more than one account: %q by %s", ambiguousCure, name, e.DN, s.attributeOf(e, name)))
	}
	if more {
		findings = append(findings, s.finding("error", "%q finds more accounts than these", ambiguousCure, name))
	}
	return findings
}

const ambiguousCure = "take the name away from one of them, or narrow the base DNs"

// attributeOf says in which attribute of the entry a typed name is.
func (s *Source) attributeOf(e *goldap.Entry, name string) string {
	typed := s.kind.typed
	_, account, ok := s.kind.split(name)
	if ok {
		name, typed = account, []string{s.kind.account}
	}
	var in []string
	for _, attribute := range typed {
		if slices.ContainsFunc(e.GetEqualFoldAttributeValues(attribute), func(v string) bool { return strings.EqualFold(v, name) }) {
			in = append(in, attribute)
		}
	}
	switch {
	case len(in) > 0:
		return strings.Join(in, " and ")
	case s.kind.addresses != "":
		return s.kind.addresses
	}
	return "what the directory takes for the same"
}

// checkAccount tells what was read of the account.
func (s *Source) checkAccount(ctx context.Context, id string, e *goldap.Entry) []idp.Finding {
	u, err := s.user(ctx, id, e, true)
	if err != nil {
		return []idp.Finding{s.finding("error", "%v", cureOf(err), err)}
	}
	p, unread := s.policyFor(ctx, u)
	findings := []idp.Finding{s.checkState(e), s.checkPassword(u), s.checkLock(e, p, unread)}
	if s.kind.mustChange(e) {
		findings = append(findings, s.finding("warning", "the password must be changed at the next sign-in", "the next sign-in asks for another one"))
	}
	findings = append(findings, s.checkAttributes(u, e)...)
	return append(findings, s.checkMemberships(u), s.checkUserLockout(u, p, unread))
}

func (s *Source) checkState(e *goldap.Entry) idp.Finding {
	err := s.kind.accountState(e, s.now())
	state, told := errors.AsType[*idp.AccountState](err)
	switch {
	case err == nil:
		return s.finding("ok", "the account may be used", "")
	case !told:
		return s.finding("error", "%v", "let the service account read userAccountControl and accountExpires of people", err)
	case state.State == "expired":
		return s.finding("error", "the account has expired", "give it a later end in the directory")
	default:
		return s.finding("error", "the account is %s", "enable it in the directory", state.State)
	}
}

func (s *Source) checkPassword(u *idp.User) idp.Finding {
	switch ends := u.PasswordExpires; {
	case ends.IsZero():
		return s.finding("ok", "the password does not expire, or the directory does not show when", "")
	case !s.now().Before(ends):
		return s.finding("warning", "the password expired at %s", "the next sign-in asks for another one", ends.Format(time.RFC3339))
	default:
		return s.finding("ok", "the password expires at %s", "", ends.Format(time.RFC3339))
	}
}

// checkAttributes tells what applications can be sent. A value is cut where it is long.
func (s *Source) checkAttributes(u *idp.User, e *goldap.Entry) []idp.Finding {
	a := s.attributes
	all := []Attribute{{"username", ""}, {"email", a.Email}, {"first_name", a.FirstName}, {"last_name", a.LastName}, {"display_name", a.DisplayName}}
	for _, name := range a.More {
		all = append(all, Attribute{name, name})
	}
	var findings []idp.Finding
	for _, at := range append(all, a.Own...) {
		name, values := at.Name, u.Attribute(at.Name)
		dumb := 0 // values that are no text
		for _, v := range e.GetEqualFoldRawAttributeValues(at.From) {
			if _, ok := textOf(at.From, v); !ok {
				dumb++
			}
		}
		switch {
		case dumb > 0:
			findings = append(findings, s.finding("warning", "%s: %d values are no text and are left out; there remain: %s", "name an attribute that is text", name, dumb, shown(values)))
		case len(values) == 0 && name == "email":
			findings = append(findings, s.finding("warning", "email is empty", "fill in the attribute in the directory, or name another with email_attribute"))
		case len(values) == 0:
			findings = append(findings, s.finding("ok", "%s is empty", "", name))
		default:
			findings = append(findings, s.finding("ok", "%s: %s", "", name, shown(values)))
		}
	}
	return findings
}

// shown writes values for one line.
func shown(values []string) string {
	const most, longest = 10, 100
	var parts []string
	if len(values) == 0 {
		return "none"
	}
	for i, v := range values {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(values)-most))
			break
		}
		for len(v) > longest || !utf8.ValidString(v) {
			v = v[:min(len(v)-1, longest)]
		}
		parts = append(parts, fmt.Sprintf("%q", v))
	}
	return strings.Join(parts, ", ")
}

func (s *Source) checkMemberships(u *idp.User) idp.Finding {
	if len(u.Groups) == 0 {
		return s.finding("warning", "no group was found", "see that the service account may read groups, and what groups_filter leaves out")
	}
	var names []string
	for _, g := range u.Groups {
		names = append(names, fmt.Sprintf("%q", g.Names[0]))
	}
	slices.Sort(names)
	return s.finding("ok", "%d groups: %s", "", len(names), strings.Join(names, ", "))
}

func (s *Source) checkUserLockout(u *idp.User, p policy, err error) idp.Finding {
	l := p.lockout
	of := "that of everybody"
	if g, ok := s.known.get(u.ID, u.DN, s.now()); ok && g.policy != "" {
		of = fmt.Sprintf("%q", g.policy)
	}
	switch {
	case err != nil:
		return s.finding("warning", "the lockout policy of the account (%s) cannot be read, so that one failure in 30 minutes is passed on: %v", s.kind.policyCure, of, err)
	case l.Failures == 0:
		return s.finding("warning", "the lockout policy of the account (%s) never locks; %d failures are counted now", "", of, u.Failures)
	}
	return s.finding("ok", "the lockout policy of the account (%s) locks after %d failures within %s; %d are counted now", "", of, l.Failures, l.Window, u.Failures)
}

var _ idp.UserChecker = (*Source)(nil)
