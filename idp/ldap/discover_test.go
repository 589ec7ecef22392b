package ldap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

const (
	domainName = "corp.example.test"
	wholeName  = "dc._msdcs.corp.example.test."
	siteName   = "Zurich._sites." + wholeName
)

// zone is the DNS of a test, and the network that its names lead to.
type zone struct {
	mu      sync.Mutex
	records map[string][]*net.SRV
	asked   []string
	err     error
	wait    chan struct{} // answers come when it is closed
	hosts   map[string]string
}

func (z *zone) lookup(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	z.mu.Lock()
	z.asked = append(z.asked, "_"+service+"._"+proto+"."+name)
	wait := z.wait
	z.mu.Unlock()
	if wait != nil {
		<-wait
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	return "", z.records[name], z.err
}

func (z *zone) dial(ctx context.Context, network, address string) (net.Conn, error) {
	z.mu.Lock()
	to, ok := z.hosts[address]
	z.mu.Unlock()
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
	}
	return new(net.Dialer).DialContext(ctx, network, to)
}

func (z *zone) set(change func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	change()
}

func (z *zone) questions() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.asked)
}

func srv(target string, port, priority, weight uint16) *net.SRV {
	return &net.SRV{Target: target, Port: port, Priority: priority, Weight: weight}
}

// discovered is a source whose servers are found by DNS: n of them, dc1 to dcN, each at the port of LDAP over TLS.
func discovered(t *testing.T, n int, change func(*ldap.Config)) (site, *zone) {
	t.Helper()
	z := &zone{records: map[string][]*net.SRV{}, hosts: map[string]string{}}
	a, dir := newAuthority(t), corp()
	s := open(t, dir, 0, func(c *ldap.Config) {
		c.Domain, c.BaseDNs, c.Lookup, c.Dial, c.RootCAs = domainName, nil, z.lookup, z.dial, a.pool
		if change != nil {
			change(c)
		}
	})
	for i := range n {
		host := fmt.Sprintf("dc%d.%s", i+1, domainName)
		d := dir.serve(t, a.named(t, host), false)
		s.dcs = append(s.dcs, d)
		z.hosts[host+":636"] = d.ln.Addr().String()
		z.records[wholeName] = append(z.records[wholeName], srv(host+".", 389, uint16(i), 100))
	}
	return s, z
}

func (s site) servers() (names []string) {
	for _, st := range s.Status() {
		names = append(names, st.Server)
	}
	return names
}

func TestDomain(t *testing.T) {
	s, z := discovered(t, 2, nil)
	if got := s.Status(); len(got) != 1 || got[0].Server != "domain "+domainName || got[0].State != "unknown" {
		t.Errorf("before the first question: %+v", got)
	}
	if u := s.find(t, "alice"); u.DN != alice {
		t.Errorf("%+v", u)
	}
	if got, want := s.servers(), []string{"ldaps://dc1.corp.example.test:636", "ldaps://dc2.corp.example.test:636"}; !slices.Equal(got, want) {
		t.Errorf("servers %v, want %v", got, want)
	}
	if got := z.questions(); !slices.Equal(got, []string{"_ldap._tcp." + wholeName}) {
		t.Errorf("asked %v", got)
	}
	if s.dcs[1].dials() > 0 {
		t.Error("the server of the second priority is asked")
	}
	_, searches := s.dir.seen()
	if searches[0].base != domain {
		t.Errorf("people are searched below %q", searches[0].base)
	}
}

// TestDomainOrder is RFC 2782: by priority; the order within one, which the resolver draws by weight, is kept.
func TestDomainOrder(t *testing.T) {
	s, z := discovered(t, 1, func(c *ldap.Config) { c.Site = "Zurich" })
	dc := func(n int) string { return fmt.Sprintf("DC%d.corp.example.test.", n) }
	z.records[siteName] = []*net.SRV{srv(dc(7), 389, 20, 0), srv(dc(1), 389, 10, 1)}
	z.records[wholeName] = []*net.SRV{srv(dc(3), 389, 5, 0), srv(dc(2), 6360, 0, 9), srv(dc(1), 389, 0, 1), srv(dc(4), 389, 5, 0)}
	s.find(t, "alice")
	want := []string{"dc1.corp.example.test:636", "dc7.corp.example.test:636", "dc2.corp.example.test:6360", "dc3.corp.example.test:636", "dc4.corp.example.test:636"}
	for i, got := range s.servers() {
		if got != "ldaps://"+want[i] {
			t.Errorf("server %d is %s, want %s", i, got, want[i])
		}
	}
}

// TestDomainNames: the records are not authenticated, so a name outside the domain is nobody's whom we trust, even
// with a certificate that the authority issued for it.
func TestDomainNames(t *testing.T) {
	for _, forged := range []string{"evil.example.", "corp.example.test.evil.example.", "evilcorp.example.test.", "corp.example.test.", "127.0.0.1", "dc1/corp.example.test.", ".corp.example.test."} {
		t.Run(forged, func(t *testing.T) {
			s, z := discovered(t, 1, nil)
			z.records[wholeName] = []*net.SRV{srv(forged, 389, 0, 0)}
			for _, port := range []string{"636", "389"} {
				z.hosts[net.JoinHostPort(strings.TrimSuffix(forged, "."), port)] = s.dcs[0].ln.Addr().String()
			}
			_, err := s.Find(t.Context(), "alice")
			if err == nil || errors.Is(err, idp.ErrNoUser) || !strings.Contains(err.Error(), "not inside the domain") {
				t.Errorf("find: %v", err)
			}
			if n := s.dcs[0].dials(); n > 0 {
				t.Error("it is connected to")
			}
			if st := s.Status(); len(st) != 1 || st[0].State != "down" || !strings.Contains(st[0].Error, "not inside") {
				t.Errorf("status: %+v", st)
			}
			if f := s.Check(t.Context()); f[0].Level != idp.LevelError || f[0].Cure == "" {
				t.Errorf("check: %+v", f[0])
			}
		})
	}
	t.Run("beside a good one", func(t *testing.T) {
		s, z := discovered(t, 1, nil)
		z.records[wholeName] = append(z.records[wholeName], srv("evil.example.", 389, 0, 0))
		s.find(t, "alice")
		if f := s.Check(t.Context()); !slices.ContainsFunc(f, func(f idp.Finding) bool {
			return f.Level == idp.LevelError && strings.Contains(f.What, `"evil.example", which is not inside corp.example.test`)
		}) {
			t.Errorf("check: %+v", f)
		}
	})
}

// TestDomainCertificate: the name that has to be proved is the one that the DNS gave.
func TestDomainCertificate(t *testing.T) {
	s, z := discovered(t, 1, nil)
	z.records[wholeName] = []*net.SRV{srv("dc9.corp.example.test.", 389, 0, 0)}
	z.hosts["dc9.corp.example.test:636"] = s.dcs[0].ln.Addr().String() // which is dc1
	if _, err := s.Find(t.Context(), "alice"); err == nil || !strings.Contains(err.Error(), "TLS handshake") {
		t.Errorf("%v", err)
	}
}

// TestDomainWithServers: a listed server outside the domain is as good as one inside, and is there without DNS.
func TestDomainWithServers(t *testing.T) {
	far, once := make(chan struct{}), sync.Once{}
	s, z := discovered(t, 1, func(c *ldap.Config) {
		c.Servers = []string{"ldaps://dc1.corp.example.test", "ldaps://far.example:6636"}
		dial := c.Dial
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "far.example:6636" {
				once.Do(func() { close(far) })
			}
			return dial(ctx, network, address)
		}
	})
	hold := make(chan struct{})
	z.set(func() { z.err, z.wait = errors.New("one record is malformed"), hold })
	z.records[wholeName] = []*net.SRV{srv("FAR.example.", 389, 0, 0)}
	s.find(t, "alice")
	close(hold)
	await(t, "the answer of the DNS", func() bool { return s.servers()[0] == "ldaps://far.example:6636" })
	s.find(t, "alice")
	<-far
	if got := s.servers(); len(got) != 2 {
		t.Errorf("servers: %v", got)
	}
}

func TestDomainStartTLS(t *testing.T) {
	a, dir, z := newAuthority(t), corp(), &zone{records: map[string][]*net.SRV{}, hosts: map[string]string{}}
	d := dir.serve(t, a.named(t, "dc1."+domainName), true)
	z.records[wholeName] = []*net.SRV{srv("dc1.corp.example.test.", 389, 0, 0)}
	z.hosts["dc1.corp.example.test:389"] = d.ln.Addr().String()
	s := open(t, dir, 0, func(c *ldap.Config) {
		c.Domain, c.StartTLS, c.Lookup, c.Dial, c.RootCAs = domainName, true, z.lookup, z.dial, a.pool
	})
	s.find(t, "alice")
}

// TestDomainWithoutDNS is F-05: an answer is kept for as long as there is no other, and nobody waits for one.
func TestDomainWithoutDNS(t *testing.T) {
	var clock clock
	var log bytes.Buffer
	s, z := discovered(t, 2, func(c *ldap.Config) {
		c.Now, c.Log = clock.now, slog.New(slog.NewTextHandler(&log, nil))
	})
	known := []string{"ldaps://dc1.corp.example.test:636", "ldaps://dc2.corp.example.test:636"}
	s.find(t, "alice")
	for _, broken := range []struct {
		name    string
		records []*net.SRV
		err     error
	}{
		{"an error", nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}},
		{"no such name", nil, &net.DNSError{Err: "no such host", IsNotFound: true}},
		{"no record", nil, nil},
		{"no such service", []*net.SRV{srv(".", 0, 0, 0)}, nil},
		{"another's servers", []*net.SRV{srv("evil.example.", 389, 0, 0)}, nil},
	} {
		hold := make(chan struct{})
		z.set(func() { z.records[wholeName], z.err, z.wait = broken.records, broken.err, hold })
		asked := len(z.questions())
		await(t, "the question", func() bool {
			clock.advance(5 * time.Minute)
			s.find(t, "alice")
			return len(z.questions()) > asked
		})
		s.find(t, "alice") // while the question hangs
		close(hold)
		await(t, "the failure", func() bool { return len(s.Status()) == 3 })
		if got := s.servers(); !slices.Equal(got[:2], known) || got[2] != "domain "+domainName {
			t.Errorf("%s: servers %v", broken.name, got)
		}
		if n := len(z.questions()); n != asked+1 {
			t.Errorf("%s: asked %d times", broken.name, n-asked)
		}
		s.find(t, "alice")
	}
	z.set(func() {
		z.records[wholeName], z.err, z.wait = []*net.SRV{srv("dc2.corp.example.test.", 389, 0, 0)}, nil, nil
	})
	await(t, "the new answer", func() bool {
		clock.advance(30 * time.Second)
		s.find(t, "alice")
		return slices.Equal(s.servers(), known[1:])
	})
	s.find(t, "alice")
	if s.dcs[1].dials() == 0 {
		t.Error("the one server that is left is not asked")
	}
	if n := strings.Count(log.String(), "names no server"); n != 1 {
		t.Errorf("%d warnings, want one:\n%s", n, &log)
	}
}

// TestDomainNeverFound: without any answer it is an error that wrong passwords do not make, and soon asked again.
func TestDomainNeverFound(t *testing.T) {
	var clock clock
	s, z := discovered(t, 1, func(c *ldap.Config) { c.Now = clock.now })
	records := z.records[wholeName]
	z.set(func() { z.records[wholeName], z.err = nil, &net.DNSError{Err: "no such host", IsNotFound: true} })
	for range 5 {
		err := s.Authenticate(t.Context(), &idp.User{DN: alice}, "x")
		if err == nil || errors.Is(err, idp.ErrBadCredentials) || errors.Is(err, idp.ErrUnanswered) || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("%v", err)
		}
	}
	if n := len(z.questions()); n != 1 {
		t.Errorf("the DNS is asked %d times within a second", n)
	}
	z.set(func() { z.records[wholeName], z.err = records, nil })
	clock.advance(time.Second)
	s.find(t, "alice")
}

// TestDomainOrderStays: the resolver draws a new order each time, and connections are open to the servers of the old.
func TestDomainOrderStays(t *testing.T) {
	var clock clock
	s, z := discovered(t, 2, func(c *ldap.Config) { c.Now = clock.now })
	z.records[wholeName][1].Priority = 0
	s.find(t, "alice")
	before := s.servers()
	z.set(func() { slices.Reverse(z.records[wholeName]) })
	clock.advance(5 * time.Minute)
	s.find(t, "alice")
	await(t, "the question", func() bool { return len(z.questions()) == 2 })
	clock.advance(time.Second)
	s.find(t, "alice")
	if got := s.servers(); !slices.Equal(got, before) {
		t.Errorf("%v, before %v", got, before)
	}
}

func TestDomainCheck(t *testing.T) {
	s, z := discovered(t, 1, func(c *ldap.Config) { c.Site = "Zurich" })
	var got []string
	for _, f := range s.Check(t.Context())[:5] {
		got = append(got, f.Level+" "+f.What)
	}
	want := []string{
		"ok the DNS names dc1.corp.example.test:389, priority 0, weight 100",
		"warning the DNS does not answer _ldap._tcp.Zurich._sites.dc._msdcs.corp.example.test: no record",
		"warning any machine with a certificate for a name inside corp.example.test could be shown passwords by whoever forges the DNS",
		"", // the certificate
		"ok ldaps://dc1.corp.example.test:636: signed in as the service account, " + service,
	}
	got[3] = ""
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	z.records[siteName] = z.records[wholeName]
	if f := s.Check(t.Context())[0]; !strings.Contains(f.What, "in the site Zurich") {
		t.Errorf("%+v", f)
	}
}

func TestDomainRefused(t *testing.T) {
	for name, change := range map[string]func(*ldap.Config){
		"an address":             func(c *ldap.Config) { c.Domain = "10.0.0.1" },
		"a URL":                  func(c *ldap.Config) { c.Domain = "ldaps://corp" },
		"an injected component":  func(c *ldap.Config) { c.Domain = "corp,dc=x" },
		"a label too long":       func(c *ldap.Config) { c.Domain = strings.Repeat("a", 64) + ".test" },
		"too long":               func(c *ldap.Config) { c.Domain = strings.Repeat("a.", 130) + "test" },
		"a site with a dot":      func(c *ldap.Config) { c.Site = "a._sites.dc._msdcs.evil.example" },
		"a site alone":           func(c *ldap.Config) { c.Domain, c.Site = "", "Zurich" },
		"StartTLS alone":         func(c *ldap.Config) { c.Domain, c.StartTLS = "", true },
		"a resolver with a name": func(c *ldap.Config) { c.Resolvers = []string{"10.0.0.1", "dns.example.test"} },
		"a resolver's port":      func(c *ldap.Config) { c.Resolvers = []string{"10.0.0.1:99999"} },
	} {
		cfg := ldap.Config{Name: "corp", Domain: "Corp.Example.Test.", Servers: []string{"ldaps://dc1"}, BaseDNs: []string{domain}, BindUser: service, BindPassword: idp.NewSecret("x"), Resolvers: []string{"[fd00::53]:5353"}}
		if _, err := ldap.New(cfg); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if _, err := ldap.New(cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestResolver: the DNS server of the configuration is the one that is asked.
func TestResolver(t *testing.T) {
	dns, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 1)
	go func() {
		b := make([]byte, 512)
		if n, _, err := dns.ReadFrom(b); err == nil {
			asked <- string(b[:n])
		}
	}()
	defer dns.Close()
	s := open(t, corp(), 0, func(c *ldap.Config) { c.Domain, c.Resolvers = domainName, []string{dns.LocalAddr().String()} })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _, _ = s.Find(ctx, "alice") }()
	if q := <-asked; !strings.Contains(q, "\x05_ldap\x04_tcp\x02dc\x06_msdcs\x04corp\x07example\x04test\x00\x00\x21") {
		t.Errorf("%q", q)
	}
}
