package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"
)

// Taken for the lockout policy of a directory that does not show it, and for a window that is none.
const (
	strictFailures = 3
	// StrictWindow is how long a failure counts in a directory that does not say.
	StrictWindow = 30 * time.Minute
)

// mostWindows bounds how far back a row of failures is followed.
const mostWindows = 100

// budget is how many failures a key may have within a window.
type budget struct {
	key    string
	most   int
	window time.Duration

	own       bool      // the visitor sits at a device that the person called their own
	directory bool      // most stays below the threshold at which a directory locks the account
	counted   int       // failures that the directory counted, ours among them
	asked     time.Time // when it was asked for them
}

// spent returns how many failures count at this moment.
//
// A directory begins anew when a whole window has passed since the last failure, and not when it has passed since the
// first one: a wrong password every twenty minutes locks an account whose window is thirty. So a row of
// failures counts as a whole, however long it is.
//
// What the directory counted may be more, made at some desktop, or of a gateway whose store was lost; ours may be more,
// because each domain controller counts by itself. They are about the same failures, so the larger one counts. But what
// the directory said is old by now: failures since then come on top of it.
func (b budget) spent(ctx context.Context, c Counters, now time.Time) (int, error) {
	n, err := c.Failures(ctx, b.key, now, b.window)
	if err != nil || !b.directory {
		return n, err
	}
	for windows, before := 2, 0; n > before && n < b.most && windows <= mostWindows; windows++ {
		before = n
		if n, err = c.Failures(ctx, b.key, now, time.Duration(windows)*b.window); err != nil {
			return 0, err
		}
	}
	if b.counted == 0 || n == 0 {
		return max(n, b.counted), nil
	}
	// The moment itself may be a failure's that the directory had not counted.
	since, err := c.Failures(ctx, b.key, now, now.Sub(b.asked)+time.Millisecond)
	return max(n, b.counted+since), err
}

// remembered is how long a failure may count, in a row of others.
func (b budget) remembered() time.Duration {
	if b.directory {
		return b.window * time.Duration(min(b.most, mostWindows))
	}
	return b.window
}

// charge has the source judge a password by offer, if the person has a failure left, and counts a wrong one:
// whatever shows a source somebody's password passes here.
func (g *Gateway) charge(r *http.Request, v *visitor, f found, offer func(context.Context) error) error {
	err := g.passOn(r.Context(), g.budget(r.Context(), v, f), offer)
	g.blame(g.client(r), err)
	return err
}

// passOn is charge, with nobody to blame yet. A password that was sent and not answered may have been counted by the
// directory, so that it costs the person what a wrong one does.
func (g *Gateway) passOn(ctx context.Context, b budget, offer func(context.Context) error) error {
	leave, err := g.limiter.enter(ctx, g.store, b, g.now)
	if err != nil {
		return err
	}
	err = offer(ctx)
	if counted := leave(errors.Is(err, ErrBadCredentials) || errors.Is(err, ErrUnanswered)); counted != nil {
		return counted
	}
	return err
}

// blame counts against an address what must not go on from there for ever: a wrong password, and trying on in vain.
func (g *Gateway) blame(client netip.Addr, err error) {
	if errors.Is(err, ErrBadCredentials) || errors.Is(err, errLimited) {
		g.limiter.addresses.take(client, g.now())
	}
}

// budget returns how many failures the person, or the unknown name, may have from where the visitor sits.
func (g *Gateway) budget(ctx context.Context, v *visitor, f found) budget {
	strangers, own := g.budgets(ctx, f)
	// A stranger's failures must not lock out the person's own device (security.md C-21). For a name that nobody has
	// the store is asked all the same.
	d, err := g.ownDevice(ctx, v, f.key)
	if err != nil || d == nil {
		return strangers
	}
	own.own = true
	if !own.directory {
		own.key += ":" + hashText(d.ID)
	}
	return own
}

// budgets returns that of strangers, and that of a device that the person called their own. Where a directory locks,
// all of them count together: a stranger and three devices that fail in turn stay below its threshold, and so do two
// sources that find the one account.
func (g *Gateway) budgets(ctx context.Context, f found) (strangers, own budget) {
	b := budget{key: "password:" + f.key, most: g.limiter.limits.User, window: g.limiter.limits.UserWindow}
	l := lockoutOf(ctx, f)
	if l.Account != "" {
		b.key = "account:" + l.Account
	}
	if l.Failures == 0 {
		return b, b
	}
	b.window, b.directory, b.counted, b.asked = l.Window, true, l.Counted, f.asked
	strangers, own = b, b
	// For a name that nobody has the store is asked all the same.
	devices, err := g.store.UserDevices(ctx, f.key, g.now())
	strangers.most, own.most = l.PassedOn(err != nil || len(devices) > 0)
	return strangers, own
}

// lockoutOf returns when the source locks the person's account; no failures where it never does.
func lockoutOf(ctx context.Context, f found) Lockout {
	lr, ok := f.source.(LimitReader)
	if !ok {
		return Lockout{}
	}
	l, err := lr.Limit(ctx, f.user)
	if err != nil {
		l.Failures, l.Window = strictFailures, StrictWindow
	}
	if l.Window <= 0 {
		l.Window = StrictWindow
	}
	return l
}

// PassedOn is how many failures within the window the gateway shows the directory: of strangers, and in all where the last is
// from a device that the person called their own. In all it is two fewer than lock (security.md C-21), lest the gateway become
// the cannon that locks accounts; where the person has such devices, strangers leave one for them, lest whoever sprays passwords
// keep the person from there:
//
//	threshold                    1  2  3  4  5  6  10
//	nobody's device: strangers   1  1  1  2  3  4   8
//	devices of their own
//	                 strangers   1  1  1  1  2  3   7
//	                 in all      1  1  2  2  3  4   8
//
// At three, two fewer is one. Strangers need it, or nobody could sign in on a new device; so that the person's own device gets
// another, which is one fewer than lock. Its right password is no failure: what is shown beyond one is what the person mistypes
// there after somebody else's guess. At two that second one would lock, so that there is none.
func (l Lockout) PassedOn(devices bool) (strangers, all int) {
	all = max(1, l.Failures-2)
	if !devices {
		return all, all
	}
	if l.Failures == 3 {
		all = 2
	}
	return max(1, all-1), all
}

// checkFailures reports how many wrong passwords of the person count now, and how many more would be taken.
func (g *Gateway) checkFailures(ctx context.Context, f found) Finding {
	strangers, own := g.budgets(ctx, f)
	n, err := strangers.spent(ctx, g.store, g.now())
	out := Finding{Level: LevelOK}
	switch {
	case errors.Is(err, ErrNotReady):
		n = strangers.counted
		out.Level, out.Cure = LevelWarning, "start the gateway once, then check again"
		out.What = "the store is not open, so that the gateway's own count is not known; "
	case err != nil:
		return Finding{Level: LevelError, What: "wrong passwords cannot be counted: " + err.Error(), Cure: "look at the store"}
	}
	left := max(0, strangers.most-n)
	if !strangers.directory {
		out.What += fmt.Sprintf("%d wrong passwords count within %s, %d more are taken", n, strangers.window, left)
	} else {
		out.What += fmt.Sprintf("%d wrong passwords count, until there was none for %s; %d more would be passed on to the directory, %d from a device that the person called their own",
			n, strangers.window, left, max(0, own.most-n))
	}
	if left == 0 && out.Cure == "" {
		out.Level, out.Cure = LevelWarning, "wait, or let the person sign in on a device of their own; the account itself is not locked by this"
	}
	return out
}
