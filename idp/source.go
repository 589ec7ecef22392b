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
	// Limit returns how many failures within which window lock an account; 0 means never.
	Limit(ctx context.Context) (failures int, window time.Duration, err error)
}

// Checker is an optional power of a source, factor or application: what `caddy gatehouse check` says of it.
type Checker interface {
	// Check reports one finding for each thing that was looked at, in order.
	Check(ctx context.Context) []Finding
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
