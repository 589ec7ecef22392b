package ldap

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// adState are the attributes that the state of an account is read from. They are stored; what Active Directory works
// out would make each search three times as dear, see gatherActiveDirectory.
var adState = append([]string{"userAccountControl", "accountExpires", "lockoutTime", "pwdLastSet"}, adCounts...)

// adCounts are those of them that each sign-in asks for. They are not replicated: each controller counts what it was shown,
// and hands it on to the PDC emulator, which so counts everybody's and locks. What is read here is of
// the controller that the search went to, which is the one that the password goes to next, unless that has failed
// between the two. Failures that somebody had at a desktop count there at the controller that the desktop asks, so that where
// this is not the emulator they may be more than are known here; our own count has all that were passed on by us, wherever
// they went. To ask the emulator as well would cost each sign-in another search, over whatever line leads there.
var adCounts = []string{"badPwdCount", "badPasswordTime"}

const (
	accountDisabled = 0x2     // of userAccountControl
	neverExpires    = 0x10000 // its password
)

// gatherActiveDirectory reads what is made up on the spot, for a base search only in the case of tokenGroups: what the
// domain controller itself would put into their token, with the primary group; which fine-grained
// policy holds; when the password expires, which takes that into account.
func gatherActiveDirectory(ctx context.Context, s *Source, e *goldap.Entry) (gathering, error) {
	entries, err := s.search(ctx, &goldap.SearchRequest{
		BaseDN: e.DN, Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)",
		Attributes: []string{"tokenGroups", "msDS-ResultantPSO", "msDS-UserPasswordExpiryTimeComputed"},
	})
	if err != nil {
		return gathering{}, err
	}
	if len(entries) != 1 {
		return gathering{}, fmt.Errorf("reading the groups of %q: %d entries", e.DN, len(entries))
	}
	g := gathering{
		policy:  text(entries[0], "msDS-ResultantPSO"),
		expires: fileTime(text(entries[0], "msDS-UserPasswordExpiryTimeComputed")),
	}
	sids, err := s.rawValues(ctx, entries[0], "tokenGroups")
	if err != nil {
		return gathering{}, err
	}
	for _, sid := range sids {
		g.groups = append(g.groups, string(sid))
	}
	return g, nil
}

// errNoState says that an entry does not show whether its account may be used. Every entry has the attribute, so that the
// right to read it is what is missing.
var errNoState = errors.New("the directory does not show the service account whether the account is disabled (userAccountControl)")

// stateOfActiveDirectory returns why an account may not be used; nil where it may. Whoever locked an account
// need not be its owner, so that a lock, which the next sign-in meets, ends no session.
func stateOfActiveDirectory(e *goldap.Entry, now time.Time) error {
	control, err := strconv.ParseInt(text(e, "userAccountControl"), 10, 64)
	switch {
	case err != nil:
		return fmt.Errorf("account %q: %w", e.DN, errNoState)
	case control&accountDisabled != 0:
		return &idp.AccountState{State: "disabled"}
	}
	if ends := fileTime(text(e, "accountExpires")); !ends.IsZero() && !now.Before(ends) {
		return &idp.AccountState{State: "expired"}
	}
	return nil
}

// failuresOfActiveDirectory returns how many wrong passwords are counted. The count stays as it is after its time, until
// the next try begins a new one. One without its moment would keep somebody out for ever, and is taken for old.
func failuresOfActiveDirectory(e *goldap.Entry, window time.Duration, now time.Time) int {
	n, err := strconv.Atoi(text(e, "badPwdCount"))
	if err != nil || n < 0 {
		return 0
	}
	if last := fileTime(text(e, "badPasswordTime")); window > 0 && (last.IsZero() || !now.Before(last.Add(window))) {
		return 0
	}
	return n
}

// mustChangeInActiveDirectory reports whether an admin set the password for the person.
func mustChangeInActiveDirectory(e *goldap.Entry) bool {
	control, err := strconv.ParseInt(text(e, "userAccountControl"), 10, 64)
	return text(e, "pwdLastSet") == "0" && (err != nil || control&neverExpires == 0)
}

// adPolicy are the attributes of a domain that its policy is in, and those of a fine-grained one.
var adPolicy = []string{
	"lockoutThreshold", "lockOutObservationWindow", "lockoutDuration", "minPwdLength", "pwdProperties", "pwdHistoryLength", "minPwdAge",
	"msDS-LockoutThreshold", "msDS-LockoutObservationWindow", "msDS-LockoutDuration", "msDS-MinimumPasswordLength", "msDS-PasswordComplexityEnabled",
	"msDS-PasswordHistoryLength", "msDS-MinimumPasswordAge",
}

// readActiveDirectoryPolicy reads either.
func readActiveDirectoryPolicy(e *goldap.Entry) policy {
	var p policy
	threshold, window, duration := text(e, "msDS-LockoutThreshold"), text(e, "msDS-LockoutObservationWindow"), text(e, "msDS-LockoutDuration")
	if threshold != "" {
		p.rules = idp.PasswordRules{
			MinLength: number(e, "msDS-MinimumPasswordLength"),
			Complex:   text(e, "msDS-PasswordComplexityEnabled") == "TRUE",
			History:   number(e, "msDS-PasswordHistoryLength"),
		}
		p.rules.MinAge, _ = span(text(e, "msDS-MinimumPasswordAge")) // left out where it is none
	} else {
		threshold, window, duration = text(e, "lockoutThreshold"), text(e, "lockOutObservationWindow"), text(e, "lockoutDuration")
		const complex = 1 // DOMAIN_PASSWORD_COMPLEX
		p.rules = idp.PasswordRules{
			MinLength: number(e, "minPwdLength"),
			Complex:   number(e, "pwdProperties")&complex != 0,
			History:   number(e, "pwdHistoryLength"),
		}
		p.rules.MinAge, _ = span(text(e, "minPwdAge"))
	}
	failures, err := strconv.Atoi(threshold)
	if err != nil || failures < 0 {
		p.err = errNoPolicy
		return p
	}
	p.lockout.Failures = failures
	if p.lockout.Window, err = span(window); err != nil {
		p.err = errNoPolicy
	}
	p.lockedFor = lockDuration(duration, p.lockout.Window)
	return p
}

// number reads a number that is not below zero; anything else is 0.
func number(e *goldap.Entry, attribute string) int {
	n, err := strconv.Atoi(text(e, attribute))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
