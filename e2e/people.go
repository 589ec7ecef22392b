package e2e

import "time"

// People is who is in a domain.
type People struct {
	Groups  []ADGroup
	Users   []ADUser
	Lockout int             // wrong passwords that lock an account; 0 is never
	Policy  *PasswordPolicy // of the whole domain, instead of Lockout; Samba's own where it is nil
	Fine    []FinePolicy
	Crowd   Crowd
}

// Crowd is many people alike: NAME0000, NAME0001 and so on, who can sign in with their password and have nothing else.
type Crowd struct {
	Name, Password string
	Count          int
}

// FinePolicy is a fine-grained password policy.
type FinePolicy struct {
	Name string
	PasswordPolicy
	AppliesTo  []string // groups and users
	Precedence int      // the least wins; in the order of the list where it is 0
}

// ADGroup is a group, and the groups that it is in.
type ADGroup struct {
	Name     string // the CN
	Account  string // sAMAccountName; the CN where it is empty
	MemberOf []string
}

// ADUser is somebody in a domain.
type ADUser struct {
	Name, Password, Mail string
	UPN                  string // NAME@corp.example.test where it is empty
	// State is empty for one who may sign in, or "disabled", "expired", "password_expired", "must_change", "locked",
	// "logon_hours" (no hour of the week) or "workstation" (one computer only). Samba honours each of them at an
	// LDAP bind. An account is locked for as long as the policy says.
	State string
	// CannotChange takes the right to change the password from everybody, as the box in the administrator's window
	// does. Samba refuses the change with the words "error in module acl", and without a code of its own.
	CannotChange bool
	// PasswordAge makes the password that old.
	PasswordAge time.Duration
	Groups      []string
	Primary     string // a group that is the primary one, in place of Domain Users
	OU          string // such as "Sales" or "Sales,OU=Berlin"; the container Users where it is empty
	Proxies     []string
	Attributes  map[string][]string // any others
}
