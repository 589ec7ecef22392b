package bench

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-sso/gatehouse/e2e"
)

// door is a gateway whose people are in its Caddyfile.
type door struct {
	*e2e.Caddy
	hash  string
	hosts int // addresses of the loopback network that were used
}

const doorPassword = "correct horse battery"

// openDoor starts a gateway with so many people, who all have the password.
func openDoor(b *testing.B, people int) *door {
	b.Helper()
	needs(b, "GATEHOUSE_CADDY")
	first := e2e.NewLocalUser(b, &e2e.Person{Name: "somebody", Password: doorPassword}, "Agents", "Supervisors")
	users := []e2e.LocalUser{first}
	for i := range people {
		users = append(users, e2e.LocalUser{Name: local(i), Email: local(i) + "@example.test", Hash: first.Hash, Groups: []string{"Agents"}})
	}
	d := &door{Caddy: e2e.NewCaddy(b, "bench", map[string]any{"Users": users}), hash: first.Hash}
	d.Start()
	return d
}

func local(i int) string { return fmt.Sprintf("agent-%d", i) }

// visitor is somebody in front of the password page, at an address of their own: failures count by address.
type visitor struct {
	client *http.Client
	page   *e2e.Page
	name   string
}

func (d *door) visitor(b *testing.B, name string) *visitor {
	b.Helper()
	d.hosts++
	hc := d.HTTP(fmt.Sprintf("127.1.%d.%d", d.hosts>>8, d.hosts&0xff))
	c := e2e.NewClient(b, hc)
	p := c.Get(d.Portal("/"))
	f, err := p.Form("", "username")
	if err != nil {
		b.Fatal(err)
	}
	p = c.Submit(p, f, url.Values{"username": {name}})
	if p.Kind != "password" {
		b.Fatalf("not the password page: %s", p)
	}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &visitor{hc, p, name}
}

// answer sends the password and returns how long the answer took and its status.
func (v *visitor) answer(password string) (time.Duration, int, error) {
	f, err := v.page.Form("", "password")
	if err != nil {
		return 0, 0, err
	}
	fields := url.Values{"username": {v.name}, "password": {password}, "f": f.Fields["f"]}
	r, err := http.NewRequest(http.MethodPost, v.page.URL.ResolveReference(&url.URL{Path: "/login"}).String(), strings.NewReader(fields.Encode()))
	if err != nil {
		return 0, 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	begin := time.Now()
	res, err := v.client.Do(r)
	if err != nil {
		return 0, 0, err
	}
	return time.Since(begin), res.StatusCode, res.Body.Close()
}

// BenchmarkLoginLocal: signing in with a password of the Caddyfile: its time, and the memory of 16 at once.
func BenchmarkLoginLocal(b *testing.B) {
	const crowd, rounds = 16, 25
	d := openDoor(b, crowd+rounds)
	var visitors []*visitor
	for i := range crowd {
		visitors = append(visitors, d.visitor(b, local(i)))
	}
	idle := settled(b, d.PID())[0]
	forgetPeak(b, d.PID())
	errs, together := make(chan error, crowd), make(chan time.Duration, crowd)
	var wg sync.WaitGroup
	for _, v := range visitors {
		wg.Go(func() {
			t, status, err := v.answer(doorPassword)
			if err == nil && status != http.StatusSeeOther {
				err = fmt.Errorf("%s was answered with %d", v.name, status)
			}
			errs <- err
			together <- t
		})
	}
	wg.Wait()
	close(together)
	peak := memory(b, d.PID(), "VmHWM")
	for range crowd {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
	var burst times
	for t := range together {
		burst = append(burst, t)
	}
	cores := runtime.NumCPU()
	report(b, "login_local_memory", float64(peak-idle)/(1<<20), "MiB", goal{most: float64(2 * cores * 64)},
		"16 sign-ins at once, %d cores: resident before %d MiB, at most %d MiB; the middle one waited %s", cores, idle>>20, peak>>20, ms(burst.median()))

	cost, err := parseHash(d.hash)
	if err != nil {
		b.Fatal(err)
	}
	var login, hash times
	for i := range rounds {
		t, status, err := d.visitor(b, local(crowd+i)).answer(doorPassword)
		if err != nil || status != http.StatusSeeOther {
			b.Fatalf("sign-in: %d, %v", status, err)
		}
		login = append(login, t)
		hash = append(hash, took(func() { cost.derive(doorPassword) }))
	}
	report(b, "login_local", login.median().Seconds()*1e3, "ms", goal{}, "N=%d, POST of the password over HTTPS, audit line included", rounds)
	report(b, "login_local_vs_argon2id", ratio(hash.median(), login.median()), "ratio", goal{},
		"N=%d interleaved; medians: sign-in %s, argon2id alone (m=%d,t=%d,p=%d) %s", rounds, ms(login.median()), cost.memory, cost.time, cost.lanes, ms(hash.median()))
}

// cost is what a hash of the Caddyfile costs.
type cost struct {
	memory, time uint32
	lanes        uint8
	salt         []byte
	length       uint32
}

func parseHash(text string) (cost, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 {
		return cost{}, fmt.Errorf("not a hash: %s", text)
	}
	var c cost
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.lanes); err != nil {
		return c, err
	}
	key, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return c, err
	}
	c.length = uint32(len(key))
	c.salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	return c, err
}

func (c cost) derive(password string) []byte {
	return argon2.IDKey([]byte(password), c.salt, c.time, c.memory, c.lanes, c.length)
}

// BenchmarkUnknownVsWrong: an unknown name must take as long as a wrong password, or the time tells who has an
// account.
func BenchmarkUnknownVsWrong(b *testing.B) {
	d := openDoor(b, unknownRounds)
	d.unknownVsWrong(b, "login_unknown_vs_wrong", "over HTTPS")
}

// unknownRounds is how many names are tried that somebody has, and that nobody has.
const unknownRounds = 40

// unknownVsWrong measures the two in turn. Each try is by another name from another address, since failures count.
func (d *door) unknownVsWrong(b *testing.B, figure, how string) {
	b.Helper()
	try := func(name string) time.Duration {
		t, status, err := d.visitor(b, name).answer("a guess")
		if err != nil || status != http.StatusUnauthorized {
			b.Fatalf("a wrong password of %s was answered with %d, %v", name, status, err)
		}
		return t
	}
	var unknown, wrong times
	for i := range unknownRounds {
		unknown = append(unknown, try(fmt.Sprintf("nobody-%d", i)))
		wrong = append(wrong, try(local(i)))
	}
	report(b, figure, ratio(unknown.median(), wrong.median()), "ratio", goal{least: 0.9, most: 1.1},
		"N=%d interleaved, %s; medians: unknown name %s, wrong password %s", unknownRounds, how, ms(unknown.median()), ms(wrong.median()))
}
