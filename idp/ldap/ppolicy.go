package ldap

import (
	"fmt"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// policyAnswer is what the control for password policies says (draft-behera-ldap-password-policy §6.2). A number
// below zero says nothing.
type policyAnswer struct {
	expires int64 // seconds
	grace   int64 // sign-ins with a password that has expired
	fault   int8
}

// mostExpiry bounds what a directory may say of the time that is left; beyond it the number is none.
const mostExpiry = 100 * 365 * 24 * time.Hour

// policyAnswerIn reads it. 389 Directory Server also says some of it in controls of Netscape's, unasked.
func policyAnswerIn(controls []goldap.Control) policyAnswer {
	a := policyAnswer{expires: -1, grace: -1, fault: -1}
	for _, c := range controls {
		switch c := c.(type) {
		case *goldap.ControlBeheraPasswordPolicy:
			if c.Expire >= 0 {
				a.expires = c.Expire
			}
			if c.Grace >= 0 {
				a.grace = c.Grace
			}
			if c.Error >= 0 {
				a.fault = c.Error
			}
		case *goldap.ControlVChuPasswordMustChange:
			if a.fault < 0 {
				a.fault = goldap.BeheraPasswordExpired
			}
		case *goldap.ControlVChuPasswordWarning:
			if a.expires < 0 && c.Expire > 0 {
				a.expires = c.Expire
			}
		}
	}
	return a
}

// expiresIn returns how long the password is still good; zero where the answer does not say.
func expiresIn(answered verdict) time.Duration {
	s := policyAnswerIn(answered).expires
	if s <= 0 || s > int64(mostExpiry/time.Second) {
		return 0
	}
	return time.Duration(s) * time.Second
}

// refusalByPolicy maps the answer to a bind. A directory says that a password has expired only where it was right:
// the policy is looked at after the comparison. That an account is locked it says before, so that counts
// as a wrong password.
func refusalByPolicy(e *goldap.Error, controls []goldap.Control) error {
	a := policyAnswerIn(controls)
	if e == nil {
		switch {
		case a.fault == goldap.BeheraChangeAfterReset:
			return &idp.AccountState{State: "must_change"}
		case a.fault == goldap.BeheraPasswordExpired, a.grace >= 0:
			// One of the last sign-ins with the old password. It is used to change it.
			return &idp.AccountState{State: "password_expired"}
		}
		return nil
	}
	switch e.ResultCode {
	case goldap.LDAPResultInvalidCredentials:
		switch a.fault {
		case goldap.BeheraPasswordExpired:
			return &idp.AccountState{State: "password_expired"}
		case goldap.BeheraAccountLocked:
			return fmt.Errorf("%w: the account is locked", idp.ErrBadCredentials)
		case goldap.BeheraChangeAfterReset:
			return &idp.AccountState{State: "must_change"}
		}
		return idp.ErrBadCredentials
	case goldap.LDAPResultNoSuchObject, goldap.LDAPResultInappropriateAuthentication:
		// Nobody, and somebody without a password.
		return idp.ErrBadCredentials
	case goldap.LDAPResultConstraintViolation, goldap.LDAPResultUnwillingToPerform:
		// 389 Directory Server answers so for an account that is locked or inactive, whatever the password is.
		if text := e.Err.Error(); strings.Contains(text, "retry limit") || strings.Contains(text, "inactivated") {
			return fmt.Errorf("%w: %s", idp.ErrBadCredentials, text)
		}
	}
	return nil
}

// refusedByPolicy are the faults of a new password.
var refusedByPolicy = map[int8]string{
	goldap.BeheraPasswordModNotAllowed: "not_allowed", goldap.BeheraMustSupplyOldPassword: "not_allowed", goldap.BeheraInsufficientPasswordQuality: "complexity",
	goldap.BeheraPasswordTooShort: "too_short", goldap.BeheraPasswordTooYoung: "min_age", goldap.BeheraPasswordInHistory: "history",
}

// changeRefusedByPolicy maps the answer to the Password Modify operation.
func changeRefusedByPolicy(e *goldap.Error) error {
	text := e.Err.Error()
	a := policyAnswerIn(controlsOf(e))
	switch reason := refusedByPolicy[a.fault]; {
	case reason != "":
		return &idp.PasswordRefused{Reason: reason, Detail: text}
	case a.fault == goldap.BeheraAccountLocked:
		return fmt.Errorf("%w: the account is locked", idp.ErrBadCredentials)
	}
	switch e.ResultCode {
	case goldap.LDAPResultInvalidCredentials:
		return idp.ErrBadCredentials
	case goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultUnwillingToPerform:
		// OpenLDAP is "unwilling to verify old password" for an account that may not compare it, too; that it is the
		// right one the bind before has shown.
		return &idp.PasswordRefused{Reason: "not_allowed", Detail: text}
	case goldap.LDAPResultConstraintViolation:
		return &idp.PasswordRefused{Reason: "policy", Detail: text}
	}
	return nil
}

// controlsOf returns the controls of an answer that is a refusal; go-ldap decodes those of a bind alone.
func controlsOf(e *goldap.Error) []goldap.Control {
	if e.Packet == nil || len(e.Packet.Children) < 3 || e.Packet.Children[2] == nil {
		return nil
	}
	var controls []goldap.Control
	for _, child := range e.Packet.Children[2].Children {
		if child == nil {
			continue
		}
		if c, err := goldap.DecodeControl(child); err == nil {
			controls = append(controls, c)
		}
	}
	return controls
}
