package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	callersAtDesks  = 30 // accounts whose sign-ins are measured
	peopleAtWork    = 4  // people with a live session
	outagePassword  = "Blue-Harbour-41x"
	servicePassword = "Quiet-Lantern-58x"
)

// outage is a gateway whose people are in a domain with two controllers, behind proxies that can fail.
type outage struct {
	*Caddy
	domain  *Domain
	proxies [2]*FaultProxy
	desks   chan *desk
	workers []*worker
	values  map[string]any
	probe   *http.Client
}

// newOutage starts the domain and the gateway. The options are those of the source; none takes both proxies as servers.
func newOutage(t *testing.T, workers int, refresh string, options func(*outage) []string) *outage {
	t.Helper()
	o := &outage{desks: make(chan *desk, callersAtDesks)}
	people := People{
		Lockout: lockoutAt, Groups: []ADGroup{{Name: "Agents"}},
		Users: []ADUser{{Name: "svc-gatehouse", Password: servicePassword}},
	}
	add := func(name string) *Person {
		people.Users = append(people.Users, ADUser{Name: name, Password: outagePassword, Mail: name + "@example.test", Groups: []string{"Agents"}})
		return &Person{Name: name, Password: outagePassword, Own: true}
	}
	var callers, atWork []*Person
	for i := range callersAtDesks {
		callers = append(callers, add(fmt.Sprintf("caller%02d", i)))
	}
	for i := range workers {
		atWork = append(atWork, add(fmt.Sprintf("worker%02d", i)))
	}
	o.domain = NewDomain(t, people)
	o.proxies = o.newProxies(t)
	o.values = map[string]any{"Options": o.listed(), "CA": o.domain.CA, "Refresh": refresh}
	if options != nil {
		o.values["Options"] = options(o)
	}
	o.Caddy = NewCaddy(t, "outage", o.values)
	WriteFile(t, filepath.Join(o.Dir, "ad_bind"), servicePassword+"\n")
	o.Start()
	o.probe = o.HTTP("")
	for i, who := range callers {
		o.desks <- &desk{o.ClientFrom(fmt.Sprintf("127.0.1.%d", 1+i)), who}
	}
	o.signIn(atWork)
	return o
}

func (o *outage) newProxies(t testing.TB) [2]*FaultProxy {
	t.Helper()
	d := o.domain
	var proxies [2]*FaultProxy
	for i, c := range []*Controller{&d.Controller, d.Second()} {
		proxies[i] = NewFaultProxy(t, c.Addr, d.Authority, c.Name)
	}
	return proxies
}

func (o *outage) listed() []string {
	return []string{"server " + o.proxies[0].URL + " " + o.proxies[1].URL, "base_dn " + o.domain.BaseDN}
}

// anew gives the gateway proxies that have done nothing yet, and so servers of which it knows nothing, and perhaps more
// options of the source.
func (o *outage) anew(options ...string) {
	o.t.Helper()
	o.proxies = o.newProxies(o.t)
	o.values["Options"] = append(o.listed(), options...)
	o.Configure("outage", o.values)
	if err := o.Reload(); err != nil {
		o.t.Fatal(err)
	}
}

// on is the gateway as a subtest sees it, which fails on its own.
func (o *outage) on(t *testing.T) *outage {
	own, gateway := *o, *o.Caddy
	gateway.t = t
	own.Caddy = &gateway
	return &own
}

// signIn lets people go to work: they enroll, and stay signed in.
func (o *outage) signIn(people []*Person) {
	o.t.Helper()
	var mu sync.Mutex
	var group sync.WaitGroup
	for i, who := range people {
		client := o.ClientFrom(fmt.Sprintf("127.0.2.%d", 1+i))
		group.Go(func() {
			tiles, err := client.signIn(o.Caddy, who)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				o.t.Errorf("%s: %v", who.Name, err)
				return
			}
			o.workers = append(o.workers, &worker{Client: client, who: who, tiles: tiles})
		})
	}
	group.Wait()
	if o.t.Failed() {
		o.t.FailNow()
	}
}

// readiness is what /readyz says.
type readiness struct {
	Status  string
	Sources map[string][]struct{ Server, State, Error string }
}

// state of a server, as /readyz tells it, with the error.
func (r readiness) state(server string) (state, why string) {
	for _, s := range r.Sources["corp"] {
		if s.Server == server {
			return s.State, s.Error
		}
	}
	return "", ""
}

// readyz asks how the servers are.
func (o *outage) readyz() (readiness, error) {
	res, err := o.probe.Get(o.Portal("/readyz"))
	if err != nil {
		return readiness{}, err
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return readiness{}, err
	}
	var r readiness
	if err := json.Unmarshal(text, &r); err != nil || res.StatusCode != http.StatusOK {
		return r, fmt.Errorf("%s: %s: %w", res.Status, text, err)
	}
	return r, nil
}

// awaitState waits until a server is in a state, and its error has those words.
func (o *outage) awaitState(server, want, words string) {
	o.t.Helper()
	Await(o.t, server+" to be "+want, func() error {
		r, err := o.readyz()
		if err != nil {
			return err
		}
		if state, why := r.state(server); state != want || !strings.Contains(why, words) {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
}
