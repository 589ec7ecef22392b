package idp

import (
	"context"
	"time"
)

// Application is something a tile opens. It is also a [SAMLSender] or a [Linker].
type Application interface {
	Tile() Tile
}

// Tile is how the portal shows an application.
type Tile struct {
	Name  string // in addresses and in the configuration
	Label string
	Icon  string // address of an image, or empty for initials
}

// SAMLSender is an application that is signed in to by a SAML response.
type SAMLSender interface {
	Application
	// SignIn makes the form that the browser posts. An *Error is shown to the person as it is.
	SignIn(ctx context.Context, u *User, l Launch) (*Form, error)
}

// Linker is an application that is just an address.
type Linker interface {
	Application
	URL() string
}

// Entitler is an optional power of an application: who has a tile at all, beyond policy.
type Entitler interface {
	// Entitled reports whether the person could open it, as far as groups tell.
	Entitled(u *User) bool
}

// Chooser is an optional power of a SAMLSender: the person picks one of several ways in.
type Chooser interface {
	// Choices returns what the person may pick; fewer than two means that nothing is asked.
	Choices(u *User) []Choice
}

// Choice is one way into an application.
type Choice struct {
	Value string // goes back in Launch.Choice; checked again there
	Label string
}

// Launch is what an application may know about the sign-in it is asked to pass on.
type Launch struct {
	Now          time.Time
	SignedInAt   time.Time // when the password was proved
	Proofs       []Proof   // what this session has proved, password included
	Session      string    // opaque id of the session, for SessionIndex; not the cookie
	Choice       string    // value picked from Choices
	Destination  string    // page to land on, already checked by Destinations; empty for the usual one
	InResponseTo string    // id of the service provider's request; empty when we started
	ACS          string    // where the request asked to be answered; empty for the usual one
}

// Destinations is an optional power of an application: pages that a deep link may name.
type Destinations interface {
	// Allows reports whether ?destination= may carry this value.
	Allows(destination string) bool
}

// Form is what the browser posts to the application, and what the audit line says about it.
type Form struct {
	Action string // from the configuration only
	Fields []FormField
	Record LaunchRecord
}

// FormField is one hidden field.
type FormField struct{ Name, Value string }

// LaunchRecord joins our audit line with the other side's log (CloudTrail for AWS).
type LaunchRecord struct {
	Role        string   `json:"role,omitempty"` // role ARN
	SessionName string   `json:"session_name,omitempty"`
	NameID      string   `json:"name_id,omitempty"`
	AssertionID string   `json:"assertion_id,omitempty"`
	Destination string   `json:"destination,omitempty"`
	Notes       []string `json:"notes,omitempty"` // "session name spelled as in usernames_file"
}
