package idp_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// C-50: a launch is judged by a look at its own session. One that comes while another session of the person is looked at
// must not go on with what it held before.
func TestC50ALaunchIsLookedAtByItself(t *testing.T) {
	v, l := newLiving(t, func(*idp.Config) {})
	// "other" holds what was so when it signed in.
	v.use("other")
	live, err := v.store.UserSessions(t.Context(), "corp:alice")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range live {
		if strings.Contains(v.now.body, s.Form) {
			before := *s
			before.User.Groups = []idp.Group{{Names: []string{"Supervisors"}}}
			if err := v.store.PutSession(t.Context(), &before); err != nil {
				t.Fatal(err)
			}
		}
	}
	v.clock.move(time.Minute)
	l.becomes(func(u *idp.User) (*idp.User, error) {
		now := *u
		now.Groups = nil
		return &now, nil
	})
	l.meet = make(chan struct{})
	launch := func(b *browser, path string) string {
		r := v.request(http.MethodGet, path, nil)
		for _, c := range b.jar.Cookies(r.URL) {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		v.gateway.ServeHTTP(w, r)
		return w.Body.String()
	}
	var both sync.WaitGroup
	var stale string
	both.Go(func() { launch(v.browsers["first"], "/apps/connect") })
	both.Go(func() { stale = launch(v.browsers["other"], "/apps/boss") })
	// Each is looked at: neither waits for what is found of the other.
	for l.looks.Load() < 2 {
		runtime.Gosched()
	}
	close(l.meet)
	both.Wait()
	if strings.Contains(stale, "response for alice") {
		t.Error("somebody who is no supervisor any more was signed in as one")
	}
}
