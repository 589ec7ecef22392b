package bench

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// BenchmarkSessionBytes: what a session takes in memory at 100,000 of them, each of another person.
func BenchmarkSessionBytes(b *testing.B) {
	const n = 100_000
	// In memory, because it is memory that is measured: on a disk 100,000 commits would take a minute.
	dir, err := os.MkdirTemp("/dev/shm", "gh-sessions-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			b.Error(err)
		}
	})
	s := openStore(b, dir, n+n/10) // a little room, since the shards of the cache do not fill alike
	now := time.Now()
	id := func(i int) idp.Hash { return sha256.Sum256(fmt.Append(nil, i)) }
	for i := range n {
		u := agent(uint64(i))
		u.FirstName, u.LastName, u.DisplayName = "Agent", fmt.Sprintf("Number %d", i), fmt.Sprintf("Agent Number %d", i)
		sess := &idp.Session{
			ID: id(i), User: *u, Form: fmt.Sprintf("%022d", i), SignedIn: now, Expires: now.Add(12 * time.Hour), Seen: now,
			Proofs: []idp.Passed{
				{Proof: idp.Proof{Factor: idp.PasswordFactor, At: now}},
				{Proof: idp.Proof{Factor: "totp", Credential: fmt.Sprintf("%016d", i), At: now}, Scope: idp.SharedScope},
			},
			Browser: id(-i), Client: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), UserAgent: userAgent,
		}
		if err := s.PutSession(b.Context(), sess); err != nil {
			b.Fatal(err)
		}
	}
	empty := heap()
	var last *idp.Session
	for i := range n {
		if last, err = s.Session(b.Context(), id(i)); err != nil {
			b.Fatal(err)
		}
	}
	full := heap()
	hit := took(func() {
		for i := range n {
			if _, err := s.Session(b.Context(), id(i)); err != nil {
				b.Fatal(err)
			}
		}
	})
	if d := hit / n; d > 20*time.Microsecond {
		b.Errorf("a lookup takes %s: the sessions are not held in memory", d)
	}
	report(b, "session_bytes", float64(full-empty)/n, "B", goal{most: 700},
		"N=%d sessions held by the store, two proofs each; live heap before %d MB, after %d MB; a lookup among them took %s", n, empty>>20, full>>20, hit/n)
	runtime.KeepAlive(last)
}

// heap is what is in use after a full collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
