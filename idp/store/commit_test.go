package store

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// Rows share a commit with those that are expected, and wait for nobody else.
func TestGatherWaitsForCompany(t *testing.T) {
	for name, c := range map[string]struct {
		queued, expected, last int
		late, closed           bool
		want                   int
	}{
		"alone":                     {expected: 1, want: 1},
		"nobody told":               {want: 1},
		"others are there":          {queued: 2, expected: 1, want: 3},
		"others are expected":       {queued: 2, expected: 3, want: 3},
		"others come too late":      {queued: 1, expected: 9, late: true, want: 2},
		"the store is being closed": {queued: 1, expected: 9, closed: true, want: 2},
		"one came before":           {expected: 1, last: 1, want: 1},
		"two came before":           {expected: 1, last: 2, want: 1},
		"as many as came before":    {queued: 5, expected: 1, last: 8, want: 6},
		"the crowd has left":        {expected: 1, last: 8, late: true, want: 1},
		"very many":                 {queued: commitMost, expected: 2 * commitMost, want: commitMost},
	} {
		t.Run(name, func(t *testing.T) {
			w := &committer{queue: make(chan *auditRow, commitMost), expected: new(atomic.Int64), last: c.last}
			w.expected.Store(int64(c.expected))
			for range c.queued {
				w.queue <- new(auditRow)
			}
			if c.closed {
				close(w.queue)
			}
			late := make(chan time.Time, 1)
			if c.late {
				late <- time.Time{}
			}
			if got := len(w.gather([]*auditRow{new(auditRow)}, late)); got != c.want {
				t.Errorf("%d rows in one commit, want %d", got, c.want)
			}
		})
	}
}

// A row that comes while another waits for it goes into the same commit.
func TestGatherTakesWhoComes(t *testing.T) {
	w := &committer{queue: make(chan *auditRow), expected: new(atomic.Int64)}
	w.expected.Store(2)
	go func() { w.queue <- new(auditRow) }()
	if got := len(w.gather([]*auditRow{new(auditRow)}, nil)); got != 2 {
		t.Errorf("%d rows in one commit", got)
	}
}

// In a crowd a row waits for those that nobody can expect yet.
func TestGatherWaitsInACrowd(t *testing.T) {
	w := &committer{queue: make(chan *auditRow), expected: new(atomic.Int64), last: 8}
	go func() {
		for range 5 {
			w.queue <- new(auditRow)
		}
	}()
	if got := len(w.gather([]*auditRow{new(auditRow)}, nil)); got != 6 {
		t.Errorf("%d rows in one commit", got)
	}
}

// Whoever expected a row takes that back, whether it came or not.
func TestExpectIsTakenBack(t *testing.T) {
	s, err := New(Config{Path: "unused.db", SealKey: func(context.Context) ([]byte, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	one, two := s.Expect(), s.Expect()
	if n := s.expected.Load(); n != 2 {
		t.Errorf("%d rows are expected", n)
	}
	one()
	two()
	if n := s.expected.Load(); n != 0 {
		t.Errorf("%d rows are expected", n)
	}
}
