package ldap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// streets is the DNS and the network of a test.
type streets struct {
	mu      sync.Mutex
	names   map[string][]netip.Addr
	silent  bool
	asked   int
	dead    map[string]bool // addresses
	reached []string
}

func (s *streets) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	s.mu.Lock()
	s.asked++
	silent, at := s.silent, s.names[host]
	s.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if at == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return at, nil
}

func (s *streets) reach(_ context.Context, _, address string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached = append(s.reached, address)
	if s.dead[address] {
		return nil, errors.New("connection refused")
	}
	return nil, nil
}

func (s *streets) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// TestAddresses is F-05: once a host was found, nobody waits for the DNS, or fails with it.
func TestAddresses(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	later := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	one, two, three := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")
	s := &streets{names: map[string][]netip.Addr{"dc1.test": {one, two}}, dead: map[string]bool{}}
	a := &addresses{lookup: s.lookup, reach: s.reach, hosts: map[string]*whereabouts{}, now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}}
	dial := func(host string, want ...string) error {
		t.Helper()
		s.change(func() { s.reached = nil })
		_, err := a.dial(t.Context(), "tcp", net.JoinHostPort(host, "636"))
		if !slices.Equal(s.reached, want) {
			t.Errorf("it goes to %v, want %v", s.reached, want)
		}
		return err
	}
	asked := func(n int) {
		t.Helper()
		for until := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
			s.mu.Lock()
			got := s.asked
			s.mu.Unlock()
			a.mu.Lock()
			asking := a.hosts["dc1.test"].asking
			a.mu.Unlock()
			if got == n && !asking {
				return
			}
			if time.Now().After(until) {
				t.Fatalf("the DNS is asked %d times, want %d", got, n)
			}
		}
	}
	if err := dial("10.0.0.9", "10.0.0.9:636"); err != nil || s.asked > 0 {
		t.Errorf("an address: %v, asked %d times", err, s.asked)
	}
	_, no := errors.AsType[*net.DNSError](dial("dc9.test"))
	if !no {
		t.Error("a name that is not there has an address")
	}
	_ = dial("dc1.test", "10.0.0.1:636")
	asked(2)
	s.change(func() { s.dead["10.0.0.1:636"] = true })
	_ = dial("dc1.test", "10.0.0.1:636", "10.0.0.2:636")
	_ = dial("dc1.test", "10.0.0.2:636")
	asked(2)

	s.change(func() { delete(s.names, "dc1.test") })
	later(addressTime)
	for range 3 { // the DNS is asked once, and left alone after that
		if err := dial("dc1.test", "10.0.0.2:636"); err != nil {
			t.Error(err)
		}
		asked(3)
	}
	s.change(func() { s.silent = true })
	later(lookupPause)
	if err := dial("dc1.test", "10.0.0.2:636"); err != nil {
		t.Error(err)
	}

	asked(4)
	s.change(func() { s.silent, s.names["dc1.test"], s.dead["10.0.0.2:636"] = false, []netip.Addr{three}, true })
	if err := dial("dc1.test", "10.0.0.2:636", "10.0.0.1:636"); err == nil {
		t.Error("a host that moved answers")
	}
	_ = dial("dc1.test", "10.0.0.2:636", "10.0.0.1:636")
	asked(5)
	if err := dial("dc1.test", "10.0.0.3:636"); err != nil {
		t.Error(err)
	}
}
