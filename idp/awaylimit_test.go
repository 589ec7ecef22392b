package idp_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// strickenOffice is an office whose directory does not answer, and its emergency source.
func strickenOffice(t *testing.T) (*venue, *countingSource) {
	t.Helper()
	corp := &countingSource{name: "corp", users: map[string]string{"alice": "right"}, limit: 9}
	corp.down = errors.New("no route to host")
	emergency := &countingSource{name: "emergency", users: map[string]string{"breakglass": "right", "second": "right"}, limit: -1}
	return withSources(t, corp, listed{emergency}), emergency
}

// C-19: an address sprays no faster while a directory is away than while it answers, and learns no name by that.
func TestC19SprayingWhileADirectoryIsAway(t *testing.T) {
	h, emergency := strickenOffice(t)
	told := map[int]int{}
	for i := range 200 {
		name := fmt.Sprint("user", i)
		if i == 3 || i == 150 {
			name = map[int]string{3: "breakglass", 150: "second"}[i]
		}
		status, _ := h.try(t, name, "Spring2026!")
		if told[status]++; (status == http.StatusTooManyRequests) != (i >= 120) {
			t.Errorf("try %d, of %s: %d", i, name, status)
		}
	}
	if told[http.StatusServiceUnavailable] != 120 || told[http.StatusTooManyRequests] != 80 || emergency.shown != 1 {
		t.Errorf("%v, %d of somebody's passwords were judged", told, emergency.shown)
	}
	for minute := range 5 {
		h.clock.move(time.Minute)
		served := 0
		for i := range 60 {
			if status, _ := h.try(t, fmt.Sprint("other", minute, "-", i), "Spring2026!"); status == http.StatusServiceUnavailable {
				served++
			}
		}
		if served != 30 {
			t.Errorf("in a minute %d new names were tried, 30 are allowed", served)
		}
	}
}

// Where no source at all answers there is nothing to be guessed, and still an audit log to be filled.
func TestC19SprayingWhileNothingAnswers(t *testing.T) {
	h := withSources(t, &countingSource{name: "corp", down: errors.New("no route to host")})
	refused := 0
	for i := range 200 {
		if status, _ := h.try(t, fmt.Sprint("user", i), "Spring2026!"); status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused != 80 {
		t.Errorf("%d of 200 were refused, want 80", refused)
	}
}

// One name after the other is guessed no faster either, once they have all been typed.
func TestC19SprayingTheSameNamesWhileADirectoryIsAway(t *testing.T) {
	h, _ := strickenOffice(t)
	served := 0
	for minute := range 10 {
		for i := range 300 {
			if status, _ := h.try(t, fmt.Sprint("user", i%20), fmt.Sprint("guess", minute, i)); status == http.StatusServiceUnavailable {
				served++
			}
		}
		h.clock.move(time.Minute)
	}
	if served > 20+11*120 {
		t.Errorf("%d tries in ten minutes", served)
	}
}

// People behind one address who try again and again while their directory is away shut out neither each other nor whoever comes
// with an emergency account: a hundred who come to work in one second, and thirty who try four times a minute.
func TestAnOfficeTriesAgainWhileItsDirectoryIsAway(t *testing.T) {
	h, _ := strickenOffice(t)
	for i := range 100 {
		if status, _ := h.try(t, fmt.Sprint("agent", i), "right"); status != http.StatusServiceUnavailable {
			t.Fatalf("agent %d: %d", i, status)
		}
	}
	for range 4 * 30 {
		for i := range 30 {
			if i%8 == 0 {
				h.clock.move(4 * time.Second) // so that each tries about four times a minute
			}
			if status, _ := h.try(t, fmt.Sprint("agent", i), "right"); status != http.StatusServiceUnavailable {
				t.Fatalf("agent %d: %d", i, status)
			}
		}
	}
	h.try(t, "breakglass", "right")
	if h.arrive(t); h.page() != "enroll" {
		t.Errorf("the emergency account is led to %q: %s", h.page(), h.words())
	}
}
