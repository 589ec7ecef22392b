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
	judged func() // once a password was judged, before the answer
}

func (h *held) Authenticate(ctx context.Context, u *idp.User, password string) error {
	err := h.domain.Authenticate(ctx, u, password)
	if h.judged != nil {
		h.judged()
	}
	return err
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
	w := h.beside(b, "/password", url.Values{"old": {"Summer-2025"}, "new": {replacement}, "again": {replacement}})
	b.answer = w.Result()
	b.jar.SetCookies(h.request(http.MethodGet, "/", nil).URL, b.answer.Cookies())
	b.body = w.Body.String()
}

// beside sends the form that a browser shows, which is not the one in front.
func (h *venue) beside(b *browser, path string, form url.Values) *httptest.ResponseRecorder {
	form.Set("f", flowID.FindStringSubmatch(b.body)[1])
	r := h.request(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.gateway.ServeHTTP(w, r)
	return w
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

// C-13, C-39: a sign-in whose password was judged before it was changed, or before the person's sessions were ended, does not
// outlive that.
func TestC39ASlowSignInDoesNotOutliveTheEndOfSessions(t *testing.T) {
	for says, end := range map[string]func(t *testing.T, v *venue){
		"a change": func(t *testing.T, v *venue) {
			v.changeBeside(v.browsers["own"], "Winter-2026")
			if v.browsers["own"].answer.StatusCode != http.StatusSeeOther {
				t.Errorf("the change: %d", v.browsers["own"].answer.StatusCode)
			}
		},
		"a command": func(t *testing.T, v *venue) {
			_, err := v.gateway.Revoke(t.Context(), "anna", "the test")
			must(t, err)
		},
		"a factor that is reset": func(t *testing.T, v *venue) {
			_, _, err := v.gateway.ResetMFA(t.Context(), "anna", "", "the test")
			must(t, err)
		},
	} {
		t.Run(says, func(t *testing.T) {
			v, h := newHeld(t, "own")
			v.use("thief")
			v.visit("/")
			v.arrive(t)
			thief := v.now
			var once sync.Once
			h.judged = func() { once.Do(func() { end(t, v) }) }
			w := v.beside(thief, "/login", url.Values{"username": {"anna"}, "password": {"Summer-2025"}})
			left, err := v.store.UserSessions(t.Context(), "corp:anna")
			must(t, err)
			kept := 0
			if says == "a change" {
				kept = 1
			}
			if len(left) != kept {
				t.Errorf("%d sessions are left, want %d", len(left), kept)
			}
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "ended meanwhile") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if l := lines(t, v.store, "session_ended"); len(l) != 1 || l[0].User != "corp:anna" {
				t.Errorf("audit: %+v", l)
			}
			// The next one is none of that.
			h.judged = nil
			password := "Summer-2025"
			if says == "a change" {
				password = "Winter-2026"
			}
			if status, _ := v.try(t, "anna", password); status != http.StatusSeeOther {
				t.Errorf("the next sign-in: %d", status)
			}
		})
	}
}
