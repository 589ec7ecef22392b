package web

// Frame is what every page shows around its own content.
type Frame struct {
	Title   string // of the portal: "Example Apps"
	Logo    string // address of the logo, or empty
	Help    string // "Service desk, extension 4400", or empty
	HelpURL string
	User    string // label of who is signed in (or signing in), or empty
	Form    string // value of the field f for the "not you?" and sign-out forms, or empty
	Compact bool   // popup-sized layout: no header, no menu
}

// Login asks for the user name.
type Login struct {
	Frame
	F        string // flow id
	App      string // label of the application on the way, or empty
	Username string
	Error    string
}

// Password asks for the password of a name that was typed.
type Password struct {
	Frame
	F        string
	App      string
	Username string
	Error    string
}

// MFA asks for one factor.
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
	Others  []Link // other factors the person may use instead
	Error   string
}

// ChooseFactor lets the person pick a factor, to use or (Enroll) to set up.
type ChooseFactor struct {
	Frame
	App     string
	Enroll  bool
	Choices []Link
}

// Enroll sets up a factor.
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
	QR      string // data: address of a PNG
	Digits  int
	Error   string
}

// EnrollCode asks for the invitation code that guards a first enrollment.
type EnrollCode struct {
	Frame
	F     string
	App   string
	Error string
}

// Device asks "Is this your device?", yes and no of equal weight.
type Device struct {
	Frame
	F    string
	App  string
	Days int // how long the answer yes is good for, for the sentence
}

// Portal shows the tiles.
type Portal struct {
	Frame
	F          string // the session's form token
	Tiles      []Tile
	Notices    []string
	BreakGlass bool
}

// Tile is one application.
type Tile struct {
	Name     string // POST /apps/{name}, or Href
	Label    string
	Icon     string // address, or empty
	Initials string // shown where there is no icon
	Hue      int    // 0..359, colours the initials
	Asks     string // "asks for your authenticator app: every sign-in"
	Href     string // for a link application: GET here instead of a POST
}

// Choose lets the person pick one of several ways into an application.
type Choose struct {
	Frame
	F       string
	Action  string
	App     string
	Choices []Option
}

// Option is one radio button.
type Option struct{ Value, Label string }

// Post submits a form to another site by itself; a button remains for browsers without scripts.
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
	App string
	URL string
}

// Settings shows a person their own factors, devices and sessions.
type Settings struct {
	Frame
	F        string
	Factors  []Item
	Devices  []Item
	Sessions []Item
	Add      []Link // factors that can be set up
	Notice   string
}

// Item is one row with a button that removes it.
type Item struct {
	ID      string // value of the button
	Label   string
	Detail  string // "added 3 May 2026, last used today"
	Current bool   // this very session or device
	Fixed   bool   // cannot be removed
}

// Link is a label and an address.
type Link struct{ Label, URL string }

// Help is one printable page for agents.
type Help struct {
	Frame
	Address  string // of the portal
	Factors  []string
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
