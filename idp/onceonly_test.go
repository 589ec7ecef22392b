package idp_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// together sends one form many times at once, from the browser in front, and returns how often it was let in.
func (h *venue) together(path string, form url.Values) (in int) {
	b := h.now
	return h.let(slices.Repeat([]*browser{b}, 100), path, func() url.Values { return maps.Clone(form) })
}

// let sends a form from each browser at once and returns how many were let in, which shows by a session under a new id.
func (h *venue) let(browsers []*browser, path string, form func() url.Values) (in int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for _, b := range browsers {
		wg.Go(func() {
			<-start
			w := h.beside(b, path, form())
			raised := slices.ContainsFunc(w.Result().Cookies(), func(c *http.Cookie) bool { return c.Name == "__Host-gatehouse" && c.Value != "" })
			mu.Lock()
			defer mu.Unlock()
			if raised {
				in++
			}
		})
	}
	close(start)
	wg.Wait()
	return in
}

// C-29, C-30, C-35: of a hundred who show one code at the same moment, one is let in: be it one form sent a hundred times, or a
// hundred sign-ins.
func TestC29C35OneCodeShownAHundredTimes(t *testing.T) {
	for _, kind := range []struct {
		name, page, path string
		code             func(t *testing.T, h *venue) string
	}{
		{"an app's code", "", "/mfa/totp", func(t *testing.T, h *venue) string { return h.codeNow(t) }},
		{"a recovery code", "/rescue", "/rescue", func(t *testing.T, h *venue) string {
			codes, err := h.gateway.MakeRecoveryCodes(t.Context(), "staff:alice")
			must(t, err)
			return codes[0]
		}},
		{"a bypass code", "/rescue", "/rescue", func(t *testing.T, h *venue) string {
			b, err := h.gateway.IssueBypass(t.Context(), "alice", time.Hour, 1, "the test")
			must(t, err)
			return b.Code
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			h := newBesieged(t, unchanged)
			h.signIn(t, "alice")
			secret := h.now.secret
			h.besiege(t, 1, kind.page)
			h.now.secret = secret
			h.clock.move(31 * time.Second)
			if n := h.together(kind.path, url.Values{"code": {kind.code(t, h)}}); n != 1 {
				t.Errorf("one form: %d were let in", n)
			}
			h.clock.move(31 * time.Second)
			browsers := h.besiege(t, 100, kind.page)
			h.now.secret = secret
			code := kind.code(t, h)
			if n := h.let(browsers, kind.path, func() url.Values { return url.Values{"code": {code}} }); n != 1 {
				t.Errorf("a hundred sign-ins: %d were let in", n)
			}
		})
	}
}

// C-36: of a hundred who show one invitation, one gets past the gate.
func TestC36OneInvitationShownAHundredTimes(t *testing.T) {
	h := newBesieged(t, unchanged)
	code, _, _, err := h.gateway.Invite(t.Context(), "alice", idp.InviteLife, "the test")
	must(t, err)
	var browsers []*browser
	for range 100 {
		h.use("invited " + string(rune('a'+len(browsers))))
		h.client = h.client.Next()
		h.password(t, "alice", "/apps/coded")
		browsers = append(browsers, h.now)
	}
	if got := h.answers(browsers, "/enroll", func(int) string { return code }); got[http.StatusSeeOther] != 1 {
		t.Errorf("%v", got)
	}
}

// C-33: of a hundred forms with one answer to a passkey's challenge, one is let in.
func TestC33OneChallengeAnsweredAHundredTimes(t *testing.T) {
	k := withKeys(t, unchanged)
	k.enroll()
	k.password("/apps/each")
	form := url.Values{}
	fields := k.answer(k.device.Get)
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	if n := k.together("/mfa/passkey", form); n != 1 {
		t.Errorf("%d were let in", n)
	}
}
