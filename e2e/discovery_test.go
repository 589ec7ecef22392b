package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Names of the DNS that a domain's controllers are found by.
const (
	wholeDomain = "_ldap._tcp.dc._msdcs.corp.example.test"
	zurich      = "_ldap._tcp.Zurich._sites.dc._msdcs.corp.example.test"
)

// found is an outage whose controllers are found by DNS.
type found struct {
	*outage
	dns *DNS
}

// openFound has the second controller in the site of the gateway, and a record that somebody slipped in.
func openFound(t *testing.T) found {
	t.Helper()
	f := found{dns: NewDNS(t)}
	f.outage = newOutage(t, peopleAtWork, "1s", func(o *outage) []string {
		names := []string{o.domain.Name, o.domain.Second().Name}
		f.dns.SRV(wholeDomain, SRV{"dc.evil.example", o.proxies[0].Port, 0, 0}, SRV{names[0], o.proxies[0].Port, 5, 100}, SRV{names[1], o.proxies[1].Port, 10, 100})
		f.dns.SRV(zurich, SRV{names[1], o.proxies[1].Port, 0, 100})
		f.dns.A("dc.evil.example", "127.0.0.1")
		for i, name := range names {
			f.dns.A(name, o.proxies[i].Host)
		}
		f.dns.TTL(0)
		return []string{"domain corp.example.test", "site Zurich", "resolver " + f.dns.Addr, "require_kdc_certificate"}
	})
	return f
}

// urls are the controllers as they are asked: that of the site first.
func (f found) urls() []string {
	d := f.domain
	return []string{fmt.Sprintf("ldaps://%s:%d", d.Second().Name, f.proxies[1].Port), fmt.Sprintf("ldaps://%s:%d", d.Name, f.proxies[0].Port)}
}

// TestDiscovery: the DNS of the domain names its controllers. What it named is kept while it does not answer, and what lies
// outside the domain does not count.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	f := openFound(t)
	f.everybodySignsIn()
	f.asksInOrder()
	f.checkNamesRecords(t)
	for _, step := range []struct {
		name string
		set  func()
	}{
		{"does not answer", func() { f.dns.Set(DNSSilent) }},
		{"has forgotten the names", f.forget},
	} {
		t.Run(step.name, func(t *testing.T) {
			f := found{f.on(t), f.dns}
			step.set()
			f.servesWithoutDNS(t)
		})
	}
	f.startsWithoutDNS(t)
}

func (f found) forget() {
	f.dns.Set(DNSAnswers)
	for _, name := range []string{wholeDomain, zurich, f.domain.Name, f.domain.Second().Name} {
		f.dns.Remove(name)
	}
}

// asksInOrder: /readyz has the controllers in their order and nobody else, and that of the site is sent the passwords.
// Either may be otherwise for a moment in which one controller is slow.
func (f found) asksInOrder() {
	f.t.Helper()
	d := <-f.desks
	Await(f.t, "the controllers to be asked in their order", func() error {
		r, err := f.readyz()
		if err != nil {
			return err
		}
		var asked []string
		for _, s := range r.Sources["corp"] {
			asked = append(asked, s.Server)
		}
		if !slices.Equal(asked, f.urls()) {
			return fmt.Errorf("asked are %v, and not %v", asked, f.urls())
		}
		far, near := len(f.proxies[0].Binds()), len(f.proxies[1].Binds())
		if a := d.login(f.Caddy, outagePassword); a.err != nil {
			return a.err
		}
		if len(f.proxies[0].Binds()) > far || len(f.proxies[1].Binds()) == near {
			return fmt.Errorf("the password went to %s", f.urls()[1])
		}
		return nil
	})
	f.desks <- d
}

func (f found) checkNamesRecords(t *testing.T) {
	t.Helper()
	lines, err := f.check()
	if err == nil {
		t.Error("a record outside the domain is no finding")
	}
	for _, want := range []struct{ level, words string }{
		{"ok", fmt.Sprintf("the DNS names %s:%d in the site Zurich, priority 0", f.domain.Second().Name, f.proxies[1].Port)},
		{"ok", fmt.Sprintf("the DNS names %s:%d, priority 5", f.domain.Name, f.proxies[0].Port)},
		{"error", `the DNS names "dc.evil.example", which is not inside corp.example.test`},
		{"ok", f.urls()[0] + ": connected"},
		{"ok", f.urls()[1] + ": connected"},
	} {
		if !slices.ContainsFunc(lines, func(l checkLine) bool { return l.Level == want.level && strings.Contains(l.What, want.words) }) {
			t.Errorf("check does not say %s: %s: %+v", want.level, want.words, lines)
		}
	}
	if n := f.dns.Asked("dc.evil.example"); n > 0 {
		t.Errorf("the DNS is asked %d times for a host outside the domain", n)
	}
}

// servesWithoutDNS: new connections are made where the controllers were, also to the second after the first has gone.
func (f found) servesWithoutDNS(t *testing.T) {
	for _, p := range f.proxies {
		p.Cut()
	}
	f.proxies[1].Set(Refuse)
	s := f.flow(loginEvery)
	began := time.Now()
	f.awaitWell(s, began, 20, time.Hour)
	f.proxies[1].Set(Forward)
	f.awaitState(f.urls()[0], "up", "")
	s.end()
	logins, visits := s.since(time.Time{})
	t.Logf("a DNS that %s: of %d sign-ins %d lost, of %d visits %d lost; median %s, at most %s (visits %s)", strings.TrimPrefix(t.Name(), "TestDiscovery/"),
		len(logins), len(logins.lost()), len(visits), len(visits.lost()), ms(logins.median()), ms(logins.worst()), ms(visits.worst()))
	for _, a := range append(logins.lost(), visits.lost()...) {
		t.Errorf("%s: %v", a.who, a.err)
	}
	if logins.most() > mostForDead+3*logins.median() {
		t.Errorf("a sign-in takes %s", ms(logins.most()))
	}
}

// startsWithoutDNS: a gateway that has never found a server says so, and finds them once it can.
func (f found) startsWithoutDNS(t *testing.T) {
	f.Stop()
	f.Start()
	d := <-f.desks
	if a := d.login(f.Caddy, outagePassword); a.status != 503 {
		t.Errorf("without servers somebody is told: %v", a.err)
	}
	f.awaitState("domain corp.example.test", "down", "on "+f.dns.Addr+": no such host")
	lines, err := f.check()
	if err == nil || !slices.ContainsFunc(lines, func(l checkLine) bool {
		return l.Level == "error" && strings.Contains(l.What, "finding servers of corp.example.test: "+zurich) && strings.Contains(l.Cure, "resolver")
	}) {
		t.Errorf("check: %v, %+v", err, lines)
	}
	f.dns.SRV(wholeDomain, SRV{f.domain.Name, f.proxies[0].Port, 5, 100})
	f.dns.A(f.domain.Name, f.proxies[0].Host)
	back := time.Now()
	Await(t, "the controllers to be found", func() error { return d.login(f.Caddy, outagePassword).err })
	t.Logf("a DNS that is back: sign-ins are served after %s", ms(time.Since(back)))
	if r, err := f.readyz(); err != nil || len(r.Sources["corp"]) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	f.desks <- d
}
