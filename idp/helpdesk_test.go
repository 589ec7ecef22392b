package idp_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/local"
)

// newDesk is a venue with a help desk: hilda and hugo are of it, hugo is an agent as well; alice and bob are agents,
// and nomail is nobody whom it is for.
func newDesk(t testing.TB) *venue {
	h := newVenue(t)
	h.reopen(t, nil, "weekly")
	return h
}

// away is a directory that does not answer.
type away struct{}

func (away) Name() string { return "away" }

func (away) Find(context.Context, string) (*idp.User, error) { return nil, errors.New("it is away") }

func (away) Authenticate(context.Context, *idp.User, string) error { return errors.New("it is away") }

// reopen builds the gateway of the help desk, with a further source and a policy of the portal.
func (h *venue) reopen(t testing.TB, further idp.Source, policy string) {
	t.Helper()
	c := baseConfig(t, h.store, h.clock.Now)
	c.Portal.Policy = policy
	var users []local.User
	for _, u := range []local.User{
		{Name: "alice", Email: "alice@example.com", DisplayName: "Alice Agent", Groups: []string{"Agents"}},
		{Name: "bob", Groups: []string{"Agents"}},
		{Name: "hilda", Email: "hilda@example.com", Groups: []string{"Help"}},
		{Name: "hugo", Groups: []string{"Help", "Agents"}},
		{Name: "nomail"},
	} {
		u.Hash = agentHash()
		users = append(users, u)
	}
	source, err := local.New(local.Config{Name: "staff", Users: users, Hasher: local.NewHasher(local.Bounds{})})
	if err != nil {
		t.Fatal(err)
	}
	c.Sources = []idp.Source{source}
	if further != nil {
		c.Sources = append(c.Sources, further)
	}
	agents := []idp.GroupRef{{Source: "staff", Name: "Agents"}}
	c.HelpDesks = []idp.HelpDesk{
		{Groups: []idp.GroupRef{{Source: "staff", Name: "Help"}}, For: agents},
		{Groups: []idp.GroupRef{{Source: "corp", Name: "Help"}}, For: agents},
	}
	if h.gateway, err = idp.New(c); err != nil {
		t.Fatal(err)
	}
}

var (
	helpedKey = regexp.MustCompile(`name="user" value="([^"]*)"`)
	givenCode = regexp.MustCompile(`<code>([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})</code>`)
)

// helpDesk posts a form of the help desk: kind, name, and the key of the person on the page.
func (h *venue) helpDesk(ts *testscript.TestScript, args []string) {
	fields := []string{"/helpdesk", "kind=" + args[0], "name=" + args[1]}
	if m := helpedKey.FindStringSubmatch(h.now.body); m != nil && args[0] != "find" {
		fields = append(fields, "user="+m[1])
	}
	h.post(ts, append(fields, args[2:]...))
	if m := givenCode.FindStringSubmatch(h.now.body); m != nil {
		h.code = m[1]
	}
}

// TestHelpDesk runs the scripts of testdata/helpdesk.
//
//	helpdesk KIND NAME [FIELD=VALUE…]  a form of the help desk; a code that it shows is :invitation
//	again KIND NAME                    sends the form before once more, as a browser does that loads its answer again
//	rescue                             opens "I can't use this" on the page of a second step
//	keep-code, type-former             keeps the code, types it when there is another one
//	remember, same NAME OTHER          keeps the page about NAME; that about OTHER tells nothing else
//	keep, type N                       keeps recovery codes, types one
//	away, no-mfa                       a second directory that does not answer; a portal that asks for the password alone
func TestHelpDesk(t *testing.T) {
	runScripts(t, "testdata/helpdesk", newDesk, map[string]func(*venue, *testscript.TestScript, []string){
		"helpdesk": (*venue).helpDesk,
		"again":    again((*venue).helpDesk),
		"rescue": func(h *venue, ts *testscript.TestScript, _ []string) {
			h.wantPage(ts, []string{"mfa"})
			h.get(ts, []string{"/rescue?f=" + flowID.FindStringSubmatch(h.now.body)[1]})
		},
		"keep": (*venue).keepPaper, "type": (*venue).typePaper,
		"away":      func(h *venue, _ *testscript.TestScript, _ []string) { h.reopen(t, away{}, "weekly") },
		"no-mfa":    func(h *venue, _ *testscript.TestScript, _ []string) { h.reopen(t, nil, "password") },
		"keep-code": func(h *venue, _ *testscript.TestScript, _ []string) { h.former = h.code },
		"type-former": func(h *venue, ts *testscript.TestScript, _ []string) {
			h.post(ts, []string{"/rescue", "code=" + h.former})
		},
		"remember": func(h *venue, _ *testscript.TestScript, _ []string) { h.shown = h.now.body },
		"same": func(h *venue, ts *testscript.TestScript, args []string) {
			if strings.ReplaceAll(h.shown, args[0], args[1]) != h.now.body {
				ts.Fatalf("the page tells %s and %s apart:\n%s\n%s", args[0], args[1], h.shown, h.now.body)
			}
		},
	})
}

// desk brings hilda to the help desk.
func (h *venue) desk(t *testing.T) {
	t.Helper()
	h.signIn(t, "hilda")
	h.wantPageOf(t, "/helpdesk", "helpdesk")
}

// Whoever has a helper's browser does not try names by the thousand, one after the other or all at once.
func TestHelpDeskLookUpsAreLimited(t *testing.T) {
	h := newDesk(t)
	h.desk(t)
	var found atomic.Int32
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			w := h.beside(h.now, "/helpdesk", url.Values{"kind": {"find"}, "name": {fmt.Sprint("guess", i)}})
			switch w.Code {
			case http.StatusNotFound:
				found.Add(1)
			case http.StatusTooManyRequests:
			default:
				t.Errorf("%d", w.Code)
			}
		})
	}
	wg.Wait()
	if n := found.Load(); n != 40 {
		t.Errorf("%d names were looked up at once, want 40", n)
	}
	if got := h.form("/helpdesk", "kind", "find", "name", "alice"); got.StatusCode != http.StatusTooManyRequests || got.Header.Get("Retry-After") == "" {
		t.Errorf("the next: %d", got.StatusCode)
	}
	if e := h.last(t, idp.EventHelpDesk); e.Reason != "limited" || e.Result != idp.Denied || e.Name != "alice" || !strings.Contains(e.By, "hilda") {
		t.Errorf("%+v", e)
	}
	h.clock.move(8 * time.Minute)
	for range 41 {
		h.form("/helpdesk", "kind", "find", "name", "alice") // refusals are not counted: they keep nobody out for longer
	}
	h.clock.move(8 * time.Minute)
	h.wantPageOf(t, "/helpdesk", "mfa")
	h.authenticator(t)
	if got := h.form("/helpdesk", "kind", "find", "name", "alice"); got.StatusCode != http.StatusOK {
		t.Errorf("later: %d %s", got.StatusCode, h.words())
	}
}

// Of many that send one form at the same moment, one is given a code.
func TestHelpDeskFormCountsOnceAmongMany(t *testing.T) {
	h := newDesk(t)
	h.desk(t)
	h.form("/helpdesk", "kind", "find", "name", "alice")
	form := url.Values{
		"f": {flowID.FindStringSubmatch(h.now.body)[1]}, "kind": {"code"}, "name": {"alice"}, "user": {"staff:alice"},
		"once": {onceField.FindStringSubmatch(h.now.body)[1]},
	}
	var shown atomic.Int32
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if givenCode.MatchString(h.beside(h.now, "/helpdesk", maps.Clone(form)).Body.String()) {
				shown.Add(1)
			}
		})
	}
	wg.Wait()
	if n := shown.Load(); n != 1 {
		t.Errorf("%d codes were shown, want 1", n)
	}
}

// inGroup is a source whose people are all in one group.
type inGroup struct {
	*living
	group string
}

func (s inGroup) Find(ctx context.Context, name string) (*idp.User, error) {
	u, err := s.living.Find(ctx, name)
	if err == nil {
		u.Groups = []idp.Group{{Names: []string{s.group}}}
	}
	return u, err
}

// A helper whose account was closed, or who left the group, helps nobody from then on, whatever their session had.
func TestHelpDeskFollowsTheDirectory(t *testing.T) {
	h := newDesk(t)
	d := &living{countingSource: &countingSource{name: "corp", users: map[string]string{"harry": "correct horse"}, limit: 9}}
	d.becomes(asBefore)
	h.reopen(t, inGroup{d, "Help"}, "weekly")
	h.signIn(t, "harry")
	h.wantPageOf(t, "/helpdesk", "helpdesk")
	d.becomes(func(u *idp.User) (*idp.User, error) {
		now := *u
		now.Groups = nil
		return &now, nil
	})
	h.clock.move(11 * time.Second)
	if got := h.form("/helpdesk", "kind", "find", "name", "alice"); got.StatusCode != http.StatusForbidden {
		t.Errorf("%d: %s", got.StatusCode, h.words())
	}
}

func TestHelpDeskTakesGroupsOfBothKinds(t *testing.T) {
	group := []idp.GroupRef{{Source: "staff", Name: "Help"}}
	for _, d := range []idp.HelpDesk{{}, {Groups: group}, {For: group}} {
		h := newVenue(t)
		c := baseConfig(t, h.store, h.clock.Now)
		c.HelpDesks = []idp.HelpDesk{d}
		if _, err := idp.New(c); err == nil {
			t.Errorf("%+v was taken", d)
		}
	}
	h := newVenue(t)
	h.signIn(t, "alice")
	if got := h.visit("/helpdesk"); got.StatusCode != http.StatusNotFound {
		t.Errorf("without a help desk: %d", got.StatusCode)
	}
}

// A code that opens nothing is no help, and whoever gives it is told.
func TestHelpDeskTellsOfPoliciesWithoutCodes(t *testing.T) {
	const says = "Nothing that they open takes a code"
	for _, off := range []bool{true, false} {
		h := newVenue(t)
		c := baseConfig(t, h.store, h.clock.Now)
		agents := []idp.GroupRef{{Source: "staff", Name: "Agents"}}
		c.HelpDesks = []idp.HelpDesk{{Groups: []idp.GroupRef{{Source: "people", Name: "Help"}}, For: agents}}
		d := &living{countingSource: &countingSource{name: "people", users: map[string]string{"harry": "correct horse"}, limit: 9}}
		d.becomes(asBefore)
		c.Sources = append(c.Sources, inGroup{d, "Help"})
		if off {
			c.Policies[0].Rescue = &idp.RescueSection{Mode: idp.RescueOff}
		}
		var err error
		if h.gateway, err = idp.New(c); err != nil {
			t.Fatal(err)
		}
		h.signIn(t, "harry")
		h.wantPageOf(t, "/helpdesk", "helpdesk")
		h.form("/helpdesk", "kind", "find", "name", "alice")
		if strings.Contains(h.now.body, says) != off || !strings.Contains(h.now.body, "Alice Agent") {
			t.Errorf("codes off: %v: %s", off, h.words())
		}
	}
}

// The page tells of wrong codes, and of a password that has to be changed; what it shows is not what is secret.
func TestHelpDeskTellsOfLocks(t *testing.T) {
	h := newDesk(t)
	h.use("alice")
	h.signIn(t, "alice")
	secret := h.now.secret
	h.visit("/apps/salesforce")
	h.arrive(t)
	for range 6 {
		h.form("/mfa/totp", "code", "000000")
	}
	h.visit("/rescue?f=" + flowID.FindStringSubmatch(h.now.body)[1])
	for range 6 {
		h.form("/rescue", "code", "NONE")
	}
	h.use("hilda")
	h.desk(t)
	h.form("/helpdesk", "kind", "find", "name", "alice")
	for _, text := range []string{`<span class="badge">locked</span>`, "Too many wrong codes", "Recovery codes"} {
		if !strings.Contains(h.now.body, text) {
			t.Errorf("the page does not say %q: %s", text, h.words())
		}
	}
	if strings.Contains(h.now.body, secret) {
		t.Error("the page holds the secret")
	}
}
