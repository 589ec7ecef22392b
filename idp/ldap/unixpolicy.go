package ldap

import (
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// openLDAPPolicy are the attributes of a pwdPolicy entry that are read. 389 Directory Server has those of the same meaning
// in cn=config, gives them by these names where they are asked for by them, and has switches besides.
var openLDAPPolicy = []string{
	"pwdMaxFailure", "pwdFailureCountInterval", "pwdLockout", "pwdLockoutDuration", "pwdMinLength", "pwdInHistory", "pwdMinAge", "pwdMaxAge", "objectClass",
	"passwordUnlock", "passwordCheckSyntax", "passwordHistory",
}

// mostWindow is how long our own count goes back where only a right password ends the directory's, which is read.
const mostWindow = 24 * time.Hour

func readOpenLDAPPolicy(e *goldap.Entry) policy {
	p := policy{
		rules: idp.PasswordRules{
			MinLength: number(e, "pwdMinLength"), History: number(e, "pwdInHistory"), MinAge: seconds(e, "pwdMinAge"),
		},
		maxAge: seconds(e, "pwdMaxAge"), lockedFor: seconds(e, "pwdLockoutDuration"),
	}
	switch {
	case text(e, "passwordUnlock") != "":
		p = p.switched(e)
	case !slices.ContainsFunc(e.GetEqualFoldAttributeValues("objectClass"), func(c string) bool { return strings.EqualFold(c, "pwdPolicy") }):
		p.err = errNoPolicy // it is no policy, or nothing of it is shown
		return p
	}
	if isOn(e, "pwdLockout") {
		p.lockout = idp.Lockout{Failures: number(e, "pwdMaxFailure"), Window: seconds(e, "pwdFailureCountInterval")}
	}
	if p.lockout.Failures > 0 && p.lockout.Window == 0 {
		p.lockout.Window, p.forever = mostWindow, true
	}
	return p
}

// switched takes out what 389 Directory Server has a number for and does not do.
func (p policy) switched(e *goldap.Entry) policy {
	if !isOn(e, "passwordCheckSyntax") {
		p.rules.MinLength = 0
	}
	if !isOn(e, "passwordHistory") {
		p.rules.History = 0
	}
	if !isOn(e, "passwordUnlock") {
		p.lockedFor = 0
	}
	return p
}

// isOn reads a switch.
func isOn(e *goldap.Entry, attribute string) bool {
	v := text(e, attribute)
	return strings.EqualFold(v, "true") || strings.EqualFold(v, "on")
}

// seconds reads a length of time; 0 where it is none.
func seconds(e *goldap.Entry, attribute string) time.Duration {
	n := number(e, attribute)
	if int64(n) > int64(mostExpiry/time.Second) {
		return 0
	}
	return time.Duration(n) * time.Second
}
