package bench

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is launches on many connections at once, each of which sends its next when the last is answered.
type load struct {
	base, path, word string
	open             func() *http.Client
	clients          []*http.Client
	times            times
	next             atomic.Uint64
}

// run sends so many launches on each connection.
func (l *load) run(b *testing.B, people []person, each int) {
	b.Helper()
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	for _, hc := range l.clients {
		wg.Go(func() {
			var mine times
			var err error
			for range each {
				var r *http.Request
				if r, err = people[l.next.Add(1)%uint64(len(people))].launch(b.Context(), l.base, l.path); err != nil {
					break
				}
				begin := time.Now()
				if err = send(hc, r, l.word); err != nil {
					break
				}
				mine = append(mine, time.Since(begin))
			}
			mu.Lock()
			defer mu.Unlock()
			l.times = append(l.times, mine...)
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	if failed != nil {
		b.Fatal(failed)
	}
}

// tails measures launches that arrive together. It has no benchmark of its own, because gathering people
// takes longer than this.
func tails(b *testing.B, c crowd, s *signer) {
	b.Helper()
	const rounds, connections, each = 6, 32, 15
	kinds := []*load{
		{base: c.Portal(""), path: "/apps/connect", word: "SAMLResponse", open: func() *http.Client { return c.HTTP("") }},
		{base: "https://" + signerHost, path: "/semaphore", word: "signed ", open: func() *http.Client { return s.HTTP(b) }},
		{base: "https://" + signerHost, path: "/free", word: "signed ", open: func() *http.Client { return s.HTTP(b) }},
	}
	for _, k := range kinds {
		for range connections {
			k.clients = append(k.clients, k.open())
		}
		k.run(b, c.people, 1) // connects
		k.times = nil
	}
	for range rounds {
		for _, k := range kinds {
			k.run(b, c.people, each)
		}
	}
	n := rounds * connections * each
	for i, name := range []string{"launch_p99_32conn", "launch_p99_32conn_semaphore", "launch_p99_32conn_free"} {
		what := []string{"through Caddy, which bounds signatures at work", "samlapp behind net/http, signatures at work bounded by the cores", "the same without the bound"}[i]
		report(b, name, kinds[i].times.at(0.99).Seconds()*1e3, "ms", goal{}, "N=%d in %d interleaved blocks, 32 connections: %s; median %s", n, rounds, what, ms(kinds[i].times.median()))
	}
	bound, free := kinds[1].times, kinds[2].times
	report(b, "launch_p99_32conn_ratio", ratio(bound.at(0.99), free.at(0.99)), "ratio", goal{},
		"N=%d each, interleaved; with the bound to without: p99 %s to %s, medians %s to %s", n, ms(bound.at(0.99)), ms(free.at(0.99)), ms(bound.median()), ms(free.median()))
}
