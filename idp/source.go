package idp

import (
	"context"
	"time"
)

// Source is where people come from. It is also a [PasswordSource] today; other kinds of sign-in
// are further interfaces on the same value.
type Source interface {
	// Name is the name in the configuration; it is part of every user's key.
	Name() string
}

// PasswordSource checks a name and a password. It must be safe for many logins at once.
type PasswordSource interface {
	Source
	// Find returns the one person whom a typed name fits, looked up without a password,
	// or ErrNoUser, or ErrAmbiguous. Any other error means that the source could not answer.
	Find(ctx context.Context, name string) (*User, error)
	// Authenticate returns nil for the right password, ErrBadCredentials for a wrong one, and
	// *AccountState for a right one on an account that may not sign in. Any other error means that
	// the source could not answer, and is never counted as a wrong password. An empty password
	// is refused before anything is sent. A nil user stands for a name that nobody has: the same
	// work is done, and the answer is ErrBadCredentials.
	Authenticate(ctx context.Context, u *User, password string) error
}

// LimitReader is an optional power of a PasswordSource: the source's own lockout policy, so that the
// gateway stops passing on failures before the directory locks the account.
type LimitReader interface {
	// Limit returns the policy that holds for a person, a fine-grained one included; for nil, a name that
	// nobody has, that of the domain.
	Limit(ctx context.Context, u *User) (Lockout, error)
}

// Lockout is when a directory locks an account.
type Lockout struct {
	Failures int           // so many wrong passwords lock; 0 is never
	Window   time.Duration // within this time
	Counted  int           // failures of the person that the directory counts already, whoever made them
	// Account is what the directory itself tells the person's account by, the same in every source that finds it; empty where
	// the user key does, or for nobody. It comes with an error too.
	Account string
}

// PasswordChanger is an optional power of a PasswordSource.
type PasswordChanger interface {
	// ChangePassword changes the password of a person who knows the old one; it never resets it. It
	// returns ErrBadCredentials for a wrong old password, *PasswordRefused where the new one is not
	// taken, ErrUnanswered where both were sent and no answer came, with ErrUnchanged where the old one alone was.
	// After any other error nothing has changed. It works for an account whose password has expired or must be changed.
	ChangePassword(ctx context.Context, u *User, old, replacement string) error
	// PasswordRules returns what is asked of the person's new password. Rules that cannot be read are left out.
	PasswordRules(ctx context.Context, u *User) (PasswordRules, error)
}

// PasswordRules is a password policy, as far as a directory tells it. Zero fields ask nothing.
type PasswordRules struct {
	MinLength int           // characters
	Complex   bool          // Active Directory's: three of the kinds of characters, and no part of the name
	History   int           // so many earlier passwords are not taken again
	MinAge    time.Duration // since the last change
}

// PasswordRefused says that the directory did not take a new password.
type PasswordRefused struct {
	Reason string // "too_short", "complexity", "history", "min_age", "not_allowed", or "policy" where the directory does not say
	Detail string // the directory's own words, for the audit line only
}

// Error names the reason.
func (p *PasswordRefused) Error() string {
	return "the new password was refused: " + p.Reason + ": " + p.Detail
}

// Refresher is an optional power of a source: what has become of somebody who signed in a while ago.
type Refresher interface {
	// Refresh returns the person as they are now, looked up by their immutable id. It returns ErrNoUser for
	// one who was removed and *AccountState for one who may not sign in any more; a password that has
	// expired since is no such state. Any other error means that the source could not answer. It gives way to
	// sign-ins where the source is busy.
	Refresh(ctx context.Context, u *User) (*User, error)
}

// StatusReporter is an optional power of a source that asks servers.
type StatusReporter interface {
	// Status returns the servers in the order in which they would be asked now, from memory. It waits for nobody; a
	// server that is down may be looked at again meanwhile.
	Status() []ServerStatus
}

// ServerStatus is what is known of one server.
type ServerStatus struct {
	Server string    `json:"server"`
	State  string    `json:"state"` // "up", "down", "unknown" (not asked yet)
	Since  time.Time `json:"since,omitzero"`
	Error  string    `json:"error,omitempty"` // why it is down; holds no secret
}

// UserChecker is an optional power of a source: what `caddy gatehouse check --user NAME` says of one name.
type UserChecker interface {
	// CheckUser reports what the name finds, step by step: which account, by which attribute, what was read
	// of it, its state, its groups. It tries no password.
	CheckUser(ctx context.Context, name string) []Finding
}

// Checker is an optional power of a source, factor or application: what `caddy gatehouse check` says of it.
type Checker interface {
	// Check reports one finding for each thing that was looked at, in order.
	Check(ctx context.Context) []Finding
}

// StoreChecker is an optional power of a factor: what it finds in what the store keeps for it.
type StoreChecker interface {
	// CheckStore reports at least one finding. The store is open.
	CheckStore(ctx context.Context) []Finding
}

// Finding is one line of a check.
type Finding struct {
	Level string `json:"level"` // "ok", "warning" or "error"
	Where string `json:"where"` // "source corp", "application connect"
	Rule  string `json:"rule,omitempty"`
	What  string `json:"what"`
	Cure  string `json:"cure,omitempty"`
}

// AccountState says that the password was right and the account may still not be used.
type AccountState struct {
	State string // "disabled", "expired", "locked", "password_expired", "must_change", "hours", "workstation"
}

// Error names the state.
func (s *AccountState) Error() string { return "account state: " + s.State }
