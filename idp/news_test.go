package idp_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// told are the sentences that the page tells as news.
func (h *venue) told() (out []string) {
	section := regexp.MustCompile(`(?s)<section class="notice news".*?</section>`).FindString(h.now.body)
	for _, m := range regexp.MustCompile(`(?s)<li>(.*?)</li>`).FindAllStringSubmatch(section, -1) {
		out = append(out, html.UnescapeString(strings.Join(strings.Fields(tags.ReplaceAllString(m[1], " ")), " ")))
	}
	return out
}

// mustBeTold visits the portal and the settings, where so many changes have to be told, the newest of them so.
func (h *venue) mustBeTold(t *testing.T, n int, newest ...string) {
	t.Helper()
	for _, page := range []string{"/", "/settings"} {
		h.visit(page)
		h.arrive(t)
		got := h.told()
		if len(got) != n {
			t.Errorf("%s tells %d changes, want %d: %q", page, len(got), n, got)
			continue
		}
		for _, part := range newest {
			if !strings.Contains(got[0], part) {
				t.Errorf("%s tells %q, want %q in it", page, got[0], part)
			}
		}
		if n > 0 && !strings.Contains(h.words(), "If that was not you, tell  Service desk, extension 4400  now.") {
			t.Errorf("%s does not say what to do: %s", page, h.words())
		}
	}
}

// read presses "I have read this" on the page.
func (h *venue) read(t *testing.T) {
	t.Helper()
	fields := url.Values{"f": {flowID.FindStringSubmatch(h.now.body)[1]}, "kind": {"news"}, "from": {"portal"}}
	for _, m := range regexp.MustCompile(`name="read" value="([^"]+)"`).FindAllStringSubmatch(h.now.body, -1) {
		fields.Add("read", m[1])
	}
	r := h.request(http.MethodPost, "/settings", strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	h.do(r)
	h.arrive(t)
}

// C-38: whoever sets up a second step in somebody's name cannot keep it from them. It is told until they have read it.
func TestC38AChangeIsToldAtTheNextVisit(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	h.mustBeTold(t, 0) // by the session that made it
	secret := h.now.secret
	h.clock.move(26 * time.Hour)

	h.use("second")
	h.now.secret = secret
	h.signIn(t, "alice")
	h.mustBeTold(t, 1, "A second step (Authenticator app) was set up.", "2 March 2026, 08:00 UTC, from Browser, 198.51.100.7")
	h.mustBeTold(t, 1)
	h.read(t)
	h.mustBeTold(t, 0)

	h.use("other")
	h.signIn(t, "bob")
	h.mustBeTold(t, 0)
}

// C-38: what an administrator does to somebody's second steps is told too, with who it was.
func TestC38WhatAdministratorsDoIsTold(t *testing.T) {
	h, ctx := newVenue(t), t.Context()
	h.signIn(t, "alice")
	secret := h.now.secret
	if _, err := h.gateway.IssueBypass(ctx, "alice", time.Hour, 1, "command as root"); err != nil {
		t.Fatal(err)
	}
	h.mustBeTold(t, 1, "stands in for your second step", "today, 08:00 UTC, by the service desk")
	h.read(t)
	if _, err := h.gateway.Revoke(ctx, "alice", "command as root"); err != nil {
		t.Fatal(err)
	}
	h.clock.move(time.Minute)
	h.use("second")
	h.now.secret = secret
	h.signIn(t, "alice")
	h.mustBeTold(t, 2, "You were signed out everywhere", "by the service desk: command as root") // the first app is the other one
	h.read(t)
	if _, err := h.gateway.MakeRecoveryCodes(ctx, "staff:alice"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.gateway.ResetMFA(ctx, "alice", "", "command as root"); err != nil {
		t.Fatal(err)
	}
	h.use("third")
	h.signIn(t, "alice")
	h.mustBeTold(t, 2)
	all := strings.Join(h.told(), "\n")
	for _, part := range []string{"Your second step (Authenticator app) was deleted", "Your recovery codes were deleted.", "command as root"} {
		if !strings.Contains(all, part) {
			t.Errorf("not told: %q in %s", part, all)
		}
	}
}

// lately are the sentences that the settings keep of what was changed.
func (h *venue) lately() (out []string) {
	section := regexp.MustCompile(`(?s)<section aria-labelledby="lately".*?</section>`).FindString(h.now.body)
	for _, m := range regexp.MustCompile(`(?s)<li>(.*?)</li>`).FindAllStringSubmatch(section, -1) {
		out = append(out, html.UnescapeString(strings.Join(strings.Fields(tags.ReplaceAllString(m[1], " ")), " ")))
	}
	return out
}

// C-38: whoever finds a session open, or has stolen one, can put away what its person is told, but not keep it from them: it
// stays in the settings, as does what the session itself has done.
func TestC38WhatHasBeenReadStaysInTheSettings(t *testing.T) {
	h, ctx := newVenue(t), t.Context()
	h.signIn(t, "alice")
	secret := h.now.secret
	if _, err := h.gateway.IssueBypass(ctx, "alice", time.Hour, 1, "command as root"); err != nil {
		t.Fatal(err)
	}
	h.clock.move(26 * time.Hour)
	h.use("the thief's")
	h.now.secret = secret
	h.signIn(t, "alice")
	h.mustBeTold(t, 2)
	page := h.now.body
	h.read(t)
	h.mustBeTold(t, 0)
	h.now.body = page
	h.read(t) // by a page that is shown no more
	h.use("alice's")
	h.now.secret = secret
	h.signIn(t, "alice")
	h.mustBeTold(t, 0)
	got := h.lately()
	if len(got) != 2 || !strings.Contains(got[0], "stands in for your second step") || !strings.Contains(got[0], "2 March 2026, 08:00 UTC, by the service desk: command as root") ||
		!strings.Contains(got[1], "A second step (Authenticator app) was set up.") {
		t.Errorf("the settings keep %q", got)
	}
	h.visit("/")
	if len(h.lately()) > 0 {
		t.Error("the portal keeps them too")
	}
	for i := range 30 {
		h.clock.move(time.Second)
		if _, err := h.gateway.IssueBypass(ctx, "alice", time.Hour, 1, fmt.Sprint("desk ", i)); err != nil {
			t.Fatal(err)
		}
		h.visit("/")
		h.read(t)
	}
	h.visit("/settings")
	if got := h.lately(); len(got) != 11 || !strings.Contains(got[0], "desk 29") || !strings.Contains(got[9], "desk 20") || !strings.Contains(got[10], "was set up") {
		t.Errorf("of more than 10 of a sort the settings keep %d: %q", len(got), got)
	}
	h.clock.move(91 * 24 * time.Hour)
	h.signIn(t, "alice")
	h.visit("/settings")
	if got := h.lately(); len(got) > 0 {
		t.Errorf("after 91 days the settings keep %q", got)
	}
}

// Whoever found a session open, and set up a way in of their own, cannot put that out of sight by many small changes.
func TestC38ManyChangesHideNone(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	secret := h.now.secret
	h.use("thief")
	h.now.secret = secret
	h.signIn(t, "alice")
	h.visit("/enroll/totp")
	h.arrive(t)
	h.authenticator(t)
	id := h.own(t, "factors")[1]
	for i := range 40 {
		h.clock.move(time.Second)
		h.visit("/settings")
		h.form("/settings", "kind", "factor", "rename", id, "label", fmt.Sprint("app ", i))
	}
	h.use("first")
	h.signIn(t, "alice")
	h.mustBeTold(t, 11)
	if !strings.Contains(h.now.body, "was set up.") {
		t.Errorf("alice is not told of the app: %s", h.words())
	}
	h.visit("/settings")
	if got := h.lately(); len(got) != 11 && len(got) != 12 || !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "was set up.") }) {
		t.Errorf("the settings keep %d: %q", len(got), got)
	}
}

// What has been read is what the page showed: a change that came since is told still, and nobody puts away another's.
func TestNewsThatCameSinceAreToldStill(t *testing.T) {
	h, ctx := newVenue(t), t.Context()
	h.signIn(t, "alice")
	issue := func() {
		t.Helper()
		if _, err := h.gateway.IssueBypass(ctx, "alice", time.Hour, 1, "the desk"); err != nil {
			t.Fatal(err)
		}
	}
	issue()
	h.visit("/")
	page := h.now.body
	issue()
	h.now.body = page
	h.read(t)
	h.mustBeTold(t, 1)
	page = h.now.body
	h.use("other")
	h.signIn(t, "bob")
	h.visit("/settings")
	h.now.body = strings.ReplaceAll(page, flowID.FindStringSubmatch(page)[1], flowID.FindStringSubmatch(h.now.body)[1])
	h.read(t)
	h.use("first")
	h.form("/settings", "f", "made up", "kind", "news")
	h.mustBeTold(t, 1)
}

// Of changes that are made at once none is lost, and the newest are told of more than a page holds.
func TestChangesAtOnceAreAllTold(t *testing.T) {
	h, ctx := newVenue(t), t.Context()
	h.signIn(t, "alice")
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := h.gateway.IssueBypass(ctx, "alice", time.Hour, 1, "the desk"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	h.mustBeTold(t, 10)
	for i := range 30 {
		h.clock.move(time.Second)
		if _, err := h.gateway.Revoke(ctx, "alice", fmt.Sprint("desk ", i)); err != nil {
			t.Fatal(err)
		}
	}
	h.signIn(t, "alice")
	h.mustBeTold(t, 21, "desk 29")
	h.clock.move(91 * 24 * time.Hour)
	h.use("much later")
	h.now.secret = h.browsers["first"].secret
	h.signIn(t, "alice")
	h.mustBeTold(t, 0)
}

// quietStore keeps no memo of news.
type quietStore struct{ idp.Store }

func (s quietStore) PutMemo(ctx context.Context, m idp.Memo, most int) error {
	if m.Kind == idp.NewsKind {
		return errDown
	}
	return s.Store.PutMemo(ctx, m, most)
}

// C-38: what cannot be told is not done.
func TestC38WhatCannotBeToldIsNotDone(t *testing.T) {
	h := newVenue(t)
	h.signIn(t, "alice")
	g, err := idp.New(baseConfig(t, quietStore{h.store}, h.clock.Now))
	if err != nil {
		t.Fatal(err)
	}
	h.gateway = g
	h.visit("/settings")
	id := regexp.MustCompile(`name="remove" value="(totp/[^"]+)"`).FindStringSubmatch(h.now.body)
	if a := h.form("/settings", "kind", "factor", "rename", id[1], "label", "mine"); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d: %s", a.StatusCode, h.words())
	}
	if e, err := h.store.UserEnrollments(t.Context(), "staff:alice", "totp"); err != nil || e[0].Label == "mine" {
		t.Errorf("%+v, %v", e, err)
	}
}

// C-38: a code of the service desk that is used at the gate of a first enrollment is told as it is anywhere.
func TestC38ACodeUsedAtTheGateIsTold(t *testing.T) {
	h := newVenue(t)
	b, err := h.gateway.IssueBypass(t.Context(), "bob", time.Hour, 1, "the test")
	must(t, err)
	h.use("stranger")
	h.password(t, "bob", "/apps/coded")
	h.form("/enroll", "code", b.Code)
	if to := h.now.answer.Header.Get("Location"); !strings.HasPrefix(to, "/enroll") {
		t.Fatalf("%q: %s", to, h.words())
	}
	h.use("bob's")
	h.password(t, "bob", "/")
	h.authenticator(t)
	h.device(t, "no")
	h.mustBeTold(t, 2, "A code of the service desk was used to set up a second step.")
}
