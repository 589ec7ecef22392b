package e2e

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	reloads   = 100
	callers   = 20
	perReload = 15         // requests of the crowd between two reloads, at the least
	leak      = 100 * 1024 // bytes for each configuration that would be one; a gateway holds more than that
)

// TestHundredReloads: while twenty people sign in and launch, the configuration changes a hundred times.
// Nobody sees an error page, somebody else's page, or a sign-in that was not due, and no more connections
// break than to a site of plain Caddy.
func TestHundredReloads(t *testing.T) {
	c := newCrowd(t, callers)
	configurations := c.configurations()
	c.Start()
	seen := &tally{why: map[string]int{}}
	var people []*caller
	var enrolled sync.WaitGroup
	for i, who := range c.people {
		p := c.newCaller(who, i%2 == 0, seen)
		people = append(people, p)
		enrolled.Go(func() {
			if _, err := p.tiles(); err != nil {
				seen.fail("enrolling %s: %v", who.Name, err)
			}
		})
	}
	enrolled.Wait()

	before := c.footprint()
	half := c.reloadAmid(people, configurations, seen)
	full := c.reloadAmid(people, configurations, seen)
	full = c.settled(full, footprint{half.goroutines + reloads/4, half.files + reloads/4, before.heap + reloads*leak, math.Inf(1)})
	t.Logf("%d reloads, %d people: %d requests, %d sign-ins, %d launches; broken connections: %d, to plain Caddy %d of as many: %v",
		reloads, callers, seen.requests.Load(), seen.signIns.Load(), seen.launches.Load(), seen.resets.Load(), seen.plainResets.Load(), seen.why)
	for _, w := range seen.wrong {
		t.Error(w)
	}
	if seen.signIns.Load() < callers || seen.launches.Load() < 4*callers {
		t.Error("too little was done to prove anything")
	}
	// Two counts of the same rare thing differ by chance: three standard deviations of their difference.
	if ours, plain := float64(seen.resets.Load()), float64(seen.plainResets.Load()); ours > plain+3*math.Sqrt(ours+plain) {
		t.Errorf("%v connections to the gateway broke, and %v to plain Caddy", ours, plain)
	}

	t.Logf("%s before; idle after %d reloads %s; after %d %s", before, reloads/2, half, reloads, full)
}

// settled returns what Caddy holds once that is within the bound: what a configuration leaves behind would stay.
func (c crowd) settled(last, bound footprint) footprint {
	c.t.Helper()
	Await(c.t, "what the configurations held", func() error {
		if last.goroutines > bound.goroutines || last.files > bound.files || last.heap > bound.heap {
			last = c.footprint()
			return fmt.Errorf("the reloads leave something behind: %s, more than %s", last, bound)
		}
		return nil
	})
	return last
}

// reloadAmid lets people work while the configuration changes fifty times, and returns what Caddy holds when
// they have gone.
func (c crowd) reloadAmid(people []*caller, configurations [2]string, seen *tally) footprint {
	c.t.Helper()
	stop := make(chan struct{})
	var work sync.WaitGroup
	for _, p := range people {
		work.Go(func() { p.work(stop) })
	}
	c.reload(configurations, reloads/2, seen)
	close(stop)
	work.Wait()
	for _, p := range people {
		p.http.CloseIdleConnections()
	}
	last := c.footprint()
	Await(c.t, "goroutines to go", func() error {
		before := last
		if last = c.footprint(); last.goroutines < before.goroutines {
			return fmt.Errorf("%s, and %s before", last, before)
		}
		return nil
	})
	return last
}

// configurations are two that differ, adapted.
func (c crowd) configurations() [2]string {
	c.t.Helper()
	var adapted [2]string
	for i, values := range []map[string]any{{}, {"Title": "Other Apps", "Links": []string{"handbook", "wiki"}}} {
		c.change(values)
		out, err := c.Command("adapt", "--config", c.config())
		if err != nil {
			c.t.Fatalf("adapt: %v: %s", err, out)
		}
		// Warnings go to standard error, which comes before.
		adapted[i] = out[strings.Index(out, `{"admin"`):]
	}
	c.change(nil)
	return adapted
}

// reload makes one configuration after the other the one in force, with requests between.
func (c crowd) reload(configurations [2]string, n int, seen *tally) {
	c.t.Helper()
	admin := c.admin()
	for i := range n {
		res, err := admin.Post("http://localhost/load", "application/json", strings.NewReader(configurations[(i+1)%2]))
		if err != nil {
			c.t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != http.StatusOK {
			c.t.Fatalf("reload %d: %s: %s %v", i, res.Status, text, err)
		}
		before := seen.requests.Load()
		Await(c.t, "the crowd to go on", func() error {
			if done := seen.requests.Load() - before; done < perReload {
				return fmt.Errorf("%d requests after reload %d", done, i)
			}
			return nil
		})
	}
}

// footprint is what Caddy holds.
type footprint struct{ goroutines, files, heap, rss float64 }

func (f footprint) String() string {
	return fmt.Sprintf("%.0f goroutines, %.0f open files, %.1f MB live heap, %.1f MB resident", f.goroutines, f.files, f.heap/1e6, f.rss/1e6)
}

// footprint reads Caddy's metrics after a garbage collection.
func (c *Caddy) footprint() footprint {
	c.t.Helper()
	admin := c.admin()
	get := func(path string) string {
		res, err := admin.Get("http://localhost" + path)
		if err != nil {
			c.t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != http.StatusOK {
			c.t.Fatalf("%s: %s %v", path, res.Status, err)
		}
		return string(text)
	}
	get("/debug/pprof/heap?gc=1")
	values := map[string]float64{}
	for line := range strings.Lines(get("/metrics")) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(number, 64); err == nil {
			values[name] = v
		}
	}
	f := footprint{values["go_goroutines"], values["process_open_fds"], values["go_memstats_alloc_bytes"], values["process_resident_memory_bytes"]}
	if f.goroutines == 0 || f.files == 0 || f.heap == 0 || f.rss == 0 {
		c.t.Fatalf("no figures in the metrics: %+v", f)
	}
	return f
}

// TestBrokenReload: a configuration that cannot work is refused with the name of what is wrong, and the one
// before goes on serving the people who are signed in.
func TestBrokenReload(t *testing.T) {
	c := newCrowd(t, 1)
	c.Start()
	client := c.Client()
	client.SignIn(c.Caddy, c.people[0])
	missing := filepath.Join(c.Dir, "missing")
	seal := WriteFile(t, filepath.Join(c.Dir, "seal"), strings.Repeat("k", 32))
	short := WriteFile(t, filepath.Join(c.Dir, "short"), "short")
	for name, broken := range map[string]struct {
		values map[string]any
		want   []string
	}{
		"unknown policy":        {map[string]any{"PortalPolicy": "wekly"}, []string{"Caddyfile:", "wekly", "weekly"}},
		"missing secret":        {map[string]any{"Users": []LocalUser{{Name: "agent00", Email: "a@example.test", Hash: "{file." + missing + "}"}}}, []string{"source people", "agent00", missing}},
		"missing seal key":      {map[string]any{"SealKey": "{file." + missing + "}"}, []string{"seal_key", missing}},
		"short seal key":        {map[string]any{"SealKey": "{file." + short + "}"}, []string{"seal_key", "32 bytes"}},
		"another seal key":      {map[string]any{"SealKey": "{file." + seal + "}"}, []string{"seal_key", seal, "gatehouse.db"}},
		"malformed hash":        {map[string]any{"Users": []LocalUser{{Name: "agent00", Email: "a@example.test", Hash: "hunter2"}}}, []string{"agent00", "argon2id"}},
		"two users of a name":   {map[string]any{"Users": []LocalUser{c.values["Users"].([]LocalUser)[0], c.values["Users"].([]LocalUser)[0]}}, []string{"agent00"}},
		"application of a name": {map[string]any{"Links": []string{"connect"}}, []string{"Caddyfile:", "connect"}},
	} {
		t.Run(name, func(t *testing.T) {
			broken.values["Title"] = "Broken"
			c.change(broken.values)
			err := c.Reload()
			if err == nil {
				t.Fatal("the configuration was taken")
			}
			t.Logf("%v", lastLine(err.Error()))
			for _, want := range broken.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error repeats what may be a password")
			}
			p := client.Get(c.Portal("/"))
			if p.Kind != "portal" || strings.Contains(p.Body, "Broken") {
				t.Errorf("after a refused configuration: %s", p)
			}
			if p := client.Get(c.Portal("/readyz")); p.Status != http.StatusOK {
				t.Errorf("after a refused configuration: %s", p)
			}
		})
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// TestRotatedSecret: Caddy does not load a configuration whose text is the same, so the new content of a
// secret's file counts after "caddy reload --force" only.
func TestRotatedSecret(t *testing.T) {
	c := newCrowd(t, 1)
	who := c.people[0]
	file := WriteFile(t, filepath.Join(c.Dir, "hash"), cheapHash(t, who.Password)+"\n")
	c.change(map[string]any{"Users": []LocalUser{{Name: who.Name, Email: who.Name + "@example.test", Hash: "{file." + file + "}"}}})
	c.Start()
	old := *who
	c.Client().SignIn(c.Caddy, &old)

	WriteFile(t, file, cheapHash(t, "the next password")+"\n")
	next := old
	next.Password = "the next password"
	if out, err := c.Command("reload", "--config", c.config(), "--address", "unix/"+filepath.Join(c.Dir, "admin.sock")); err != nil {
		t.Fatalf("reload: %v: %s", err, out)
	}
	if p := c.afterPassword(&old); p.Kind == "password" {
		t.Errorf("without --force the new file counts already: %s", p)
	}
	if err := c.Reload(); err != nil {
		t.Fatal(err)
	}
	if p := c.afterPassword(&old); p.Kind != "password" && p.Kind != "login" {
		t.Errorf("the old password after reload --force: %s", p)
	}
	if p := c.afterPassword(&next); p.Kind != "mfa" {
		t.Errorf("the new password after reload --force: %s", p)
	}
}

// afterPassword signs in by password in a new browser and returns the page that comes.
func (c crowd) afterPassword(who *Person) *Page {
	c.t.Helper()
	client := c.Client()
	p, _ := client.Walk(client.Get(c.Portal("/")), who, "password")
	p, err := client.answer(p, who)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}
