package e2e

import (
	"encoding/base64"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// hotDesk is a gateway for a floor with one browser and two agents.
type hotDesk struct {
	*Caddy
	domain   *Domain
	ada, ben *Person
}

// lifeAfterLaunch is how long a session at a hot desk goes on after it opened something.
const lifeAfterLaunch = 5 * time.Minute

func openHotDesk(t *testing.T, d *Domain) *hotDesk {
	t.Helper()
	h := &hotDesk{domain: d, ada: someone("ada"), ben: someone("ben")}
	h.Caddy = NewCaddy(t, "hotdesk", map[string]any{"Domain": d, "Hours": around(0)})
	WriteFile(t, filepath.Join(h.Dir, "ad_bind"), premisesPassword+"\n")
	h.Start()
	return h
}

// around is four hours of a day in Auckland, in whose midst it is that long after now.
func around(after time.Duration) string {
	zone, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		panic(err) // Go brings its own where a machine has none
	}
	at := time.Now().Add(after).In(zone)
	return at.Add(-2*time.Hour).Format("15:04") + "-" + at.Add(2*time.Hour).Format("15:04")
}

// day is in the order of one day: each part finds what those before have left.
func (h *hotDesk) day(t *testing.T) {
	b := OpenBrowser(t, h.NewProfile())
	h.part(t, b, "ada opens Connect and signs out there", (*hotDesk).adaSignsOut)
	h.part(t, b, "ben opens Connect and walks away", (*hotDesk).benWalksAway)
	h.Stop()
	h.timePasses(t, "ben")
	h.Start()
	h.part(t, b, "ada comes back", (*hotDesk).adaComesBack)
	b.Close()
	h.part(t, b, "hours", (*hotDesk).hoursDecide)
}

// part is a part of the day, which fails on its own.
func (h *hotDesk) part(t *testing.T, b *Browser, name string, run func(*hotDesk, *testing.T, *Browser)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		own, gateway := *h, *h.Caddy
		gateway.t = t
		own.Caddy = &gateway
		defer func(before testing.TB) { b.t = before }(b.t)
		b.t = t
		run(&own, t, b)
	})
}

func (h *hotDesk) console() string { return h.URL("console.third.test", "") }

func (h *hotDesk) atConsole(_, address string) bool {
	return strings.HasPrefix(address, h.console()+"/")
}

// posted returns as whom the browser signed in to Connect, each time so far.
func (h *hotDesk) posted(b *Browser) (names []string) {
	h.t.Helper()
	for _, p := range b.Posted(h.URL("signin.aws.test", "/")) {
		fields, err := url.ParseQuery(p.Fields)
		if err != nil {
			h.t.Fatal(err)
		}
		response, err := base64.StdEncoding.DecodeString(fields.Get("SAMLResponse"))
		if err != nil {
			h.t.Fatal(err)
		}
		_, mail, _ := strings.Cut(string(response), `RoleSessionName`)
		_, mail, _ = strings.Cut(mail, "AttributeValue")
		_, mail, _ = strings.Cut(mail, ">")
		name, _, _ := strings.Cut(mail, "@")
		names = append(names, name)
	}
	return names
}

func (h *hotDesk) wantPosted(b *Browser, want ...string) {
	h.t.Helper()
	if names := h.posted(b); !slices.Equal(names, want) {
		h.t.Errorf("Connect was opened as %v, want %v", names, want)
	}
}

// adaSignsOut: Connect leads to /logout?app=connect after its own sign-out, and from there nothing leads on as ada.
func (h *hotDesk) adaSignsOut(t *testing.T, b *Browser) {
	if way := b.SignIn(h.Caddy, h.ada); !slices.Equal(way, []string{"login", "password", "enroll"}) {
		t.Errorf("ada's first sign-in: %v", way)
	}
	if way := b.Launch("connect", h.ada, h.console()); len(way) > 0 {
		t.Errorf("ada, on the way to Connect: %v", way)
	}
	b.WaitText(accepted)
	h.wantPosted(b, "ada")
	Eval[bool](b, `void (location.href = "`+h.Portal("/logout?app=connect")+`") ?? true`)
	b.WaitKind("signed-out")
	b.Click(`main a.button`)
	b.WaitKind("login")
	b.WaitText("Contact centre")
	h.nothingOf(b, "Ada")
	h.wantPosted(b, "ada")
}

// nothingOf goes back over the whole history and reloads each page: none is of the person who was here before.
func (h *hotDesk) nothingOf(b *Browser, name string) {
	h.t.Helper()
	pages := 0
	for b.Before() > 1 { // the first page is the empty one that Chromium starts with
		b.Back()
		b.Reload()
		s := b.waitFor("a page", func(s seen) bool { return s.Text != "" })
		if strings.HasPrefix(s.URL, h.Portal("")) && (s.Kind == "portal" || s.Kind == "post" || strings.Contains(s.Text, "Signed in as") || strings.Contains(s.Text, name+" ")) {
			h.t.Errorf("%s is still somebody's: %s", s.URL, s.Text)
		}
		pages++
	}
	if pages < 4 {
		h.t.Errorf("the history has %d pages", pages)
	}
}

// benWalksAway: ben opens Connect as himself, and does not sign out.
func (h *hotDesk) benWalksAway(t *testing.T, b *Browser) {
	b.Open(h.Portal("/apps/connect"))
	if way := b.Walk(h.ben, "the console", h.atConsole); !slices.Equal(way, []string{"login", "password", "enroll"}) {
		t.Errorf("ben, on the way to Connect: %v", way)
	}
	b.WaitText(accepted)
	h.wantPosted(b, "ada", "ben")
}

// timePasses makes the session of an account older, since the binary's clock cannot be turned, until it should be over.
func (h *hotDesk) timePasses(t *testing.T, account string) {
	t.Helper()
	s := h.Database()
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	key := "corp:" + guid(h.domain.Values(account, "objectGUID")[0])
	if devices, err := s.UserDevices(t.Context(), key, time.Now()); err != nil || len(devices) > 0 {
		t.Errorf("%d devices of %s are remembered: %v", len(devices), account, err)
	}
	sessions, err := s.UserSessions(t.Context(), key)
	if err != nil || len(sessions) != 1 {
		t.Fatalf("%d sessions of %s: %v", len(sessions), account, err)
	}
	older := *sessions[0]
	if left := time.Until(older.Expires); left <= 0 || left > lifeAfterLaunch {
		t.Errorf("the session has %s left", left)
	}
	older.SignedIn, older.Seen, older.Expires = older.SignedIn.Add(-lifeAfterLaunch), older.Seen.Add(-lifeAfterLaunch), older.Expires.Add(-lifeAfterLaunch)
	if err := s.ReplaceSession(t.Context(), older.ID, &older); err != nil {
		t.Fatal(err)
	}
}

// adaComesBack: she finds nothing of ben's, is asked for all of hers, and opens Connect as herself.
func (h *hotDesk) adaComesBack(t *testing.T, b *Browser) {
	for _, path := range []string{"/", "/apps/connect", "/logout?app=connect", "/settings"} {
		b.Open(h.Portal(path))
		b.waitFor(path+" without anybody", func(s seen) bool { return s.Kind == "login" || s.Kind == "signed-out" })
	}
	b.Open(h.Portal("/apps/connect"))
	if way := b.Walk(h.ada, "the console", h.atConsole); !slices.Equal(way, []string{"login", "password", "mfa"}) {
		t.Errorf("ada again, on the way to Connect: %v", way)
	}
	b.WaitText(accepted)
	h.wantPosted(b, "ada", "ben", "ada")
}

// hoursDecide: what is open now in Auckland opens, and after a reload with other hours it does not.
func (h *hotDesk) hoursDecide(t *testing.T, _ *Browser) {
	c := h.ClientFrom(atHome)
	hal := someone("hal")
	c.Walk(c.Get(h.Portal("/apps/menu")), hal, "handoff")
	if p := c.Get(h.Portal("/apps/till")); p.Kind != "handoff" {
		t.Errorf("within the hours: %s", p)
	}
	h.Configure("hotdesk", map[string]any{"Hours": around(4 * time.Hour)})
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	page := c.Get(h.Portal("/apps/till"))
	if !strings.Contains(page.Text, "This is closed at this hour.") {
		t.Errorf("outside the hours: %s", page)
	}
	l := h.refusal(page)
	l.wantRule(t, "hours", "hours mon tue wed thu fri sat sun "+around(4*time.Hour)+" Pacific/Auckland")
	if p := c.Get(h.Portal("/apps/menu")); p.Kind != "handoff" {
		t.Errorf("what has no hours, outside those of others: %s", p)
	}
	h.Configure("hotdesk", map[string]any{"Hours": around(0)})
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if p := c.Get(h.Portal("/apps/till")); p.Kind != "handoff" {
		t.Errorf("within the hours again: %s", p)
	}
}
