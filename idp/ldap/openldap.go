package ldap

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// OpenLDAP is OpenLDAP with the overlays memberof and ppolicy, 389 Directory Server, and whatever else keeps to the
// same drafts.
const OpenLDAP = "ldap"

// groupsOfOpenLDAP are the entries that are taken for groups where the configuration says nothing else.
const groupsOfOpenLDAP = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers)(objectClass=posixGroup))"

func openLDAP(c Config) (kind, error) {
	k := kind{
		name:     OpenLDAP,
		person:   "(objectClass=person)",
		group:    groupsOfOpenLDAP,
		typed:    []string{"uid", "mail"},
		ids:      []string{"entryUUID", "nsUniqueId"},
		names:    []string{"uid", "mail", "cn"},
		shortly:  []string{"cn"},
		state:    openLDAPState,
		counts:   openLDAPState,
		defaults: Attributes{Email: "mail", FirstName: "givenName", LastName: "sn", DisplayName: "displayName"},
		idText:   uuidText,
		idFilter: uuidFilter,
		controls: []goldap.Control{goldap.NewControlBeheraPasswordPolicy()},
		refusal:  refusalByPolicy,

		change:        passwordModify,
		changeRefused: changeRefusedByPolicy,

		apart:            c.GroupFilter != "",
		rootOf:           suffixOf,
		gather:           gatherOpenLDAP,
		groupEntries:     groupsByDN,
		accountState:     stateOfOpenLDAP,
		mustChange:       mustChangeInOpenLDAP,
		lockIn:           lockInOpenLDAP,
		failures:         failuresOfOpenLDAP,
		policyAttributes: openLDAPPolicy,
		readPolicy:       readOpenLDAPPolicy,
		policyCure:       "write password_policy with the DN of the pwdPolicy entry that holds for everybody, or cn=config for 389 Directory Server, and let the service account read it; or password_policy none, where the directory never locks",
	}
	for _, f := range []struct {
		to *string
		is string
	}{{&k.person, c.PersonFilter}, {&k.group, c.GroupFilter}} {
		if f.is == "" {
			continue
		}
		if _, err := goldap.CompileFilter(f.is); err != nil {
			return kind{}, fmt.Errorf("filter %q: %w", f.is, err)
		}
		*f.to = f.is
	}
	for _, attribute := range c.LoginAttributes {
		if !attributeName.MatchString(attribute) {
			return kind{}, fmt.Errorf("%q is no name of an attribute", attribute)
		}
	}
	if len(c.LoginAttributes) > 0 {
		k.typed = c.LoginAttributes
	}
	return k, nil
}

// attributeName is what an attribute may be called (RFC 4512 §1.4); it stands in a filter as it is.
var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// attributeDescription is a name with options, as in description;lang-de (RFC 4512 §2.5), or with the underscore that some servers let a
// schema of one's own have, against the RFC. An OID is left out: an answer has
// the name in its place, so that nothing would be found under it.
var attributeDescription = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*(;[A-Za-z0-9-]+)*$`)

// suffixOf returns the top of the tree that a base DN is in, as far as its form tells: its last DC components, or else
// the base DN itself.
func suffixOf(base string) (string, error) {
	if root, err := domainOf(base); err == nil {
		return root, nil
	}
	dn, err := goldap.ParseDN(base)
	if err == nil && len(dn.RDNs) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", err
	}
	return dn.String(), nil
}

// uuidText reads an entryUUID, or the nsUniqueId of 389 Directory Server: text both, and the directory's own.
func uuidText(b []byte) (string, error) {
	text := fold(string(b))
	if len(text) > 64 || strings.Trim(text, "0123456789abcdef-") != "" {
		return "", fmt.Errorf("%.80q is no entryUUID", b)
	}
	return text, nil
}

func uuidFilter(id string) (string, error) {
	if id == "" {
		return "", idp.ErrNoUser
	}
	return anyOf([]string{"entryUUID", "nsUniqueId"}, goldap.EscapeFilter(id)), nil
}

// openLDAPState are the attributes that the state of an account is read from, none of which an ordinary search gives
// unasked. The first eight are those of the ppolicy overlay, the others those of 389 Directory Server.
var openLDAPState = []string{
	"memberOf", "uid", "pwdPolicySubentry", "pwdChangedTime", "pwdReset", "pwdAccountLockedTime", "pwdFailureTime", "pwdEndTime",
	"passwordExpirationTime", "nsAccountLock", "passwordRetryCount", "retryCountResetTime", "accountUnlockTime",
}

// gatherOpenLDAP takes groups from memberOf, or asks for those that name the person where the configuration has a filter
// for them. Groups in groups are not followed.
func gatherOpenLDAP(ctx context.Context, s *Source, e *goldap.Entry) (gathering, error) {
	g := gathering{policy: text(e, "pwdPolicySubentry"), expires: generalTime(text(e, "passwordExpirationTime"))}
	var err error
	if s.groupFilter == "" {
		g.groups, err = s.values(ctx, e, "memberOf")
	} else {
		g.groups, err = s.groupsNaming(ctx, e)
	}
	if err != nil {
		return gathering{}, err
	}
	changed := generalTime(text(e, "pwdChangedTime"))
	if !g.expires.IsZero() || changed.IsZero() {
		return g, nil
	}
	dn := g.policy
	if dn == "" && len(s.common) > 0 {
		dn = s.common[0]
	}
	if dn == "" {
		return g, nil
	}
	// A policy that is not shown leaves it open when the password expires.
	if p, err := s.policyAt(ctx, dn); err == nil && p.maxAge > 0 {
		g.expires = changed.Add(p.maxAge)
	}
	return g, nil
}

// groupsNaming searches the groups that name a person, by their DN or by their uid as those of Unix do.
func (s *Source) groupsNaming(ctx context.Context, e *goldap.Entry) ([]string, error) {
	filter := anyOf([]string{"member", "uniqueMember"}, goldap.EscapeFilter(e.DN))
	if uid := text(e, "uid"); uid != "" {
		filter = "(|" + filter + "(memberUid=" + goldap.EscapeFilter(uid) + "))"
	}
	var dns []string
	for _, root := range s.roots {
		entries, err := s.search(ctx, &goldap.SearchRequest{
			BaseDN: root, Scope: goldap.ScopeWholeSubtree, Filter: "(&" + filter + s.kind.group + ")", Attributes: []string{"cn"},
		})
		if err != nil {
			return nil, err
		}
		for _, found := range entries {
			dns = append(dns, found.DN)
		}
	}
	return dns, nil
}

// groupsByDN makes entries of the DNs alone: the short name of a group is the CN that it begins with.
func groupsByDN(_ context.Context, _ *Source, _ string, dns []string) (map[string]*goldap.Entry, error) {
	groups := make(map[string]*goldap.Entry, len(dns))
	for _, dn := range dns {
		e := &goldap.Entry{DN: dn}
		if parsed, err := goldap.ParseDN(dn); err == nil && len(parsed.RDNs) > 0 {
			for _, a := range parsed.RDNs[0].Attributes {
				if strings.EqualFold(a.Type, "cn") && utf8.ValidString(a.Value) {
					e.Attributes = []*goldap.EntryAttribute{{Name: "cn", Values: []string{a.Value}, ByteValues: [][]byte{[]byte(a.Value)}}}
				}
			}
		}
		groups[dn] = e
	}
	return groups, nil
}

// lockedForGood is how an admin locks an account for as long as they like.
const lockedForGood = "000001010000Z"

// stateOfOpenLDAP returns why an account may not be used; nil where it may. A lock by wrong passwords, which
// need not be the owner's, is none.
func stateOfOpenLDAP(e *goldap.Entry, now time.Time) error {
	if text(e, "pwdAccountLockedTime") == lockedForGood || strings.EqualFold(text(e, "nsAccountLock"), "true") {
		return &idp.AccountState{State: "disabled"}
	}
	if ends := generalTime(text(e, "pwdEndTime")); !ends.IsZero() && !now.Before(ends) {
		return &idp.AccountState{State: "expired"}
	}
	return nil
}

// failuresOfOpenLDAP returns how many wrong passwords are counted, where the directory shows it.
func failuresOfOpenLDAP(e *goldap.Entry, window time.Duration, now time.Time) int {
	var failures []time.Time
	for _, v := range e.GetEqualFoldAttributeValues("pwdFailureTime") {
		if at := generalTime(v); !at.IsZero() {
			failures = append(failures, at)
		}
	}
	if n := recent(failures, window, now); n > 0 {
		return n
	}
	if until := generalTime(text(e, "retryCountResetTime")); !until.IsZero() && !now.Before(until) {
		return 0
	}
	return number(e, "passwordRetryCount")
}

// mustChangeInOpenLDAP reports whether somebody else set the password.
func mustChangeInOpenLDAP(e *goldap.Entry) bool {
	return strings.EqualFold(text(e, "pwdReset"), "true")
}

// generalTime reads a date as LDAP writes it (RFC 4517 §3.3.13); zero where it is none.
func generalTime(text string) time.Time {
	for _, layout := range []string{"20060102150405Z0700", "20060102150405.999999Z0700", "200601021504Z0700"} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() > 1 {
			return t
		}
	}
	return time.Time{}
}

// passwordModifyOID is the operation of RFC 3062.
const passwordModifyOID = "1.3.6.1.4.1.4203.1.11.1"

// passwordModify asks for the change by RFC 3062, always with the old password: without it, it would be a reset. go-ldap's
// own request takes no control, and what is wrong with the new password is told in one.
func passwordModify(c *goldap.Conn, dn, old, replacement string, own bool) error {
	value := ber.NewSequence("PasswdModifyRequestValue")
	if !own {
		value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, dn, "userIdentity"))
	}
	value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 1, old, "oldPasswd"))
	value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 2, replacement, "newPasswd"))
	r := goldap.NewExtendedRequest(passwordModifyOID, value)
	r.Controls = []goldap.Control{goldap.NewControlBeheraPasswordPolicy()}
	_, err := c.Extended(r)
	return err
}

// policyName tells whether the configuration names a policy, and none is a name for having none.
func policyName(name string) (dns []string, neverLocks bool, err error) {
	switch {
	case name == "":
		return nil, false, nil
	case strings.EqualFold(name, "none"):
		return nil, true, nil
	case !isDN(name):
		return nil, false, fmt.Errorf("the password policy %s is no DN", strconv.Quote(name))
	}
	return []string{name}, false, nil
}
