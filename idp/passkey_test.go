package idp_test

import (
	"html"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/passkey"
	"github.com/gatehouse-sso/gatehouse/idp/passkey/passkeytest"
)

var dataOptions = regexp.MustCompile(`data-options="([^"]*)"`)

// keyHolder is somebody in front of a browser, with a device that holds passkeys.
type keyHolder struct {
	*venue
	*living
	t      *testing.T
	device *passkeytest.Device
}

// withKeys returns a venue with passkeys, where alice of the directory corp stands before the portal.
func withKeys(t *testing.T, change func(*idp.Config)) *keyHolder {
	t.Helper()
	k := &keyHolder{t: t, device: &passkeytest.Device{Origin: site}}
	k.living = &living{countingSource: &countingSource{name: "corp", users: map[string]string{"alice": "right"}, limit: 9}}
	k.becomes(func(u *idp.User) (*idp.User, error) {
		return &idp.User{Source: "corp", ID: u.ID, Name: u.ID, Email: u.ID + "@example.com"}, nil
	})
	k.venue = routed(t, func(c *idp.Config) {
		f, err := passkey.New(passkey.Config{Portal: c.Portal.URL, Store: c.Store, Now: c.Now})
		if err != nil {
			t.Fatal(err)
		}
		c.Factors = append([]idp.Factor{f}, c.Factors...)
		c.Portal.Policy = "always"
		c.Policies = append(c.Policies,
			&idp.Policy{Name: "always", MFA: &idp.MFASection{Mode: idp.MFAAlways}},
			&idp.Policy{Name: "codes", MFA: &idp.MFASection{Mode: idp.MFAAlways}, Factors: &idp.FactorsSection{Names: []string{"totp"}}})
		c.Applications = append(c.Applications, idp.AppConfig{Application: &sender{name: "coded-only"}, Policy: "codes"},
			idp.AppConfig{Application: &sender{name: "each"}, Policy: "always"})
		change(c)
	}, k.living)
	return k
}

func unchanged(*idp.Config) {}

// answer is what the device says to the page at hand.
func (k *keyHolder) answer(make func(string, ...func(*passkeytest.Answer)) (url.Values, error), change ...func(*passkeytest.Answer)) []string {
	k.t.Helper()
	m := dataOptions.FindStringSubmatch(k.now.body)
	if m == nil {
		k.t.Fatalf("no passkey is asked for: %s", k.words())
	}
	values, err := make(html.UnescapeString(m[1]), change...)
	if err != nil {
		k.t.Fatal(err)
	}
	var fields []string
	for name := range values {
		fields = append(fields, name, values.Get(name))
	}
	return fields
}

// password signs alice in by name and password, up to what is asked next.
func (k *keyHolder) password(path string) {
	k.t.Helper()
	k.visit(path)
	k.arrive(k.t)
	k.form("/login", "username", "alice", "password", "right")
	k.arrive(k.t)
}

// enroll has alice set up a passkey, and signs her out.
func (k *keyHolder) enroll() {
	k.t.Helper()
	k.password("/")
	k.visit(k.link("/enroll/passkey"))
	k.form("/enroll/passkey", k.answer(k.device.Create)...)
	k.arrive(k.t)
	k.wantPortal(k.t, true)
	k.out()
}

func (k *keyHolder) out() {
	k.t.Helper()
	k.visit("/")
	k.form("/logout")
	k.arrive(k.t)
}

// link returns the address on the page that begins so.
func (k *keyHolder) link(prefix string) string {
	k.t.Helper()
	for _, m := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(k.now.body, -1) {
		if strings.HasPrefix(m[1], prefix) {
			return html.UnescapeString(m[1])
		}
	}
	k.t.Fatalf("no link to %s: %s", prefix, k.words())
	return ""
}

// login answers the page of the name with a passkey.
func (k *keyHolder) login(path string, change ...func(*passkeytest.Answer)) *http.Response {
	k.t.Helper()
	k.visit(path)
	k.arrive(k.t)
	return k.form("/login/passkey", k.answer(k.device.Get, change...)...)
}

func (k *keyHolder) last() idp.Event {
	k.t.Helper()
	var last idp.Event
	if err := k.store.Events(k.t.Context(), idp.EventQuery{}, func(e idp.Event) bool { last = e; return true }); err != nil {
		k.t.Fatal(err)
	}
	return last
}

func (k *keyHolder) refused(a *http.Response, status int, reason string) {
	k.t.Helper()
	e := k.last()
	if a.StatusCode != status || e.Reason != reason || e.Result == idp.Success {
		k.t.Errorf("%d and reason %q, want %d and %q: %+v: %s", a.StatusCode, e.Reason, status, reason, e, k.words())
	}
	k.wantPortal(k.t, false)
}

func TestAPasskeyAsSecondStep(t *testing.T) {
	k := withKeys(t, unchanged)
	k.enroll()
	k.password("/")
	if !strings.Contains(k.now.body, `data-factor="passkey"`) {
		t.Fatalf("asked: %s", k.words())
	}
	a := k.form("/mfa/passkey", k.answer(k.device.Get, func(a *passkeytest.Answer) { a.Client["origin"] = "https://evil.test" })...)
	if e := k.last(); a.StatusCode != http.StatusUnauthorized || e.Reason != "bad_credentials" || !strings.Contains(e.Detail, "origin") {
		t.Errorf("%d, %+v", a.StatusCode, e)
	}
	k.form("/mfa/passkey", k.answer(k.device.Get)...)
	k.arrive(t)
	k.wantPortal(t, true)
}

func TestASignInByPasskey(t *testing.T) {
	k := withKeys(t, unchanged)
	k.enroll()
	if !strings.Contains(k.now.body, "Signed out") && k.now.answer.StatusCode != http.StatusOK {
		t.Fatal(k.words())
	}
	if a := k.login("/"); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d: %s", a.StatusCode, k.words())
	}
	if e := k.last(); e.Kind != idp.EventLogin && e.Kind != idp.EventDecision {
		t.Errorf("%+v", e)
	}
	k.arrive(t)
	k.wantPortal(t, true)
	k.out()
	t.Run("on the way to an application that asks at every sign-in", func(t *testing.T) {
		if a := k.login("/apps/each"); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d: %s", a.StatusCode, k.words())
		}
		k.arrive(t)
		if !strings.Contains(k.now.body, "SAMLResponse") {
			t.Errorf("not there: %s", k.words())
		}
		k.out()
	})
	t.Run("C-27: it is no factor where the policy takes another", func(t *testing.T) {
		k.login("/apps/coded-only")
		k.arrive(t)
		if strings.Contains(k.now.body, "SAMLResponse") {
			t.Error("signed in by a factor that the policy does not take")
		}
	})
}

// C-27, C-50: a passkey vouches for nobody whose source does not.
func TestC27TheSourceIsAskedBeforeAPasskeySignsIn(t *testing.T) {
	for name, c := range map[string]struct {
		says   func(*idp.User) (*idp.User, error)
		status int
		reason string
	}{
		"disabled":      {answer(&idp.AccountState{State: "disabled"}), http.StatusForbidden, "disabled"},
		"locked":        {answer(&idp.AccountState{State: "locked"}), http.StatusForbidden, "locked"},
		"gone":          {answer(idp.ErrNoUser), http.StatusForbidden, "account_gone"},
		"silent":        {answer(errDown), http.StatusServiceUnavailable, "source_unavailable"},
		"somebody else": {func(*idp.User) (*idp.User, error) { return &idp.User{Source: "corp", ID: "bob"}, nil }, http.StatusServiceUnavailable, "source_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			k := withKeys(t, unchanged)
			k.enroll()
			k.becomes(c.says)
			k.refused(k.login("/"), c.status, c.reason)
		})
	}
	t.Run("off", func(t *testing.T) {
		off := false
		k := withKeys(t, func(c *idp.Config) { c.SourceRules = []idp.SourceRule{{Source: "corp", Off: off}} })
		k.enroll()
		later := withKeys(t, func(c *idp.Config) {
			c.Store, c.SourceRules = k.store, []idp.SourceRule{{Source: "corp", Off: true}}
			f, err := passkey.New(passkey.Config{Portal: c.Portal.URL, Store: k.store, Now: k.clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			c.Now, c.Factors = k.clock.Now, []idp.Factor{f}
			c.Policies = slices.DeleteFunc(c.Policies, func(p *idp.Policy) bool { return p.Name == "codes" })
			c.Applications = nil
		})
		later.venue.store, later.device = k.store, k.device
		later.refused(later.login("/"), http.StatusForbidden, "source_off")
	})
}

// the answer to one question counts for no other, once, in one browser; an empty form counts for nothing.
func TestR43AnAnswerCountsOnceWhereItWasAsked(t *testing.T) {
	k := withKeys(t, unchanged)
	k.enroll()
	k.visit("/")
	k.arrive(t)
	fields := k.answer(k.device.Get)
	flow := flowID.FindStringSubmatch(k.now.body)[1]
	mine := k.now

	k.use("thief")
	k.visit("/")
	k.arrive(t)
	k.form("/login/passkey", fields...) // in a flow of the thief's own
	k.refused(k.now.answer, http.StatusUnauthorized, "bad_credentials")
	k.form("/login/passkey", append(fields, "f", flow)...) // in the flow that it was made for
	k.wantPortal(t, false)

	k.now = mine
	k.visit("/")
	k.arrive(t)
	fields = k.answer(k.device.Get)
	if a := k.form("/login/passkey"); a.StatusCode != http.StatusOK || !strings.Contains(k.now.body, "sent no passkey") {
		t.Errorf("an empty form: %d: %s", a.StatusCode, k.words())
	}
	// The question was answered, if by nothing: what comes after it is too late.
	k.form("/login/passkey", fields...)
	k.refused(k.now.answer, http.StatusUnauthorized, "bad_credentials")

	k.login("/")
	k.arrive(t)
	k.wantPortal(t, true)
	k.out()

	// As a second step, after the password alone.
	k.password("/")
	k.form("/mfa/passkey", fields...)
	k.wantPortal(t, false)
	k.visit("/")
	k.arrive(t)
	for _, path := range []string{"/mfa/passkey", "/enroll/passkey", "/login/passkey", "/mfa", "/enroll"} {
		k.form(path)
		k.wantPortal(t, false)
	}
}

// of a hundred forms with one answer, one signs in.
func TestR43AHundredAnswersAreOne(t *testing.T) {
	k := withKeys(t, unchanged)
	k.enroll()
	k.visit("/")
	k.arrive(t)
	values := url.Values{"f": {flowID.FindStringSubmatch(k.now.body)[1]}}
	fields := k.answer(k.device.Get)
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	jar := k.now.jar
	in := make([]bool, 100)
	var wg sync.WaitGroup
	for i := range in {
		wg.Go(func() {
			b := &venue{gateway: k.gateway, client: k.client, now: &browser{jar: jar}}
			r := b.request(http.MethodPost, "/login/passkey", strings.NewReader(values.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			b.do(r)
			in[i] = slices.ContainsFunc(b.now.answer.Cookies(), func(c *http.Cookie) bool { return c.Name == "__Host-gatehouse" && c.Value != "" })
		})
	}
	wg.Wait()
	won := 0
	for _, one := range in {
		if one {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d signed in", won)
	}
}

// what wrong answers of the day have locked is locked for the sign-in without a password too.
func TestR44ALockedFactorSignsNobodyIn(t *testing.T) {
	k := withKeys(t, unchanged)
	k.enroll()
	lie := func(a *passkeytest.Answer) { a.Client["type"] = "webauthn.create" }
	for range 2 {
		k.password("/")
		for range 5 {
			k.form("/mfa/passkey", k.answer(k.device.Get, lie)...)
		}
		k.clock.move(16 * time.Minute)
		k.visit("/logout")
		k.use("again")
	}
	k.password("/")
	if a := k.form("/mfa/passkey", k.answer(k.device.Get)...); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("as a second step: %d: %s", a.StatusCode, k.words())
	}
	k.mustSee("There were too many tries that failed today.")
	k.use("third")
	if a := k.login("/"); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("without a password: %d: %s", a.StatusCode, k.words())
	}
	k.wantPortal(t, false)
	k.clock.move(25 * time.Hour)
	k.login("/")
	k.arrive(t)
	k.wantPortal(t, true)
}

// C-19: passkeys that are none are bounded by address, as passwords are.
func TestC19StrangersWithPasskeys(t *testing.T) {
	k := withKeys(t, unchanged)
	k.enroll()
	k.device.Keys[0].ID = []byte("of somebody else's portal")
	for range 30 {
		if a := k.login("/"); a.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%d: %s", a.StatusCode, k.words())
		}
	}
	if a := k.login("/"); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%d: %s", a.StatusCode, k.words())
	}
	k.client = netip.MustParseAddr("203.0.113.50")
	if a := k.login("/"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("from elsewhere: %d: %s", a.StatusCode, k.words())
	}
}
