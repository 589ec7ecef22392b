package idp_test

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// addresses is a file of addresses, of which each content is one address and its own version.
type addresses struct{ now atomic.Value }

func listOf(address string) *addresses {
	l := new(addresses)
	l.now.Store(address)
	return l
}

func (l *addresses) Contains(a netip.Addr) bool { return a.String() == l.now.Load() }

func (l *addresses) Version() string { return "of " + l.now.Load().(string) }

// filed is a venue whose applications go by files and by a condition.
func filed(t *testing.T, network, countries *addresses, definition string) *venue {
	t.Helper()
	f := &facts{now: idp.Facts{Country: "DE", Met: []string{"intranet"}}}
	p := noMFA()
	p.Networks = &idp.NetworksSection{Rules: []idp.NetworkRule{{Action: idp.NetworkBlocked, Networks: []idp.Network{{Name: "office", List: network}}}}}
	p.Locations = &idp.LocationsSection{Rules: []idp.LocationRule{{Action: idp.PlaceAllow, Countries: []string{"DE"}}}, Otherwise: idp.PlaceDeny}
	p.Require = &idp.RequireSection{Conditions: []string{"intranet"}, Definitions: map[string]string{"intranet": definition}}
	return policed(t, p, func(c *idp.Config) {
		c.Facts = f.of
		c.Files = map[string]idp.Versioned{idp.CountriesFile: countries, idp.AnonymousFile: listOf("nobody reads it")}
	})
}

// A file that was changed is another rule: it has another digest, and what was decided by the old one is still told by that.
func TestAChangedFileHasAnotherDigest(t *testing.T) {
	network, countries := listOf("192.0.2.1"), listOf("192.0.2.2")
	h := filed(t, network, countries, `{"path":["/*"]}`)
	h.password(t, "alice", "/apps/connect")
	first := h.last(t, idp.EventLaunch)
	h.launched(t, "connect")
	if again := h.last(t, idp.EventLaunch); again.Digest != first.Digest || again.ID == first.ID {
		t.Fatalf("nothing was changed: %+v, %+v", first, again)
	}
	network.now.Store(h.client.String())
	h.wantPageOf(t, "/apps/connect", "error")
	denied := h.last(t, idp.EventDecision)
	countries.now.Store("192.0.2.3")
	h.wantPageOf(t, "/apps/connect", "error")
	later := h.last(t, idp.EventDecision)
	if first.Digest == denied.Digest || denied.Digest == later.Digest || denied.Reason != "network" {
		t.Fatalf("%s, %s, %s: %+v", first.Digest, denied.Digest, later.Digest, denied)
	}
	for _, c := range []struct {
		line  idp.Event
		texts []string
		since []string
	}{
		{first, []string{"file of network office: version of 192.0.2.1\n", "file of countries: version of 192.0.2.2\n"}, []string{"the file of network office was changed", "the file of countries was changed"}},
		{denied, []string{"file of network office: version of 198.51.100.7\n", "file of countries: version of 192.0.2.2\n"}, []string{"the file of countries was changed"}},
		{later, []string{"file of network office: version of 198.51.100.7\n", "file of countries: version of 192.0.2.3\n"}, nil},
	} {
		r, err := idp.Replay(t.Context(), h.store, c.line)
		if err != nil || !r.Agrees {
			t.Fatalf("%v, %s", err, r.Differ)
		}
		if since := h.gateway.Since(&r); !slices.Equal(since, c.since) {
			t.Errorf("since then: %q, want %q", since, c.since)
		}
		doc, err := h.store.RuleText(t.Context(), c.line.Digest)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range append(c.texts, `condition intranet {"path":["/*"]}`) {
			if !strings.Contains(idp.RuleText(doc), text) {
				t.Errorf("%q is not in:\n%s", text, idp.RuleText(doc))
			}
		}
		if strings.Contains(doc, "nobody reads it") {
			t.Errorf("a file that the policy does not read is kept: %s", doc)
		}
	}
}

// A condition of the same name that is made of something else is another rule as well.
func TestAChangedConditionHasAnotherDigest(t *testing.T) {
	network, countries := listOf("192.0.2.1"), listOf("192.0.2.2")
	before := filed(t, network, countries, `{"path":["/*"]}`)
	before.password(t, "alice", "/apps/connect")
	line := before.last(t, idp.EventLaunch)
	r, err := idp.Replay(t.Context(), before.store, line)
	if err != nil {
		t.Fatal(err)
	}
	after := filed(t, network, countries, `{"path":["/*"],"protocol":"https"}`)
	after.password(t, "alice", "/apps/connect")
	if after.last(t, idp.EventLaunch).Digest == line.Digest {
		t.Error("it has the same digest")
	}
	if since := after.gateway.Since(&r); !slices.Equal(since, []string{"the matchers of require intranet were changed"}) {
		t.Errorf("since then: %q", since)
	}
	if since := policed(t, noMFA(), nil).gateway.Since(&r); len(since) != 3 || since[2] != "there is no require intranet any more" {
		t.Errorf("since then: %q", since)
	}
	gone := policed(t, noMFA(), func(c *idp.Config) { c.Applications = nil })
	if since := gone.gateway.Since(&r); !slices.Equal(since, []string{"application connect was taken out of the configuration"}) {
		t.Errorf("since then: %q", since)
	}
}

// What was written down before files and conditions were says nothing of them, and is read as ever.
func TestAnOldRuleTextIsRead(t *testing.T) {
	const old = `{"policy":{"name":"default","mfa":{"from":"default","mode":"off"},"locations":{"from":"default","rules":[{"action":"allow","countries":["DE"]}]},"require":{"from":"default","conditions":["intranet"]}}}`
	g, err := idp.ReadGuard(old)
	if err != nil {
		t.Fatal(err)
	}
	if text := idp.RuleText(old); text != g.Text() || strings.Contains(text, "file of") || strings.Contains(text, "condition") || !strings.Contains(text, "require intranet # default\n") {
		t.Errorf("%s", text)
	}
}

// However many requests see a file change, each line names a text that is kept.
func TestEveryDigestHasItsText(t *testing.T) {
	network := listOf("192.0.2.1")
	h := filed(t, network, listOf("192.0.2.2"), "{}")
	h.password(t, "alice", "/apps/connect")
	for i := range 20 {
		network.now.Store(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String())
		h.launched(t, "connect")
	}
	seen := map[string]bool{}
	for _, e := range h.events(t, idp.EventLaunch) {
		if _, err := h.store.RuleText(t.Context(), e.Digest); err != nil {
			t.Errorf("%s: %v", e.Digest, err)
		}
		seen[e.Digest] = true
	}
	if len(seen) != 20 { // one of them is the first again
		t.Errorf("%d digests", len(seen))
	}
}
