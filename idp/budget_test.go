package idp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// C-21: a directory counts a row of failures for as long as no window passes without one, so guesses that come slowly
// lock an account as well.
func TestC21SlowGuessesLockNobody(t *testing.T) {
	for threshold := 2; threshold <= 10; threshold++ {
		for _, pause := range []time.Duration{time.Second, 10 * time.Minute, 20 * time.Minute, 29 * time.Minute, 31 * time.Minute} {
			v, d := withLocking(t, threshold)
			for i := range 4 * threshold {
				v.try(t, "alice", fmt.Sprint("guess", i))
				v.clock.move(pause)
			}
			want := max(1, threshold-2)
			if pause > d.policy.Window {
				want = 1
			}
			d.wantMost(t, "alice", want)
		}
	}
}

// C-21: failures made elsewhere, at a desktop, leave so many fewer to be passed on.
func TestC21FailuresElsewhereCount(t *testing.T) {
	const threshold = 6
	strangers, all := passedOn(threshold)
	for elsewhere := range threshold {
		v, d := withLocking(t, threshold)
		own := v.ownDevice(t, "own device", "")
		for range elsewhere {
			d.fail("alice")
		}
		for i := range 8 {
			v.clock.move(time.Second)
			v.try(t, "alice", fmt.Sprint("guess", i))
		}
		d.wantMost(t, "alice", max(strangers, elsewhere))
		if status := v.tryOn(t, own, "forgotten"); (status == http.StatusUnauthorized) != (elsewhere < all) {
			t.Errorf("%d elsewhere: the person's own device is answered %d", elsewhere, status)
		}
		d.wantMost(t, "alice", max(all, elsewhere))
		v.clock.move(time.Second)
		if status := v.tryOn(t, own, "right"); status != http.StatusTooManyRequests {
			t.Errorf("%d elsewhere: two below the threshold, the own device is answered %d", elsewhere, status)
		}
	}
}

// Whoever was kept out by others is let in when the window is over, although nobody has set the count back.
func TestACountThatStaysKeepsNobodyOut(t *testing.T) {
	for _, elsewhere := range []int{3, 4} {
		v, d := withLocking(t, 5)
		for range elsewhere {
			d.fail("alice")
		}
		v.clock.move(29 * time.Minute)
		v.wantHeld(t, "alice", "right")
		v.clock.move(time.Minute)
		if status, _ := v.try(t, "alice", "right"); status != http.StatusSeeOther {
			t.Errorf("%d, and a window later: %d", elsewhere, status)
		}
	}
}

// C-21: strangers and several devices of the person's own that fail in turn stay below the threshold together.
func TestC21OwnDevicesCountTogether(t *testing.T) {
	for threshold := 2; threshold <= 6; threshold++ {
		v, d := withLocking(t, threshold)
		first := v.ownDevice(t, "desk", "")
		second := v.ownDevice(t, "phone", first.secret)
		for i := range 4 * threshold {
			v.try(t, "alice", fmt.Sprint("guess", i))
			v.tryOn(t, first, "forgotten")
			v.tryOn(t, second, "forgotten")
			v.clock.move(time.Minute)
		}
		_, all := passedOn(threshold)
		d.wantMost(t, "alice", all)
	}
}

// armed prepares so many sign-ins in browsers of their own, up to the password.
func (h *venue) armed(t *testing.T, n int, name func(int) string) (forms []*http.Request) {
	t.Helper()
	for i := range n {
		h.use(fmt.Sprint("bot", i))
		h.visit("/")
		h.arrive(t)
		body := url.Values{"f": {h.mark(t)}, "username": {name(i)}, "password": {"x"}}.Encode()
		r := h.request(http.MethodPost, "/login", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range h.cookies(t) {
			r.AddCookie(c)
		}
		forms = append(forms, r)
	}
	return forms
}

// C-22: of two hundred at once, each of whom was told the same count before the first one failed, as many are passed on
// as the directory has left.
func TestC22TwoHundredAtOnce(t *testing.T) {
	for _, threshold := range []int{3, 5, 10} {
		for elsewhere := range threshold {
			v, d := withLocking(t, threshold)
			for range elsewhere {
				d.fail("alice")
			}
			forms := v.armed(t, 200, func(int) string { return "alice" })
			var all sync.WaitGroup
			all.Add(len(forms))
			d.looked = func() {
				all.Done()
				all.Wait()
			}
			var done sync.WaitGroup
			for _, r := range forms {
				done.Go(func() { v.gateway.ServeHTTP(httptest.NewRecorder(), r) })
			}
			done.Wait()
			d.wantMost(t, "alice", max(1, threshold-2, elsewhere))
		}
	}
}

// An answer that was lost costs the person what a wrong password does: the directory may have counted it. It is none,
// and it costs the address nothing.
func TestALostAnswerIsCharged(t *testing.T) {
	names := make([]string, 40)
	for i := range names {
		names[i] = fmt.Sprint("agent", i)
	}
	v, d := withLocking(t, 3, names...)
	d.silent = 1000
	for _, name := range names {
		status, body := v.try(t, name, "wrong")
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "cannot check passwords") || v.lastLogin(t).Reason != "source_unavailable" {
			t.Fatalf("%s: %d, %+v", name, status, v.lastLogin(t))
		}
		v.clock.move(time.Second)
	}
	for _, name := range names {
		v.wantHeld(t, name, "wrong")
		v.clock.move(3 * time.Second) // or the address has tried in vain too often
		d.wantMost(t, name, 1)
	}
}

// An answer that was lost is asked for once more, where a failure is left for that.
func TestALostAnswerIsAskedForAgain(t *testing.T) {
	v, d := withLocking(t, 5)
	d.silent = 1
	if status, _ := v.try(t, "alice", "right"); status != http.StatusSeeOther || d.accounts["alice"].binds != 2 {
		t.Errorf("answered %d after %d binds", status, d.accounts["alice"].binds)
	}
	v.clock.move(time.Second)
	d.silent = 1000
	for range 3 {
		v.try(t, "alice", "wrong")
		v.clock.move(time.Second)
	}
	d.wantMost(t, "alice", 2) // and the one of the beginning
	if n := d.accounts["alice"].binds; n != 4 {
		t.Errorf("%d binds", n)
	}
}

// What is no wrong password, and no lost answer, is never counted.
func TestOtherErrorsAreNotCounted(t *testing.T) {
	for _, fault := range []error{
		errors.New("connection refused"), &idp.AccountState{State: "must_change"}, &idp.AccountState{State: "locked"},
		&idp.Error{Status: http.StatusServiceUnavailable, Public: "Busy.", Reason: "busy"},
	} {
		v, d := withLocking(t, 3)
		d.fault = fault
		for range 40 {
			if status, _ := v.try(t, "alice", "right"); status == http.StatusUnauthorized || status == http.StatusTooManyRequests {
				t.Fatalf("%v: %d", fault, status)
			}
		}
		d.fault = nil
		if status, _ := v.try(t, "alice", "right"); status != http.StatusSeeOther {
			t.Errorf("after %v: %d", fault, status)
		}
	}
}

// The policy that holds is the person's own; one that nobody may read is strict; one that never locks is no bound.
func TestThePolicyIsThePersonsOwn(t *testing.T) {
	v, d := withLocking(t, 10, "fay", "ned")
	d.fine = map[string]idp.Lockout{"fay": {Failures: 4, Window: time.Hour}, "ned": {}}
	for i := range 20 {
		for name := range d.accounts {
			v.client = netip.AddrFrom4([4]byte{10, 0, byte(i), byte(len(name))})
			v.try(t, name, fmt.Sprint("guess", i))
		}
		v.clock.move(time.Second)
	}
	d.wantMost(t, "alice", 8)
	d.wantMost(t, "fay", 2)
	if n := d.accounts["ned"].binds; n != 5 {
		t.Errorf("%d guesses at whom the directory never locks, want those of a local user", n)
	}
	v.clock.move(31 * time.Minute) // alice's window, and not fay's
	if status, _ := v.try(t, "alice", "wrong"); status != http.StatusUnauthorized {
		t.Errorf("alice, half an hour later: %d", status)
	}
	v.wantHeld(t, "fay", "wrong")
	d.hidden = errors.New("no right to read it")
	v.clock.move(time.Hour)
	for i := range 4 {
		v.try(t, "fay", fmt.Sprint("later", i))
		v.clock.move(time.Second)
	}
	d.fine["fay"] = idp.Lockout{Failures: 4, Window: time.Hour}
	if n := d.counting("fay"); n != 1 {
		t.Errorf("%d guesses were passed on under a policy that nobody may read", n)
	}
}

func TestCheckUserCountsFailures(t *testing.T) {
	v, d := withLocking(t, 5)
	find := func() idp.Finding {
		t.Helper()
		for _, f := range v.gateway.CheckUser(t.Context(), "alice", netip.Addr{}) {
			if f.Where == "sign-in" && strings.Contains(f.What, "wrong passwords count") {
				return f
			}
		}
		t.Fatal("check does not say how many wrong passwords count")
		return idp.Finding{}
	}
	want := func(level, what string) {
		t.Helper()
		if f := find(); f.Level != level || !strings.Contains(f.What, what) || (f.Cure == "") != (level == idp.LevelOK) {
			t.Errorf("%+v, want %s with %q", f, level, what)
		}
	}
	want(idp.LevelOK, "0 wrong passwords count, until there was none for 30m0s; 3 more would be passed on to the directory, 3 from a device")
	d.fail("alice")
	want(idp.LevelOK, "1 wrong passwords count")
	v.clock.move(time.Second)
	v.try(t, "alice", "wrong")
	v.clock.move(time.Second)
	want(idp.LevelOK, "2 wrong passwords count, until there was none for 30m0s; 1 more")
	d.fail("alice")
	want(idp.LevelWarning, "3 wrong passwords count, until there was none for 30m0s; 0 more would be passed on to the directory, 0 from a device")
	d.policy.Failures = 0
	want(idp.LevelOK, "1 wrong passwords count within 15m0s, 4 more are taken")
}

// aliasedSource is a directory under a name of its own, at a controller that has not heard of any failure yet.
type aliasedSource struct {
	*lockingSource
	name string
}

func (a aliasedSource) Name() string { return a.name }

func (a aliasedSource) Find(ctx context.Context, name string) (*idp.User, error) {
	u, err := a.lockingSource.Find(ctx, name)
	if err == nil {
		u.Source, u.Failures = a.name, 0
	}
	return u, err
}

// C-21: an account that two sources find, as by two base DNs of one directory, has one budget, because it has one count.
func TestC21TwoSourcesOfOneDirectoryCountTogether(t *testing.T) {
	for threshold := 3; threshold <= 10; threshold++ {
		_, d := withLocking(t, threshold)
		v := routed(t, func(c *idp.Config) {
			c.Routes = idp.Routes{{Sources: []string{"second"}, Apps: []string{"connect"}}, {Sources: []string{"corp"}}}
		}, aliasedSource{d, "corp"}, aliasedSource{d, "second"})
		d.now = v.clock.Now
		for i := range 2 * threshold {
			v.try(t, "alice", fmt.Sprint("guess", i))
			v.use(fmt.Sprint("on the way to connect ", i))
			v.visit("/apps/connect")
			v.arrive(t)
			v.form("/login", "username", "alice", "password", "guess")
			v.clock.move(31 * time.Second)
		}
		d.wantMost(t, "alice", threshold-2)
	}
}
