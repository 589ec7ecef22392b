package idp

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// Readiness is what a factor can do for a person just now.
type Readiness int

// The answers of [Factor.Ready].
const (
	NotEnrolled Readiness = iota // the person has not set the factor up
	Enrolled                     // the factor can be asked
	Unreachable                  // the factor's service does not answer
)

// Factor is a way to prove a second time who one is. It sees a form, never HTTP.
type Factor interface {
	// Name is the name in the configuration and in addresses: "totp".
	Name() string
	// Ready says whether the person can use the factor now.
	Ready(ctx context.Context, u *User) (Readiness, error)
	// Challenge starts one attempt.
	Challenge(ctx context.Context, u *User, a Attempt) (Step, error)
	// Verify judges the answer to a step that Challenge made, whose memo it gets back.
	// ErrBadCredentials is a wrong answer, ErrSpent a right one that was used before;
	// any other error means that the factor could not answer.
	Verify(ctx context.Context, u *User, memo []byte, answer url.Values) (Proof, error)
}

// Enroller is an optional power of a Factor: people set it up by themselves.
type Enroller interface {
	// BeginEnroll makes what the enrollment page shows. Nothing is stored yet.
	BeginEnroll(ctx context.Context, u *User, a Attempt) (Step, error)
	// FinishEnroll stores the enrollment when the answer proves that it works, and returns the
	// proof that this was. Errors are as those of Verify.
	FinishEnroll(ctx context.Context, u *User, memo []byte, answer url.Values) (Proof, error)
}

// Passwordless is an optional power of a Factor: its answer says by itself whose it is, so that neither a name nor a
// password has to be typed.
type Passwordless interface {
	// BeginLogin makes the question for whoever comes.
	BeginLogin(ctx context.Context, a Attempt) (Step, error)
	// FinishLogin returns the key of the person whose answer it is, with the proof. Whether that person may still sign
	// in is not the factor's to know. Errors are as those of Verify.
	FinishLogin(ctx context.Context, memo []byte, answer url.Values) (userKey string, p Proof, err error)
}

// Decliner is an optional power of a Factor whose question the browser answers in the person's place.
type Decliner interface {
	// Declined returns what to tell a person whose browser sent no answer, or why there is none. It is empty where
	// there is an answer to judge.
	Declined(answer url.Values) string
}

// Describer is an optional power of an Enroller: it tells a person more of what they have set up.
type Describer interface {
	// Describe goes on after "last used today" in the list of the settings: " on Chrome on Windows".
	Describe(e Enrollment) string
	// Usable reports whether it can be asked for at all. One that cannot still keeps the person from enrolling by the
	// password alone.
	Usable(e Enrollment) bool
}

// Attempt is one try at a step, as a factor sees it.
type Attempt struct {
	App      string        // application the person is on the way to; empty for the portal
	Flow     string        // id of the sign-in in progress
	Browser  [32]byte      // which browser; the step is worthless in another
	Callback string        // where an off-origin step returns to
	State    string        // what it returns with, as "state"; good once
	Fresh    bool          // an old proof at the factor's service will not do
	MaxAge   time.Duration // how old a proof may be; 0 means any
	Client   netip.Addr
	Device   string // what the browser calls itself, "Chrome on Windows"; for the person to read
}

// Step is what the browser does next: it goes to URL, or it is shown View.
type Step struct {
	URL     string    // off our origin; empty where View is shown
	View    View      // page of ours
	Memo    []byte    // handed back with the answer; it is kept on the server and may hold secrets
	Expires time.Time // zero means with the sign-in
}

// View is what a page shows for a step. The pages themselves are package web's.
type View struct {
	Title  string // "Authenticator app"
	Text   string // one sentence that says what to do
	Digits int    // length of the code that is asked for; 0 asks for none

	OTPAuth string // enrollment: the otpauth address
	Key     string // enrollment: the same secret for typing, in groups of four
	QR      []byte // enrollment: the same as a PNG

	Options string // for the browser's own credential API, as JSON; its answer is the form field "credential"
	Once    bool   // one answer only: after a wrong one there has to be a new challenge
	Wrong   string // what a wrong answer is told; empty: the sentence about codes
	Closed  bool   // there is nothing to answer; Text says why
}

// Proof says that a factor was passed. The password is a proof too, with Factor "password".
type Proof struct {
	Factor       string    `json:"factor"`
	Credential   string    `json:"credential,omitempty"` // which of the person's credentials
	ACR          string    `json:"acr,omitempty"`        // SAML AuthnContextClassRef that says so
	At           time.Time `json:"at"`
	UserVerified bool      `json:"user_verified,omitempty"`
	Hardware     bool      `json:"hardware,omitempty"`
}

// PasswordFactor is the name of the proof that a password makes.
const PasswordFactor = "password"

// ReservedFactor reports whether proofs that are by no [Factor] have the name in the place of a factor's.
func ReservedFactor(name string) bool { return name == PasswordFactor || isRescue(name) }

// FreeLabel returns the label for a new enrollment, with a number where the person has one of that name already.
func FreeLabel(label string, taken func(label string) bool) string {
	free := label
	for n := 2; taken(free); n++ {
		free = label + " " + strconv.Itoa(n)
	}
	return free
}

// StaleStep asks the person to begin again, where a memo is of another step or person, or too old. It is no wrong answer,
// and is not counted as one. cause is for the log.
func StaleStep(status int, reason, cause string) error {
	return &Error{
		Status: status,
		Public: "This page is too old or belongs to another sign-in. Start again from the portal.",
		Reason: reason,
		Err:    errors.New(cause),
	}
}
