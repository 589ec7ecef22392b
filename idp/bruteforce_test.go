package idp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/totp"
)

// newBesieged returns a venue whose people come from a directory, which is quicker than hashes of so many passwords.
func newBesieged(t *testing.T, change func(*idp.Config)) *venue {
	t.Helper()
	h := newVenue(t)
	cfg := baseConfig(t, h.store, h.clock.Now)
	cfg.Sources = []idp.Source{&countingSource{name: "staff", users: map[string]string{"alice": "correct horse"}, limit: -1}}
	change(&cfg)
	var err error
	h.gateway, err = idp.New(cfg)
	must(t, err)
	return h
}

// besiege has so many browsers, each at an address of its own, sign in by alice's password up to the second step, and go to
// a page from there, "" for none.
func (h *venue) besiege(t *testing.T, n int, page string) (browsers []*browser) {
	t.Helper()
	for i := range n {
		h.use(fmt.Sprint("besieger ", i, " at ", h.clock.Now()))
		h.client = h.client.Next()
		h.password(t, "alice", "/apps/salesforce")
		if page != "" {
			h.visit(page + "?f=" + url.QueryEscape(h.mark(t)))
		}
		browsers = append(browsers, h.now)
	}
	return browsers
}

// answers sends a form from each browser at once, and counts the answers by status.
func (h *venue) answers(browsers []*browser, path string, code func(i int) string) map[int]int {
	var mu sync.Mutex
	got := map[int]int{}
	var wg sync.WaitGroup
	for i, b := range browsers {
		wg.Go(func() {
			w := h.beside(b, path, url.Values{"code": {code(i)}})
			mu.Lock()
			defer mu.Unlock()
			got[w.Code]++
		})
	}
	wg.Wait()
	return got
}

func guess(i int) string { return fmt.Sprintf("%06d", i) }

// C-30, R-37: fifty sign-ins at once, from as many addresses, have no more guesses between them than one: five in fifteen
// minutes, ten in a day. A restart gives no more.
func TestC30R37FiftySignInsHaveTheGuessesOfOne(t *testing.T) {
	for _, kind := range []struct {
		name, page, path string
	}{{"an app's code", "", "/mfa/totp"}, {"a recovery or bypass code", "/rescue", "/rescue"}} {
		t.Run(kind.name, func(t *testing.T) {
			h := newBesieged(t, unchanged)
			h.signIn(t, "alice")
			judged := 0
			for round := range 3 {
				got := h.answers(h.besiege(t, 50, kind.page), kind.path, guess)
				if judged += got[http.StatusUnauthorized]; got[http.StatusSeeOther] > 0 || got[http.StatusUnauthorized]+got[http.StatusTooManyRequests] != 50 {
					t.Fatalf("round %d: %v", round, got)
				}
				if want := min(10, 5*(round+1)); judged != want {
					t.Errorf("round %d: %d guesses were judged, want %d", round, judged, want)
				}
				h.clock.move(16 * time.Minute)
				later := newBesieged(t, func(c *idp.Config) {
					f, err := totp.New(totp.Config{Issuer: "Example Apps", Store: h.store, Now: h.clock.Now})
					must(t, err)
					c.Store, c.Now, c.Factors = h.store, h.clock.Now, []idp.Factor{f}
				})
				h.gateway = later.gateway
			}
		})
	}
}

// so have the guesses at an invitation.
func TestR37FiftyGuessesAtAnInvitation(t *testing.T) {
	h := newBesieged(t, unchanged)
	if _, _, _, err := h.gateway.Invite(t.Context(), "alice", idp.InviteLife, "the test"); err != nil {
		t.Fatal(err)
	}
	var browsers []*browser
	for i := range 50 {
		h.use(fmt.Sprint("stranger", i))
		h.password(t, "alice", "/apps/coded")
		if h.page() != "enroll-code" {
			t.Fatalf("%q: %s", h.page(), h.words())
		}
		browsers = append(browsers, h.now)
	}
	if got := h.answers(browsers, "/enroll", guess); got[http.StatusUnauthorized] != 5 || got[http.StatusTooManyRequests] != 45 {
		t.Errorf("%v", got)
	}
}

// slow is a factor that judges nothing before the test lets it.
type slow struct {
	phone
	inside atomic.Int32
	judge  chan struct{}
}

func (s *slow) Verify(ctx context.Context, u *idp.User, memo []byte, answer url.Values) (idp.Proof, error) {
	s.inside.Add(1)
	<-s.judge
	return s.phone.Verify(ctx, u, memo, answer)
}

// C-30: nor does a burst get past the end of the day, whose guesses are all judged before the first of them is counted.
func TestC30ABurstStaysWithinTheDay(t *testing.T) {
	s := &slow{judge: make(chan struct{})}
	h := newBesieged(t, func(c *idp.Config) { c.Factors = []idp.Factor{s} })
	browsers := h.besiege(t, 50, "")
	for range 9 { // the owner's right codes in between have cleared all but the count of the day
		_, err := h.store.Fail(t.Context(), "day:duo:staff:alice", h.clock.Now(), 24*time.Hour)
		must(t, err)
	}
	var wg sync.WaitGroup
	var refused atomic.Int32
	for i, b := range browsers {
		wg.Go(func() {
			if h.beside(b, "/mfa/duo", url.Values{"code": {guess(i)}}).Code == http.StatusTooManyRequests {
				refused.Add(1)
			}
		})
	}
	for refused.Load()+s.inside.Load() < 50 {
		runtime.Gosched()
	}
	close(s.judge)
	wg.Wait()
	if n := s.inside.Load(); n > 1 {
		t.Errorf("%d guesses were judged, where one was left", n)
	}
}
