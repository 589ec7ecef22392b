package idp_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// C-20, C-23: somebody is held by what was typed under any spelling, and no answer tells that the spellings are one person's,
// or anybody's: each is answered as one that nobody has.
func TestC23TwoSpellingsDoNotTellWhoIsKnown(t *testing.T) {
	for _, threshold := range []int{3, 5, 9} {
		s := withSeveral(t)
		s.corp.limit, s.partners.limit = threshold, threshold
		strangers := threshold - 2
		for i := range 8 {
			for _, spelling := range []string{"%s", "%s@example.com", `corp\%s`} {
				known := s.guess(t, fmt.Sprintf(spelling, "alice"), fmt.Sprint("wrong", i))
				wantAlike(t, fmt.Sprintf("threshold %d, guess %d of %s", threshold, i, spelling),
					s.guess(t, fmt.Sprintf(spelling, "nosuch"), fmt.Sprint("wrong", i)), known)
			}
			s.clock.move(13 * time.Second) // six guesses in that time are what an address may make
		}
		if s.corp.shown != strangers {
			t.Errorf("a directory that locks at %d was shown %d passwords", threshold, s.corp.shown)
		}
		if got := s.guess(t, "alice", "right"); got.status == http.StatusSeeOther || s.corp.shown != strangers {
			t.Errorf("over the budget the right password is answered %d", got.status)
		}
	}
}

// The audit line says what is true: that the person has no failure left, whatever the page says, and what was judged.
func TestTheAuditLineSaysWhoIsHeld(t *testing.T) {
	s := withSeveral(t)
	s.corp.limit = 3
	for _, name := range []string{"alice", "alice@example.com"} {
		if got := s.guess(t, name, "wrong"); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	if l := lines(t, s.store, "limited"); len(l) != 1 || l[0].Kind != idp.EventLockout || l[0].Result != idp.Denied || l[0].Name != "alice@example.com" {
		t.Errorf("audit: %+v", l)
	}
}

// What the directory counted elsewhere, or by a policy of the person's own, shows as little.
func TestC23CountsElsewhereDoNotShow(t *testing.T) {
	v, d := withLocking(t, 9, "fay")
	d.fine = map[string]idp.Lockout{"fay": {Failures: 4, Window: time.Hour}}
	for range 8 {
		d.fail("alice")
	}
	strangers := 9 - 2
	for i := range strangers + 2 {
		want := http.StatusUnauthorized
		if i >= strangers {
			want = http.StatusTooManyRequests
		}
		for _, name := range []string{"alice", "fay", "nosuch"} {
			if status, _ := v.try(t, name, fmt.Sprint("wrong", i)); status != want {
				t.Errorf("guess %d of %s: %d, want %d", i, name, status, want)
			}
		}
		v.clock.move(7 * time.Second)
	}
	if d.accounts["alice"].most != 8 {
		t.Errorf("alice: %d", d.accounts["alice"].most)
	}
	d.wantMost(t, "fay", 2)
}

// A device of the person's own is told what is so.
func TestAnOwnDeviceIsToldWhatIsSo(t *testing.T) {
	v, d := withLocking(t, 5)
	own := v.ownDevice(t, "desk", "")
	strangers, all := passedOn(5)
	for i := range 10 {
		v.try(t, "alice", fmt.Sprint("guess", i))
		v.clock.move(time.Second)
	}
	for i := range all - strangers {
		if status := v.tryOn(t, own, fmt.Sprint("forgotten", i)); status != http.StatusUnauthorized {
			t.Errorf("its guess %d: %d", i, status)
		}
		v.clock.move(time.Second)
	}
	if status := v.tryOn(t, own, "right"); status != http.StatusTooManyRequests {
		t.Errorf("with nothing left: %d", status)
	}
	d.wantMost(t, "alice", all)
}
