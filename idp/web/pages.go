package web

// Frame is what every page shows around its own content.
type Frame struct {
	Title   string // of the portal: "Example Apps"
	Logo    string // address of the logo under /assets/ or a base64 data: address, or empty
	Help    string // "Service desk, extension 4400", or empty
	HelpURL string
	User    string // label of who is signed in (or signing in), or empty
	Form    string // value of the field f for the "not you?" and sign-out forms, or empty
	NotYou  string // address that starts over with another name, where User has not signed in yet, or empty
	Compact bool   // in a window the size of a popup: no header, and the card is the whole window

	HelpDesk bool  // the menu leads there
	Late     bool  // the page before this one was answered too late, or twice: nothing came of that
	Limit    Limit // for how long the page can be answered
}

// Limit is how long a page can be answered, and the way to more time: time.js tells a minute before the end, and at it.
type Limit struct {
	Seconds int  // 0 says nothing
	More    Link // opens the page anew
}

// Login asks for the user name. It posts f and username to /login.
type Login struct {
	Frame
	F        string // flow id
	App      string // label of the application on the way, or empty
	Username string
	Error    string
	Passkey  Passkey // in place of name and password, where its Options are not empty
}

// Passkey is what passkey.js asks of the browser. The form posts f, credential and error to its address.
type Passkey struct {
	Action  string // /login/passkey
	Options string // JSON
}

// Password asks for the password of a name that was typed. It posts f, username and password to
// /login. The name is there for password managers: what the sign-in in progress holds counts.
type Password struct {
	Frame
	F        string
	App      string
	Username string
	Error    string
}

// NewPassword asks for the password that somebody has and, twice, for another one. It posts f, old, new and
// again to /password. The name is there for password managers.
type NewPassword struct {
	Frame
	F        string
	App      string
	Username string
	Due      bool     // it has to be changed before anything else; else the person chose to
	Why      string   // with Due: "Your password has expired."
	Rules    []string // what is asked of the new one, a sentence each
	Error    string
	Field    string // the field that Error is about: "old", "new" or "again", or empty
}

// MFA asks for one factor. It posts f and, where Digits is not 0, code; with Options, credential and error.
type MFA struct {
	Frame
	F       string
	Action  string // /mfa/totp
	Factor  string
	Heading string
	Text    string
	App     string
	Rule    string // why it is asked: "Connect asks every 7 days"
	Digits  int    // 0: no code field
	Options string // what passkey.js asks of the browser, as JSON, or empty
	Start   bool   // with Options: it is asked as soon as the page is there
	Closed  bool   // there is nothing to answer: Text says why, and no button is shown
	Others  []Link // other factors the person may use instead
	Error   string
}

// Prompt asks for any one of several factors, all on one page, after the question whose device it is. It posts f, own
// ("yes", where it is ticked) and what the factor takes to the factor's address.
type Prompt struct {
	Frame
	F      string
	App    string
	Rule   string
	Ask    bool // whether it asks for the device
	Own    bool // ticked
	Days   int  // how long that is good for; 0 names no time
	Ways   []Way
	Others []Link
	Error  string
}

// Way is one factor on a [Prompt]. Of those with Digits, and of those with Options, there is one at most.
type Way struct {
	Action  string // /mfa/totp
	Factor  string
	Label   string
	Text    string
	Digits  int
	Options string
	Closed  bool // there is nothing to answer: Text says why
	Wrong   bool // the page's Error is about it
}

// ChooseFactor lets the person pick a factor, to use or (Enroll) to set up.
type ChooseFactor struct {
	Frame
	App     string
	F       string
	Enroll  bool
	Backup  bool // with Enroll: a backup is asked for as well
	Choices []Link
}

// Backup asks somebody with one second step for another. It posts f and add: the value of a choice, or "later".
type Backup struct {
	Frame
	F       string
	App     string
	Have    string // "your authenticator app"
	Due     bool   // there is no later
	Choices []Option
}

// Enroll sets up a factor. It posts f and, where Digits is not 0, code; with Options, credential and error.
type Enroll struct {
	Frame
	F       string
	Action  string // /enroll/totp
	Factor  string
	Heading string
	Text    string
	App     string
	OTPAuth string // goes into data-otpauth
	Key     string // for typing
	QR      string // data: address of a PNG, base64
	Digits  int
	Options string // what passkey.js asks of the browser, as JSON, or empty
	Welcome string // what this is and how long it takes, for somebody who comes here first
	Cancel  bool   // the sign-in can be given up from here
	Others  []Link // other factors that may be set up instead
	Error   string
}

// Rescue helps somebody who can use none of their second steps: by a code in the place of one (posts f and code), and by
// whom to call.
type Rescue struct {
	Frame
	F        string
	Action   string // /rescue
	App      string
	Recovery bool // codes of the person's own are taken
	Bypass   bool // codes of the service desk are taken; without, there is no form
	Away     bool // the second step does not answer; Error says so
	Wrong    bool // Error is about the code
	Back     string
	Error    string
	Ref      string // reference number, or empty
}

// RecoveryCodes shows codes once, to be kept on paper. On the way to something it posts f and add, "kept".
type RecoveryCodes struct {
	Frame
	F     string // empty: Done is a link
	App   string
	Codes []string
	Done  Link
}

// EnrollCode asks for the invitation code that guards a first enrollment. It posts f and code.
type EnrollCode struct {
	Frame
	F      string
	Action string // where the code goes; empty: the address of the page
	App    string
	Error  string
}

// Device asks "Is this your device?", yes and no of equal weight. It posts f and device, "yes" or "no".
type Device struct {
	Frame
	F      string
	Action string // where the answer goes; empty: the address of the page
	App    string
	Days   int // how long the answer yes is good for, for the sentence; 0 names no time
}

// Portal shows the tiles. Each posts f to /apps/{name}, or is a link.
type Portal struct {
	Frame
	F          string // the session's form token
	Tiles      []Tile
	News       []News
	Notices    []Notice
	BreakGlass bool
}

// News is a change that the person is told of, on the portal and in the settings, until they say that they have read it: a
// form posts f, kind "news", read (each ID) and from ("portal" or empty) to /settings.
type News struct {
	ID     string
	Text   string // "Your password was changed."
	Detail string // "today, 14:05 UTC, from Chrome on Windows, 192.0.2.7"
}

// Notice is a sentence above the tiles, and what to do about it where there is something to do.
type Notice struct {
	Text string
	Link Link
}

// Tile is one application.
type Tile struct {
	Name     string // POST /apps/{name}, or Href
	Label    string
	Icon     string // address like Logo, or empty
	Initials string // shown where there is no icon
	Hue      int    // 0..359, colours the initials; twelve colours are told apart
	Asks     string // "asks for your authenticator app: every sign-in"
	Href     string // for a link application: GET here instead of a POST
	Closed   bool   // does not open just now, as Asks says; whoever tries is told why, with a reference number
}

// Choose lets the person pick one of several ways into an application. It posts f and choice.
type Choose struct {
	Frame
	F       string
	Action  string
	App     string
	Choices []Option
}

// Option is one radio button, or on [Backup] one button.
type Option struct {
	Value, Label string
	Script       bool // as in [Link], on [Backup]
}

// Post submits a form to another site by itself; a button remains for browsers without scripts.
// It is the one form without f, which must not leave our origin. Send it with [PostCSP].
type Post struct {
	Frame
	App    string
	Action string
	Fields []Field
}

// Field is one hidden field.
type Field struct{ Name, Value string }

// Handoff sends the browser off our origin by a visible link and a Refresh header.
type Handoff struct {
	Frame
	App    string // where it goes
	For    string // what the person is on the way to, where that is something else
	URL    string
	Others []Link // for whoever cannot go there
}

// Settings shows a person their own factors, devices and sessions. Each button posts f,
// kind ("factor", "device" or "session") and remove (the ID, for all devices "all", for all other sessions "others") to /settings; a factor's name is changed by f, kind,
// rename (the ID) and label; new recovery codes are made by f, kind "recovery", once and make.
type Settings struct {
	Frame
	F        string
	Factors  []Item
	Devices  []Item
	Sessions []Item
	Add      []Link // factors that can be set up
	Notice   string
	News     []News
	Lately   []News // with those that have been read

	Recovery bool   // recovery codes count somewhere
	Codes    int    // how many the person has left
	Once     string // goes with "recovery", so that a page makes them one time; empty where a second step has to be passed first

	Password        Link   // where the password is changed, if it can be here
	PasswordExpires string // "2 January 2027", if it does
}

// HelpDesk lets somebody of the help desk find a person by name, see their factors and help them. It posts f, kind and name
// to /helpdesk: kind "find", or with the person's Key as user, "code" for a new code and "end" for their sessions and devices.
type HelpDesk struct {
	Frame
	F      string
	Once   string // goes with "code" and "end" as once: each page does one thing, one time
	Name   string // as typed
	Error  string
	Notice string // what was done for the person
	Person Helped // without a Key there is none
}

// Helped is what the help desk sees of a person.
type Helped struct {
	Key      string // user key
	Label    string
	Detail   string // name and mail
	Factors  []HelpedFactor
	Warnings []string
	Codes    int // recovery codes left
	Sessions int
	Devices  int
	Code     string // shown this one time, or empty
	Minutes  int    // how long a code is good
}

// HelpedFactor is one factor of a person.
type HelpedFactor struct {
	Label  string
	Detail string
	Locked bool // there were too many wrong answers
}

// Item is one row with a button that removes it.
type Item struct {
	ID      string // value of the button
	Label   string
	Detail  string // "added 3 May 2026, last used today"
	More    []string
	Current bool // this very session or device
	Fixed   bool // cannot be removed
}

// Link is a label and an address.
type Link struct {
	Label, URL string
	Script     bool // of no use to a browser that runs none: it is told so instead
}

// Help is one printable page for agents.
type Help struct {
	Frame
	Address  string // of the portal
	Factors  []string
	Gate     string // sentence about what setting one up needs
	Apps     []string
	Password string // sentence about an expired or forgotten password
	NewPhone string // sentence
}

// Error tells what went wrong and what to do.
type Error struct {
	Frame
	Status  int
	Heading string
	Text    string
	Ref     string // reference number, or empty
	Action  Link   // the way on
	Retry   bool   // says that trying again may help
}

// SignedOut confirms that the session has ended.
type SignedOut struct {
	Frame
	Again string // address that signs in again
}

func (Login) file() string         { return "login.html" }
func (Password) file() string      { return "password.html" }
func (NewPassword) file() string   { return "newpassword.html" }
func (MFA) file() string           { return "mfa.html" }
func (Prompt) file() string        { return "prompt.html" }
func (ChooseFactor) file() string  { return "choosefactor.html" }
func (Backup) file() string        { return "backup.html" }
func (Enroll) file() string        { return "enroll.html" }
func (EnrollCode) file() string    { return "enrollcode.html" }
func (Rescue) file() string        { return "rescue.html" }
func (RecoveryCodes) file() string { return "recoverycodes.html" }
func (Device) file() string        { return "device.html" }
func (Portal) file() string        { return "portal.html" }
func (Choose) file() string        { return "choose.html" }
func (Post) file() string          { return "post.html" }
func (Handoff) file() string       { return "handoff.html" }
func (Settings) file() string      { return "settings.html" }
func (HelpDesk) file() string      { return "helpdesk.html" }
func (Help) file() string          { return "help.html" }
func (Error) file() string         { return "error.html" }
func (SignedOut) file() string     { return "signedout.html" }
