package idp_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/passkey/passkeytest"
)

var paper = regexp.MustCompile(`(?s)<ol class="recovery">.*</ol>`)

// push is a factor at another site, where people have it from some time on.
type push struct {
	phone
	had atomic.Bool
}

func (p *push) Ready(ctx context.Context, u *idp.User) (idp.Readiness, error) {
	if !p.had.Load() {
		return idp.NotEnrolled, nil
	}
	return p.phone.Ready(ctx, u)
}

// newPrompt returns a venue with two factors, and an application for each way to ask for them.
func newPrompt(t testing.TB) *venue {
	h := newVenue(t)
	c := baseConfig(t, h.store, h.clock.Now)
	h.push = &push{phone: phone{now: h.clock.Now}}
	c.Factors = append(c.Factors, h.push)
	always, weekly := &idp.MFASection{Mode: idp.MFAAlways}, &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour}
	codes, all := &idp.FactorsSection{Names: []string{"totp"}}, &idp.PromptSection{Mode: idp.PromptTraditional}
	backup := func(m idp.BackupMode) *idp.BackupSection { return &idp.BackupSection{Mode: m} }
	c.Portal.Policy = "portal"
	c.Policies = []*idp.Policy{
		{Name: "default", MFA: always, Backup: backup(idp.BackupOff)},
		{Name: "portal", MFA: always, Factors: codes, Backup: backup(idp.BackupSuggest)},
		{Name: "quiet", MFA: always, Factors: codes},
		{Name: "weekly", MFA: weekly},
		{Name: "old", MFA: weekly, Prompt: all},
		{Name: "old-always", MFA: always, Prompt: all},
		{Name: "suggested", MFA: always, Factors: codes, Backup: backup(idp.BackupSuggest)},
		{Name: "required", MFA: always, Factors: codes, Backup: backup(idp.BackupRequire)},
		{Name: "required-weekly", MFA: weekly, Factors: codes, Backup: backup(idp.BackupRequire)},
		{Name: "nothing-to-add", MFA: always, Factors: &idp.FactorsSection{Names: []string{"duo"}}, Backup: backup(idp.BackupRequire), Rescue: &idp.RescueSection{Mode: idp.RescueOff}},
	}
	c.Applications = nil
	for _, p := range c.Policies[2:] {
		c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: p.Name}, Policy: p.Name})
	}
	c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "salesforce"}})
	g, err := idp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	h.gateway = g
	return h
}

func promptScripts(t *testing.T, dir string) {
	t.Helper()
	runScripts(t, dir, newPrompt, map[string]func(*venue, *testscript.TestScript, []string){
		"get-f": func(h *venue, ts *testscript.TestScript, args []string) {
			h.get(ts, []string{args[0] + "?f=" + flowID.FindStringSubmatch(h.now.body)[1] + strings.Join(args[1:], "")})
		},
		"push": func(h *venue, _ *testscript.TestScript, _ []string) { h.push.had.Store(true) },
		"keep": func(h *venue, ts *testscript.TestScript, _ []string) {
			h.paper = paper.FindStringSubmatch(h.now.body)
			if len(h.paper) == 0 {
				ts.Fatalf("no codes: %s", h.words())
			}
		},
		"same": func(h *venue, ts *testscript.TestScript, _ []string) {
			if got := paper.FindStringSubmatch(h.now.body); !slices.Equal(got, h.paper) {
				ts.Fatalf("%q, not %q", got, h.paper)
			}
		},
	})
}

func TestPrompt(t *testing.T) { promptScripts(t, "testdata/prompt") }

func TestBackup(t *testing.T) { promptScripts(t, "testdata/backup") }

// started reports whether the page asks the browser by itself.
func (k *keyHolder) started() bool { return strings.Contains(k.now.body, "data-start") }

// A passkey that was used last on this device is asked for as soon as the page is there: once, and not after an error.
func TestAPasskeyStartsByItself(t *testing.T) {
	k := withKeys(t, func(c *idp.Config) {
		c.Portal.Policy = "weekly"
		c.Policies = append(c.Policies, &idp.Policy{Name: "weekly", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: time.Hour}})
	})
	k.password("/")
	k.visit(k.link("/enroll/passkey"))
	k.form("/enroll/passkey", k.answer(k.device.Create)...)
	k.arrive(t)
	k.venue.device(t, "yes")
	k.out()
	k.clock.move(2 * time.Hour)

	k.password("/")
	if !strings.Contains(k.now.body, `data-factor="passkey"`) || !k.started() {
		t.Fatalf("on the person's own device: %s", k.now.body)
	}
	again := "/mfa/passkey?f=" + flowID.FindStringSubmatch(k.now.body)[1]
	for _, more := range []string{"", "&more=1"} {
		if k.visit(again + more); k.started() {
			t.Errorf("it starts again when the page is opened again, by %q", more)
		}
	}
	k.form("/mfa/passkey", "error", "NotAllowedError")
	if k.page() != "mfa" || k.started() {
		t.Errorf("after an error: %s", k.now.body)
	}
	k.form("/mfa/passkey", k.answer(k.device.Get)...)
	k.arrive(t)
	k.wantPortal(t, true)

	k.use("second")
	k.password("/")
	if k.page() != "mfa" || k.started() {
		t.Errorf("in a browser that knows nobody: %s", k.now.body)
	}
}

// The page of all factors takes a passkey, its error and a code, each in the same form.
func TestAllFactorsOnOnePage(t *testing.T) {
	k := withKeys(t, func(c *idp.Config) {
		c.Portal.Policy = "old"
		c.Policies = append(c.Policies, &idp.Policy{Name: "old", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: time.Hour}, Prompt: &idp.PromptSection{Mode: idp.PromptTraditional}})
	})
	k.enroll()
	k.password("/")
	k.form("/mfa/passkey", append(k.answer(k.device.Get), "own", "")...)
	k.arrive(t)
	k.wantPortal(t, true)
	k.visit("/enroll/totp")
	k.arrive(t)
	k.form("/enroll/totp", "code", k.codeNow(t))
	k.out()

	k.password("/")
	for _, want := range []string{`data-factor="all"`, `data-passkey="get"`, `formaction="/mfa/totp"`, `name="own"`} {
		if !strings.Contains(k.now.body, want) {
			t.Errorf("no %s: %s", want, k.now.body)
		}
	}
	wrong := func(want string, fields ...string) {
		t.Helper()
		if k.form(fields[0], fields[1:]...); !strings.Contains(k.now.body, `data-factor="all"`) || !strings.Contains(k.now.body, want) {
			t.Errorf("no %q: %s", want, k.words())
		}
	}
	wrong("No passkey was given", "/mfa/passkey", "error", "NotAllowedError", "own", "yes")
	old := k.answer(k.device.Get)
	wrong("was not accepted", append([]string{"/mfa/passkey"}, k.answer(k.device.Get, func(a *passkeytest.Answer) { a.Client["origin"] = "https://evil.test" })...)...)
	wrong("was not accepted", append([]string{"/mfa/passkey"}, old...)...) // its question was answered
	wrong("not right", "/mfa/totp", "code", "000000")
	k.form("/mfa/passkey", append(k.answer(k.device.Get), "own", "yes")...)
	k.arrive(t)
	k.wantPortal(t, true)
	if n := k.devices(t, "corp:alice"); n != 1 {
		t.Errorf("%d devices are remembered", n)
	}
}

// The roll-out of the universal prompt is told as long as something has the other one.
func TestHowFarThePromptHasCome(t *testing.T) {
	f := newPrompt(t).gateway.CheckPrompts()
	if len(f) != 1 || f[0].Level != idp.LevelOK || !strings.Contains(f[0].What, "still traditional: ") || strings.Contains(f[0].What, "weekly,") {
		t.Errorf("%+v", f)
	}
	if f := newVenue(t).gateway.CheckPrompts(); len(f) != 0 {
		t.Errorf("without a traditional one: %+v", f)
	}
}

// The time that a page tells is its own: that of the questions on it, and not of one that was asked before it.
func TestAPageTellsItsOwnTime(t *testing.T) {
	k := withKeys(t, func(c *idp.Config) {
		c.Policies = append(c.Policies, &idp.Policy{Name: "all", MFA: &idp.MFASection{Mode: idp.MFAAlways}, Prompt: &idp.PromptSection{Mode: idp.PromptTraditional}})
		c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "all"}, Policy: "all"})
	})
	k.enroll()
	k.password("/")
	says := func(want string) {
		t.Helper()
		if !strings.Contains(k.now.body, "You have "+want+".") {
			t.Errorf("not %s: %s", want, k.words())
		}
	}
	says("5 minutes") // as long as the browser is asked
	k.clock.move(6 * time.Minute)
	k.visit("/rescue?f=" + flowID.FindStringSubmatch(k.now.body)[1])
	says("9 minutes")
	k.visit("/rescue?f=" + flowID.FindStringSubmatch(k.now.body)[1] + "&more=1")
	says("15 minutes")
	k.visit("/apps/all")
	k.arrive(t)
	says("5 minutes")
}
