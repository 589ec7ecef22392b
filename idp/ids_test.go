package idp

import (
	"crypto/rand"
	"net/http/httptest"
	"testing"
)

// fixedKeys is what cookies are authenticated with.
type fixedKeys struct{ Keys }

func (fixedKeys) CookieKeys() ([][]byte, error) { return [][]byte{make([]byte, 32)}, nil }

// TestR32IDsAreLongAndNeverTwice: 256 random bits a cookie, and none of 100,000 comes again. What a page holds has 128.
func TestR32IDsAreLongAndNeverTwice(t *testing.T) {
	store := newCookieStore(fixedKeys{}, rand.Reader)
	const n = 100_000
	seen := make(map[Hash]bool, n)
	for range n {
		w := httptest.NewRecorder()
		k := cookie{store: store, name: sessionCookie}
		id, err := k.renew(w, 0)
		if err != nil || seen[id] {
			t.Fatalf("%v, or an id that was given before", err)
		}
		seen[id] = true
		if len(seen)%1000 != 1 {
			continue
		}
		secret, err := store.open(sessionCookie, w.Result().Cookies()[0].Value)
		if err != nil || len(secret)*8 != 256 {
			t.Fatalf("a secret of %d bytes, %v", len(secret), err)
		}
	}
	g := &Gateway{rand: rand.Reader}
	texts := make(map[string]bool, n)
	for range n {
		if s := g.randomText(); texts[s] || len(s) != 22 {
			t.Fatalf("%q, of %d characters", s, len(s))
		} else {
			texts[s] = true
		}
	}
}
