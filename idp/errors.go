package idp

import "errors"

// Errors that the interfaces of this package promise. Test for them with errors.Is.
var (
	// ErrNotFound says that a store holds no such row, or that it has expired.
	ErrNotFound = errors.New("not found")
	// ErrSpent says that a one-time thing (a memo, a TOTP step) was used before.
	ErrSpent = errors.New("already used")
	// ErrNotReady says that the store is still being opened; ask again shortly.
	ErrNotReady = errors.New("the store is not open yet")
	// ErrNoUser says that a source knows nobody of that name.
	ErrNoUser = errors.New("no such user")
	// ErrAmbiguous says that a name fits more than one account, so that it fits none.
	ErrAmbiguous = errors.New("the name fits more than one account")
	// ErrTaken says that what was to be written would run into something else.
	ErrTaken = errors.New("taken already")
	// ErrUnanswered says that a password was sent and no answer came: the source may have counted it.
	ErrUnanswered = errors.New("sent, and not answered")
	// ErrUnchanged says beside ErrUnanswered that the old password alone was sent, so that nothing has changed.
	ErrUnchanged = errors.New("nothing was changed")
	// ErrBadCredentials says that the password, code or signature was wrong.
	ErrBadCredentials = errors.New("wrong credentials")
)

// Error is a failure that a person may see. Public is for them and holds nothing an attacker could use;
// Reason and Err are for the audit line and the log.
type Error struct {
	Status int    // HTTP status of the page
	Title  string // heading of the page; empty takes the heading that fits Status
	Public string // one or two sentences: what happened and what to do
	Reason string // one word for audit and metrics: "no_role", "bad_session_name"
	Err    error  // the cause, for the log only
}

// Error returns the text for logs, never the public sentence alone.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Reason + ": " + e.Err.Error()
	}
	return e.Reason + ": " + e.Public
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
