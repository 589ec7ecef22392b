package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/store"
)

// openStore opens a store in a directory.
func openStore(b *testing.B, dir string, sessions int) *store.Store {
	b.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		b.Fatal(err)
	}
	s, err := store.New(store.Config{
		Path: filepath.Join(dir, "gatehouse.db"), CacheSessions: sessions,
		SealKey: func(context.Context) ([]byte, error) { return key, nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// forgetful is a store that keeps no audit line.
type forgetful struct{ idp.Store }

// Append drops the event.
func (forgetful) Append(context.Context, idp.Event) error { return nil }

// BenchmarkAuditRow: what the durable audit line adds to a launch, by the same launch without it.
func BenchmarkAuditRow(b *testing.B) {
	const origin, rounds = "https://sso.example.test", 300
	s := openStore(b, b.TempDir(), 0)
	g := openGateway(b, origin, s)
	silent := openGateway(b, origin, forgetful{s})
	people := admit(b, g, origin, "agent", rounds)
	launch := func(g *idp.Gateway, p person) time.Duration {
		r, err := p.launch(b.Context(), origin, "/apps/connect")
		if err != nil {
			b.Fatal(err)
		}
		hc := &http.Client{Transport: inside{g}}
		return took(func() {
			if err := send(hc, r, "SAMLResponse"); err != nil {
				b.Fatal(err)
			}
		})
	}
	launch(g, people[0])
	launch(silent, people[0])
	var with, without times
	for _, p := range people {
		with = append(with, launch(g, p))
		without = append(without, launch(silent, p))
	}
	report(b, "audit_row_added_p50", (with.median()-without.median()).Seconds()*1e3, "ms", goal{most: 1},
		"N=%d interleaved, in process; medians: launch with its line %s, without %s", rounds, ms(with.median()), ms(without.median()))
}

// BenchmarkAuditAppend: a line alone against the same bytes appended to a file and synced, and 64 writers.
func BenchmarkAuditAppend(b *testing.B) {
	dir := b.TempDir()
	s := openStore(b, dir, 0)
	f, err := os.OpenFile(filepath.Join(dir, "plain"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	line := []byte(strings.Repeat("x", 700) + "\n")
	const rounds = 500
	var appended, synced times
	for i := range rounds {
		e := event(i)
		appended = append(appended, took(func() {
			if err := s.Append(b.Context(), e); err != nil {
				b.Fatal(err)
			}
		}))
		synced = append(synced, took(func() {
			if _, err := f.Write(line); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}))
	}
	report(b, "audit_append_p50", appended.median().Seconds()*1e6, "us", goal{}, "N=%d, one writer, durable", rounds)
	report(b, "audit_append_vs_fsync", ratio(synced.median(), appended.median()), "ratio", goal{},
		"N=%d interleaved; medians: line %s, the same bytes appended to a file and synced %s", rounds, ms(appended.median()), ms(synced.median()))

	const writers, each = 64, 150
	errs := make(chan error, writers)
	var wg sync.WaitGroup
	all := took(func() {
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					if err := s.Append(b.Context(), event(w*each+i)); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
	})
	close(errs)
	for err := range errs {
		b.Fatal(err)
	}
	report(b, "audit_append_x64", writers*each/all.Seconds(), "rows/s", goal{},
		"N=%d rows by 64 writers, each durable before the next; one writer makes %.0f rows/s", writers*each, 1/appended.median().Seconds())
}

// event is the line of a launch.
func event(n int) idp.Event {
	name := fmt.Sprintf("agent-%d", n)
	return idp.Event{
		Time: time.Now(), Kind: idp.EventLaunch, Result: idp.Success, Ref: fmt.Sprintf("REF-%d", n), User: "people:" + name, Name: name,
		Source: "people", App: "connect", Agent: userAgent, Policy: "weekly", Rule: "mfa every 7d shared", Digest: "0123456789abcdef",
		Launch: &idp.LaunchRecord{
			Role: "arn:aws:iam::123456789012:role/ConnectFederation", SessionName: name + "@example.test", NameID: strings.Repeat("n", 43),
			AssertionID: "_" + strings.Repeat("a", 40), Destination: "/ccp-v2",
		},
	}
}
