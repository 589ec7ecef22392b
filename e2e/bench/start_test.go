package bench

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/e2e"
)

// site is a configuration and the program that serves it.
type site struct {
	*e2e.Caddy
	program string
	client  *http.Client
	starts  times
	rss     []int64
	anon    []int64
}

// start runs the program and returns once it has given a good answer.
func (s *site) start(b *testing.B) (*e2e.Process, time.Duration) {
	b.Helper()
	begin := time.Now()
	p := e2e.Start(b, e2e.NewLog(b, filepath.Base(s.program)), s.Env(), s.program, "run", "--config", filepath.Join(s.Dir, "Caddyfile"), "--adapter", "caddyfile")
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	for {
		res, err := s.get(b)
		if err == nil && res == http.StatusOK {
			return p, time.Since(begin)
		}
		if time.Since(begin) > time.Minute {
			b.Fatalf("%s does not answer: %d, %v", s.program, res, err)
		}
		<-every.C
	}
}

// get asks for an address that every site answers, with a connection of its own.
func (s *site) get(b *testing.B) (int, error) {
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.URL("sso.example.test", "/readyz"), nil)
	if err != nil {
		b.Fatal(err)
	}
	res, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer s.client.CloseIdleConnections()
	return res.StatusCode, res.Body.Close()
}

// BenchmarkStart: time to the first good answer and memory at rest, against Caddy as its authors publish it,
// with one site that says ok. Every start finds its data directory as the last left it.
func BenchmarkStart(b *testing.B) {
	ours, stock := fresh(b, needs(b, "GATEHOUSE_CADDY")), fresh(b, needs(b, "GATEHOUSE_STOCK_CADDY"))
	who := e2e.NewLocalUser(b, &e2e.Person{Name: "somebody", Password: doorPassword}, "Agents", "Supervisors")
	portal := &site{Caddy: e2e.NewCaddy(b, "bench", map[string]any{"Users": []e2e.LocalUser{who}}), program: ours}
	plain := &site{Caddy: e2e.NewCaddy(b, "respond", nil), program: ours}
	bare := &site{Caddy: e2e.NewCaddy(b, "respond", nil), program: stock}
	sites := []*site{portal, plain, bare}
	for _, s := range sites {
		// The first start makes certificates, keys and the database.
		p := e2e.Start(b, e2e.NewLog(b, "first start"), s.Env(), s.program, "run", "--config", filepath.Join(s.Dir, "Caddyfile"), "--adapter", "caddyfile")
		p.Await("the first good answer", func() error {
			var err error
			if s.client, err = s.Trusting(""); err != nil {
				return err
			}
			_, err = s.get(b)
			return err
		})
		p.Stop()
	}
	const rounds, rests = 15, 11
	for range rounds {
		for _, s := range sites {
			p, t := s.start(b)
			s.starts = append(s.starts, t)
			p.Stop()
		}
	}
	for range rests {
		var running []*e2e.Process
		var pids []int
		for _, s := range sites {
			p, _ := s.start(b)
			running, pids = append(running, p), append(pids, p.PID())
		}
		for i, rss := range settled(b, pids...) {
			sites[i].rss = append(sites[i].rss, rss)
			sites[i].anon = append(sites[i].anon, memory(b, pids[i], "RssAnon"))
		}
		for _, p := range running {
			p.Stop()
		}
	}
	t := func(s *site) time.Duration { return s.starts.median() }
	report(b, "start_vs_caddy", (t(portal)-t(bare)).Seconds()*1e3, "ms", goal{most: 20},
		"N=%d interleaved, exec to first good answer over HTTPS; medians: portal %s, Caddy without Gatehouse %s, our binary with one plain site %s", rounds, ms(t(portal)), ms(t(bare)), ms(t(plain)))
	const mb = 1e6
	report(b, "idle_rss_vs_caddy", float64(middle(portal.rss)-middle(bare.rss))/mb, "MB", goal{most: 10},
		"N=%d starts each, at rest; median resident: portal %.1f MB (anonymous %.1f), Caddy without Gatehouse %.1f MB (%.1f), our binary with one plain site %.1f MB (%.1f)", rests,
		float64(middle(portal.rss))/mb, float64(middle(portal.anon))/mb, float64(middle(bare.rss))/mb, float64(middle(bare.anon))/mb, float64(middle(plain.rss))/mb, float64(middle(plain.anon))/mb)
}

// fresh returns a copy of a program, written as whatever installs one does, in pieces of 32 KiB. The kernel maps what it has of a
// file around each page that is asked for: of a file that one call has written, whole blocks of 2 MiB (Linux 6.18), so that nearly
// all of the program counts as resident, and of an older file other amounts. After a copy in pieces it is what it is when the
// program comes from the disk.
func fresh(b *testing.B, program string) string {
	b.Helper()
	in, err := os.Open(program)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	to := filepath.Join(b.TempDir(), filepath.Base(program))
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o700)
	if err != nil {
		b.Fatal(err)
	}
	// Without the other methods of the file, by which the system would copy it in one call.
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 32<<10))
	if err := errors.Join(err, out.Close()); err != nil {
		b.Fatal(err)
	}
	return to
}

func middle(n []int64) int64 {
	var t times
	for _, v := range n {
		t = append(t, time.Duration(v))
	}
	return int64(t.median())
}
