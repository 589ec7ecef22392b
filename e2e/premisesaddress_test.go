package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// claim is a request that says something of where it comes from.
type claim struct {
	what    string
	from    string // the address that connects
	headers http.Header
	client  string // who that is, for the policies, the limiter and the audit log
}

func forwarded(values ...string) http.Header { return http.Header{"X-Forwarded-For": values} }

// spoof claims an address in every header that some software believes.
func spoof(address string) http.Header {
	h := forwarded(address)
	for _, name := range []string{"X-Real-Ip", "Client-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Originating-Ip", "X-Cluster-Client-Ip"} {
		h.Set(name, address)
	}
	h.Set("Forwarded", "for="+address)
	return h
}

// addressesAreCaddys: the address that counts is the one that connects, or the one that the trusted proxy tells of.
func (p *premises) addressesAreCaddys(t *testing.T) {
	somebody := p.comes(atHome, p.Port)
	somebody.SignIn(p.Caddy, someone("max"))
	want := map[string]string{}
	unbelieved := func(from string) (all []claim) {
		for what, h := range map[string]http.Header{
			"nothing": {}, "the office": spoof(atOffice), "two headers": forwarded(atOffice, atOffice), "a chain": forwarded(atOffice + ", " + trustedProxy),
			"a zone": forwarded("fe80::1%eth0"), "unknown": forwarded("unknown"), "a port": forwarded(atOffice + ":4711"), "mapped": forwarded("::ffff:" + atOffice),
		} {
			all = append(all, claim{what, from, h, from})
		}
		return all
	}
	for _, column := range []struct {
		what   string
		port   int
		claims []claim
	}{
		{"no proxy is trusted", p.Port, append(unbelieved(atHome), claim{"home from the office", atOffice, spoof(atHome), atOffice})},
		{"a proxy that is not trusted", p.inner, unbelieved(otherProxy)},
		{"past the proxy", p.inner, unbelieved(atHome)},
		{"through the proxy", p.proxy, append(unbelieved(atHome), claim{"home from the office", atOffice, spoof(atHome), atOffice})},
		{"the proxy itself", p.inner, []claim{
			{"nothing", trustedProxy, nil, trustedProxy},
			{"the office", trustedProxy, forwarded(atOffice), atOffice},
			{"home", trustedProxy, forwarded(atHome), atHome},
			{"the office before home", trustedProxy, forwarded(atOffice + ", " + atHome), atHome},
			{"the office in a header before", trustedProxy, forwarded(atOffice, atHome), atHome},
			{"the office in other headers", trustedProxy, func() http.Header { h := spoof(atOffice); h.Del("X-Forwarded-For"); return h }(), trustedProxy},
			{"home and other headers", trustedProxy, func() http.Header { h := spoof(atOffice); h.Set("X-Forwarded-For", atHome); return h }(), atHome},
			{"a zone", trustedProxy, forwarded("fe80::1%eth0"), "fe80::1"},
			{"unknown", trustedProxy, forwarded("unknown"), trustedProxy},
			{"a port", trustedProxy, forwarded(atOffice + ":4711"), atOffice},
			{"a port of IPv6", trustedProxy, forwarded("[2001:db8::7]:4711"), "2001:db8::7"},
			{"mapped", trustedProxy, forwarded("::ffff:" + atOffice), atOffice},
		}},
	} {
		ways := map[string]*Client{}
		for _, c := range column.claims {
			if ways[c.from] == nil {
				ways[c.from] = somebody.goes(p.way(c.from, column.port))
			}
			what := column.what + ": " + c.what
			want[what] = c.client
			p.claims(t, ways[c.from], what, c)
		}
	}
	for _, l := range p.audit("--user", "max@corp.example.test") {
		if l.Client != want[l.Agent] && want[l.Agent] != "" {
			t.Errorf("%s: the audit line says %s, want %s", l.Agent, l.Client, want[l.Agent])
		}
		if l.Visit != nil && l.Visit.Client.String() != want[l.Agent] && want[l.Agent] != "" {
			t.Errorf("%s: %s was judged, want %s", l.Agent, l.Visit.Client, want[l.Agent])
		}
		delete(want, l.Agent)
	}
	if len(want) > 0 {
		t.Errorf("no audit line tells of %v", want)
	}
}

// claims opens what opens in the office only, and compares the answer and the audit line with who is there.
func (p *premises) claims(t *testing.T, by *Client, what string, c claim) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.Portal("/apps/officeonly"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.headers != nil {
		req.Header = c.headers.Clone()
	}
	req.Header.Set("User-Agent", what)
	page, err := by.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[bool]string{true: "handoff", false: "error"}[c.client == atOffice]; page.Kind != want {
		t.Errorf("%s: %s, want %s", what, page, want)
	}
}

// failuresAreOfTheAddress: a failure counts for the address that connects, or that the trusted proxy tells of.
func (p *premises) failuresAreOfTheAddress(t *testing.T) {
	for i, way := range []struct {
		what string
		port int
	}{{"directly", p.Port}, {"past the proxy", p.inner}, {"through the proxy", p.proxy}} {
		guesser, neighbour := fmt.Sprintf("127.0.35.%d", 10+i), fmt.Sprintf("127.0.35.%d", 20+i)
		began := time.Now()
		tries := p.guesses(t, guesser, way.port, 60, func(n int) string { return fmt.Sprintf("127.0.36.%d", n) })
		// Thirty in a minute, so that each two seconds of a busy machine earn one more.
		earned := int(time.Since(began)/(2*time.Second)) + 1
		if n := slices.Index(tries, http.StatusTooManyRequests); n < 30 || n > 30+earned {
			t.Errorf("%s: %v", way.what, tries)
		}
		if tries := p.guesses(t, neighbour, way.port, 1, func(int) string { return guesser }); tries[0] != http.StatusUnauthorized {
			t.Errorf("%s: somebody who claims the address of the other is answered %v", way.what, tries)
		}
	}
	for _, l := range p.audit() {
		if strings.HasPrefix(l.Name, "nobody-") && !strings.HasPrefix(l.Client, "127.0.35.") {
			t.Errorf("the audit line says %s", l.Client)
		}
	}
}

// guesses tries so many names that nobody has from an address, each with a claim of an address, until it is limited, and
// returns the answers.
func (p *premises) guesses(t *testing.T, who string, port, n int, claimed func(int) string) (statuses []int) {
	t.Helper()
	c := p.comes(who, port)
	page := c.Get(p.Portal("/"))
	for i := range n {
		if slices.Contains(statuses, http.StatusTooManyRequests) {
			break
		}
		f, err := page.form("")
		if err != nil {
			t.Fatal(err)
		}
		f.Fields.Set("username", fmt.Sprintf("nobody-%s-%d", who, i))
		f.Fields.Set("password", "Not-"+premisesPassword)
		req, err := http.NewRequest(http.MethodPost, p.Portal("/login"), strings.NewReader(f.Fields.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = spoof(claimed(i))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", p.Portal(""))
		if page, err = c.Do(req); err != nil {
			t.Fatal(err)
		}
		statuses = append(statuses, page.Status)
	}
	return statuses
}
