package samlapp

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// launches gives each response another person, time and id, so that nothing can be remembered.
type launches struct {
	app  *Connect
	user *idp.User
	l    idp.Launch
	n    int
}

func newLaunches(b testing.TB) *launches {
	c := connectIn("aws", "eu-west-2")
	keys := testKeys(b)
	c.Issuer = &Issuer{EntityID: testEntityID, Keys: func() ([]idp.SAMLKey, error) { return keys, nil }}
	a, err := NewConnect(c)
	if err != nil {
		b.Fatal(err)
	}
	return &launches{a, testUser(), testLaunch(), 0}
}

func (s *launches) next(b testing.TB) *idp.Form {
	s.n++
	s.user.ID, s.user.Email = fmt.Sprintf("id-%d", s.n), fmt.Sprintf("agent%d@example.com", s.n)
	s.l.Now = testNow.Add(time.Duration(s.n) * time.Second)
	f, err := s.app.SignIn(context.Background(), s.user, s.l)
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// BenchmarkResponse is a whole launch, base64 included. The goal is 0.92 of the rate of BenchmarkRawSign.
func BenchmarkResponse(b *testing.B) {
	s := newLaunches(b)
	s.next(b)
	b.ReportAllocs()
	for b.Loop() {
		s.next(b)
	}
}

// BenchmarkRawSign is the one RSA signature that no response can do without.
func BenchmarkRawSign(b *testing.B) {
	key := testKey(b, "active", idp.KeyActive).Signer
	sum := sha256.Sum256([]byte("x"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAllocations(t *testing.T) {
	s := newLaunches(t)
	s.next(t)
	if n := testing.AllocsPerRun(100, func() { s.next(t) }); n > 100 {
		t.Errorf("%v allocations for one launch, at most 100 are allowed", n)
	}
	result := testing.Benchmark(BenchmarkResponse)
	if n := result.AllocedBytesPerOp(); n > 32<<10 {
		t.Errorf("%d bytes for one launch, at most 32 KiB are allowed", n)
	}
}
