package idp

import (
	"context"
	"crypto"
	"net/netip"
	"time"
)

// Hash is the SHA-256 of something that only a browser holds. Stores never see the thing itself.
type Hash = [32]byte

// Store is every state the gateway keeps. Drivers take the small interfaces that they need.
// Methods answer [ErrNotReady] until the store is open.
type Store interface {
	Sessions
	Memos
	Enrollments
	EnrollmentSets
	Credentials
	Devices
	People
	Counters
	AuditLog
	Forecast
	Keys
	// Ready returns nil once the store can serve, and the reason while it cannot.
	Ready() error
}

// Session is a browser that is signed in.
type Session struct {
	ID        Hash // SHA-256 of the cookie's secret
	User      User
	Form      string // random; every form of this session carries it
	SignedIn  time.Time
	Expires   time.Time // absolute end; the store forgets it then. Zero: no end
	Seen      time.Time // last use that was noted; see SessionLimits.Idle
	Refreshed time.Time // when the person was last looked up since they signed in; zero: not yet
	Proofs    []Passed
	Browser   Hash // the browser's flows are bound to this
	NoDevice  bool // "Is this your device?" was answered no
	// MustChange is why the password has to be changed before anything is opened: "password_expired" or
	// "must_change", or empty.
	MustChange string
	// Outage is the factor of which the audit log says already that it could not be asked and that the portal opened all the
	// same, or empty.
	Outage    string
	Client    netip.Addr
	UserAgent string
}

// Label names the browser for people, "Chrome on Windows".
func (s *Session) Label() string { return deviceLabel(s.UserAgent) }

// Looked is when the person was last looked up where they come from.
func (s *Session) Looked() time.Time {
	if s.Refreshed.After(s.SignedIn) {
		return s.Refreshed
	}
	return s.SignedIn
}

// Passed is a proof together with what it was for.
type Passed struct {
	Proof
	// Scope is the application's name, "" for the portal, or SharedScope.
	Scope string `json:"scope"`
	// SessionOnly keeps it from the person's devices, whatever becomes of this browser in the session later.
	SessionOnly bool `json:"session_only,omitempty"`
}

// SharedScope is the scope of proofs that count for every application whose policy says shared.
const SharedScope = "*"

// Sessions keeps who is signed in. Reads come from a bounded cache.
type Sessions interface {
	// PutSession inserts or replaces by ID.
	PutSession(ctx context.Context, s *Session) error
	// ReplaceSession puts s in the place of the session old, which may have the same id, in one step. It answers
	// ErrNotFound where that one has ended, so that no session comes back by what was under way.
	ReplaceSession(ctx context.Context, old Hash, s *Session) error
	// Session returns the session, or ErrNotFound, also past Expires. The caller must not change it.
	Session(ctx context.Context, id Hash) (*Session, error)
	// TouchSession moves Seen forward to the second of at, for every later Session of this store.
	// It is written behind; a crash may lose the last minute. Touching an unknown one is no error.
	TouchSession(ctx context.Context, id Hash, at time.Time) error
	// UpdateUser writes what a person was found to be at a moment into those of their live sessions whose
	// person was last looked up before it, sets Refreshed there, and returns how many. BreakGlass stays as
	// each session has it. It makes no session: one that ends meanwhile stays ended.
	UpdateUser(ctx context.Context, u User, at time.Time) (int, error)
	// DeleteSession ends one; ending an unknown one is no error.
	DeleteSession(ctx context.Context, id Hash) error
	// UserSessions lists the live sessions of a user, newest first.
	UserSessions(ctx context.Context, userKey string) ([]*Session, error)
	// DeleteUserSessions ends all sessions of a user but the one kept, and returns how many.
	DeleteUserSessions(ctx context.Context, userKey string, keep Hash) (int, error)
}

// Memo is something kept for one later request: a sign-in in progress, an invitation.
type Memo struct {
	Kind    string // "flow", "away", "once", "done", "invite", "bypass", "changed", "ended", "news", "told", "operator"
	ID      Hash   // SHA-256 of the id that travels
	Browser Hash   // which browser may use it; zero for any
	Owner   string // user key, where there is one
	Expires time.Time
	Data    []byte // sealed at rest
}

// Memos keeps memos until they are taken or expire.
type Memos interface {
	// PutMemo stores m. Of one kind and browser at most `most` are kept (0: no limit), the oldest go;
	// the store also bounds the number of all memos that are bound to browsers.
	PutMemo(ctx context.Context, m Memo, most int) error
	// Memo returns the memo without spending it, or ErrNotFound; expired ones (against now) are not found.
	Memo(ctx context.Context, kind string, id Hash, now time.Time) (Memo, error)
	// TakeMemo returns the memo and deletes it in one step: of any number of callers one gets it,
	// the others ErrNotFound.
	TakeMemo(ctx context.Context, kind string, id Hash, now time.Time) (Memo, error)
	// OwnedMemos lists the memos of a kind and owner that are bound to no browser, oldest first; without those that
	// have expired.
	OwnedMemos(ctx context.Context, kind, owner string, now time.Time) ([]Memo, error)
}

// Enrollment is one credential of a person for one factor.
type Enrollment struct {
	User    string // user key
	Factor  string
	ID      string // unique within user and factor
	Label   string // what the person calls it
	Secret  []byte // seed or public key; sealed at rest, bound to this row
	Created time.Time
	Used    time.Time
	Step    int64 // last one-time step that was spent; see SpendStep
}

// Enrollments keeps the factors that people set up.
type Enrollments interface {
	// PutEnrollment inserts or replaces by user, factor and id. Step and Used never go back, so that
	// a rename beside a sign-in cannot make a spent code good again.
	PutEnrollment(ctx context.Context, e Enrollment) error
	// UserEnrollments lists a person's enrollments, of one factor or (factor "") of all, oldest first.
	UserEnrollments(ctx context.Context, userKey, factor string) ([]Enrollment, error)
	// SpendStep moves Step up to step and Used to at, or answers ErrSpent where Step is already as high.
	// Of any number of callers with one step, one succeeds. ErrNotFound where there is no such row.
	SpendStep(ctx context.Context, userKey, factor, id string, step int64, at time.Time) error
	// DeleteEnrollment removes one; ErrNotFound where there is none.
	DeleteEnrollment(ctx context.Context, userKey, factor, id string) error
}

// EnrollmentSets keeps enrollments that are made and end together.
type EnrollmentSets interface {
	// ReplaceEnrollments puts a list, which may be empty, in the place of all that a person has of a factor, in one step:
	// of two lists at once one is left, whole. All of the list must be of that person and factor.
	ReplaceEnrollments(ctx context.Context, userKey, factor string, list []Enrollment) error
}

// Credentials keeps enrollments that are known by their id alone, before anybody knows whose they are.
type Credentials interface {
	// FindEnrollment returns the enrollment of a factor that has the id, or ErrNotFound; ErrAmbiguous where several people
	// have it, so that none of them is taken for another.
	FindEnrollment(ctx context.Context, factor, id string) (Enrollment, error)
	// FactorEnrollments lists everybody's enrollments of a factor, person by person.
	FactorEnrollments(ctx context.Context, factor string) ([]Enrollment, error)
	// UseEnrollment writes Secret and Used of an enrollment that is there; Used never goes back. It answers ErrNotFound
	// where it was removed meanwhile, so that what is removed does not come back by being used.
	UseEnrollment(ctx context.Context, e Enrollment) error
	// RenameEnrollment changes Label alone; ErrNotFound where there is no such row.
	RenameEnrollment(ctx context.Context, userKey, factor, id, label string) error
}

// Device is a browser that a person called their own.
type Device struct {
	ID      Hash // SHA-256 of the device cookie's secret
	Browser Hash // stays when the cookie is renewed
	User    string
	Label   string // "Chrome on Windows"
	Created time.Time
	Seen    time.Time
	Expires time.Time
	Proofs  []Passed // factors passed here, for freshness over sessions
}

// Devices keeps remembered devices, one row for each device and person.
type Devices interface {
	// PutDevice inserts or replaces by ID and User.
	PutDevice(ctx context.Context, d *Device) error
	// Device returns the row of a device and person, or ErrNotFound.
	Device(ctx context.Context, id Hash, userKey string, now time.Time) (*Device, error)
	// DeviceBrowser returns the Browser of any row with this ID, or ErrNotFound.
	DeviceBrowser(ctx context.Context, id Hash, now time.Time) (Hash, error)
	// UserDevices lists a person's devices, newest first.
	UserDevices(ctx context.Context, userKey string, now time.Time) ([]*Device, error)
	// DeleteDevice forgets a device of a person; forgetting an unknown one is no error.
	DeleteDevice(ctx context.Context, id Hash, userKey string) error
}

// Kept is how much a store keeps.
type Kept struct {
	Enrollments int `json:"enrollments"`
	Devices     int `json:"devices"`
	Sessions    int `json:"sessions"`
}

// Holder is somebody who has set factors up, without what is secret of them.
type Holder struct {
	User     string         // user key
	Enrolled map[string]int // how many enrollments, by factor
}

// People is what is kept about people, whatever it is.
type People interface {
	// Holders lists who has enrolled what, by user key: at most so many people of those that come after a key ("" is
	// before all). The next page begins after the last of this one; an empty page is the end.
	Holders(ctx context.Context, after string, most int) ([]Holder, error)
	// KeptBySource counts what is kept, by the source in the user keys. Some of it may have expired.
	KeptBySource(ctx context.Context) (map[string]Kept, error)
	// MoveSource puts another source into every user key of enrollments, devices and sessions, all or
	// nothing, and returns how many rows that were. It answers ErrTaken where somebody has enrollments or
	// devices under the same id at both, which may be two people. Memos that are bound to no browser go with their
	// owner, uncounted. Counters, sign-ins in progress and the audit log stay as they are: the first two pass, the third
	// tells what was.
	MoveSource(ctx context.Context, from, to string) (Kept, error)
}

// Counters counts failures in windows of time. They survive a restart.
type Counters interface {
	// Fail adds a failure and returns how many there are within the window before at, this one
	// included. It is atomic: of N callers at once each gets another number.
	Fail(ctx context.Context, key string, at time.Time, window time.Duration) (int, error)
	// Failures returns how many failures lie within the window before at.
	Failures(ctx context.Context, key string, at time.Time, window time.Duration) (int, error)
	// Clear forgets a key's failures.
	Clear(ctx context.Context, key string) error
}

// AuditLog keeps what happened.
type AuditLog interface {
	// Append returns when the event is durable. Many callers at once share one write.
	Append(ctx context.Context, e Event) error
	// Events calls yield for each event that the query fits, oldest first, until it returns false.
	Events(ctx context.Context, q EventQuery, yield func(Event) bool) error
	// PutRuleText keeps the text behind a policy digest for as long as lines name it.
	PutRuleText(ctx context.Context, digest, text string) error
	// RuleText returns the text behind a digest, or ErrNotFound.
	RuleText(ctx context.Context, digest string) (string, error)
}

// Forecast lets what is written at one moment share one write.
type Forecast interface {
	// Expect tells that an event will be appended within milliseconds, so that one which is ready already
	// may wait a moment for it. The caller calls over, once, when its event is durable or will not come.
	Expect() (over func())
}

// EventQuery picks audit events. Zero fields fit everything.
type EventQuery struct {
	From, To time.Time // From inclusive, To exclusive
	Users    []string  // user keys, or names as they were typed or are; one of them fits
	App      string
	Ref      string
}

// KeyState is the stage of a SAML signing key.
type KeyState string

// The stages. Active signs; next is published so that it can take over; retired is neither.
const (
	KeyActive  KeyState = "active"
	KeyNext    KeyState = "next"
	KeyRetired KeyState = "retired"
)

// SAMLKey is a signing key of the gateway with its certificate.
type SAMLKey struct {
	ID          string // short and printable
	State       KeyState
	Signer      crypto.Signer // RSA
	Certificate []byte        // DER
	Created     time.Time
}

// Keys gives out the gateway's own keys. They are made at first start and live in the store only.
type Keys interface {
	// SAMLKeys returns the active key first, then the next ones; never a retired one.
	SAMLKeys() ([]SAMLKey, error)
	// CookieKeys returns the keys of the cookie codec, newest first; the newest signs, all verify.
	CookieKeys() ([][]byte, error)
}
