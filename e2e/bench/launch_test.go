package bench

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/e2e"
)

// BenchmarkLaunchInProcess: a whole launch by samlapp, base64 included, against the one RSA signature in it.
func BenchmarkLaunchInProcess(b *testing.B) {
	key, err := newKey()
	if err != nil {
		b.Fatal(err)
	}
	app := newConnect(b, "https://sso.example.test", key, 0)
	var n uint64
	var last string
	issue := func() {
		n++
		f, err := app.SignIn(context.Background(), agent(n), launchAt(time.Now()))
		if err != nil {
			b.Fatal(err)
		}
		last = f.Fields[0].Value
	}
	sign := func() {
		n++
		if _, err := key.sign(n, nil); err != nil {
			b.Fatal(err)
		}
	}
	issue()
	sign()
	const rounds = 400
	var issued, signed times
	for range rounds {
		issued = append(issued, took(issue))
		signed = append(signed, took(sign))
	}
	report(b, "launch_inprocess_vs_rsa", ratio(signed.median(), issued.median()), "ratio", goal{least: 0.92},
		"N=%d interleaved; medians: launch %s, RSA-2048 signature %s; %s", rounds, ms(issued.median()), ms(signed.median()), key.verify(b, last))
	allocs := testing.AllocsPerRun(100, issue)
	report(b, "launch_inprocess_allocs", allocs, "allocs", goal{most: 100}, "N=100 launches, in process")
}

// crowd is a gateway that serves, with people in front of their tiles.
type crowd struct {
	*e2e.Caddy
	people []person
}

// gather signs people in while the gateway is down, through the same code on the same database, and has
// each of them open the portal once it is up.
func gather(b *testing.B, n int) crowd {
	b.Helper()
	needs(b, "GATEHOUSE_CADDY")
	who := &e2e.Person{Name: "somebody", Password: "correct horse battery"}
	users := []e2e.LocalUser{e2e.NewLocalUser(b, who, "Agents", "Supervisors")}
	for i := range n {
		// They are looked up again while they work, and so have to be there.
		name := fmt.Sprintf("agent-%d", i)
		users = append(users, e2e.LocalUser{Name: name, Email: name + "@example.test", Hash: users[0].Hash, Groups: []string{"Agents"}})
	}
	c := crowd{Caddy: e2e.NewCaddy(b, "bench", map[string]any{"Users": users})}
	c.Start()
	c.Stop()
	s := c.Database()
	c.people = admit(b, openGateway(b, c.Portal(""), s), c.Portal(""), "agent", n)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	c.Start()
	hc := c.HTTP("")
	for _, p := range c.people {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, c.Portal("/"), nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Cookie", p.cookies)
		if err := send(hc, r, `data-page="portal"`); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

// verify launches once more, has xmlsec1 check what would be posted.
func (c crowd) verify(b *testing.B) string {
	b.Helper()
	r, err := c.people[0].launch(b.Context(), c.Portal(""), "/apps/connect")
	if err != nil {
		b.Fatal(err)
	}
	p, err := e2e.NewClient(b, c.HTTP("")).Do(r)
	if err != nil {
		b.Fatal(err)
	}
	document, err := p.SAMLResponse()
	if err != nil {
		b.Fatal(err)
	}
	ids, err := e2e.Verify(document, c.Metadata().Certificates[0])
	if err != nil {
		b.Fatal(err)
	}
	return fmt.Sprintf("xmlsec1 verified the last response (signed: %s)", strings.Join(ids, ", "))
}

// BenchmarkLaunchHTTPS: a launch through the built Caddy (TLS, session, policy, durable audit line, signature,
// page) against one signature behind net/http and TLS. Both are processes of their own; what counts is their
// processor time. Eight browsers at once are what a gateway sees when a shift begins, and share the writing
// of audit lines; one alone pays for each by itself.
func BenchmarkLaunchHTTPS(b *testing.B) {
	const rounds, block = 24, 240 // a quarter of a second each, in which several collections of garbage fall
	c := gather(b, 8*block)
	s := startSigner(b)
	for _, k := range []struct {
		name        string
		connections int
		goal        goal
	}{{"launch_https_vs_rsa", 8, goal{least: 0.80}}, {"launch_https_vs_rsa_1conn", 1, goal{}}} {
		ours := &load{base: c.Portal(""), path: "/apps/connect", word: "SAMLResponse"}
		theirs := &load{base: "https://" + signerHost, path: "/raw", word: "signed "}
		for range k.connections {
			ours.clients = append(ours.clients, c.HTTP(""))
			theirs.clients = append(theirs.clients, s.HTTP(b))
		}
		spent := func(l *load, pid int) time.Duration {
			before := processorTime(b, pid)
			l.run(b, c.people, block/k.connections)
			return (processorTime(b, pid) - before) / block
		}
		ours.run(b, c.people, 1) // connects
		theirs.run(b, c.people, 1)
		var launched, signed times
		for range rounds {
			launched = append(launched, spent(ours, c.PID()))
			signed = append(signed, spent(theirs, s.PID()))
		}
		report(b, k.name, ratio(signed.median(), launched.median()), "ratio", k.goal,
			"N=%d launches by %d people in turn, in %d interleaved blocks, %d connections kept alive; median processor time: launch through Caddy %s, signature behind net/http %s; %s",
			rounds*block, len(c.people), rounds, k.connections, ms(launched.median()), ms(signed.median()), c.verify(b))
	}
	tails(b, c, s)
}
