package ldap

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// TestPauses: a server that fails again and again is left alone for longer, one that did well for a while for a second.
func TestPauses(t *testing.T) {
	var h health
	now, broken := time.Now(), errors.New("broken")
	want := func(pause time.Duration) {
		t.Helper()
		if h.startProbe(now.Add(pause*3/4 - 1)) {
			t.Errorf("probed before three quarters of %s", pause)
		}
		now = now.Add(pause * 5 / 4)
		if !h.startProbe(now) || h.startProbe(now) {
			t.Errorf("after %s there is one probe", pause)
		}
		h.endProbe()
	}
	if !h.fail(broken, now) || h.fail(broken, now) {
		t.Error("only the first failure is news")
	}
	for _, seconds := range []int{1, 2, 4, 8, 16, 30, 30} {
		want(time.Duration(seconds) * time.Second)
		h.fail(broken, now)
	}
	if h.answer(now.Add(-time.Nanosecond), now) || !h.aside() {
		t.Error("what was sent before the failure takes the server back")
	}
	if !h.answer(now, now) || h.aside() || h.startProbe(now.Add(time.Hour)) {
		t.Error("an answer does not take the server back")
	}
	now = now.Add(time.Second)
	h.fail(broken, now)
	want(30 * time.Second)
	h.answer(now, now)
	now = now.Add(calmTime + 1)
	h.fail(broken, now)
	want(time.Second)
}

// TestTurns: a server that is slow is asked after the others, and before one that is down.
func TestTurns(t *testing.T) {
	var all []*server
	for _, url := range []string{"down", "slow", "well"} {
		all = append(all, &server{url: url})
	}
	all[0].health.fail(errors.New("broken"), time.Now())
	late := &trial{server: all[1]}
	late.late()
	order := func() (names []string) {
		for _, sv := range asideLast(all) {
			names = append(names, sv.url)
		}
		return names
	}
	if got := order(); !slices.Equal(got, []string{"well", "slow", "down"}) {
		t.Errorf("asked in the order %v", got)
	}
	now := time.Now()
	for _, sv := range all {
		if hot := (&conn{server: sv, since: now}).hot(now); hot == (sv.url == "down") {
			t.Errorf("of a server that is %s, a connection just used is hot: %v", sv.url, hot)
		}
	}
	late.done()
	if got := order(); !slices.Equal(got, []string{"slow", "well", "down"}) {
		t.Errorf("once it has answered they are asked in the order %v", got)
	}
}
