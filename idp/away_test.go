package idp_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// remote is a factor whose page is at another site. What it makes of an answer is in the answer: yes, no, odd, or anything
// else for no answer at all.
type remote struct {
	name   string
	now    func() time.Time
	down   atomic.Bool
	judged atomic.Int64

	mu   sync.Mutex
	last idp.Attempt
}

var errHangs = errors.New("no answer within 3 s")

func (f *remote) Name() string { return f.name }

func (f *remote) Ready(context.Context, *idp.User) (idp.Readiness, error) {
	if f.down.Load() {
		return idp.Unreachable, errHangs
	}
	return idp.Enrolled, nil
}

func (f *remote) Challenge(_ context.Context, u *idp.User, a idp.Attempt) (idp.Step, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = a
	return idp.Step{URL: "https://remote.test/prompt?state=" + url.QueryEscape(a.State), Memo: []byte(u.Key() + a.State), Expires: f.now().Add(10 * time.Minute)}, nil
}

func (f *remote) Verify(_ context.Context, u *idp.User, memo []byte, answer url.Values) (idp.Proof, error) {
	f.judged.Add(1)
	if string(memo) != u.Key()+answer.Get("state") {
		return idp.Proof{}, errors.New("the memo of another step")
	}
	switch answer.Get("duo_code") {
	case "yes":
		return idp.Proof{Factor: f.name, At: f.now()}, nil
	case "no":
		return idp.Proof{}, idp.ErrBadCredentials
	case "odd":
		return idp.Proof{}, &idp.Error{Status: http.StatusForbidden, Public: "The answer does not fit.", Reason: "bad_token", Err: errors.New("signature")}
	}
	return idp.Proof{}, errHangs
}

// attempt is the last one that was begun.
func (f *remote) attempt() idp.Attempt {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// newRemoteVenue has the factor duo in front of totp. The portal asks for the password alone.
func newRemoteVenue(t *testing.T, change func(*idp.Config)) (*venue, *remote) {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	h := venueOf(t, storetest.NewMemory(c.Now), c)
	f := &remote{name: "duo", now: c.Now}
	config := baseConfig(t, h.store, c.Now)
	config.Portal.Policy = "password"
	config.Factors = append([]idp.Factor{f}, config.Factors...)
	if change != nil {
		change(&config)
	}
	var err error
	if h.gateway, err = idp.New(config); err != nil {
		t.Fatal(err)
	}
	return h, f
}

// leaveFor goes to an application and returns the state with which the browser left for the factor.
func (h *venue) leaveFor(t *testing.T, f *remote, app string) string {
	t.Helper()
	h.visit("/apps/" + app)
	h.arrive(t)
	state := f.attempt().State
	if !strings.Contains(h.now.body, `data-page="handoff"`) || !strings.HasSuffix(h.now.answer.Header.Get("Refresh"), url.QueryEscape(state)) {
		t.Fatalf("not handed over: %d %q %s", h.now.answer.StatusCode, h.now.answer.Header.Get("Refresh"), h.words())
	}
	return state
}

// back comes from the other site.
func (h *venue) back(t *testing.T, state, code string) {
	t.Helper()
	h.visit(callback(state, code), "Sec-Fetch-Site", "cross-site")
	h.arrive(t)
}

func callback(state, code string) string {
	return "/duo/callback?" + url.Values{"state": {state}, "duo_code": {code}}.Encode()
}

func (h *venue) wantShown(t *testing.T, status int, page, text string) {
	t.Helper()
	if h.now.answer.StatusCode != status || !strings.Contains(h.now.body, `data-page="`+page+`"`) || !strings.Contains(h.words(), text) {
		t.Fatalf("want %d %s %q, got %d %s", status, page, text, h.now.answer.StatusCode, h.words())
	}
}

// lastMFA is the newest audit line about a factor.
func (h *venue) lastMFA(t *testing.T) (last idp.Event) {
	t.Helper()
	if err := h.store.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool {
		if e.Kind == idp.EventMFA {
			last = e
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return last
}

func TestAwayAndBack(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	h.password(t, "alice", "/")
	h.leaveFor(t, f, "connect")
	if a := f.attempt(); a.Fresh || a.MaxAge != 7*24*time.Hour {
		t.Errorf("an application that asks every 7 days: %+v", a)
	}
	state := h.leaveFor(t, f, "salesforce")
	a := f.attempt()
	if !a.Fresh || a.MaxAge != 0 || a.App != "salesforce" || a.Callback != site+"/duo/callback" || len(state) < 36 {
		t.Errorf("an application that asks always: %+v", a)
	}
	h.back(t, state, "yes")
	h.wantShown(t, http.StatusOK, "post", "")
	if e := h.lastMFA(t); e.Result != idp.Success || e.Factor != "duo" || e.App != "salesforce" {
		t.Errorf("audit %+v", e)
	}
}

// A callback that is loaded again goes on to where the person was going, and proves nothing.
func TestAwayCallbackIsReloaded(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	h.password(t, "alice", "/")
	state := h.leaveFor(t, f, "salesforce")
	h.back(t, state, "yes")
	h.visit(callback(state, "yes"))
	if to := h.now.answer.Header.Get("Location"); to != "/apps/salesforce" {
		t.Fatalf("leads to %q", to)
	}
	h.arrive(t)
	h.wantShown(t, http.StatusOK, "handoff", "Duo")
	if e := h.lastMFA(t); e.Result != idp.Denied || e.Reason != "unknown_state" {
		t.Errorf("audit %+v", e)
	}
	if n := f.judged.Load(); n != 1 {
		t.Errorf("judged %d times", n)
	}
	for _, path := range []string{"/duo/callback", callback("made-up", "yes"), callback(strings.Repeat("x", 5000), "yes"), "/duo/callback?error=access_denied"} {
		if h.visit(path); h.now.answer.StatusCode != http.StatusSeeOther || h.now.answer.Header.Get("Location") != "/" {
			t.Errorf("%.40s: %d to %q", path, h.now.answer.StatusCode, h.now.answer.Header.Get("Location"))
		}
	}
}

// C-31: a state of another browser is refused, and is not used up by it.
func TestC31StateOfAnotherBrowser(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	h.password(t, "alice", "/")
	state := h.leaveFor(t, f, "salesforce")
	for _, name := range []string{"stranger", "bob's", "alice's other"} {
		h.use(name)
		switch name {
		case "bob's":
			h.password(t, "bob", "/")
		case "alice's other":
			h.password(t, "alice", "/")
		}
		h.back(t, state, "yes")
		h.wantShown(t, http.StatusForbidden, "error", "another browser")
		if e := h.lastMFA(t); e.Result != idp.Denied || e.Reason != "other_browser" || !strings.Contains(h.now.body, e.Ref) {
			t.Errorf("%s: audit %+v", name, e)
		}
	}
	if n := f.judged.Load(); n != 0 {
		t.Errorf("judged %d times", n)
	}
	h.use("first")
	h.back(t, state, "yes")
	h.wantShown(t, http.StatusOK, "post", "")
}

// Of any number of requests with one callback, one is judged.
func TestAwayCallbackCountsOnce(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	h.password(t, "alice", "/")
	state := h.leaveFor(t, f, "salesforce")
	var group sync.WaitGroup
	for range 100 {
		b := &browser{jar: h.now.jar}
		r := h.request(http.MethodGet, callback(state, "yes"), nil)
		group.Go(func() { (&venue{gateway: h.gateway, now: b}).do(r) })
	}
	group.Wait()
	if n := f.judged.Load(); n != 1 {
		t.Errorf("judged %d times", n)
	}
	successes := 0
	if err := h.store.Events(t.Context(), idp.EventQuery{}, func(e idp.Event) bool {
		if e.Kind == idp.EventMFA && e.Result == idp.Success {
			successes++
		}
		return true
	}); err != nil || successes != 1 {
		t.Errorf("%d successes, %v", successes, err)
	}
}

// Tabs do not disturb each other, whether each has a flow of its own or both stand on the same page.
func TestAwayInTwoTabs(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	h.password(t, "alice", "/")
	one, two := h.leaveFor(t, f, "salesforce"), h.leaveFor(t, f, "inhouse")
	h.back(t, one, "yes")
	h.wantShown(t, http.StatusOK, "post", "salesforce")
	h.back(t, two, "yes")
	h.wantShown(t, http.StatusOK, "post", "inhouse")

	h.visit("/apps/salesforce")
	h.visit(h.now.answer.Header.Get("Location"))
	page := "/mfa/duo?f=" + url.QueryEscape(f.attempt().Flow)
	first := f.attempt().State
	h.visit(page)
	if second := f.attempt().State; second == first {
		t.Fatal("a page that is loaded again uses a state twice")
	} else {
		h.back(t, second, "yes")
		h.wantShown(t, http.StatusOK, "post", "salesforce")
	}
	h.visit(callback(first, "yes"))
	if to := h.now.answer.Header.Get("Location"); to != "/apps/salesforce" {
		t.Errorf("the tab that comes later leads to %q", to)
	}
}

// C-34: what one person began proves nothing for the next one in the same browser, nor after signing out.
func TestC34AwayAndAnotherPersonComesBack(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	h.password(t, "alice", "/")
	state := h.leaveFor(t, f, "salesforce")
	h.visit("/")
	h.form("/logout")
	h.password(t, "bob", "/")
	h.back(t, state, "yes")
	if n := f.judged.Load(); n != 0 || strings.Contains(h.now.body, `data-page="post"`) {
		t.Fatalf("judged %d times: %s", n, h.words())
	}

	state = h.leaveFor(t, f, "salesforce")
	h.visit("/")
	h.form("/logout")
	h.back(t, state, "yes")
	h.wantShown(t, http.StatusOK, "login", "")
	if n := f.judged.Load(); n != 0 {
		t.Errorf("judged %d times without a session", n)
	}
}

// C-32: after five denials nobody is sent there any more, and a denial lets nobody in.
func TestC32AwayAndDenied(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	h.password(t, "alice", "/")
	for range 5 {
		h.back(t, h.leaveFor(t, f, "salesforce"), "no")
		h.wantShown(t, http.StatusUnauthorized, "mfa", "did not confirm")
		if n := strings.Count(h.now.body, "Cancel and go back"); n != 1 {
			t.Errorf("the page can be left in %d ways: %s", n, h.words())
		}
		if e := h.lastMFA(t); e.Result != idp.Failure || e.Reason != "denied" {
			t.Errorf("audit %+v", e)
		}
	}
	h.form("/mfa/duo") // the button of the page
	h.arrive(t)
	h.wantShown(t, http.StatusTooManyRequests, "mfa", "Wait 15 minutes")
	h.use("elsewhere")
	h.password(t, "alice", "/apps/salesforce")
	h.wantShown(t, http.StatusTooManyRequests, "mfa", "Wait 15 minutes")
	h.clock.move(16 * time.Minute)
	h.back(t, h.leaveFor(t, f, "salesforce"), "yes")
	h.wantShown(t, http.StatusOK, "post", "")
}

// A look ahead spends nothing.
func TestAwayAndLookedAhead(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	h.password(t, "alice", "/")
	state := h.leaveFor(t, f, "salesforce")
	h.visit(callback(state, "yes"), "Sec-Purpose", "prefetch")
	h.do(h.request(http.MethodHead, callback(state, "yes"), nil))
	if h.now.answer.StatusCode != http.StatusNoContent || f.judged.Load() != 0 {
		t.Errorf("%d, judged %d times", h.now.answer.StatusCode, f.judged.Load())
	}
	h.back(t, state, "yes")
	h.wantShown(t, http.StatusOK, "post", "")
}

// C-32: a prompt that nobody answers rings a phone as well. The answer to one of them is still good, and ends the wait.
func TestC32AwayAndUnanswered(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	h.password(t, "alice", "/")
	state := ""
	for range 10 {
		state = h.leaveFor(t, f, "salesforce")
	}
	h.use("elsewhere")
	h.password(t, "alice", "/apps/salesforce")
	h.wantShown(t, http.StatusTooManyRequests, "mfa", "Wait 15 minutes")
	h.use("first")
	h.back(t, state, "yes")
	h.wantShown(t, http.StatusOK, "post", "")
	h.leaveFor(t, f, "salesforce")
}

// an answer that was under way when the factor was locked lets nobody in: whoever denied the other prompts may have
// pressed the wrong button once.
func TestR44LockedWhileAway(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	h.password(t, "alice", "/")
	early := h.leaveFor(t, f, "salesforce")
	for range 5 {
		h.back(t, h.leaveFor(t, f, "salesforce"), "no")
	}
	before := f.judged.Load()
	h.back(t, early, "yes")
	h.wantShown(t, http.StatusTooManyRequests, "mfa", "Wait 15 minutes")
	if f.judged.Load() != before {
		t.Error("judged while it is locked")
	}
}

// Whoever goes on trying is not kept out for ever: what is refused rings no phone, and is not counted.
func TestAwayRefusalsAreNotCounted(t *testing.T) {
	h, f := newRemoteVenue(t, nil)
	h.password(t, "alice", "/")
	for range 10 {
		h.leaveFor(t, f, "salesforce")
	}
	for range 15 {
		h.clock.move(time.Minute)
		h.visit("/apps/salesforce")
		h.arrive(t)
	}
	h.clock.move(time.Minute)
	h.leaveFor(t, f, "salesforce")
}
