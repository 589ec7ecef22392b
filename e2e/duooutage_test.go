package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/e2e/duoservice"
)

// duoOutages are the ways in which Duo may not answer. Each is ended with Well, Forward and its own certificate.
var duoOutages = []struct {
	name  string
	begin func(*Duo)
}{
	{"refuses", func(d *Duo) { d.Way.Set(Refuse) }},
	{"is off", func(d *Duo) { d.Way.Set(Unanswered) }},
	{"hangs", func(d *Duo) { d.Set("", duoservice.Hangs) }},
	{"breaks", func(d *Duo) { d.Set("", duoservice.Breaks) }},
	{"does not take our key", func(d *Duo) { d.Set("", duoservice.Fails) }},
	{"has another certificate", func(d *Duo) { d.Impersonate(true) }},
	{"is slow", func(d *Duo) { d.Set("", duoservice.Slow) }},
}

// A part of somebody's directory key may look like a code, hence the end of the line.
var bypassCode = regexp.MustCompile(`: (([0-9A-Z]{4}-){2}[0-9A-Z]{4})\n`)

// waitsLess is well below the nine seconds after which a slow Duo answers, and far above the four that a decision may take on
// a machine that has nothing else to do. The factor's own three seconds are held to by its tests.
const waitsLess = 8 * time.Second

// TestDuoOutage: whatever Duo does, people are told in time, and come in as the policy says: by the app that they have set up,
// by the password if they are of a group, or not at all. Sessions and portal go on.
func TestDuoOutage(t *testing.T) {
	t.Parallel()
	h := openDuoHouse(t)
	alice, susan := h.Client(), h.Client()
	alice.SignIn(h.Caddy, h.alice)
	susan.SignIn(h.Caddy, h.susan)
	// The app is set up by whoever has confirmed at Duo: everybody is thought to have Duo, and the password alone is not to be
	// the way round it.
	away := susan.Get(h.Portal("/apps/connect"))
	susan.Walk(susan.Get(h.confirm(strings.TrimPrefix(away.Header.Get("Refresh"), "0; url="))), h.susan, "post")
	susan.Walk(susan.Get(h.Portal("/apps/clock")), h.susan, "post")
	if out, err := h.Command("gatehouse", "check", "--config", h.config()); !strings.Contains(out, "Duo takes our key at "+h.duo.Origin()) {
		t.Errorf("check does not tell how Duo is: %v: %s", err, out)
	}
	for _, outage := range duoOutages {
		t.Run(outage.name, func(t *testing.T) {
			own := h.on(t)
			if err := own.Reload(); err != nil { // which forgets how Duo was
				t.Fatal(err)
			}
			outage.begin(h.duo)
			defer own.well()
			own.onlyDuo(&Client{t: t, http: alice.http})
			own.byCode(&Client{t: t, http: alice.http})
			own.standsIn(&Client{t: t, http: susan.http})
			if p := alice.Get(h.Portal("/")); p.Kind != "portal" {
				t.Errorf("the portal: %s", p)
			}
		})
	}
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if p := alice.Get(h.Portal("/apps/connect")); p.Kind != "handoff" || !strings.Contains(p.Header.Get("Refresh"), h.duo.Host) {
		t.Errorf("once Duo is well: %s", p)
	}
	outages := 0
	for _, l := range h.audit() {
		if l.Kind == "outage" && l.App == "calls" && l.Result == "allow" {
			outages++
		}
	}
	if outages < len(duoOutages) {
		t.Errorf("%d lines of people who came in by the password alone", outages)
	}
	if strings.Contains(h.Log.String(), h.duo.Secret) {
		t.Error("the log holds the client secret")
	}
}

// well ends the outage.
func (h *duoHouse) well() {
	h.duo.Set("", duoservice.Well)
	h.duo.Way.Set(Forward)
	h.duo.Impersonate(false)
}

// timed opens an application and returns the page that comes in time.
func (h *duoHouse) timed(c *Client, app string) *Page {
	h.t.Helper()
	began := time.Now()
	p := c.Get(h.Portal("/apps/" + app))
	took := time.Since(began)
	h.t.Logf("%s is decided after %s", app, ms(took))
	if took > waitsLess {
		h.t.Errorf("%s takes %s", app, took)
	}
	return p
}

// onlyDuo is told what does not answer and whom to call, and comes in nowhere.
func (h *duoHouse) onlyDuo(alice *Client) {
	h.t.Helper()
	for app, status := range map[string]int{"connect": http.StatusServiceUnavailable, "calls": http.StatusForbidden} {
		p := h.timed(alice, app)
		if p.Status != status || p.Kind != "rescue" || !strings.Contains(p.Text, "Duo does not answer") || !strings.Contains(p.Text, "Service desk, extension 4400") {
			h.t.Errorf("%s, with nothing but Duo: %s", app, p)
		}
	}
}

// byCode lets somebody with nothing but Duo in by a code of the service desk.
func (h *duoHouse) byCode(alice *Client) {
	h.t.Helper()
	made := bypassCode.FindStringSubmatch(h.mustCommand("user", "bypass", h.alice.Name))
	if made == nil {
		h.t.Fatal("no code")
	}
	p := alice.Get(h.Portal("/apps/connect"))
	f, err := p.Form("/rescue", "code")
	if err != nil {
		h.t.Fatal(err)
	}
	if p = alice.Submit(p, f, url.Values{"code": {made[1]}}); p.Kind != "post" {
		h.t.Errorf("with a code: %s", p)
	}
}

// standsIn is asked for the app's code in Duo's place, and comes in by the password where the group may.
func (h *duoHouse) standsIn(susan *Client) {
	h.t.Helper()
	if p := h.timed(susan, "connect"); p.Kind != "mfa" || !strings.Contains(p.Text, "does not answer just now") {
		h.t.Errorf("with an app that stands in: %s", p)
	}
	if p := h.timed(susan, "calls"); p.Kind != "post" {
		h.t.Errorf("of the group that may come in: %s", p)
	}
}
