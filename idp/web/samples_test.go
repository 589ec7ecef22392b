package web

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// serve is for people and for browsers that look at the pages:
//
//	go test ./idp/web -serve localhost:9999
var serve = flag.String("serve", "", "serve the sample pages on this address instead of testing")

func TestMain(m *testing.M) {
	flag.Parse()
	if *serve == "" {
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, "serving until killed:", http.ListenAndServe(*serve, sampleServer()))
	os.Exit(1)
}

func sampleServer() http.Handler {
	pages, err := New(Options{Images: map[string]Image{"cloud": {Type: "image/svg+xml", Data: []byte(cloud)}}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", pages.Assets())
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Method, r.URL.Path, r.FormValue("f"))
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		name := strings.Trim(r.URL.Path, "/")
		page := samples(pages)[name]
		if page == nil {
			for _, n := range sampleNames(pages) {
				fmt.Fprintln(w, n)
			}
			return
		}
		csp := CSP
		if _, ok := page.(Post); ok {
			csp = PostCSP
		}
		w.Header().Set("Content-Security-Policy", csp)
		if err := pages.Render(w, http.StatusOK, page); err != nil {
			panic(err)
		}
	})
	return mux
}

func sampleNames(p *Pages) []string {
	var names []string
	for n := range samples(p) {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

const cloud = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="#0b7fc2" d="M7 19a5 5 0 0 1-.6-9.96 6 6 0 0 1 11.5 1.02A4.5 4.5 0 0 1 17.5 19z"/></svg>`

// picture is a PNG that looks like a QR code from afar; package totp draws real ones.
func picture() string {
	img := image.NewPaletted(image.Rect(0, 0, 37, 37), color.Palette{color.White, color.Black})
	for i := range img.Pix {
		x, y := i%37-4, i/37-4
		if x >= 0 && y >= 0 && x < 29 && y < 29 && (x*y+x*x*7+y*3)%5 < 2 {
			img.Pix[i] = 1
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())
}

func tiles(p *Pages) []Tile {
	return []Tile{
		{Name: "connect", Label: "Contact centre", Initials: "CC", Hue: 170, Asks: "Second step once in 7 days"},
		{Name: "salesforce", Label: "Salesforce", Icon: p.Asset("cloud"), Asks: "Second step at every sign-in"},
		{Name: "handbook", Label: "Handbook", Initials: "H", Hue: 80, Href: "https://handbook.example.com"},
		{Name: "rota", Label: "Rota and holidays", Initials: "RH", Hue: 260},
		{Name: "quality", Label: "Quality monitoring", Initials: "QM", Hue: 320, Asks: "Second step once in 7 days"},
		{Name: "knowledge", Label: "Knowledge base", Initials: "KB", Hue: 40},
		{Name: "orders", Label: "Orders", Initials: "O", Hue: 0, Asks: "Second step at every sign-in"},
		{Name: "wiki", Label: "Wiki", Initials: "W", Hue: 210},
		{Name: "payroll", Label: "Payroll and expenses of the group", Initials: "PE", Hue: 110, Asks: "Second step at every sign-in"},
		{Name: "learning", Label: "Learning", Initials: "L", Hue: 290},
		{Name: "tickets", Label: "Tickets", Initials: "T", Hue: 140, Asks: "closed at this hour", Closed: true},
		{Name: "lab", Label: "Donaudampfschifffahrtsgesellschaft", Initials: "DO", Hue: 235},
	}
}

// samples are the pages as people meet them; the golden files show each.
func samples(p *Pages) map[string]Page {
	f := Frame{Title: "Example Apps", Help: "Service desk, extension 4400", HelpURL: "https://help.example.com"}
	in := f
	in.User, in.Form = "alice@corp.example.com", "form"
	desk := in
	desk.HelpDesk = true
	logo := f
	logo.Logo = p.Asset("cloud")
	typed := f
	typed.User, typed.NotYou = "alice@corp.example.com", "/login?f=flow"
	popup := in
	popup.Compact = true
	bare := Frame{Title: "Sign in", User: "breakglass", Form: "form"}
	app, all := "Contact centre", tiles(p)
	enroll := Enroll{
		Frame: typed, F: "flow", Action: "/enroll/totp", Factor: "totp", App: app, Digits: 6,
		Heading: "Set up your authenticator app", Text: "From then on the app shows a new code every 30 seconds. You type it after your password.",
		OTPAuth: "otpauth://totp/Example%20Apps:alice@corp.example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example%20Apps",
		Key:     "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP", QR: picture(),
	}
	wrong := enroll
	wrong.Error = "That code is not right. Check that the phone shows the right time, and type the code it shows now."
	mfa := MFA{
		Frame: typed, F: "flow", Action: "/mfa/totp", Factor: "totp", Heading: "Enter your code", App: app, Digits: 6,
		Text: "Open your authenticator app and type the code it shows for Example Apps.",
		Rule: "Contact centre asks for a second step once in 7 days.", Others: []Link{{Label: "Use a passkey", URL: "/mfa/passkey?f=flow", Script: true}, {Label: "Use Duo Push", URL: "/mfa/duo?f=flow"}},
	}
	mfaWrong := mfa
	mfaWrong.Error = "That code is not right, or was used already. Wait for the next one."
	key, closed := mfa, mfa
	key.Action, key.Factor, key.Digits, key.Heading, key.Options = "/mfa/passkey", "passkey", 0, "Use your passkey", `{"challenge":"AAAA"}`
	key.Text, key.Others = "Your browser will ask for your fingerprint, face, PIN or security key.", []Link{{Label: "Authenticator app", URL: "/mfa/totp?f=flow"}}
	keyError := key
	keyError.Error = "No passkey was given: the browser’s window was closed, or nobody answered in time. Try again, or choose another way."
	closed.Digits, closed.Closed, closed.Heading, closed.Text = 0, true, "Use your passkey", "Your passkeys were made for login.example.com, the portal’s address before. They cannot be used here."
	newKey := Enroll{
		Frame: typed, F: "flow", Action: "/enroll/passkey", Factor: "passkey", App: app, Options: `{"challenge":"AAAA"}`, Heading: "Set up a passkey",
		Text:   "Your device keeps the passkey and asks for your fingerprint, face or PIN whenever it is used. Nothing has to be typed, and no other site can ask for it.",
		Others: []Link{{Label: "Authenticator app", URL: "/enroll/totp?f=flow"}},
	}
	timed := typed
	timed.Limit = Limit{Seconds: 15 * 60, More: Link{Label: "More time", URL: "/mfa/totp?f=flow&more=1"}}
	mfa.Frame, key.Frame, enroll.Frame = timed, timed, timed
	late := mfa
	late.Late = true
	mfaPopup := mfa
	mfaPopup.Frame, mfaPopup.Others = popup, nil
	ways := []Way{
		{Action: "/mfa/passkey", Factor: "passkey", Label: "Passkey", Text: key.Text, Options: `{"challenge":"AAAA"}`},
		{Action: "/mfa/totp", Factor: "totp", Label: "Authenticator app", Digits: 6},
		{Action: "/mfa/duo", Factor: "duo", Label: "Duo"},
		{Action: "/mfa/duo-sales", Factor: "duo-sales", Label: "Duo for sales"},
	}
	wrongWays := []Way{ways[0], ways[1]}
	wrongWays[1].Wrong = true
	rules := []string{
		"At least 12 characters.", "Characters of three of these kinds: capital letters, small letters, digits, and signs such as ! or -; and no part of your name.",
		"None of your last 24 passwords.",
	}
	return map[string]Page{
		"login":           Login{Frame: f, F: "flow"},
		"login-app-error": Login{Frame: logo, F: "flow", App: app, Username: "alice", Error: "Type your user name."},
		"login-popup":     Login{Frame: Frame{Title: "Example Apps", Help: f.Help, Compact: true}, F: "flow", App: app},
		"password":        Password{Frame: typed, F: "flow", App: app, Username: "alice@corp.example.com"},
		"password-error":  Password{Frame: typed, F: "flow", Username: "alice@corp.example.com", Error: "The user name or the password is not right."},
		"newpassword":     NewPassword{Frame: in, F: "flow", Username: "alice@corp.example.com", Rules: rules},
		"newpassword-due": NewPassword{Frame: in, F: "flow", App: app, Username: "alice@corp.example.com", Due: true, Rules: rules, Why: "Your password has expired. Choose a new one, then you go on to where you were going."},
		"newpassword-error": NewPassword{
			Frame: popup, F: "flow", App: app, Username: "alice@corp.example.com", Due: true, Rules: rules[:1], Field: "new",
			Error: "You have had that password before. Choose one that is new.",
		},
		"login-passkey":    Login{Frame: f, F: "flow", App: app, Passkey: Passkey{Action: "/login/passkey", Options: `{"challenge":"AAAA"}`}},
		"mfa-passkey":      key,
		"mfa-passkey-none": keyError,
		"mfa-closed":       closed,
		"enroll-passkey":   newKey,
		"mfa":              mfa,
		"mfa-error":        mfaWrong,
		"mfa-popup":        mfaPopup,
		"mfa-no-code":      MFA{Frame: typed, F: "flow", Action: "/mfa/duo", Factor: "duo", Heading: "Approve on your phone", Text: "We sent a request to Duo Mobile.", Error: "You did not approve in time."},
		"choosefactor":     ChooseFactor{Frame: typed, App: app, Choices: []Link{{Label: "Authenticator app", URL: "/mfa/totp?f=flow"}, {Label: "Passkey", URL: "/mfa/passkey?f=flow", Script: true}}},
		"mfa-late":         late,
		"prompt": Prompt{
			Frame: timed, F: "flow", App: app, Rule: "Asked every 7 days on your own device.", Ask: true, Days: 7,
			Ways: ways, Others: []Link{{Label: "I can’t use any of these", URL: "/rescue?f=flow"}},
		},
		"prompt-error": Prompt{
			Frame: timed, F: "flow", App: app, Rule: "Asked at every sign-in.", Ways: wrongWays, Own: true, Error: "That code is not right. Type the code that your app shows now.",
			Others: []Link{{Label: "I can’t use any of these", URL: "/rescue?f=flow"}},
		},
		"backup":               Backup{Frame: timed, F: "flow", App: app, Have: "your authenticator app", Choices: []Option{{Value: "passkey", Label: "Passkey", Script: true}, {Value: "recovery", Label: "Recovery codes on paper"}, {Value: "totp", Label: "Another authenticator app"}}},
		"backup-due":           Backup{Frame: timed, F: "flow", App: app, Have: "your passkey", Due: true, Choices: []Option{{Value: "totp", Label: "Authenticator app"}, {Value: "recovery", Label: "Recovery codes on paper"}}},
		"choosefactor-new":     ChooseFactor{Frame: timed, F: "flow", App: app, Enroll: true, Backup: true, Choices: []Link{{Label: "Authenticator app", URL: "/enroll/totp?f=flow"}, {Label: "Passkey", URL: "/enroll/passkey?f=flow", Script: true}}},
		"enroll":               enroll,
		"enroll-error":         wrong,
		"enrollcode":           EnrollCode{Frame: typed, F: "flow", App: app},
		"enrollcode-error":     EnrollCode{Frame: typed, F: "flow", Error: "That code is not right or has expired."},
		"rescue":               Rescue{Frame: typed, F: "flow", Action: "/rescue", App: app, Recovery: true, Bypass: true, Back: "/login?f=flow", Ref: "7KQ2-M4XD"},
		"rescue-error":         Rescue{Frame: typed, F: "flow", Action: "/rescue", Bypass: true, Back: "/login?f=flow", Wrong: true, Error: "That code is not right, or it has been used. Check each character, or ask the service desk for a new one.", Ref: "7KQ2-M4XD"},
		"rescue-away":          Rescue{Frame: in, F: "flow", Action: "/rescue", App: app, Recovery: true, Bypass: true, Away: true, Back: "/login?f=flow", Error: "Duo does not answer just now. Try again in a minute.", Ref: "7KQ2-M4XD"},
		"rescue-off":           Rescue{Frame: in, F: "flow", App: app, Back: "/login?f=flow", Ref: "7KQ2-M4XD"},
		"recoverycodes":        RecoveryCodes{Frame: in, Done: Link{Label: "I have kept them", URL: "/settings"}, Codes: paperCodes},
		"recoverycodes-backup": RecoveryCodes{Frame: timed, F: "flow", App: app, Done: Link{Label: "I have kept them", URL: "/backup"}, Codes: paperCodes},
		"device":               Device{Frame: in, F: "flow", App: app, Days: 7},
		"portal":               Portal{Frame: in, F: "form", Tiles: all},
		"portal-one":           Portal{Frame: in, F: "form", Tiles: all[:1]},
		"portal-three":         Portal{Frame: in, F: "form", Tiles: all[:3], Notices: []Notice{{Text: "Your password expires in 5 days, on 7 March 2026.", Link: Link{Label: "Change it now", URL: "/password"}}}},
		"portal-news": Portal{Frame: in, F: "form", Tiles: all[:3], News: []News{
			{ID: "n2", Text: "Your password was changed, and your remembered devices were forgotten.", Detail: "today, 08:02 UTC, from Firefox on Linux, 198.51.100.23"},
			{ID: "n1", Text: "A code was made that stands in for your second step.", Detail: "3 May 2026, 17:40 UTC, by the service desk: command as root"},
		}},
		"portal-empty":     Portal{Frame: in, F: "form"},
		"portal-emergency": Portal{Frame: bare, F: "form", Tiles: all[:2], BreakGlass: true},
		"choose":           Choose{Frame: in, F: "flow", Action: "/apps/connect", App: app, Choices: []Option{{Value: "0", Label: "Supervisor"}, {Value: "1", Label: "Agent"}}},
		"post": Post{Frame: in, App: app, Action: "https://eu-west-2.signin.aws.amazon.com/saml", Fields: []Field{
			{"SAMLResponse", strings.Repeat("PHNhbWxwOlJlc3BvbnNl+/", 40) + "=="}, {"RelayState", "https://eu-west-2.console.aws.amazon.com/connect/federate/1?destination=%2Fccp-v2&new_domain=true"},
		}},
		"handoff": Handoff{Frame: typed, App: "Example", URL: "https://example.test/?a=1&b=2"},
		"handoff-duo": Handoff{
			Frame: in, App: "Duo", For: app, URL: "https://api-1234abcd.duosecurity.com/oauth/v1/authorize?a=1&b=2",
			Others: []Link{{Label: "Authenticator app", URL: "/mfa/totp?f=flow"}, {Label: "Cancel and go back", URL: "/"}},
		},
		"settings":           sampleSettings(in),
		"settings-empty":     Settings{Frame: in, F: "form", Sessions: []Item{{ID: "s1", Label: "Chromium on Linux", Current: true}}},
		"help":               sampleHelp(in),
		"helpdesk":           HelpDesk{Frame: desk, F: "form"},
		"helpdesk-error":     HelpDesk{Frame: desk, F: "form", Name: "alise", Error: "Nobody whom you help has that user name. Type it as the person does who signs in with it."},
		"helpdesk-person":    sampleHelpDesk(desk, ""),
		"helpdesk-code":      sampleHelpDesk(desk, "7KQ2-M4XD-91PA"),
		"helpdesk-again":     sampleRepeated(desk),
		"help-anonymous":     Help{Frame: Frame{Title: "Sign in"}, Address: "https://sso.example.com", Factors: []string{"authenticator app"}},
		"error":              Error{Frame: in, Status: 403, Heading: "You have no role for Contact centre", Text: "Ask for one of the groups “Contact Centre Agents” or “Contact Centre Supervisors”.", Ref: "7KQ2-M4XD-91PA"},
		"error-retry":        Error{Frame: f, Status: 502, Heading: "We can’t reach the directory", Text: "Your password was not checked.", Ref: "7KQ2-M4XD-91PA", Retry: true, Action: Link{Label: "Try again", URL: "/login"}},
		"signedout":          SignedOut{Frame: f},
		"signedout-to-other": SignedOut{Frame: f, Again: "/login?app=connect"},
	}
}

var paperCodes = []string{
	"7KQ2-M4XD-91PA-C0DE", "3FHT-VW8N-Q2RB-55ZK", "X0Y1-9MPA-7D4C-HJ6T", "B8NS-2KEE-R7VQ-M1WF", "0AZ9-P6TK-D3XH-YC42",
	"6WRT-N8JB-Q5SV-1E7M", "K2DF-H9XA-3PYC-Z0TG", "V4MB-7SNE-W1QJ-R8K6", "9CXP-T5ZH-F2DA-Y3NV", "E1GK-J7RM-8BWS-4XQ0",
}

func sampleSettings(in Frame) Settings {
	return Settings{
		Frame: in, F: "form", Notice: "The passkey is removed.",
		News: []News{{ID: "n1", Text: "A second step (Passkey) was set up.", Detail: "today, 08:02 UTC, from Safari on iPhone, 203.0.113.7"}},
		Lately: []News{
			{ID: "n1", Text: "A second step (Passkey) was set up.", Detail: "today, 08:02 UTC, from Safari on iPhone, 203.0.113.7"},
			{ID: "n2", Text: "A code was made that stands in for your second step.", Detail: "2 May 2026, 17:40 UTC, by the service desk: hilda@corp.example.com"},
		},
		Factors:  []Item{{ID: "f1", Label: "Authenticator app", Detail: "added 3 May 2026, last used today"}, {ID: "f2", Label: "Duo", Detail: "looked after by your service desk", Fixed: true}},
		Devices:  []Item{{ID: "d1", Label: "Chromium on Windows", Detail: "since 3 May 2026", Current: true, More: []string{"No second step for this portal and Contact centre, which share it, until 10 May 2026", "No second step for Wiki until 4 May 2026"}}, {ID: "d2", Label: "Safari on iPhone", Detail: "since 12 March 2026"}},
		Sessions: []Item{{ID: "s1", Label: "Chromium on Windows", Detail: "since 08:02, from 203.0.113.7", Current: true}, {ID: "s2", Label: "Firefox on Linux", Detail: "since yesterday, 17:40, from 198.51.100.23"}},
		Add:      []Link{{Label: "Add a passkey", URL: "/enroll/passkey", Script: true}}, Recovery: true, Codes: 7, Once: "once",
		Password: Link{Label: "Change your password", URL: "/password"}, PasswordExpires: "7 March 2026",
	}
}

func sampleHelpDesk(in Frame, code string) HelpDesk {
	p := Helped{
		Key: "corp:4f2a91d0", Label: "Ann Agent", Detail: "ann@corp.example.com", Codes: 7, Sessions: 1, Devices: 2, Code: code, Minutes: 15,
		Factors: []HelpedFactor{
			{Label: "Authenticator app", Detail: "added 3 May 2026, last used today", Locked: code == ""},
			{Label: "My phone", Detail: "Passkey, added 12 March 2026, last used 4 May 2026 on Chrome on Android"},
		},
	}
	d := HelpDesk{Frame: in, F: "form", Once: "once", Name: "ann@corp.example.com", Person: p}
	if code == "" {
		d.Notice = "Done: 2 sessions ended, 1 device forgotten. Codes that you gave before do not count any more."
		d.Person.Warnings = []string{"Too many wrong codes were typed in the place of a second step: for a while, none is taken. An administrator can lift that."}
	}
	return d
}

// sampleRepeated is what a reload of the page with the code shows.
func sampleRepeated(in Frame) HelpDesk {
	d := sampleHelpDesk(in, "")
	d.Notice = "That was done before, and nothing was done now. The code for Ann Agent was shown then, and is not shown again: if it was not heard, give another."
	return d
}

func sampleHelp(in Frame) Help {
	return Help{
		Frame: in, Address: "https://sso.example.com", Factors: []string{"passkey", "Duo Push", "authenticator app"},
		Gate: "If you are asked for an invitation code then, get one from the contact below.",
		Apps: []string{"Contact centre", "Salesforce", "Handbook"}, Password: "Call the service desk. Passwords expire every 90 days; you are told 14 days before.",
		NewPhone: "Keep the old phone until the new one is set up: sign in, open Settings and add the new one. If the old one is lost, call the service desk.",
	}
}
