package idp

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// keeping is where a passed second step is remembered for a while: the portal or an application.
type keeping struct {
	label  string
	scope  string
	policy *Policy
}

// keepings are those that the person may open and whose policy lets a device of their own remember.
func (g *Gateway) keepings(r *http.Request, v *visitor) ([]keeping, error) {
	var out []keeping
	add := func(label, app string) {
		p := g.guardOf(app).For(&v.session.User)
		if p.MFA.Mode == MFAEvery && p.Remembered.mode() != RememberOff {
			out = append(out, keeping{label, p.scope(app), p})
		}
	}
	add("this portal", "")
	own, err := g.ownDevice(r.Context(), v, v.session.User.Key())
	if err != nil {
		return nil, err
	}
	for i := range g.applications {
		t, ok, err := g.tile(r, v, own, &g.applications[i])
		if err != nil {
			return nil, err
		}
		if ok {
			add(t.Label, t.Name)
		}
	}
	return out, nil
}

// until returns how long the device saves its person the second step there; zero for not at all.
func (k keeping) until(d *Device) (last time.Time) {
	for _, p := range d.Proofs {
		if at := p.At.Add(k.policy.MFA.Every); p.Scope == k.scope && k.policy.counts(p.Factor) && at.After(last) {
			last = at
		}
	}
	return last
}

// remembered says in words where a device saves its person the second step, and until when.
func remembered(d *Device, all []keeping, now time.Time) (lines []string) {
	var told [][]string // labels, by line
	for _, k := range all {
		until := k.until(d)
		if !until.After(now) {
			continue
		}
		line := " until " + onDay(until, now)
		if k.scope == SharedScope {
			line = ", which share it," + line
		}
		i := slices.Index(lines, line)
		if i < 0 {
			i, lines, told = len(lines), append(lines, line), append(told, nil)
		}
		told[i] = append(told[i], k.label)
	}
	for i, labels := range told {
		if len(labels) == 1 {
			lines[i] = strings.Replace(lines[i], ", which share it,", "", 1)
		}
		lines[i] = "No second step for " + enumerated(labels) + lines[i]
	}
	if len(lines) == 0 {
		return []string{"Saves you no second step just now"}
	}
	return lines
}

// enumerated is "a", "a and b", "a, b and c".
func enumerated(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// ownDevices lists the browsers that remember the person, with what they remember.
func (g *Gateway) ownDevices(r *http.Request, v *visitor) (list []web.Item, err error) {
	now := g.now()
	devices, err := g.store.UserDevices(r.Context(), v.session.User.Key(), now)
	if err != nil || len(devices) == 0 {
		return nil, err
	}
	here, _, err := v.device.id()
	if err != nil {
		return nil, err
	}
	all, err := g.keepings(r, v)
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		list = append(list, web.Item{
			ID: hex.EncodeToString(d.ID[:]), Label: d.Label, Detail: "remembered since " + onDay(d.Created, now) + used(d.Seen, now),
			More: remembered(d, all, now), Current: d.ID == here,
		})
	}
	return list, nil
}

// postOwnDevice forgets one of the person's devices, or all of them.
func (g *Gateway) postOwnDevice(w http.ResponseWriter, r *http.Request, v *visitor) error {
	ctx, user, wanted := context.WithoutCancel(r.Context()), v.session.User.Key(), r.PostForm.Get("remove")
	e := g.event(r, v, EventDevice, Success)
	if wanted == "all" {
		e.Reason = "all_forgotten"
		if err := g.record(r, e); err != nil {
			return err
		}
		if _, err := g.forgetDevices(ctx, user); err != nil {
			return err
		}
		return redirect(w, "/settings?done=all_forgotten")
	}
	var id Hash
	if !parseHash(&id, wanted) {
		return redirect(w, "/settings")
	}
	d, err := g.store.Device(ctx, id, user, g.now())
	if errors.Is(err, ErrNotFound) {
		return redirect(w, "/settings") // it is forgotten, or another person's
	}
	if err != nil {
		return err
	}
	e.Reason, e.Detail = "forgotten", clip(d.Label)
	if err := g.record(r, e); err != nil {
		return err
	}
	if err := g.store.DeleteDevice(ctx, id, user); err != nil {
		return err
	}
	return redirect(w, "/settings?done=forgotten")
}

// forgetDevices forgets all devices of a person, and returns how many. Whoever has to be kept from making a new one is
// to have no session by then.
func (g *Gateway) forgetDevices(ctx context.Context, user string) (int, error) {
	list, err := g.store.UserDevices(ctx, user, g.now())
	if err != nil {
		return 0, fmt.Errorf("listing the devices: %w", err)
	}
	for i, d := range list {
		if err := g.store.DeleteDevice(ctx, d.ID, user); err != nil {
			return i, fmt.Errorf("forgetting %s: %w", d.Label, err)
		}
	}
	return len(list), nil
}
