package e2e

import (
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// guess is a password that somebody tries.
type guess struct{ name, password string }

// strangers open the sign-in at addresses that nobody had before, one after another.
func (s *siege) strangers(t *testing.T, n int) (clients []*Client, pages []*Page) {
	t.Helper()
	crowd := 100 + s.crowds.Add(1)
	for i := range n {
		c := s.ClientFrom(fmt.Sprintf("127.%d.%d.%d", crowd, i/250, 1+i%250))
		p, err := c.open(s.Portal("/"))
		if err != nil {
			t.Fatal(err)
		}
		clients, pages = append(clients, c), append(pages, p)
	}
	return clients, pages
}

// atOnce is how many strangers try at the same time: Samba takes connections one by one, and 50 new ones take it seconds.
const atOnce = 8

// spray has strangers try the guesses, so many each that no address is limited, and counts the answers by their status.
func (s *siege) spray(t *testing.T, guesses []guess) map[int]int {
	t.Helper()
	shares := slices.Collect(slices.Chunk(guesses, besiegedBy))
	clients, pages := s.strangers(t, len(shares))
	answered := map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	for i, share := range shares {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			p := pages[i]
			for _, g := range share {
				var err error
				if p, err = clients[i].try(p, g); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				answered[p.Status]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return answered
}

// try types a name and a password at once, as a browser does that fills in both.
func (c *Client) try(p *Page, g guess) (*Page, error) {
	f, err := p.form("f")
	if err != nil {
		return nil, err
	}
	return c.send(p, f, url.Values{"username": {g.name}, "password": {g.password}})
}

// allAtOnce: two hundred that wait for the same moment.
func (s *siege) allAtOnce(t *testing.T) {
	const many = 200
	clients, pages := s.strangers(t, many)
	answered := map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	now := make(chan struct{})
	for i := range many {
		all.Go(func() {
			<-now
			p, err := clients[i].try(pages[i], guess{s.who("rush"), fmt.Sprintf("Guess-%04d-x", i)})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			answered[p.Status]++
			mu.Unlock()
		})
	}
	close(now)
	all.Wait()
	s.wantAnswered(t, answered, s.left, many-s.left)
	s.wantShown(t, s.who("rush"), s.left)
}
