package idp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// held is a domain that lets a test come in between.
type held struct {
	*domain
	before func(ctx context.Context, replacement string) error
}

func (h *held) ChangePassword(ctx context.Context, u *idp.User, old, replacement string) error {
	if h.before != nil {
		if err := h.before(ctx, replacement); err != nil {
			return err
		}
	}
	return h.domain.ChangePassword(ctx, u, old, replacement)
}

// newHeld returns a venue in which anna, whose password was given to her, is at the page of the change in browsers.
func newHeld(t *testing.T, browsers ...string) (*venue, *held) {
	t.Helper()
	h := &held{}
	v, d := newDomainVenue(t, func(c *idp.Config) {
		h.domain = c.Sources[0].(*domain)
		c.Sources[0] = h
	})
	d.accounts["anna"].state = "must_change"
	for _, b := range browsers {
		v.use(b)
		v.visit("/")
		v.arrive(t)
		v.form("/login", "username", "anna", "password", "Summer-2025")
		v.arrive(t)
	}
	return v, h
}

// changeBeside sends a change from a browser while another may be under way.
func (h *venue) changeBeside(b *browser, replacement string) {
	form := url.Values{"old": {"Summer-2025"}, "new": {replacement}, "again": {replacement}, "f": {flowID.FindStringSubmatch(b.body)[1]}}
	r := h.request(http.MethodPost, "/password", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.gateway.ServeHTTP(w, r)
	b.answer = w.Result()
	b.jar.SetCookies(r.URL, b.answer.Cookies())
	b.body = w.Body.String()
}

// C-39: a change that fails beside one that is made does not open the gate for it.
func TestC39TwoChangesAtOnceKeepTheGate(t *testing.T) {
	v, h := newHeld(t, "one", "two")
	began, goOn := make(chan struct{}), make(chan struct{})
	h.before = func(_ context.Context, replacement string) error {
		if replacement == "short" {
			close(began)
			<-goOn
		}
		return nil
	}
	var refused sync.WaitGroup
	refused.Go(func() { v.changeBeside(v.browsers["one"], "short") })
	<-began
	v.changeBeside(v.browsers["two"], "Mallory-2026")
	close(goOn)
	refused.Wait()
	v.use("two")
	v.arrive(t)
	if !strings.Contains(v.now.body, `data-page="enroll-code"`) {
		t.Errorf("no gate: %s", v.words())
	}
}

// A session that is ended while the directory changes the password does not come back under its new id.
func TestARevokedSessionStaysEndedAfterAChange(t *testing.T) {
	v, h := newHeld(t, "one")
	h.before = func(ctx context.Context, _ string) error {
		_, err := v.gateway.Revoke(ctx, "anna", "the test")
		return err
	}
	v.form("/password", "old", "Summer-2025", "new", "Winter-2026", "again", "Winter-2026")
	if left, err := v.store.UserSessions(t.Context(), "corp:anna"); err != nil || len(left) != 0 {
		t.Errorf("%d sessions after they were revoked (%v)", len(left), err)
	}
	if v.now.answer.StatusCode != http.StatusForbidden || !strings.Contains(v.words(), "ended meanwhile") {
		t.Errorf("%d %s", v.now.answer.StatusCode, v.words())
	}
}
