//go:build bench

// The benchmarks take the real store. They have a tag of their own, so that the tests and fuzz targets
// beside them need not be linked with SQLite: go test -tags bench -bench . ./idp

package idp_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/store"
)

// openStore opens a store on disk.
func openStore(b *testing.B) *store.Store {
	b.Helper()
	s, err := store.New(store.Config{
		Path: b.TempDir() + "/gatehouse.db", SealKey: func(context.Context) ([]byte, error) { return make([]byte, 32), nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Open(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// crowdSize is how many people the benchmarks take in turn: more than the processor's first cache holds.
const crowdSize = 1000

// crowd is people who are signed in, each as a browser sends them: with both cookies.
type crowd struct {
	gateway  *idp.Gateway
	store    idp.Store
	requests []*http.Request
	names    []string
}

func newCrowd(b *testing.B) *crowd {
	b.Helper()
	s := openStore(b)
	g, err := idp.New(baseConfig(b, s, time.Now))
	if err != nil {
		b.Fatal(err)
	}
	c := &crowd{gateway: g, store: s}
	for i := range crowdSize {
		name := fmt.Sprintf("agent-%d", i)
		u := idp.User{Source: "staff", ID: name, Name: name, Email: name + "@example.com", Groups: []idp.Group{{Names: []string{"Agents"}}}}
		w := httptest.NewRecorder()
		if err := g.Admit(w, httptest.NewRequestWithContext(b.Context(), http.MethodGet, site+"/", nil), u); err != nil {
			b.Fatal(err)
		}
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, site+"/", nil)
		for _, cookie := range w.Result().Cookies() {
			r.AddCookie(cookie)
		}
		if len(r.Cookies()) != 2 {
			b.Fatalf("%d cookies, want those of the session and the device", len(r.Cookies()))
		}
		c.requests, c.names = append(c.requests, r), append(c.names, name)
	}
	return c
}

// BenchmarkSessionCheck is a request with its Cookie header becoming a user, codec included.
func BenchmarkSessionCheck(b *testing.B) {
	c := newCrowd(b)
	for i := range c.requests { // the first request of each fills the store's cache
		if u, err := c.gateway.Visitor(c.requests[i]); err != nil || u == nil || u.Name != c.names[i] {
			b.Fatalf("%s became %v: %v", c.names[i], u, err)
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if u, err := c.gateway.Visitor(c.requests[i%crowdSize]); err != nil || u == nil {
			b.Fatal("the check failed: ", err)
		}
		i++
	}
}

// BenchmarkSessionLookup is what a cookie holds becoming a session: its hash, and the store.
func BenchmarkSessionLookup(b *testing.B) {
	s := openStore(b)
	now := time.Now()
	ids := make([][]byte, crowdSize)
	for i := range ids {
		ids[i] = fmt.Appendf(nil, "the 32 random bytes of one %06d", i)
		sess := &idp.Session{ID: sha256.Sum256(ids[i]), User: idp.User{Source: "staff", ID: fmt.Sprint(i), Name: fmt.Sprint(i)}, SignedIn: now, Seen: now, Expires: now.Add(12 * time.Hour)}
		if err := s.PutSession(b.Context(), sess); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Session(b.Context(), sess.ID); err != nil {
			b.Fatal(err)
		}
	}
	ctx := b.Context()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := s.Session(ctx, sha256.Sum256(ids[i%crowdSize])); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
