package idp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// deviceLife is how long a browser is remembered after its last use.
const deviceLife = 400 * 24 * time.Hour

// ensureDevice gives a browser its device cookie. Until the person calls the device their own
// it lasts as long as the browser runs.
func (g *Gateway) ensureDevice(w http.ResponseWriter, v *visitor) error {
	if _, ok, err := v.device.id(); ok || err != nil {
		return err
	}
	id, err := v.device.renew(w, 0)
	if err != nil {
		return err
	}
	if v.session == nil {
		v.browser = id
	}
	return nil
}

// ownDevice returns the row of the visitor's device where they called it their own, or nil.
func (g *Gateway) ownDevice(ctx context.Context, v *visitor, userKey string) (*Device, error) {
	id, ok, err := v.device.id()
	if err != nil || !ok {
		return nil, err
	}
	d, err := g.store.Device(ctx, id, userKey, g.now())
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return d, err
}

// postDevice takes the answer to "Is this your device?".
func (g *Gateway) postDevice(w http.ResponseWriter, r *http.Request) error {
	v, err := g.takeStep(w, r)
	if err != nil || v == nil {
		return err
	}
	d, own, err := g.decide(r, v)
	if err != nil {
		return err
	}
	answer := r.PostForm.Get("device")
	if !v.asksDevice(d, own) || answer != "yes" && answer != "no" {
		return g.next(w, r, v)
	}
	e := g.event(r, v, EventDevice, Success)
	e.Reason = answer
	if err := g.record(r, e); err != nil {
		return err
	}
	if answer == "yes" {
		err = g.keepDevice(w, r, v)
	} else {
		err = g.amend(r.Context(), v, func(s *Session) { s.NoDevice = true })
	}
	if err != nil {
		return err
	}
	v.flow.DeviceAsked = true
	return g.next(w, r, v)
}

// asksDevice reports whether "Is this your device?" is due: after a factor was passed on this very way,
// where that is worth remembering. An answer counts for no other moment. With the password alone somebody
// could have a shared machine remembered as the person's own, keep a copy of its cookie, and wait until the
// person passes the factor there.
func (v *visitor) asksDevice(d Decision, own *Device) bool {
	return d.Verdict == Allow && d.Keep > 0 && own == nil && !v.session.NoDevice && !v.flow.DeviceAsked &&
		slices.ContainsFunc(v.flow.Proofs, func(p Proof) bool { return !isRescue(p.Factor) })
}

// keepDevice remembers the browser for this person. The cookie gets a new secret, so that one planted
// earlier by somebody at the same machine is worth nothing; flows of other tabs go on, since
// the row keeps the Browser that they are bound to.
func (g *Gateway) keepDevice(w http.ResponseWriter, r *http.Request, v *visitor) error {
	ctx, now := context.WithoutCancel(r.Context()), g.now()
	id, err := v.device.renew(w, deviceLife)
	if err != nil {
		return err
	}
	d := &Device{
		ID: id, Browser: v.browser, User: v.session.User.Key(), Label: deviceLabel(r.UserAgent()),
		Created: now, Seen: now, Expires: now.Add(deviceLife),
		Proofs: slices.DeleteFunc(slices.Clone(v.session.Proofs), func(p Passed) bool { return p.SessionOnly }),
	}
	return g.putDevice(ctx, v, d)
}

// putDevice keeps a device for the session's person, unless all was taken from them meanwhile. Sessions are ended before
// devices are forgotten: of two that run beside each other one sees the other.
func (g *Gateway) putDevice(ctx context.Context, v *visitor, d *Device) error {
	if err := g.store.PutDevice(ctx, d); err != nil {
		return err
	}
	if err := g.alive(ctx, v); err != nil {
		return errors.Join(err, g.store.DeleteDevice(ctx, d.ID, d.User))
	}
	return nil
}

// keptNowhere reports whether nothing may be kept of a proof but for the session: at a shared computer, where the next
// person sits at the same browser, and while a plan for an outage is in force, since what it lets pass is no second factor. A
// browser that was remembered before makes no difference.
func (g *Gateway) keptNowhere(ctx context.Context, v *visitor, d Decision) (bool, error) {
	p := g.policyFor(v)
	if d.HotDesk || p.Outage == nil {
		return d.HotDesk, nil
	}
	if v.judged.Holding == nil {
		if err := g.askHolding(ctx, v); err != nil {
			return false, err
		}
	}
	return p.plan(v.judged) != nil, nil
}

// rememberProof keeps a proof on the person's own device, replacing older ones of its kind.
func (g *Gateway) rememberProof(ctx context.Context, v *visitor, d *Device, p Passed) error {
	if d == nil || p.SessionOnly {
		return nil
	}
	kept := *d
	kept.Proofs = addProof(d.Proofs, p)
	kept.Seen = p.At
	kept.Expires = p.At.Add(deviceLife)
	return g.putDevice(ctx, v, &kept)
}

// addProof returns the proofs with p in place of an older one of the same factor and scope.
func addProof(proofs []Passed, p Passed) []Passed {
	kept := slices.DeleteFunc(slices.Clone(proofs), func(o Passed) bool { return o.Factor == p.Factor && o.Scope == p.Scope })
	return append(kept, p)
}

// rememberUnasked takes the browser for the person's own: because the policy says so, or because they said so before.
func (g *Gateway) rememberUnasked(w http.ResponseWriter, r *http.Request, v *visitor, d Decision) error {
	e := g.event(r, v, EventDevice, Success)
	g.decidedBy(&e, v, d)
	e.Reason = "auto"
	if !d.Remember {
		e.Reason = v.flow.Own
	}
	if err := g.record(r, e); err != nil {
		return err
	}
	v.flow.DeviceAsked = true
	if err := g.keep(r.Context(), v); err != nil {
		return err
	}
	return g.keepDevice(w, r, v)
}

// showDevice asks the question.
func (g *Gateway) showDevice(w http.ResponseWriter, v *visitor, keep time.Duration) {
	g.show(w, http.StatusOK, web.Device{Frame: g.frame(v), F: v.fid, Action: "/mfa", App: g.label(v.flow.App), Days: wholeDays(keep)})
}

// wholeDays is a time in days, rounded up.
func wholeDays(d time.Duration) int { return int(d.Hours()+23) / 24 }

// deviceLabel names a browser in words a person knows. It is shown to its owner only; nothing is decided by it.
func deviceLabel(agent string) string {
	pick := func(words [][2]string, otherwise string) string {
		for _, w := range words {
			if strings.Contains(agent, w[0]) {
				return w[1]
			}
		}
		return otherwise
	}
	browser := pick([][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}}, "Browser")
	system := pick([][2]string{{"Windows", "Windows"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}, "")
	if system == "" {
		return browser
	}
	return browser + " on " + system
}
