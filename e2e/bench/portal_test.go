package bench

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// BenchmarkPortalToTile: how long people wait from the portal's address to the page that an application's tile leads to, where
// so many come at once.
func BenchmarkPortalToTile(b *testing.B) {
	const people, each = 50, 10
	c := gather(b, people)
	var mu sync.Mutex
	var all times
	var failed error
	visit := func(hc *http.Client, p person) (time.Duration, error) {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, c.Portal("/"), nil)
		if err != nil {
			return 0, err
		}
		r.Header.Set("Cookie", p.cookies)
		click, err := p.launch(b.Context(), c.Portal(""), "/apps/connect")
		if err != nil {
			return 0, err
		}
		begin := time.Now()
		if err := send(hc, r, `data-page="portal"`); err != nil {
			return 0, err
		}
		err = send(hc, click, "SAMLResponse")
		return time.Since(begin), err
	}
	var wg sync.WaitGroup
	for i := range people {
		hc, p := c.HTTP(""), c.people[i]
		wg.Go(func() {
			for n := range each + 1 {
				took, err := visit(hc, p)
				mu.Lock()
				switch {
				case err != nil:
					failed = err
				case n > 0: // the first one connects
					all = append(all, took)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if failed != nil || len(all) != people*each {
		b.Fatalf("%d visits: %v", len(all), failed)
	}
	how := "N=%d, %d people at once, each on a connection of their own: the portal's page, then the tile, to the page that posts the response"
	report(b, "portal_to_tile_p50", all.median().Seconds()*1e3, "ms", goal{}, how, len(all), people)
	report(b, "portal_to_tile_p99", all.at(0.99).Seconds()*1e3, "ms", goal{}, how, len(all), people)
}
