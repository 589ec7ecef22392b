package store

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// benchSessions is the number of sessions that the memory of one is measured at.
const benchSessions = 100_000

func agentSession(n int, now time.Time) *idp.Session {
	name := fmt.Sprintf("agent%05d", n)
	return &idp.Session{
		ID: numbered(n),
		User: idp.User{
			Source: "corp", ID: fmt.Sprintf("%08x-90ab-cdef-1234-567890abcdef", n), Name: name + "@corp.example.com",
			DN: "CN=" + name + ",OU=Agents,DC=corp,DC=example,DC=com", Email: name + "@example.com",
			FirstName: "Agent", LastName: name, DisplayName: "Agent " + name,
			Groups: []idp.Group{
				{Names: []string{"Contact Centre Agents", "CN=Contact Centre Agents,OU=Groups,DC=corp,DC=example,DC=com"}},
				{Names: []string{"Staff", "CN=Staff,OU=Groups,DC=corp,DC=example,DC=com"}},
				{Names: []string{fmt.Sprint("Team ", n%50), fmt.Sprintf("CN=Team %d,OU=Groups,DC=corp,DC=example,DC=com", n%50)}},
			},
		},
		Form: fmt.Sprintf("%032x", n), SignedIn: now, Expires: now.Add(12 * time.Hour), Seen: now,
		Proofs: []idp.Passed{
			{Proof: idp.Proof{Factor: idp.PasswordFactor, ACR: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport", At: now}},
			{Proof: idp.Proof{Factor: "totp", Credential: "1", ACR: "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken", At: now}, Scope: "connect"},
		},
		Browser: numbered(-n), Client: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}),
		UserAgent: fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36", 120+n%5),
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkSessionLookup looks sessions up by the hash of their id, 100,000 of them in memory, and
// reports how much memory each takes.
func BenchmarkSessionLookup(b *testing.B) {
	s := mustOpen(b, Config{Path: made(b, b.TempDir()), CacheSessions: benchSessions + benchSessions/8})
	o, ctx := s.state.Load(), b.Context()
	before := heap()
	ids := make([]idp.Hash, benchSessions)
	ok(b, o.write(ctx, func(c conn) error { // one transaction: this is not what is measured
		for i := range ids {
			sess := agentSession(i, time.Now())
			ids[i] = sess.ID
			if err := o.putSession(ctx, c, sess); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, id := range ids {
		_, err := s.Session(ctx, id)
		ok(b, err)
	}
	if n := held(o.cache); n < benchSessions {
		b.Fatalf("%d sessions are in memory", n)
	}
	each := float64(heap()-before-uint64(len(ids)*len(idp.Hash{}))) / benchSessions
	b.ReportAllocs()
	b.ResetTimer()
	// Batches are shorter than a slice of the scheduler, so that their median is the lookup's own
	// time also on a machine with other work.
	const batch = 100
	var took []time.Duration
	start := time.Now()
	for i := 1; b.Loop(); i++ {
		if _, err := s.Session(ctx, ids[i*7919%benchSessions]); err != nil {
			b.Fatal(err)
		}
		if i%batch == 0 {
			now := time.Now()
			took = append(took, now.Sub(start))
			start = now
		}
	}
	slices.Sort(took)
	if len(took) > 0 {
		b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/batch, "p50-ns")
	}
	b.ReportMetric(each, "B/session")
}

// BenchmarkSessionRead looks up sessions that are not in memory.
func BenchmarkSessionRead(b *testing.B) {
	s := openMade(b)
	sess := agentSession(1, time.Now())
	ok(b, s.PutSession(b.Context(), sess))
	for b.Loop() {
		if _, err := s.readSession(b.Context(), sess.ID, 1<<60); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAuditAppend writes durable audit rows from so many callers at once; p50 is what one of
// them waits.
func BenchmarkAuditAppend(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openMade(b)
			next := make(chan int)
			waits := make([]time.Duration, b.N)
			var done sync.WaitGroup
			for range writers {
				done.Go(func() {
					for i := range next {
						start := time.Now()
						if err := s.Append(context.Background(), launch(i, start)); err != nil {
							b.Error(err)
						}
						waits[i] = time.Since(start)
					}
				})
			}
			b.ResetTimer()
			for i := range b.N {
				next <- i
			}
			close(next)
			done.Wait()
			b.StopTimer()
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func launch(i int, now time.Time) idp.Event {
	return idp.Event{
		Time: now, Kind: idp.EventLaunch, Result: idp.Success, Ref: fmt.Sprintf("%08x", i), User: "corp:12345678-90ab-cdef-1234-567890abcdef",
		Name: "agent@corp.example.com", Source: "corp", App: "connect", Factor: "totp", Client: netip.MustParseAddr("203.0.113.7"),
		Agent: "Chrome on Windows", Policy: "weekly", Rule: "mfa every 7d shared", Digest: "0123456789abcdef",
	}
}

// BenchmarkTakeMemo is one memo kept and spent, both durable.
func BenchmarkTakeMemo(b *testing.B) {
	s := openMade(b)
	ctx, later := b.Context(), time.Now().Add(time.Hour)
	for i := 0; b.Loop(); i++ {
		ok(b, s.PutMemo(ctx, idp.Memo{Kind: "flow", ID: numbered(i), Expires: later, Data: make([]byte, 300)}, 8))
		_, err := s.TakeMemo(ctx, "flow", numbered(i), time.Now())
		ok(b, err)
	}
}
