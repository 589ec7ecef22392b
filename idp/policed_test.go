package idp_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Where browsers of these tests come from.
var (
	home  = netip.MustParseAddr("198.51.100.7")
	floor = netip.MustParseAddr("10.1.2.3")

	floorNet = idp.Network{Name: "floor", Ranges: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
)

// policed returns a venue with the configuration that a test makes of the usual one: connect and salesforce, both and the
// portal under the policy named default.
func policed(t *testing.T, policy *idp.Policy, change func(*idp.Config)) *venue {
	t.Helper()
	v := newVenue(t)
	cfg := baseConfig(t, v.store, v.clock.Now)
	policy.Name = "default"
	if policy.Backup == nil {
		policy.Backup = &idp.BackupSection{Mode: idp.BackupOff}
	}
	cfg.Policies, cfg.Portal.Policy = []*idp.Policy{policy}, ""
	cfg.Applications = []idp.AppConfig{{Application: &sender{name: "connect"}}, {Application: &sender{name: "salesforce"}}}
	if change != nil {
		change(&cfg)
	}
	var err error
	if v.gateway, err = idp.New(cfg); err != nil {
		t.Fatal(err)
	}
	return v
}

// noMFA is a policy that asks for the password alone.
func noMFA() *idp.Policy { return &idp.Policy{MFA: &idp.MFASection{Mode: idp.MFAOff}} }

// page is the name of the page that the browser shows.
func (h *venue) page() string {
	if m := pageName.FindStringSubmatch(h.now.body); m != nil {
		return m[1]
	}
	return ""
}

// wantPageOf opens an address and follows it to a page.
func (h *venue) wantPageOf(t *testing.T, path, page string) {
	t.Helper()
	h.visit(path)
	h.arrive(t)
	if h.page() != page {
		t.Fatalf("%s shows %q (%d), want %q: %s", path, h.page(), h.now.answer.StatusCode, page, h.words())
	}
}

// authenticator sets up the app that is asked for, or shows its code.
func (h *venue) authenticator(t *testing.T) {
	t.Helper()
	switch h.page() {
	case "enroll":
		h.form("/enroll/totp", "code", h.codeNow(t))
	case "mfa":
		h.clock.move(31 * 1e9)
		h.form("/mfa/totp", "code", h.codeNow(t))
	default:
		t.Fatalf("page %q asks for no authenticator app: %s", h.page(), h.words())
	}
	h.arrive(t)
}

// device answers "Is this your device?" where it is asked.
func (h *venue) device(t *testing.T, answer string) {
	t.Helper()
	if h.page() == "device" {
		h.form("/mfa", "device", answer)
		h.arrive(t)
	}
}

// events returns the audit lines of a kind, oldest first.
func (h *venue) events(t *testing.T, kind string) []idp.Event {
	t.Helper()
	var out []idp.Event
	err := h.store.Events(context.Background(), idp.EventQuery{}, func(e idp.Event) bool {
		if e.Kind == kind {
			out = append(out, e)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// last returns the newest audit line of a kind.
func (h *venue) last(t *testing.T, kind string) idp.Event {
	t.Helper()
	all := h.events(t, kind)
	if len(all) == 0 {
		t.Fatalf("no audit line of kind %s", kind)
	}
	return all[len(all)-1]
}

// phone is a factor whose service may be out of reach. Everybody has it.
type phone struct {
	down  atomic.Bool
	asked atomic.Int32     // whether it is ready
	now   func() time.Time // where it is shown
}

func (*phone) Name() string { return "duo" }

func (p *phone) Ready(context.Context, *idp.User) (idp.Readiness, error) {
	p.asked.Add(1)
	if p.down.Load() {
		return idp.Unreachable, errors.New("no route to host")
	}
	return idp.Enrolled, nil
}

func (p *phone) Challenge(context.Context, *idp.User, idp.Attempt) (idp.Step, error) {
	return idp.Step{View: idp.View{Title: "Duo", Text: "Type the code.", Digits: 4}}, nil
}

func (p *phone) Verify(_ context.Context, _ *idp.User, _ []byte, answer url.Values) (idp.Proof, error) {
	if answer.Get("code") != "1234" {
		return idp.Proof{}, idp.ErrBadCredentials
	}
	return idp.Proof{Factor: "duo", At: p.now()}, nil
}

// facts are what the gateway's surroundings say of a request. Tests change them between requests.
type facts struct {
	now   idp.Facts
	asked int
}

func (f *facts) of(*http.Request) idp.Facts {
	f.asked++
	return f.now
}
